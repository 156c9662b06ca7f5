"""Every combination of format, depth, photometric interpretation, alpha, orientation and compression that is read gives
the pixels that were written, or that Pillow gives; every other one is refused by its reason, with a remedy.
"""

import io
import struct
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps
from pngs import png
from tiffs import tiff

from atme.images import from_pil, read_header, read_image

H, W = 7, 10
SPREAD = {1: 255, 2: 85, 4: 17, 8: 1, 12: 1, 16: 1}  # from so many bits to the values that are read
Image.init()


def samples(count: int, bits: int = 8) -> np.ndarray:
    """(H, W, count) of random values of so many bits."""
    kind = np.uint32 if bits > 16 else np.uint16 if bits > 8 else np.uint8
    return np.random.default_rng(count * bits).integers(0, 2**bits, (H, W, count)).astype(kind)


def spread(values: np.ndarray, bits: int) -> np.ndarray:
    return (values.astype(int) * SPREAD[bits]).astype(np.uint16 if bits > 8 else np.uint8)


def smooth(channels: int = 3) -> np.ndarray:
    """(32, 48, channels): what JPEG was made for."""
    coarse = np.random.default_rng(channels).integers(0, 256, (4, 6, channels), dtype=np.uint8)
    return cv2.resize(coarse, (48, 32), interpolation=cv2.INTER_CUBIC).reshape(32, 48, channels)


def saved(image: Image.Image | np.ndarray, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    image.save(stream, kind, **options)
    return stream.getvalue()


def check(content: bytes, expected: np.ndarray, folder: Path, *, tolerance: int = 0) -> None:
    """A file of this content is read as expected, and its header says the same."""
    path = folder / "picture"
    path.write_bytes(content)
    read, header = read_image(path, clear=False), read_header(path)
    assert read.shape == expected.shape
    assert read.dtype == expected.dtype
    assert np.abs(read.astype(int) - expected).max() <= tolerance
    assert read.flags.c_contiguous
    assert (header.height, header.width, header.channels) == expected.shape
    assert header.bits == 8 * expected.itemsize
    if not header.deep:  # Pillow cuts these to 8 bits before we see them
        # By its path Pillow maps a TIFF into memory, and garbles one that lies on its side.
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content)) as image:
            assert np.abs(from_pil(image, clear=False).astype(int) - read).max() <= tolerance


def refused(content: bytes, words: str, folder: Path) -> None:
    """A file of this content is refused in these words by its header already."""
    path = folder / "picture"
    path.write_bytes(content)
    for read in (read_header, read_image):
        with pytest.raises(ValueError, match=words) as told:
            read(path)
        assert str(told.value).startswith(f"{path}: ")
        assert "; " in str(told.value)
        assert "\n" not in str(told.value)
        assert "damaged" not in str(told.value)


def pillows(content: bytes, mode: str) -> np.ndarray:
    """What Pillow makes of a file, turned upright."""
    with Image.open(io.BytesIO(content)) as image:
        array = np.asarray(ImageOps.exif_transpose(image).convert(mode))
    return array[..., None] if array.ndim == 2 else array


