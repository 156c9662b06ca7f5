"""Colors under alpha 0 change nothing: not what is trained on, translated, scored, checked or drawn."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from atme.data import DataOptions, PairedImages, tested
from atme.data.halves import read_halves
from atme.images import clear_transparent, from_pil, read_image, write_image
from atme.inference.pictures import to_pixels

H, W = 12, 16


def drawn(under: int, dtype: type = np.uint8) -> np.ndarray:
    """The same picture (H, W, 4) to the eye, with this value in what is transparent."""
    rng = np.random.default_rng(0)
    picture = rng.integers(1, np.iinfo(dtype).max, (H, W, 4)).astype(dtype)
    picture[:4, :, 3], picture[4:8, :, 3] = 0, 1
    picture[:4, :, :3] = under
    return picture


@pytest.fixture(params=["png", "webp", "tif", "16-bit png", "16-bit tif"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """Two files that look the same."""
    dtype = np.uint16 if "16" in request.param else np.uint8
    suffix = f".{request.param.split()[-1]}"
    for under, name in ((200, "hidden"), (0, "clean")):
        if suffix == ".webp":
            Image.fromarray(drawn(under)).save(tmp_path / f"{name}.webp", lossless=True, exact=True)
        else:
            write_image(tmp_path / f"{name}{suffix}", drawn(under, dtype))
    return tmp_path / f"hidden{suffix}", tmp_path / f"clean{suffix}"


def test_every_way_of_reading(both: tuple[Path, Path]) -> None:
    hidden, clean = both
    expected = read_image(clean, clear=False)
    assert (read_image(hidden, clear=False)[:4, :, :3] == 200).all()
    assert np.array_equal(read_image(hidden), expected)
    assert np.array_equal(read_halves((hidden, hidden))[1], expected)
    assert np.array_equal(to_pixels(hidden, name="x"), expected)
    assert np.array_equal(to_pixels(read_image(hidden, clear=False), name="x"), expected)
    if expected.dtype == np.uint8:
        with Image.open(hidden) as image:
            assert np.array_equal(from_pil(image), expected)


def test_nothing_else_is_touched() -> None:
    """Alpha of 1 is faint, and there; without alpha, or with nothing hidden, the array is handed back as it is."""
    cleared = clear_transparent(drawn(200))
    assert np.array_equal(cleared[4:], drawn(200)[4:])
    for picture in (drawn(0), drawn(9)[..., :3], drawn(9)[..., :1]):
        assert clear_transparent(picture) is picture


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Path, Path]:
    """Two datasets that look the same."""
    for under, name in ((200, "hidden"), (0, "clean")):
        for split in ("train", "test"):
            for half in "AB":
                folder = tmp_path / name / f"{split}{half}"
                folder.mkdir(parents=True)
                write_image(folder / "0.png", drawn(under))
    return tmp_path / "hidden", tmp_path / "clean"


@pytest.mark.parametrize("cache", ["none", "ram", "disk"])
def test_datasets_that_look_the_same_are(roots: tuple[Path, Path], cache: str, tmp_path: Path) -> None:
    def pairs(root: Path, *, clear: bool) -> PairedImages:
        options = DataOptions(
            root=str(root), cache=cache, cache_dir=tmp_path / "cache", clear_transparent=clear, load_size=(H, W // 2)
        )
        return options.open_train(seed=0)

    hidden, clean = roots
    assert torch.equal(pairs(hidden, clear=True)[0].source, pairs(clean, clear=True)[0].source)
    assert not torch.equal(pairs(hidden, clear=False)[0].source, pairs(hidden, clear=True)[0].source)


def test_a_run_remembers() -> None:
    assert tested.tested({"data": {"clear_transparent": False, "workers": 3}}) == {"clear_transparent": False}
