"""What an image file says of itself before it is decoded: size, channels, depth, and whether its end is there.

Pillow reads headers. Gray with transparency counts as RGBA, a palette as RGB (RGBA if it has transparent colors),
CMYK as RGB: so `read_image` returns them. What would be dropped or bent by reading is refused here, by its
reason: further pages and frames, samples that are neither color nor alpha, 32-bit and signed pixels.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image
from PIL.TiffImagePlugin import BITSPERSAMPLE, PLANAR_CONFIGURATION, SAMPLEFORMAT, SAMPLESPERPIXEL

from atme.images.limits import check_size
from atme.images.opening import contains, has_end, open_image, size_of
from atme.images.refusals import Refusal, decoding, truncated, unreadable

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp")
"""Endings, in lower case, of the files that are taken for images."""

# Pillow's name of a kind of pixel → samples that a file has of each → channels that we make of them.
_SAMPLES = {"1": 1, "L": 1, "I;16": 1, "I;16B": 1, "I;16L": 1, "I;16N": 1, "P": 1, "LA": 2, "La": 2, "PA": 2}
_SAMPLES |= {"RGB": 3, "RGBX": 3, "YCbCr": 3, "RGBA": 4, "RGBa": 4, "CMYK": 4}
_CHANNELS = {"1": 1, "L": 1, "I;16": 1, "I;16B": 1, "I;16L": 1, "I;16N": 1}
_CHANNELS |= dict.fromkeys(("P", "RGB", "RGBX", "YCbCr", "CMYK"), 3)
_CHANNELS |= dict.fromkeys(("LA", "La", "PA", "RGBA", "RGBa"), 4)
_REFUSED = {"I": "32-bit or signed integers", "F": "32-bit floats", "LAB": "L*a*b* colors", "HSV": "HSV colors"}
# Kinds of 16 bits that no decoder here gives in full: of CMYK and of what alpha was multiplied into.
_REFUSED_DEEP = {"CMYK": "16 bits of CMYK", "RGBa": "16-bit colors multiplied by their alpha"}
_DEEP_COMPRESSIONS = ("raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits")  # that OpenCV unpacks
_ORIENTATION, _SUBFILE = 0x0112, 254
_REDUCED = 1  # bit of TIFF's NewSubfileType: a smaller copy of another page
_SIGNED, _PLANES = 2, 2
_LATE = 2**17  # bytes at the end of a PNG in which EXIF may stand, after the pixels


@dataclass(frozen=True)
class Header:
    """What a file says of its image."""

    height: int
    """Pixels, after turning the image upright."""
    width: int
    """Pixels, after turning the image upright."""
    channels: int
    """1 (gray), 3 (RGB) or 4 (RGBA), as ``read_image`` returns them."""
    bits: int
    """Per value: 8 or 16."""
    orientation: int
    """EXIF's, 1 to 8, if decoding leaves it to be undone; else 1, upright."""
    format: str
    """JPEG, PNG, WEBP, TIFF or BMP."""
    deep: bool
    """Whether it has 16 bits in several channels, which Pillow would cut to 8."""


def read_header(path: str | Path) -> Header:
    """Size and channels of an image file, without decoding it (some 100 µs).

    Raises:
        ValueError: no such file, not an image, truncated, larger than the limit, or of a kind that is not supported.
    """
    try:
        with open(path, "rb") as stream, decoding(path), open_image(path, stream) as image:
            header = describe(path, image, stream)
            if not is_whole(image, stream):
                raise truncated(path)
            return header
    except OSError as error:
        raise unreadable(path, error) from error


def describe(path: str | Path, image: Image.Image, stream: BinaryIO) -> Header:
    """The header of an image that Pillow has opened; errors name ``path``.

    Raises:
        ValueError: larger than the limit, or of a kind that is not supported.
    """
    check_size(path, *image.size)
    kind = image.format or ""
    channels = count_channels(path, image)
    _refuse_more_pages(path, image)
    if kind == "TIFF":
        _refuse_in_tiff(path, image)
    deep = _is_deep(image)
    orientation = 1 if kind == "TIFF" else orientation_of(image, stream)
    width, height = image.size
    if orientation >= 5:
        width, height = height, width
    return Header(
        height=height,
        width=width,
        channels=channels,
        bits=16 if deep or image.mode.startswith("I;16") else 8,
        orientation=orientation,
        format="JPEG" if kind == "MPO" else kind,
        deep=deep,
    )


def count_channels(path: str | Path, image: Image.Image) -> int:
    """Channels of the pixels that are made of Pillow's image: 1, 3 or 4.

    Raises:
        ValueError: pixels of a kind that is not supported.
    """
    channels = _CHANNELS.get(image.mode)
    if channels is None:
        kind = f"pixels of kind {image.mode}{f' ({_REFUSED[image.mode]})' if image.mode in _REFUSED else ''}"
        what = " ".join(filter(None, (image.format, kind)))
        raise Refusal(f"{path}: {what} are not supported; save it as gray or RGB of 8 or 16 bits")
    return 4 if image.has_transparency_data else channels


