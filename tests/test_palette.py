"""Colors and ids of label pictures are found and counted, through JPEG's noise, and photographs are told from them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from atme.cli import main
from atme.data.options import read_data_options
from atme.images import write_image
from atme.prepare.palette import find_palette, why_none

COLORS = np.array([(236, 230, 222), (255, 255, 255), (255, 158, 32), (200, 222, 170), (168, 204, 255)], np.uint8)


def blobs(rng: np.random.Generator, classes: int, side: int = 64) -> np.ndarray:
    """Areas of classes (side, side), some of them lines of four pixels."""
    at = rng.integers(0, classes, (side // 16, side // 16)).repeat(16, 0).repeat(16, 1)
    at[:, 20:24] = 1
    return at


def jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def photograph(rng: np.random.Generator, side: int = 64) -> np.ndarray:
    noise = rng.standard_normal((side, side, 3)).astype(np.float32)
    shades = cv2.GaussianBlur(noise, (0, 0), 6)
    return np.uint8(255 * (shades - shades.min()) / np.ptp(shades))


@pytest.mark.parametrize("quality", [95, 80, 60])
def test_colors_are_found_through_jpeg(quality: int) -> None:
    rng = np.random.default_rng(0)
    truth = [blobs(rng, 5) for _ in range(6)]
    found = find_palette(jpeg(COLORS[at], quality) for at in truth)
    assert found is not None
    assert not found.exact
    assert len(found.values) == 5
    order = [int(np.abs(COLORS.astype(int) - each).sum(axis=1).argmin()) for each in found.values]
    assert sorted(order) == [0, 1, 2, 3, 4]
    assert np.abs(COLORS[order].astype(int) - found.values).max() <= 6
    shares = np.bincount(np.concatenate(truth).reshape(-1), minlength=5) / np.concatenate(truth).size
    assert list(found.shares) == pytest.approx(shares[order].tolist(), abs=0.03)
    assert found.explained > 0.8


@settings(max_examples=20, deadline=None)
@given(number=st.integers(0, 2**32), classes=st.integers(2, 20))
def test_exact_colors_are_exact(number: int, classes: int) -> None:
    rng = np.random.default_rng(number)
    colors = np.uint8(rng.permutation(27)[:classes, None] // [9, 3, 1] % 3 * 120)
    at = rng.integers(0, classes, (30, 30))
    found = find_palette([colors[at]])
    there, counts = np.unique(at, return_counts=True)
    if len(there) > 1:
        assert found is not None
        assert found.exact
        truth = {tuple(colors[c].tolist()): n / 900 for c, n in zip(there, counts, strict=True)}
        assert dict(zip(found.values, found.shares, strict=True)) == truth
        assert len(set(found.names)) == len(found.values)


def test_photographs_are_no_labels() -> None:
    rng = np.random.default_rng(0)
    assert find_palette(photograph(rng) for _ in range(4)) is None
    assert find_palette(jpeg(photograph(rng), 80) for _ in range(4)) is None
    on_white = [np.where(blobs(rng, 2)[..., None], photograph(rng), np.uint8(255)) for _ in range(4)]
    assert find_palette(on_white) is None
    assert find_palette([np.zeros((8, 8, 4), np.uint8)]) is None


def test_edges_with_soft_borders_are_two_colors() -> None:
    """White ground and black lines, whose soft borders have few, neighboring colors."""
    lines = np.full((64, 64, 3), 255, np.uint8)
    lines[:, 10:30] = 0
    lines[:, 30] = 254
    found = find_palette([lines])
    assert found is not None
    assert set(found.values) == {(255, 255, 255), (0, 0, 0)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root, rng = tmp_path_factory.mktemp("palette"), np.random.default_rng(1)
    for name, half in (
        ("colors", lambda at: COLORS[at]),
        ("ids", lambda at: np.uint8([0, 7, 26, 33, 200])[at][..., None]),
    ):
        for i in range(3):
            for place, picture in (("trainA", photograph(rng)), ("trainB", half(blobs(rng, 5)))):
                (root / name / place).mkdir(parents=True, exist_ok=True)
                write_image(root / name / place / f"{i}.png", picture)
    return root


@pytest.mark.parametrize("name", ["colors", "ids"])
@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_what_is_printed_goes_into_a_preset(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, direction: str
) -> None:
    assert main(["data", "palette", str(folder / name), "--direction", direction]) == 0
    said = capsys.readouterr()
    (tmp_path / "preset.yaml").write_text(said.out)
    side = "target" if direction == "AtoB" else "source"
    data = read_data_options(tmp_path / "preset.yaml", root=str(folder / name), direction=direction)
    labels = data.kinds.target if direction == "AtoB" else data.kinds.source
    assert labels is not None
    assert len(labels.names) == 5
    assert data.open_train(seed=0)[0] is not None
    assert set(yaml.safe_load(said.out)["data"]) == {f"{side}_kind", "labels"}
    assert "A: pictures, of more colors than labels have" in said.err
    assert "B: 5 classes exactly, in 3 pictures of split train" in said.err
    assert said.out.count("%") == 5


ID = np.uint8([0, 1, 2, 3])[np.arange(64).reshape(8, 8, 1) % 4]
NONE = {
    "ids in three channels": ([ID.repeat(3, axis=2)], "gray in three equal channels; if it is ids, convert it to one"),
    "alpha": ([ID.repeat(4, axis=2)], "pictures with alpha, which labels have none of; convert them to RGB"),
    "16 bits": ([COLORS.astype(np.uint16)[ID[..., 0]]], "colors of 16 bits, and those of labels have 8; convert them"),
    "both": ([ID, ID.repeat(3, axis=2)], "pictures of 1 and of 3 channels; labels have one, or three"),
    "one color": ([ID * 0, ID * 0], "pictures of one color"),
    "two pictures": ([ID * 0, photograph(np.random.default_rng(0))], "pictures of 1 and of 3 channels"),
    "a photograph": ([photograph(np.random.default_rng(0))], "pictures, of more colors than labels have"),
}


@pytest.mark.parametrize("name", NONE)
def test_why_there_is_none(name: str) -> None:
    pictures, said = NONE[name]
    assert find_palette(pictures) is None
    assert why_none(pictures).startswith(said)


def test_no_half_of_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(2)
    (tmp_path / "train").mkdir()
    write_image(tmp_path / "train" / "0.png", photograph(rng, 64))
    assert main(["data", "palette", str(tmp_path)]) == 1
    assert capsys.readouterr().out == ""
