"""Pictures that are too large for memory: which way they go, and that each way gives what it promises."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import smooth
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runs import Copy, measured, translator

from atme.inference import Tiling, Translator, tiling
from atme.inference.appetite import Appetite, tensors
from atme.inference.appetite import appetite as appetite_of
from atme.inference.tiling import Picture, Way, choose, memory_of
from atme.machine import give_back_freed_memory

UNET = {"class_path": "atme.UNet", "init_args": {"dim": 8, "dim_mults": [1, 2], "groups": 4}}


def picture(height: int = 90, width: int = 70, *, bits: int = 8) -> np.ndarray:
    pixels = smooth(np.random.default_rng(0), height, width)
    return pixels if bits == 8 else pixels.astype(np.uint16) * 257


@pytest.fixture(scope="module")
def copying(tmp_path_factory: pytest.TempPathFactory) -> Translator:
    return translator(tmp_path_factory.mktemp("copy") / "run")


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Translator:
    return translator(tmp_path_factory.mktemp("deep") / "run", measured(target_bits=16))


@pytest.fixture(scope="module")
def unet(tmp_path_factory: pytest.TempPathFactory) -> Translator:
    """A U-Net with W whose weights are all at work."""
    made = translator(tmp_path_factory.mktemp("unet") / "run", generator=UNET)
    torch.manual_seed(0)
    with torch.no_grad():
        for each in made.networks.generator.parameters():
            each += 0.1 * torch.randn_like(each)
    return made


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_an_identity_gives_the_picture_back_in_tiles_of_any_size(
    copying: Translator, deep: Translator, data: Any
) -> None:
    height, width = (data.draw(st.integers(1, 60)) for _ in range(2))
    tile = 8 * data.draw(st.integers(1, 6))
    overlap = data.draw(st.none() | st.integers(0, tile - 8))
    asked = Tiling(tile=tile, overlap=overlap)
    for run, bits in ((copying, 8), (deep, 16)):
        pixels = picture(height, width, bits=bits)
        assert np.array_equal(run.pixels(pixels, tiling=asked), pixels)


def test_no_image_is_larger_than_a_tile(copying: Translator) -> None:
    Copy.seen.clear()
    copying.pixels(picture(), tiling=Tiling(tile=32, overlap=8))
    assert set(Copy.seen) == {(32, 32)}
    Copy.seen.clear()
    copying.pixels(picture(30, 70), tiling=Tiling(tile=40, overlap=8))
    assert set(Copy.seen) == {(32, 40)}
    Copy.seen.clear()
    copying.pixels(picture(30, 30), tiling=Tiling(tile=40, overlap=8))
    assert Copy.seen == [(32, 32)]


def enough_for_strips(run: Translator, pixels: np.ndarray) -> int:
    """Bytes, not enough for the whole."""
    return int(run.large.appetite.of(*pixels.shape[:2]) * 0.9 + 2 * pixels.nbytes)


def test_strips_give_what_the_whole_gives_and_tiles_do_not(unet: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiling, "LEAST", 2**10)
    pixels = picture()
    pixels[:45] //= 3  # statistics differ from place to place
    whole = unet.pixels(pixels).astype(int)
    strips = unet.pixels(pixels, tiling=Tiling(exact=True, max_memory=enough_for_strips(unet, pixels)))
    tiles = unet.pixels(pixels, tiling=Tiling(tile=32))
    assert abs(strips - whole).max() <= 1
    assert abs(tiles - whole).max() > 10


def test_exact_of_a_generator_of_yours_is_refused(copying: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiling, "LEAST", 2**10)
    pixels = picture()
    with pytest.raises(ValueError, match="exact: knows UNet, Pix2PixUNet, Pix2PixResNet, and not Copy"):
        copying.pixels(pixels, tiling=Tiling(exact=True, max_memory=enough_for_strips(copying, pixels)))


def large(height: int, width: int) -> Picture:
    return Picture(height, width, held=1000, a_row=0, name="scan.tif")


HUNGRY = Appetite(fixed=2**25, each=1000, growth=1.2)
GREEDY = Appetite(fixed=2**25, each=100_000, growth=1.2)


@pytest.mark.parametrize(
    ("asked", "size", "way"),
    [
        (Tiling(), (100, 100), "whole"),
        (Tiling(), (1000, 1000), "tiles"),
        (Tiling(exact=True), (1000, 1000), "strips"),
        (Tiling(exact=True), (100, 100), "whole"),
        (Tiling(tile=64), (100, 100), "tiles"),
        (Tiling(tile=64), (64, 64), "whole"),
        (Tiling(tile=64), (8, 65), "tiles"),
    ],
)
def test_a_picture_goes_whole_where_it_fits(asked: Tiling, size: tuple[int, int], way: str) -> None:
    chosen = choose(asked, large(*size), appetite=HUNGRY, limit=400_000_000, stride=8)
    assert ("whole" if chosen.whole else "strips" if chosen.strips else "tiles") == way


def test_the_largest_tile_that_fits_is_taken() -> None:
    chosen = choose(Tiling(), large(5000, 3000), appetite=HUNGRY, limit=400_000_000, stride=8)
    assert chosen.tile is not None
    assert chosen.tile % 8 == 0
    assert HUNGRY.of(chosen.tile, chosen.tile) < 400_000_000 <= HUNGRY.of(chosen.tile + 8, chosen.tile + 8)
    assert chosen.overlap == chosen.tile // 4


@pytest.mark.parametrize("asked", [Tiling(), Tiling(exact=True), Tiling(tile=64, max_memory="1MB")])
@pytest.mark.parametrize("appetite", [HUNGRY, GREEDY])
def test_memory_that_does_not_suffice_is_refused_and_the_remedy_works(asked: Tiling, appetite: Appetite) -> None:
    with pytest.raises(
        ValueError, match=r"scan.tif: 1 MB do not suffice for 3000×5000 pixels; allow [\d,]+ MB"
    ) as told:
        choose(asked, large(5000, 3000), appetite=appetite, limit=1_000_000, stride=8)
    allowed = int(str(told.value).split("allow ")[1].split(" MB")[0].replace(",", "")) * 1_000_000
    assert not choose(asked, large(5000, 3000), appetite=appetite, limit=allowed, stride=8).whole


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tile": 100}, "tile 100: this generator works on multiples of 8 pixels; choose 104"),
        ({"tile": 64, "overlap": 60}, "overlap 60: leaves nothing of tiles of 64; choose 56 at most"),
    ],
)
def test_tiles_that_cannot_be_are_refused(copying: Translator, options: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        copying.pixels(picture(), tiling=Tiling(**options))


@pytest.mark.parametrize(
    "options",
    [{"tile": 0}, {"tile": 1.5}, {"overlap": -1}, {"exact": True, "tile": 64}, {"exact": True, "overlap": 8}]
    + [{"max_memory": each} for each in ("", "2 apples", "-1", 0, "nan", "1.2.3GB", "GB", "inf")],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"tile|overlap|exact|max_memory"):
        Tiling(**options)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2GB", 2e9),
        ("1.5 gib", 1.5 * 2**30),
        ("500MB", 5e8),
        (123, 123),
        ("2e9", 2e9),
        ("10kb", 1e4),
        ("7B", 7),
        (1e9, 1e9),
    ],
)
def test_amounts_of_memory(text: Any, size: float) -> None:
    assert memory_of(text) == size


def test_an_appetite_is_what_the_tensors_take(unet: Translator) -> None:
    """Linear in the pixels; the largest map of a level is read beside the smaller ones."""
    arguments = unet.model, unet.networks
    found = appetite_of(*arguments, channels=3)
    for size in ((128, 128), (320, 256)):
        exact = tensors(*arguments, channels=3, size=size)
        assert abs(found.of(*size) / found.growth / exact - 1) < 0.1
    assert (
        0.4
        < tensors(*arguments, channels=3, size=(256, 256), bf16=True) / tensors(*arguments, channels=3, size=(256, 256))
        < 1
    )


def test_a_picture_that_is_surely_small_is_not_looked_at_closer(
    copying: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atme.inference.large.appetite", None)
    fresh = Translator(copying._loaded)
    assert fresh.large.way((8, 8), (8, 8), tiling=Tiling(), name="x") == Way()


def test_freed_memory_is_kept_again_afterwards(tmp_path: Path) -> None:
    with give_back_freed_memory():
        assert torch.ones(1000, 1000).sum() == 1_000_000