def orientation_of(image: Image.Image, stream: BinaryIO | None = None) -> int:
    """EXIF's orientation, 1 to 8; 1 where there is none or EXIF is garbage, which no viewer heeds.

    Args:
        image: Pillow's.
        stream: its file, if only the header was read: asking a PNG for its EXIF reads all of it.
    """
    may_come_late = image.format == "PNG" and not {"exif", "Raw profile type exif"} & image.info.keys()
    if stream is not None and may_come_late and not contains(stream, b"eXIf", last=_LATE):
        return 1
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # see `decoding`
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def packing(image: Image.Image) -> str:
    """Pillow's name of how the file packs its pixels, such as RGB;16B; empty if it does not say."""
    tiles: list[Any] = getattr(image, "tile", [])
    packing = tiles[0][-1] if tiles else ""  # a name, or a tuple that begins with it
    return str(packing[0] if isinstance(packing, tuple) and packing else packing)


def _refuse_more_pages(path: str | Path, image: Image.Image) -> None:
    """A file must hold one picture: the pages of a TIFF and the frames of a film are no pair's half.

    The further pictures of a phone's photograph (MPO) are its previews, as the smaller copies in a TIFF are.
    """
    if image.format == "MPO" or not getattr(image, "is_animated", False):
        return
    if image.format == "TIFF" and all(_is_reduced(image, page) for page in range(1, _pages(image))):
        image.seek(0)
        return
    what, count = ("pages", "page") if image.format == "TIFF" else ("frames", "frame")
    raise Refusal(f"{path}: has {_pages(image)} {what}, and one is read; save each {count} as a file of its own")


def _pages(image: Image.Image) -> int:
    return int(getattr(image, "n_frames", 1))


def _is_reduced(image: Image.Image, page: int) -> bool:
    image.seek(page)
    tags: dict[int, Any] = getattr(image, "tag_v2", {})
    return bool(tags.get(_SUBFILE, 0) & _REDUCED)


def _is_deep(image: Image.Image) -> bool:
    """Whether there are 16 bits in several channels."""
    return image.format in ("PNG", "TIFF") and ";16" in packing(image) and not image.mode.startswith("I")


def _refuse_in_tiff(path: str | Path, image: Image.Image) -> None:
    """What Pillow would leave out or bend: samples that are no color or alpha, signs, 16 bits of some kinds."""
    tags: dict[int, Any] = getattr(image, "tag_v2", {})
    there, read = tags.get(SAMPLESPERPIXEL, 1), _SAMPLES[image.mode]
    if there > read:
        count = f"has {there} samples per pixel, of which {read} are color or alpha"
        raise Refusal(f"{path}: {count}; save the others as files of their own")
    if tags.get(SAMPLEFORMAT, (1,))[0] == _SIGNED:
        raise Refusal(f"{path}: signed integers are not supported; save it as gray or RGB of 8 or 16 bits")
    if max(tags.get(BITSPERSAMPLE, (1,))) < 16:
        return
    compression, packed = image.info.get("compression", "raw"), packing(image).partition(";")[0]
    if tags.get(PLANAR_CONFIGURATION, 1) == _PLANES:
        raise Refusal(f"{path}: 16 bits in separate planes are not supported; save it with interleaved channels")
    if packed in _REFUSED_DEEP:
        raise Refusal(f"{path}: {_REFUSED_DEEP[packed]} are not supported; save it as RGB of 16 bits or as CMYK of 8")
    if _is_deep(image) and compression not in _DEEP_COMPRESSIONS:
        raise Refusal(
            f"{path}: 16 bits in several channels, packed by {compression}, are not supported; pack by deflate"
        )


def is_whole(image: Image.Image, stream: BinaryIO) -> bool:
    """Whether the file's end is there; decodes only if the format does not say, or junk follows the end."""
    kind = image.format or ""
    if kind == "TIFF" and _tiff_end(image):
        return _tiff_end(image) <= size_of(stream)
    if kind == "PNG":
        return has_end(kind, stream)
    return (kind not in ("TIFF", "BMP") and has_end(kind, stream)) or _decodes(image)


def _tiff_end(image: Image.Image) -> int:
    """Where the last strip or tile of a TIFF ends, in bytes; 0 if it does not say."""
    tags: dict[int, tuple[int, ...]] = getattr(image, "tag_v2", {})
    offsets = tags.get(273) or tags.get(324) or ()  # StripOffsets or TileOffsets
    counts = tags.get(279) or tags.get(325) or ()  # StripByteCounts or TileByteCounts
    return max((int(offset + count) for offset, count in zip(offsets, counts, strict=False)), default=0)


def _decodes(image: Image.Image) -> bool:
    """Whether Pillow, which never fills in what is missing, reads the image to its end."""
    try:
        image.load()
    except Exception:  # see `decoding`
        return False
    return True
