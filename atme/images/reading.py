"""Image files as arrays: upright as a viewer shows them, and whole or not at all.

Pillow reads headers and most pixels, simplejpeg JPEG (`jpeg.py`). OpenCV decodes plain PNG, where it is as strict and
faster, and what has 16 bits in several channels, which Pillow cuts to 8. Decoders fill the missing rest of a
truncated file with gray and at most whisper about it, so the file's end is looked for first.
"""

from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from atme.images.converting import clear_transparent, unpack, upright
from atme.images.headers import Header, describe, is_whole, packing
from atme.images.jpeg import decode_jpeg
from atme.images.opening import open_image
from atme.images.pixels import Pixels
from atme.images.refusals import Refusal, damaged, decoding, truncated, unreadable

# What OpenCV explains on stderr we say in one line that names the file.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


# How OpenCV is to read what it reads faster than Pillow and to the same pixels, by Pillow's name of its packing.
_FLAGS = {
    "L": cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION,
    "RGB": cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION,
}

_USUAL = ("raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "jpeg")  # that every Pillow unpacks


def read_image(path: str | Path, *, clear: bool = True) -> Pixels:
    """The pixels of an image file: (H, W, C) uint8 or uint16, C = 1 (gray), 3 (RGB) or 4 (RGBA), upright.

    Args:
        path: of a file of JPEG, PNG, WebP, TIFF or BMP, whatever its name ends in.
        clear: colors under alpha 0, which nobody sees, become 0.

    Raises:
        ValueError: no such file, not an image, truncated or damaged, larger than the limit (`limits.py`), or of
            a kind that is not supported.
    """
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise unreadable(path, error) from error
    return decode_image(content, path, clear=clear)


def decode_image(content: bytes, path: str | Path, *, clear: bool = True) -> Pixels:
    """The pixels of a file that is in memory, as `read_image` returns them.

    Args:
        content: of the file.
        path: what errors name.
        clear: colors under alpha 0, which nobody sees, become 0.

    Raises:
        ValueError: as `read_image` does.
    """
    with decoding(path), BytesIO(content) as stream, open_image(path, stream) as image:
        header = describe(path, image, stream)
        if not is_whole(image, stream):
            raise truncated(path)
        pixels = upright(_decode(path, image, header, content), header.orientation)
    if pixels.shape != (header.height, header.width, header.channels):
        raise damaged(path, f"decoded as {pixels.shape}, which its header denies")
    return clear_transparent(pixels) if clear else pixels


def _decode(path: str | Path, image: Image.Image, header: Header, content: bytes) -> Pixels:
    """The pixels as they lie in the file."""
    packed = packing(image)
    if header.format == "TIFF":
        _load_tiff(path, image)  # also if OpenCV reads it then: it fills in what Pillow refuses
    if header.format == "JPEG":
        return decode_jpeg(path, image, content)
    if header.deep or (header.format == "PNG" and packed in _FLAGS and not image.has_transparency_data):
        return _by_opencv(path, content, _FLAGS.get(packed, cv2.IMREAD_UNCHANGED))
    if header.format == "PNG":
        with PngImageFile(BytesIO(content)) as other:
            other.verify()  # checksums, which Pillow does not ask for when it decodes
    return unpack(image)


def _load_tiff(path: str | Path, image: Image.Image) -> None:
    """Let Pillow decode; not every Pillow has every compression of TIFF."""
    try:
        image.load()
    except OSError as error:
        method = image.info.get("compression")
        if method not in _USUAL:
            reason = f"packed by {method}, and it cannot be unpacked here ({error})"
            raise Refusal(
                f"{path}: {reason}; pack by deflate, or copy it again if others of its kind are read"
            ) from error
        raise


def _by_opencv(path: str | Path, content: bytes, flags: int) -> Pixels:
    """What OpenCV makes of a file."""
    image = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    if image is None:
        raise damaged(path, "it cannot be decoded")
    if image.ndim == 2:
        return image[..., None]
    if flags != cv2.IMREAD_UNCHANGED:
        return image
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB if image.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)
