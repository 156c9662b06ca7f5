"""From the bytes of a file to Pillow's image, of which only the header has been read; or the true reason why not."""

import os
from pathlib import Path
from typing import BinaryIO, Literal

from PIL import Image, TiffImagePlugin, TiffTags
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import jpeg_factory
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from atme.images.limits import raise_pillows_limit
from atme.images.refusals import Refusal, truncated

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")
"""Names of the formats that are read."""

_OPENERS = {
    "JPEG": jpeg_factory,
    "PNG": PngImageFile,
    "WEBP": WebPImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "BMP": BmpImageFile,
}
_STARTS = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG", b"RIFF": "WEBP", b"BM": "BMP"}
_STARTS |= dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "TIFF")
# What pictures of other formats have at which place, whatever their names end in.
_OTHERS = (
    (0, b"GIF8", "GIF"),
    (0, b"8BPS", "Photoshop"),
    (0, b"%PDF", "PDF"),
    (0, b"v/1\x01", "OpenEXR"),
    (0, b"\xff\x0a", "JPEG XL"),
    (4, b"JXL ", "JPEG XL"),
    (4, b"jP  ", "JPEG 2000"),
    (8, b"avif", "AVIF"),
    (4, b"ftyp", "HEIC"),
)
# Compressions of TIFF that Pillow has no name for.
_COMPRESSIONS = {33003: "JPEG 2000", 33005: "JPEG 2000", 34712: "JPEG 2000", 34887: "LERC", 50002: "JPEG XL"}
_PNG_END, _JPEG_END = b"IEND\xaeB`\x82", b"\xff\xd9"


def open_image(path: str | Path, stream: BinaryIO) -> Image.Image:
    """Pillow's image of an open file; to be called within `decoding`.

    Raises:
        ValueError: not an image, truncated before its pixels, or of a kind that Pillow does not read.
    """
    raise_pillows_limit()
    stream.seek(0)
    kind = _format_of(path, stream)
    try:
        return _OPENERS[kind](stream)
    except Exception as error:  # see `decoding`: anything comes out of foreign bytes
        if not has_end(kind, stream):
            raise truncated(path) from error
        reason = _reason_of_tiff(stream) if kind == "TIFF" else None
        words = reason or " ".join(str(error).split()) or type(error).__name__
        remedy = "save it as gray or RGB of 8 or 16 bits" if reason else "copy it again, or save it anew as PNG"
        raise Refusal(f"{path}: a {kind} that is not read ({words}); {remedy}") from error


def has_end(kind: str, stream: BinaryIO) -> bool:
    """Whether the end of a file of this format is where it belongs, as far as that is to be told without decoding.

    Of a TIFF only that its tags are there.
    """
    start, end, size = _edges(stream)
    match kind:
        case "JPEG" | "MPO":
            return end.endswith(_JPEG_END)
        case "PNG":
            return end.endswith(_PNG_END) or contains(stream, _PNG_END)
        case "WEBP":  # a RIFF file, which declares its length
            return 8 + int.from_bytes(start[4:8], "little") <= size
        case "TIFF":
            return _has_directory(stream)
        case _:  # BMP declares its length, and some programs leave it at 0
            return size >= 54 and int.from_bytes(start[2:6], "little") <= size


def contains(stream: BinaryIO, part: bytes, *, last: int = -1) -> bool:
    """Whether a file has these bytes somewhere, or among its ``last`` ones; its position stays."""
    place = stream.tell()
    stream.seek(max(size_of(stream) - last, 0) if last >= 0 else 0)
    content = stream.read()
    stream.seek(place)
    return part in content


def size_of(stream: BinaryIO) -> int:
    """Bytes of a file; its position stays."""
    place = stream.tell()
    size = stream.seek(0, os.SEEK_END)
    stream.seek(place)
    return size


def _format_of(path: str | Path, stream: BinaryIO) -> str:
    """Of a file, as its first bytes tell, whatever its name ends in."""
    start = _edges(stream)[0]
    for bytes_, kind in _STARTS.items():
        if start.startswith(bytes_):
            return kind
    for place, bytes_, kind in _OTHERS:
        if start[place : place + len(bytes_)] == bytes_:
            raise Refusal(f"{path}: a {kind} file, and {', '.join(FORMATS)} are read; save it as PNG")
    raise Refusal(f"{path}: not an image ({', '.join(FORMATS)}); move it elsewhere")


def _edges(stream: BinaryIO) -> tuple[bytes, bytes, int]:
    """The first 16 and the last 8 bytes of a file and its size in bytes; its position stays."""
    place = stream.tell()
    stream.seek(0)
    start, size = stream.read(16), size_of(stream)
    stream.seek(max(size - 8, 0))
    end = stream.read()
    stream.seek(place)
    return start, end, size


def _has_directory(stream: BinaryIO) -> bool:
    """Whether the tags of a TIFF, or of a BigTIFF, are all there."""
    place = stream.tell()
    stream.seek(0)
    start = stream.read(16)
    order: Literal["little", "big"] = "little" if start[:2] == b"II" else "big"
    big = 43 in start[2:4]
    first = int.from_bytes(start[8:16] if big else start[4:8], order)
    stream.seek(min(first, size_of(stream)))
    count = int.from_bytes(stream.read(8 if big else 2), order)
    stream.seek(place)
    return count > 0 and first + count * (20 if big else 12) < size_of(stream)


def _reason_of_tiff(stream: BinaryIO) -> str | None:
    """Why Pillow does not know a TIFF, from its tags; None if they do not tell."""
    try:
        tags = _tags(stream)
        if TiffImagePlugin.IMAGEWIDTH not in tags:
            return None
    except Exception:  # the tags themselves are damaged: Pillow's own words have to do
        return None
    compression = tags.get(TiffImagePlugin.COMPRESSION, 1)
    if compression not in TiffImagePlugin.COMPRESSION_INFO:
        return f"packed by {_COMPRESSIONS.get(compression, f'method {compression}')}"
    samples = tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1)
    bits = tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
    formats = {1: "unsigned", 2: "signed", 3: "floating-point"}
    kind = formats.get(tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,))[0], "unknown")
    colors = TiffTags.lookup(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION).enum
    photometric = tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION, 0)
    names = {number: name for name, number in colors.items()}
    return f"{samples} {kind} samples per pixel of {max(bits)} bits, {names.get(photometric, photometric)}"


def _tags(stream: BinaryIO) -> TiffImagePlugin.ImageFileDirectory_v2:
    stream.seek(0)
    start = stream.read(8)
    tags = TiffImagePlugin.ImageFileDirectory_v2(start + (stream.read(8) if 43 in start[2:4] else b""))
    stream.seek(tags.next)
    tags.load(stream)
    return tags
