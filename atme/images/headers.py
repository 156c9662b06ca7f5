"""What an image file says of itself before it is decoded: size, channels, and whether its end is there.

Pillow reads the header; OpenCV decodes the pixels (`reading.py`), so channels are counted as OpenCV returns
them: gray with transparency as RGBA, a palette as RGB (RGBA if it has transparent colors), a CMYK JPEG as
RGB. Kinds that no generator can take are refused here: 32-bit pixels, and what OpenCV would misread (CMYK in
a TIFF).
"""

import os
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp")
"""Endings, in lower case, of the files that are taken for images."""

JPEG_START, JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")
_PNG_END = b"IEND\xaeB`\x82"
# What begins so was an image once, even if Pillow can make nothing of the rest.
_STARTS = (JPEG_START, b"\x89PNG", b"RIFF", b"II*\0", b"MM\0*")
# Pillow's name of a kind of pixel → channels; first the kinds that only one format may have.
_CHANNELS_OF = {("JPEG", "CMYK"): 3, ("MPO", "CMYK"): 3, ("PNG", "LA"): 4, ("PNG", "I"): 1}
_CHANNELS = {"1": 1, "L": 1, "I;16": 1, "I;16B": 1, "P": 3, "RGB": 3, "RGBA": 4}
_ORIENTATION = 0x0112


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


def is_image_name(path: str | Path) -> bool:
    """Whether the name ends as an image's does; the file is not opened."""
    return Path(path).suffix.lower() in IMAGE_SUFFIXES


def read_header(path: str | Path) -> Header:
    """Size and channels of an image file, without decoding it (some 50 µs).

    Raises:
        ValueError: no such file, not an image, truncated, or pixels of a kind that is not supported.
    """
    try:
        with open(path, "rb") as stream:
            return inspect(path, stream)
    except OSError as error:
        raise unreadable(path, error) from error


def inspect(path: str | Path, stream: BinaryIO) -> Header:
    """The header of an open image file; errors name ``path``.

    Raises:
        ValueError: not an image, truncated, or pixels of a kind that is not supported.
    """
    with _open(path, stream) as image:
        channels = _count_channels(path, image)
        if not _is_whole(image, stream):
            raise _truncated(path)
        bits = _bits(image)
        orientation = _orientation(image)
        width, height = image.size
    if orientation >= 5:
        width, height = height, width
    return Header(height=height, width=width, channels=channels, bits=bits, orientation=orientation)


def unreadable(path: str | Path, error: OSError) -> ValueError:
    """What to tell of a file that the system does not hand out."""
    return ValueError(f"{path}: cannot be read ({(error.strerror or str(error)).lower()}); check the path")


def _truncated(path: str | Path) -> ValueError:
    return ValueError(f"{path}: truncated (the end of the image is missing); copy or download it again")


def _open(path: str | Path, stream: BinaryIO) -> Image.Image:
    """Pillow's image, of which only the header has been read."""
    start = stream.read(4)
    stream.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")  # what is amiss is said below, with the name
            return Image.open(stream, formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path}: more pixels than Pillow opens; cut the image into tiles") from error
    except (OSError, SyntaxError, EOFError, ValueError, struct.error) as error:
        if start.startswith(_STARTS):
            raise _truncated(path) from error
        raise ValueError(f"{path}: not an image ({', '.join(_FORMATS)}); move it elsewhere") from error


def _count_channels(path: str | Path, image: Image.Image) -> int:
    """Channels as OpenCV decodes them."""
    channels = _CHANNELS_OF.get((image.format or "", image.mode), _CHANNELS.get(image.mode))
    if channels is None:
        kind = f"{image.format} pixels of kind {image.mode}"
        raise ValueError(f"{path}: {kind} are not supported; save it as gray or RGB of 8 or 16 bits")
    has_clear_color = image.format == "PNG" and image.mode in ("P", "RGB") and "transparency" in image.info
    return 4 if has_clear_color else channels


def _bits(image: Image.Image) -> int:
    """Bits per value as OpenCV decodes them: 8, or 16 as Pillow's name of the packed pixels says."""
    tiles: list[tuple[object, ...]] = getattr(image, "tile", [])
    packing = tiles[0][-1] if tiles else ""  # a name, or a tuple that begins with it
    name = packing[0] if isinstance(packing, tuple) else packing
    return 16 if ";16" in str(name) else 8


def _orientation(image: Image.Image) -> int:
    """EXIF's orientation as far as decoding leaves it to be undone: decoders of TIFF undo it themselves."""
    exif = image.info.get("exif")
    if exif is None or image.format == "TIFF":
        return 1
    tags = Image.Exif()
    tags.load(exif)
    orientation = int(tags.get(_ORIENTATION, 1))
    return orientation if 1 <= orientation <= 8 else 1


def _is_whole(image: Image.Image, stream: BinaryIO) -> bool:
    """Whether the file's end is there; decodes only if the format does not say, or junk follows the end."""
    start, end, size = _edges(stream)
    match image.format:
        case "JPEG" | "MPO":
            is_whole = end.endswith(JPEG_END)
        case "PNG":
            return end.endswith(_PNG_END) or _contains(stream, _PNG_END)
        case "WEBP":  # a RIFF file, which declares its length
            is_whole = 8 + int.from_bytes(start[4:8], "little") <= size
        case "TIFF":
            is_whole = 0 < _tiff_end(image) <= size
        case _:
            is_whole = False
    return is_whole or _decodes(image)


def _edges(stream: BinaryIO) -> tuple[bytes, bytes, int]:
    """The first and the last 8 bytes of a file and its size in bytes; its position stays."""
    place = stream.tell()
    stream.seek(0)
    start = stream.read(8)
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(size - 8, 0))
    end = stream.read()
    stream.seek(place)
    return start, end, size


def _contains(stream: BinaryIO, part: bytes) -> bool:
    """Whether a file has these bytes somewhere; its position stays."""
    place = stream.tell()
    stream.seek(0)
    content = stream.read()
    stream.seek(place)
    return part in content


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
    except (OSError, SyntaxError, EOFError):
        return False
    return True