class TestTiff:
    @pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
    @pytest.mark.parametrize("big_endian", [False, True])
    @pytest.mark.parametrize("tile", [0, 16])
    @pytest.mark.parametrize("compression", [1, 8])
    def test_gray(self, bits: int, big_endian: bool, tile: int, compression: int, tmp_path: Path) -> None:
        values = samples(1, bits)
        how = {"bits": bits, "big_endian": big_endian, "tile": tile, "compression": compression}
        check(tiff(values, photometric=1, **how), spread(values, bits), tmp_path)

    @pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
    @pytest.mark.parametrize("compression", [1, 8])
    def test_white_is_zero(self, bits: int, compression: int, tmp_path: Path) -> None:
        values = samples(1, bits)
        content = tiff(values, photometric=0, bits=bits, compression=compression)
        check(content, spread(2**bits - 1 - values.astype(int), bits), tmp_path)

    def test_twelve_bits(self, tmp_path: Path) -> None:
        values = samples(1, 12)
        check(tiff(values, photometric=1, bits=12), values, tmp_path)

    @pytest.mark.parametrize("bits", [8, 16])
    @pytest.mark.parametrize("count", [3, 4])
    @pytest.mark.parametrize("big_endian", [False, True])
    @pytest.mark.parametrize("tile", [0, 16])
    @pytest.mark.parametrize("compression", [1, 8])
    def test_color(self, bits: int, count: int, big_endian: bool, tile: int, compression: int, tmp_path: Path) -> None:
        values = samples(count, bits)
        how = {"bits": bits, "big_endian": big_endian, "tile": tile, "compression": compression}
        check(tiff(values, photometric=2, extra=[2] * (count - 3), **how), values, tmp_path)

    @pytest.mark.parametrize("count", [3, 4])
    @pytest.mark.parametrize("tile", [0, 16])
    @pytest.mark.parametrize("compression", [1, 8])
    def test_planes(self, count: int, tile: int, compression: int, tmp_path: Path) -> None:
        values = samples(count)
        how = {"planar": True, "tile": tile, "compression": compression}
        check(tiff(values, photometric=2, extra=[2] * (count - 3), **how), values, tmp_path)
        deep = tiff(samples(count, 16), photometric=2, bits=16, extra=[2] * (count - 3), **how)
        refused(deep, "16 bits in separate planes .*; save it with interleaved", tmp_path)

    @pytest.mark.parametrize("bits", [1, 2, 4, 8])
    def test_palette(self, bits: int, tmp_path: Path) -> None:
        palette = np.random.default_rng(bits).integers(0, 256, (2**bits, 3))
        values = samples(1, bits)
        content = tiff(values, photometric=3, bits=bits, palette=palette * 257)
        check(content, palette[values[..., 0]].astype(np.uint8), tmp_path)

    def test_gray_and_alpha(self, tmp_path: Path) -> None:
        values = samples(2)
        check(tiff(values, photometric=1, extra=[2]), values[..., [0, 0, 0, 1]], tmp_path)

    def test_alpha_that_multiplied_the_colors(self, tmp_path: Path) -> None:
        values = samples(4)
        values[..., :3] = values[..., :3].astype(int) * values[..., 3:] // 255
        content = tiff(values, photometric=2, extra=[1])
        check(content, pillows(content, "RGBA"), tmp_path)
        expected = values[..., :3] * 255.0 / np.maximum(values[..., 3:], 1)
        assert np.abs(read_image(tmp_path / "picture")[..., :3] - expected)[values[..., 3] > 0].max() <= 1

    def test_cmyk(self, tmp_path: Path) -> None:
        content = tiff(samples(4), photometric=5)
        check(content, pillows(content, "RGB"), tmp_path)

    @pytest.mark.parametrize(
        "compression",
        ["raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits", "lzma", "zstd", "jpeg"],
    )
    @pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "I;16", "CMYK", "P", "LA"])
    def test_compressions_as_pillow(self, compression: str, mode: str, tmp_path: Path) -> None:
        if compression == "jpeg" and mode != "RGB":
            pytest.skip("written by nobody")
        rgba = Image.fromarray(smooth(4))
        image = Image.fromarray(samples(1, 16)[..., 0]) if mode == "I;16" else rgba.convert("RGB").convert(mode)
        content = saved(image, "TIFF", compression=compression)
        if mode == "I;16":
            return check(content, samples(1, 16), tmp_path)
        return check(content, pillows(content, {"L": "L", "RGBA": "RGBA", "LA": "RGBA"}.get(mode, "RGB")), tmp_path)

    @pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt", "tiff_lzw"])
    def test_compressions_of_one_bit(self, compression: str, tmp_path: Path) -> None:
        content = saved(Image.fromarray(smooth(1)[..., 0]).convert("1"), "TIFF", compression=compression)
        check(content, pillows(content, "L"), tmp_path)

    @pytest.mark.parametrize("method", [1, 5, 8, 32773, 32946])
    @pytest.mark.parametrize("channels", [1, 3, 4])
    def test_compressions_of_sixteen_bits(self, method: int, channels: int, tmp_path: Path) -> None:
        values = samples(channels, 16)
        ordered = values if channels == 1 else values[..., [2, 1, 0, 3][:channels]]
        _, content = cv2.imencode(".tif", ordered, [cv2.IMWRITE_TIFF_COMPRESSION, method])
        check(content.tobytes(), values, tmp_path)

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (tiff(samples(4), photometric=2, extra=[0]), "has 4 samples per pixel, of which 3 are"),
            (tiff(samples(2), photometric=1, extra=[0]), "2 (unsigned )?samples per pixel"),  # Pillow 12: not read
            (tiff(samples(5), photometric=2, extra=[2, 0]), "has 5 samples per pixel, of which 4 are"),
            (tiff(samples(4), photometric=2, extra=[0], planar=True), "4 unsigned samples per pixel"),
            (tiff(samples(8), photometric=1, extra=[0] * 7), "8 unsigned samples per pixel of 8 bits, BlackIsZero"),
            (tiff(samples(4, 16), photometric=2, bits=16, extra=[1]), "16-bit colors multiplied by their alpha"),
            (tiff(samples(4, 16), photometric=5, bits=16), "16 bits of CMYK"),
            (tiff(samples(2, 16), photometric=1, bits=16, extra=[2]), "2 unsigned samples per pixel of 16 bits"),
            (tiff(samples(3), photometric=8), r"LAB \(L\*a\*b\* colors\)"),
            (tiff(samples(1, 32), photometric=1, bits=32), r"kind I \(32-bit"),
            (tiff(samples(1, 32), photometric=1, bits=32, big_endian=True), "samples per pixel of 32 bits"),
            (tiff(samples(1).astype(np.int8), photometric=1, sample_format=2), "signed integers are not"),
            (tiff(samples(1, 16).astype(np.int16), photometric=1, bits=16, sample_format=2), "signed integers"),
            (tiff(samples(1).astype(np.float32), photometric=1, bits=32, sample_format=3), "32-bit floats"),
            (tiff(samples(3).astype(np.float32), photometric=2, bits=32, sample_format=3), "3 floating-point samples"),
            (tiff(samples(3, 12), photometric=2, bits=12), "3 unsigned samples per pixel of 12 bits, RGB"),
            (tiff(samples(3), photometric=2, compression=34712), "packed by JPEG 2000"),
            (tiff(samples(3), photometric=2, compression=9999), "packed by method 9999"),
            (tiff(samples(3, 16), photometric=2, bits=16, compression=50000), "16 bits .* packed by zstd"),
        ],
    )
    def test_what_is_refused_by_header(self, content: bytes, words: str, tmp_path: Path) -> None:
        refused(content, words, tmp_path)

    def test_a_compression_that_is_not_at_hand_here_is_named(self, tmp_path: Path) -> None:
        """Pillow is built without it; the pixels may be sound."""
        path = tmp_path / "a.tif"
        path.write_bytes(tiff(samples(3), photometric=2, compression=50001))
        with pytest.raises(ValueError, match=r"a\.tif: packed by webp, .*; pack by deflate"):
            read_image(path)


