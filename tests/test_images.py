"""Pixels ↔ floats, image files as a viewer shows them, truncated ones refused, grids."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from atme.images import (
    grid,
    read_header,
    read_image,
    to_array,
    to_tensor,
    write_image,
)

KINDS = [(np.uint8, 8), (np.uint16, 16)]


def picture(height: int, width: int, channels: int, dtype: type = np.uint8) -> np.ndarray:
    """Noise with a smooth part, so that every codec has work to do."""
    rng = np.random.default_rng(height * width * channels)
    top = np.iinfo(dtype).max
    ramp = np.linspace(0, top, height * width * channels).reshape(height, width, channels)
    return ((ramp + rng.integers(0, top, ramp.shape)) / 2).astype(dtype)


def encoded(array: np.ndarray, kind: str, **options: object) -> bytes:
    """The content of a file, written by Pillow."""
    stream = io.BytesIO()
    Image.fromarray(array[..., 0] if array.shape[2] == 1 else array).save(stream, kind, **options)
    return stream.getvalue()


class TestPixels:
    @pytest.mark.parametrize(("dtype", "bits"), KINDS)
    def test_every_value_comes_back(self, dtype: type, bits: int) -> None:
        values = np.arange(2**bits, dtype=dtype).reshape(16, -1, 1)
        assert np.array_equal(to_array(to_tensor(values), bits=bits), values)

    @pytest.mark.parametrize(("dtype", "bits"), KINDS)
    def test_ends_are_exact_and_the_range_is_symmetric(self, dtype: type, bits: int) -> None:
        values = to_tensor(np.arange(2**bits, dtype=dtype).reshape(1, -1, 1))
        assert values.min() == -1
        assert values.max() == 1
        assert torch.equal(values.flip(2), -values)
        assert torch.all(values.diff() > 0)

    @pytest.mark.parametrize("channels", [1, 3, 4])
    def test_layout(self, channels: int) -> None:
        array = picture(5, 7, channels)
        tensor = to_tensor(array)
        assert tensor.shape == (channels, 5, 7)
        assert tensor.is_contiguous()
        assert torch.allclose(tensor, torch.from_numpy(array).permute(2, 0, 1) / 127.5 - 1, atol=1e-6)

    def test_a_view_of_an_array(self) -> None:
        array = picture(6, 8, 3)
        half = array[:, 4:]
        assert torch.equal(to_tensor(half), to_tensor(half.copy()))
        assert torch.equal(to_tensor(array[:, ::-1]), to_tensor(array).flip(2))

    def test_the_array_is_not_shared(self) -> None:
        array = picture(4, 4, 1)
        to_tensor(array).zero_()
        assert np.array_equal(array, picture(4, 4, 1))

    def test_clips_and_rounds(self) -> None:
        tensor = torch.tensor([-3.0, -1.0, 0.001, 1.0, 1.2]).reshape(1, 1, 5)
        assert to_array(tensor)[0, :, 0].tolist() == [0, 0, 128, 255, 255]
        assert to_array(tensor, bits=16)[0, :, 0].tolist() == [0, 0, 32800, 65535, 65535]

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
    def test_other_floats(self, dtype: torch.dtype) -> None:
        assert np.array_equal(to_array(torch.ones(3, 2, 2, dtype=dtype)), np.full((2, 2, 3), 255))

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_a_diverged_network(self, value: float) -> None:
        with pytest.raises(ValueError, match="not finite"):
            to_array(torch.full((1, 1, 1), value))

    def test_other_bits(self) -> None:
        with pytest.raises(ValueError, match=r"bits=12: .*8 or 16"):
            to_array(torch.zeros(1, 1, 1), bits=12)


class TestFiles:
    @pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff"])
    @pytest.mark.parametrize("channels", [1, 3, 4])
    @pytest.mark.parametrize(("dtype", "bits"), KINDS)
    def test_round_trip(self, tmp_path: Path, suffix: str, channels: int, dtype: type, bits: int) -> None:
        path, array = tmp_path / f"a{suffix}", picture(9, 13, channels, dtype)
        write_image(path, array)
        read, header = read_image(path), read_header(path)
        assert read.dtype == dtype
        assert np.array_equal(read, array)
        assert (header.height, header.width, header.channels, header.bits) == (9, 13, channels, bits)

    @pytest.mark.parametrize(("suffix", "channels"), [(".bmp", 1), (".bmp", 3), (".webp", 3), (".webp", 4)])
    def test_round_trip_of_eight_bits(self, tmp_path: Path, suffix: str, channels: int) -> None:
        path, array = tmp_path / f"a{suffix}", picture(9, 13, channels)
        write_image(path, array)
        assert np.array_equal(read_image(path)[..., :3], array[..., :3])
        assert read_header(path).channels == channels

    @pytest.mark.parametrize("suffix", [".jpg", ".JPEG"])
    @pytest.mark.parametrize("channels", [1, 3])
    def test_jpeg(self, tmp_path: Path, suffix: str, channels: int) -> None:
        array = np.zeros((16, 24, channels), np.uint8) + np.array([200, 100, 20][:channels], np.uint8)
        write_image(tmp_path / f"a{suffix}", array)
        read = read_image(tmp_path / f"a{suffix}")
        assert read.shape == array.shape
        assert np.abs(read.astype(int) - array).max() <= 3  # red is not blue

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_orientation_as_a_viewer_shows_it(self, tmp_path: Path, kind: str, orientation: int) -> None:
        path, exif = tmp_path / f"a.{kind}", Image.Exif()
        exif[0x0112] = orientation
        exact = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
        path.write_bytes(encoded(picture(8, 16, 3), kind, exif=exif, **exact))
        with Image.open(path) as image:
            shown = np.asarray(ImageOps.exif_transpose(image))
        read, header = read_image(path), read_header(path)
        assert read.shape == shown.shape == (header.height, header.width, 3)
        assert np.abs(read.astype(int) - shown).max() <= (2 if kind == "JPEG" else 0)

    def test_kinds_that_become_rgb_or_rgba(self, tmp_path: Path) -> None:
        rgba = Image.fromarray(picture(8, 9, 4))
        images = {
            "gray with alpha": (rgba.convert("LA"), 4),
            "palette": (rgba.convert("RGB").convert("P"), 3),
        }
        images |= {"clear palette": (rgba.quantize(16), 4), "bits": (rgba.convert("1"), 1)}
        for name, (image, channels) in images.items():
            image.save(tmp_path / "a.png")
            read = read_image(tmp_path / "a.png")
            assert read.shape == (8, 9, channels), name
            assert read_header(tmp_path / "a.png").channels == channels, name
            expected = np.asarray(image.convert({1: "L", 3: "RGB", 4: "RGBA"}[channels])).reshape(read.shape)
            visible = expected[..., 3:] > 0 if channels == 4 else np.ones_like(expected[..., :1], bool)
            assert np.array_equal(read * visible, expected * visible), name

    def test_a_jpeg_for_print_is_read_as_rgb(self, tmp_path: Path) -> None:
        Image.fromarray(picture(8, 9, 3)).convert("CMYK").save(tmp_path / "a.jpg")
        assert read_image(tmp_path / "a.jpg").shape == (8, 9, 3)
        assert read_header(tmp_path / "a.jpg").channels == 3

    @pytest.mark.parametrize("mode", ["F", "I", "LAB"])
    def test_kinds_that_are_refused(self, tmp_path: Path, mode: str) -> None:
        Image.new(mode, (9, 8)).save(tmp_path / "a.tif")
        for read in (read_header, read_image):
            with pytest.raises(ValueError, match=rf"a\.tif: TIFF pixels of kind {mode} .* are not"):
                read(tmp_path / "a.tif")

    def test_the_ending_may_lie(self, tmp_path: Path) -> None:
        (tmp_path / "a.jpg").write_bytes(encoded(picture(8, 9, 4), "PNG"))
        assert np.array_equal(read_image(tmp_path / "a.jpg"), picture(8, 9, 4))


class TestDamaged:
    @pytest.mark.parametrize("content", [b"", b"hello", b"<html>404</html>" * 99, bytes(1000)])
    def test_not_an_image(self, tmp_path: Path, content: bytes, capfd: pytest.CaptureFixture[str]) -> None:
        path = tmp_path / "a.jpg"
        path.write_bytes(content)
        for read in (read_header, read_image):
            with pytest.raises(ValueError, match=r"a\.jpg: not an image .*; move"):
                read(path)
        assert capfd.readouterr() == ("", "")

    def test_no_such_file(self, tmp_path: Path) -> None:
        for path in (tmp_path / "none.png", tmp_path):
            for read in (read_header, read_image):
                with pytest.raises(ValueError, match=f"{path}: cannot be read .*; check the path"):
                    read(path)

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP"])
    @settings(max_examples=40, deadline=None)
    @given(share=st.floats(0.02, 0.999))
    def test_a_part_is_refused_or_the_whole(
        self, tmp_path_factory: pytest.TempPathFactory, kind: str, share: float
    ) -> None:
        whole = encoded(picture(30, 40, 3), kind)
        path = tmp_path_factory.mktemp("part") / "a.img"
        path.write_bytes(whole[: int(share * len(whole))])
        for read in (read_header, read_image):
            with pytest.raises(ValueError, match=r"a\.img: (truncated|not an image|damaged|a TIFF that is not read)"):
                read(path)

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP"])
    def test_half_a_file_is_called_truncated(
        self, tmp_path: Path, kind: str, capfd: pytest.CaptureFixture[str]
    ) -> None:
        whole = encoded(picture(30, 40, 3), kind)
        (tmp_path / "a.img").write_bytes(whole[: len(whole) // 2])
        for read in (read_header, read_image):
            with pytest.raises(ValueError, match=r"a\.img: truncated .*; copy"):
                read(tmp_path / "a.img")
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
    def test_something_behind_the_end_is_no_harm(self, tmp_path: Path, kind: str) -> None:
        whole = encoded(picture(30, 40, 3), kind)
        (tmp_path / "whole").write_bytes(whole)
        (tmp_path / "more").write_bytes(whole + b"a phone writes its film here" * 9)
        assert np.array_equal(read_image(tmp_path / "more"), read_image(tmp_path / "whole"))
        assert read_header(tmp_path / "more") == read_header(tmp_path / "whole")


class TestWriting:
    @pytest.mark.parametrize(
        ("name", "channels", "dtype"),
        [("a.jpg", 4, np.uint8), ("a.jpg", 3, np.uint16), ("a.webp", 1, np.uint8), ("a.bmp", 3, np.uint16)],
    )
    def test_what_a_format_cannot_hold(self, tmp_path: Path, name: str, channels: int, dtype: type) -> None:
        with pytest.raises(ValueError, match=rf"{name}: .* cannot .* {channels} channels; write a \.png"):
            write_image(tmp_path / name, picture(4, 4, channels, dtype))
        assert os.listdir(tmp_path) == []

    @pytest.mark.parametrize(("name", "width"), [("a.webp", 16_384), ("a.jpg", 65_501), ("a.jfif", 65_501)])
    def test_what_is_too_long_for_a_format(self, tmp_path: Path, name: str, width: int) -> None:
        """OpenCV says so on stderr, and gives back no bytes."""
        with pytest.raises(
            ValueError, match=rf"{name}: a .* file has sides of [0-9,]+ pixels at most, .*; write a \.png"
        ):
            write_image(tmp_path / name, np.zeros((1, width, 3), np.uint8))
        assert os.listdir(tmp_path) == []
        write_image(tmp_path / "a.png", np.zeros((1, width, 3), np.uint8))
        assert read_image(tmp_path / "a.png").shape == (1, width, 3)

    def test_unknown_ending(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"a\.gif: .* choose one of \.jpg"):
            write_image(tmp_path / "a.gif", picture(4, 4, 3))

    def test_replaces_whole_or_not_at_all(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "a.png"
        write_image(path, picture(4, 4, 3))

        def full(self: Path, content: bytes) -> None:
            with open(self, "wb") as stream:
                stream.write(content[:10])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space left"):
            write_image(path, picture(8, 8, 3))
        assert os.listdir(tmp_path) == ["a.png"]
        assert np.array_equal(read_image(path), picture(4, 4, 3))


class TestGrid:
    def test_cells_are_shown_as_they_are(self) -> None:
        color = to_tensor(picture(128, 130, 3))
        gray, four = color[:1], torch.cat([color, torch.ones_like(color[:1])])
        shown = grid([[color, gray, None], [four, None, color]], columns=["x", "ŷ", "y"])
        assert shown.dtype == np.uint8
        assert _occurs(picture(128, 130, 3), shown) == 3
        assert _occurs(picture(128, 130, 3)[..., :1].repeat(3, axis=2), shown) == 1

    def test_what_is_transparent_shows_the_ground(self) -> None:
        """Whatever color lies there, and half of it under half an alpha."""
        alpha = torch.full((1, 128, 128), -1.0)
        alpha[:, :, 64:] = 0
        shown = [grid([[torch.cat([color * torch.ones(3, 128, 128), alpha])]], columns=["y"]) for color in (-1, 1)]
        (top, left) = (23, 8)
        clear, half = slice(left, left + 64), slice(left + 64, left + 128)
        assert np.array_equal(shown[0][top : top + 128, clear], shown[1][top : top + 128, clear])
        assert set(np.unique(shown[0][top : top + 128, clear])) == {214, 255}
        assert set(np.unique(shown[1][top : top + 128, half])) == {235, 255}

    def test_cells_stand_in_their_places(self) -> None:
        a, b, c, d = (picture(128, 128, 3) // n for n in (1, 2, 3, 4))
        shown = grid([[to_tensor(a), to_tensor(b)], [to_tensor(c), to_tensor(d)]], columns=["left", "right"])
        (top, left), (_, right), (bottom, _), corner = (_places(cell, shown)[0] for cell in (a, b, c, d))
        assert _places(b, shown) == [(top, right)]
        assert _places(c, shown) == [(bottom, left)]
        assert corner == (bottom, right)
        assert bottom >= top + 128
        assert right >= left + 128

    def test_small_cells_are_enlarged_by_a_whole_factor(self) -> None:
        cell = picture(32, 48, 3)
        shown = grid([[to_tensor(cell)]], columns=["x"])
        assert _occurs(cell.repeat(3, axis=0).repeat(3, axis=1), shown) == 1

    def test_maps_diverge_from_white(self) -> None:
        field = torch.linspace(-1, 1, 129).expand(1, 128, 129)
        row = grid([[field]], columns=["W"])[60, -133:-4].astype(int)
        assert row[64].tolist() == [247, 247, 247]
        assert row[0, 2] > row[0, 0]  # blue below
        assert row[-1, 0] > row[-1, 2]  # red above
        assert (np.diff(row[:64].sum(axis=1)) >= 0).all()
        assert (np.diff(row[64:].sum(axis=1)) <= 0).all()

    def test_a_map_is_gray_under_another_title(self) -> None:
        field = torch.linspace(-1, 1, 128).expand(1, 128, 128)
        assert _occurs(to_array(field).repeat(3, axis=2), grid([[field]], columns=["x"])) == 1
        assert _occurs(to_array(field).repeat(3, axis=2), grid([[field]], columns=["W"])) == 0

    def test_titles_are_written_and_have_room(self) -> None:
        cell = -torch.ones(3, 128, 128)
        bare = grid([[cell]], columns=[""])
        titled = grid([[cell]], columns=["ŷ" * 40], row_titles=["a row"])
        assert titled.shape[1] > bare.shape[1]
        assert (grid([[cell]], columns=["ŷ"]) != grid([[cell]], columns=["y"])).any()
        assert (grid([[cell]], columns=["ŷ"]) != grid([[cell]], columns=["\uffff"])).any()  # not a box

    @pytest.mark.parametrize("name", ["a\nb", "\udcfc", "\t", "\u202e", "x" * 2000])
    def test_a_row_may_be_called_after_any_file(self, name: str) -> None:
        cell = torch.zeros(3, 128, 128)
        assert grid([[cell]], columns=["x"], row_titles=[name]).shape[1] < 128 + 40 * 15

    def test_wrong_numbers_of_cells(self) -> None:
        cell = torch.zeros(3, 4, 4)
        with pytest.raises(ValueError, match=r"rows of \[2, 1\] cells under 2 columns"):
            grid([[cell, cell], [cell]], columns=["x", "y"])
        with pytest.raises(ValueError, match="3 titles for 1 rows"):
            grid([[cell]], columns=["x"], row_titles=["a", "b", "c"])

    def test_no_rows(self) -> None:
        assert grid([], columns=["x", "y"]).ndim == 3


def _occurs(cell: np.ndarray, picture: np.ndarray) -> int:
    """How often a cell stands somewhere in a picture."""
    return len(_places(cell, picture))


def _places(cell: np.ndarray, picture: np.ndarray) -> list[tuple[int, int]]:
    """Where, as (y, x), a cell stands in a picture."""
    height, width = cell.shape[:2]
    starts = [(int(y), int(x)) for y, x in np.argwhere((picture == cell[0, 0]).all(axis=2))]
    return [(y, x) for y, x in starts if np.array_equal(picture[y : y + height, x : x + width], cell)]
