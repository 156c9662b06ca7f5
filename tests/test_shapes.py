"""What headers tell: sizes, channels and bits, and which file does not fit."""

from pathlib import Path

import numpy as np
import pytest

from atme.data.layout import Layout
from atme.data.scan import PairFiles, list_pairs
from atme.data.shapes import Shapes, compare_shapes, read_shapes
from atme.images import write_image


def put(path: Path, height: int, width: int, channels: int = 3, dtype: type = np.uint8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.zeros((height, width, channels), dtype))


def side_by_side(folder: Path) -> PairFiles:
    return list_pairs(Layout("side_by_side", (folder,)))


def two_folders(folder: Path) -> PairFiles:
    return list_pairs(Layout("two_folders", (folder / "A", folder / "B")))


def test_side_by_side(tmp_path: Path) -> None:
    put(tmp_path / "a.png", 6, 20)
    put(tmp_path / "b.png", 8, 10, dtype=np.uint16)
    shapes = read_shapes(side_by_side(tmp_path))
    assert shapes.sizes == ((6, 10), (8, 5))
    assert shapes.channels == (3, 3)
    assert shapes.bits == (16, 16)


def test_two_folders(tmp_path: Path) -> None:
    put(tmp_path / "A/a.png", 6, 9, 4)
    put(tmp_path / "B/a.tif", 6, 9, 1, np.uint16)
    shapes = read_shapes(two_folders(tmp_path))
    assert shapes.sizes == ((6, 9),)
    assert shapes.channels == (4, 1)
    assert shapes.bits == (8, 16)


def test_an_odd_width(tmp_path: Path) -> None:
    put(tmp_path / "a.png", 6, 20)
    put(tmp_path / "b.png", 6, 21)
    with pytest.raises(ValueError, match=r"b\.png: its width of 21 pixels is odd, .*; move"):
        read_shapes(side_by_side(tmp_path))


def test_an_odd_width_in_two_folders_is_fine(tmp_path: Path) -> None:
    put(tmp_path / "A/a.png", 6, 21)
    put(tmp_path / "B/a.png", 6, 21)
    assert read_shapes(two_folders(tmp_path)).sizes == ((6, 21),)


def test_halves_of_different_size(tmp_path: Path) -> None:
    put(tmp_path / "A/a.png", 6, 9)
    put(tmp_path / "B/a.png", 6, 10)
    with pytest.raises(ValueError, match=r"A/a\.png: has 9×6 pixels and its partner .*B/a\.png 10×6; make"):
        read_shapes(two_folders(tmp_path))


@pytest.mark.parametrize("side", "AB")
def test_mixed_channels_within_a_side(tmp_path: Path, side: str) -> None:
    for name in ("A/a", "B/a", "A/b", "B/b"):
        put(tmp_path / f"{name}.png", 6, 9, 1 if name == f"{side}/b" else 3)
    with pytest.raises(ValueError, match=rf"{side}/b\.png: channels: 1, but .*{side}/a\.png has 3; convert"):
        read_shapes(two_folders(tmp_path))


@pytest.mark.parametrize("half", [True, False])
def test_a_file_that_cannot_be_read(tmp_path: Path, half: bool) -> None:
    put(tmp_path / "a.png", 60, 20)
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "b.png").write_bytes(content[: len(content) // 2] if half else b"no image")
    with pytest.raises(ValueError, match=r"b\.png: (truncated|not an image)"):
        read_shapes(side_by_side(tmp_path))


def test_no_pixel_is_decoded(tmp_path: Path) -> None:
    """A JPEG whose picture is nonsense between a sound header and a sound end: reading it would fail."""
    put(tmp_path / "a.jpg", 64, 64)
    content = bytearray((tmp_path / "a.jpg").read_bytes())
    start = content.index(b"\xff\xda") + 14
    content[start:-2] = b"\xff\xd0" * ((len(content) - start) // 2)
    (tmp_path / "a.jpg").write_bytes(content + b"\xff\xd9")
    assert read_shapes(side_by_side(tmp_path)).sizes == ((64, 32),)


class TestAllCulpritsAtOnce:
    def test_of_every_kind(self, tmp_path: Path) -> None:
        for name in "abcdef":
            for side in "AB":
                put(tmp_path / side / f"{name}.png", 6, 9)
        put(tmp_path / "A/a.png", 6, 9, 1)
        put(tmp_path / "A/b.png", 7, 9)
        (tmp_path / "B/c.png").write_bytes(b"no image")
        (tmp_path / "A/c.png").write_bytes(b"no image")
        with pytest.raises(ValueError, match="4 files do not fit") as told:
            read_shapes(two_folders(tmp_path))
        for culprit in ("A/a.png: channels: 1", "A/b.png: has 9×7", "A/c.png: not an image", "B/c.png: not an image"):
            assert culprit in str(told.value)
        assert "\n" not in str(told.value)

    def test_ten_and_the_count(self, tmp_path: Path) -> None:
        for number in range(13):
            put(tmp_path / f"{number:02}.png", 6, 21)
        with pytest.raises(ValueError, match=r"13 files do not fit: .*09\.png.* · and 3 more$") as told:
            read_shapes(side_by_side(tmp_path))
        assert "10.png" not in str(told.value)

    def test_what_most_files_have_is_right(self, tmp_path: Path) -> None:
        for number, channels in enumerate([1, 3, 3]):
            put(tmp_path / f"{number}.png", 6, 20, channels)
        with pytest.raises(ValueError, match=r"^\S+0\.png: channels: 1, but \S+1\.png and 1 more have 3; convert it$"):
            read_shapes(side_by_side(tmp_path))


class TestTwoSplits:
    def shapes(self, folder: Path, *, channels: int = 3, dtype: type = np.uint8) -> Shapes:
        put(folder / "A/a.png", 6, 9, channels, dtype)
        put(folder / "B/a.png", 6, 9)
        return read_shapes(two_folders(folder))

    def test_alike(self, tmp_path: Path) -> None:
        assert compare_shapes(self.shapes(tmp_path / "train"), self.shapes(tmp_path / "test")) == []

    def test_other_channels(self, tmp_path: Path) -> None:
        train, test = self.shapes(tmp_path / "train"), self.shapes(tmp_path / "test", channels=1)
        with pytest.raises(ValueError, match=r"test/A/a\.png: A has 1 channels here and 3 in .*train/A/a\.png; conv"):
            compare_shapes(train, test)

    def test_another_depth_is_said(self, tmp_path: Path) -> None:
        train, test = self.shapes(tmp_path / "train"), self.shapes(tmp_path / "test", dtype=np.uint16)
        (note,) = compare_shapes(train, test)
        assert note.startswith(f"{tmp_path}/test/A/a.png: A has 16 bits per value here and 8 in ")