class TestPng:
    @pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
    @pytest.mark.parametrize("transparent", [False, True])
    def test_gray(self, bits: int, transparent: bool, tmp_path: Path) -> None:
        values = samples(1, bits)
        clear = int(values[0, 0, 0])
        expected = spread(values, bits)
        if transparent:
            alpha = np.where(values == clear, 0, np.iinfo(expected.dtype).max).astype(expected.dtype)
            expected = np.concatenate([expected, expected, expected, alpha], axis=2)
        content = png(values, color=0, bits=bits, transparent=struct.pack(">H", clear) if transparent else None)
        check(content, expected, tmp_path)

    @pytest.mark.parametrize("bits", [1, 2, 4, 8])
    @pytest.mark.parametrize("transparent", [False, True])
    def test_palette(self, bits: int, transparent: bool, tmp_path: Path) -> None:
        rng = np.random.default_rng(bits)
        palette, alpha = rng.integers(0, 256, (2**bits, 3)), rng.integers(0, 256, 2**bits).astype(np.uint8)
        alpha[-1] = 255  # tRNS may end before the palette does
        values = samples(1, bits)
        expected = palette[values[..., 0]]
        if transparent:
            expected = np.dstack([expected, alpha[values[..., 0]]])
        content = png(
            values, color=3, bits=bits, palette=palette, transparent=alpha[:-1].tobytes() if transparent else None
        )
        check(content, expected.astype(np.uint8), tmp_path)

    @pytest.mark.parametrize("bits", [8, 16])
    @pytest.mark.parametrize("color", [2, 4, 6])
    def test_color_and_alpha(self, bits: int, color: int, tmp_path: Path) -> None:
        values = samples({2: 3, 4: 2, 6: 4}[color], bits)
        check(png(values, color=color, bits=bits), values[..., [0, 0, 0, 1]] if color == 4 else values, tmp_path)

    @pytest.mark.parametrize("bits", [8, 16])
    def test_a_transparent_color(self, bits: int, tmp_path: Path) -> None:
        values = samples(3, bits)
        clear = values[0, 0]
        alpha = np.where((values == clear).all(axis=2), 0, np.iinfo(values.dtype).max).astype(values.dtype)
        content = png(values, color=2, bits=bits, transparent=struct.pack(">HHH", *map(int, clear)))
        check(content, np.dstack([values, alpha]), tmp_path)

    def test_interlaced_and_of_any_filter(self, tmp_path: Path) -> None:
        """OpenCV's and Pillow's writers choose filters; ours above has none."""
        check(saved(smooth(), "PNG"), smooth(), tmp_path)
        check(cv2.imencode(".png", smooth()[..., ::-1])[1].tobytes(), smooth(), tmp_path)


class TestJpeg:
    @pytest.mark.parametrize("progressive", [False, True])
    @pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0", "4:1:1"])
    @pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
    def test_as_pillow(self, progressive: bool, subsampling: str, mode: str, tmp_path: Path) -> None:
        image = Image.fromarray(smooth()).convert(mode)
        how = {} if mode == "L" else {"subsampling": subsampling}
        content = saved(image, "JPEG", progressive=progressive, quality=90, **how)
        check(content, pillows(content, "L" if mode == "L" else "RGB"), tmp_path)

    def test_cmyk_has_the_colors_of_the_picture(self, tmp_path: Path) -> None:
        """Adobe's JPEG holds inverted values; a reader that forgets it shows a negative."""
        (tmp_path / "a.jpg").write_bytes(saved(Image.fromarray(smooth()).convert("CMYK"), "JPEG", quality=100))
        assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - smooth()).mean() < 4

    @pytest.mark.parametrize("mode", ["L", "RGB"])
    def test_fill_bytes_before_a_marker(self, mode: str, tmp_path: Path) -> None:
        """A marker may follow any number of 0xFF."""
        content = saved(Image.fromarray(smooth()).convert(mode), "JPEG")
        frame = content.index(b"\xff\xc0")
        filled = content[:frame] + b"\xff" * 3 + content[frame:]
        check(filled, pillows(content, mode), tmp_path)

    def test_a_phones_photograph_with_its_preview(self, tmp_path: Path) -> None:
        first, second = Image.fromarray(smooth()), Image.fromarray(smooth()[:16, :24])
        content = saved(first, "MPO", save_all=True, append_images=[second])
        check(content, pillows(content, "RGB"), tmp_path)


class TestOthers:
    @pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
    def test_bmp_as_pillow(self, mode: str, tmp_path: Path) -> None:
        content = saved(Image.fromarray(smooth(4)).convert(mode), "BMP")
        check(content, pillows(content, "L" if mode in "1L" else "RGB"), tmp_path)

    @pytest.mark.parametrize("masks", [(0xF800, 0x07E0, 0x001F), (0x7C00, 0x03E0, 0x001F)])
    def test_bmp_of_sixteen_bits_per_pixel(self, masks: tuple[int, int, int], tmp_path: Path) -> None:
        """5 or 6 bits a color, not 16."""
        words = samples(1, 16)[..., 0] & np.uint16(sum(masks))
        rows = np.pad(words, ((0, 0), (0, W % 2)))[::-1].astype("<u2").tobytes()
        header = struct.pack("<IiiHHIIiiII", 40, W, H, 1, 16, 3, len(rows), 0, 0, 0, 0) + struct.pack("<III", *masks)
        content = struct.pack("<2sIHHI", b"BM", 14 + len(header) + len(rows), 0, 0, 14 + len(header)) + header + rows
        colors = [(words & mask) / mask * 255 for mask in masks]
        check(content, pillows(content, "RGB"), tmp_path)
        assert np.abs(read_image(tmp_path / "picture") - np.dstack(colors)).max() <= 1

    @pytest.mark.parametrize("lossless", [False, True])
    @pytest.mark.parametrize("channels", [3, 4])
    def test_webp_as_pillow(self, lossless: bool, channels: int, tmp_path: Path) -> None:
        content = saved(smooth(channels), "WEBP", lossless=lossless, exact=True)
        check(content, pillows(content, "RGB" if channels == 3 else "RGBA"), tmp_path)

    @pytest.mark.parametrize(
        ("kind", "name"), [("GIF", "GIF"), ("AVIF", "AVIF"), ("JPEG2000", "JPEG 2000"), ("PDF", "PDF")]
    )
    def test_other_formats_are_named(self, kind: str, name: str, tmp_path: Path) -> None:
        refused(saved(smooth(), kind), f"a {name} file, .*; save it as PNG", tmp_path)


class TestOrientation:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
    @pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
    def test_as_pillow(self, kind: str, mode: str, orientation: int, tmp_path: Path) -> None:
        if (kind, mode) in (("JPEG", "RGBA"), ("WEBP", "L")):
            pytest.skip("no such file")
        exif = Image.Exif()
        exif[0x0112] = orientation
        options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
        content = saved(Image.fromarray(smooth(4)).convert(mode), kind, exif=exif, **options)
        check(content, pillows(content, mode), tmp_path)

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("late", [False, True])
    @pytest.mark.parametrize("bits", [8, 16])
    def test_png_before_and_behind_the_pixels(self, bits: int, late: bool, orientation: int, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        about = exif.tobytes().removeprefix(b"Exif\0\0")
        shown = pillows(png(samples(3), color=2, exif=about), "RGB")
        check(png(samples(3), color=2, exif=about, late=late), shown, tmp_path)
        deep = samples(3).astype(np.uint16) * 257
        check(png(deep, color=2, bits=16, exif=about, late=late), shown.astype(np.uint16) * 257, tmp_path)

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("bits", [8, 16])
    def test_tiff(self, bits: int, orientation: int, tmp_path: Path) -> None:
        turned = [(0x0112, 3, [orientation])]
        shown = pillows(tiff(samples(3), photometric=2, more=turned), "RGB")
        values = samples(3) if bits == 8 else samples(3).astype(np.uint16) * 257
        expected = shown if bits == 8 else shown.astype(np.uint16) * 257
        check(tiff(values, photometric=2, bits=bits, more=turned), expected, tmp_path)

    @pytest.mark.parametrize(
        "garbage", [b"Exif\0\0", b"Exif\0\0II*", b"Exif\0\0" + bytes(20), b"Exif\0\0MM\0*" + b"\xff" * 40]
    )
    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
    def test_garbage_is_not_heeded(self, kind: str, garbage: bytes, tmp_path: Path) -> None:
        options = {"lossless": True} if kind == "WEBP" else {}
        plain = saved(smooth(), kind, **options)
        check(saved(smooth(), kind, exif=garbage, **options), pillows(plain, "RGB"), tmp_path)


class TestMoreThanOnePicture:
    @pytest.mark.parametrize(
        ("kind", "words"), [("TIFF", "has 3 pages"), ("PNG", "has 3 frames"), ("WEBP", "has 3 frames")]
    )
    def test_is_refused(self, kind: str, words: str, tmp_path: Path) -> None:
        pictures = [Image.fromarray(np.roll(smooth(), shift, axis=0)) for shift in range(3)]
        content = saved(pictures[0], kind, save_all=True, append_images=pictures[1:])
        refused(content, f"{words}, and one is read; save each", tmp_path)

    def test_smaller_copies_are_none(self, tmp_path: Path) -> None:
        """As in tiled TIFFs for maps: overviews are marked as such."""
        smaller = Image.fromarray(smooth()[::2, ::2])
        smaller.encoderinfo = {"tiffinfo": {254: 1}}
        content = saved(smooth(), "TIFF", save_all=True, append_images=[smaller])
        check(content, smooth(), tmp_path)

    def test_a_film_of_one_frame_is_a_picture(self, tmp_path: Path) -> None:
        for kind in ("PNG", "WEBP"):
            options = {"lossless": True} if kind == "WEBP" else {}
            check(saved(smooth(), kind, save_all=True, **options), smooth(), tmp_path)
