"""Image files as arrays: decoded by OpenCV, upright as a viewer shows them, and whole or not at all.

Some decoders fill the missing rest of a truncated file with gray and at most whisper about it, so the file's
end is looked for first. A JPEG that ends as it should skips the look at its header: the way of training.
"""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np

from atme.images.headers import JPEG_END, JPEG_START, inspect, unreadable
from atme.images.pixels import Pixels

# What OpenCV explains on stderr we say in one line that names the file.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

# Markers of the segment that tells a JPEG's size and channels: SOF0 to SOF15 without DHT, JPG and DAC.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

# What undoes each of EXIF's orientations.
_UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: lambda image: np.rot90(image),
}


def read_image(path: str | Path) -> Pixels:
    """The pixels of an image file: (H, W, C) uint8 or uint16, C = 1 (gray), 3 (RGB) or 4 (RGBA), upright.

    Raises:
        ValueError: no such file, not an image, truncated, or pixels of a kind that is not supported.
    """
    try:
        with open(path, "rb") as stream:
            content = stream.read()
    except OSError as error:
        raise unreadable(path, error) from error
    return _read_jpeg(path, content) if content.startswith(JPEG_START) else _read_other(path, content)


def _read_jpeg(path: str | Path, content: bytes) -> Pixels:
    """The pixels of a JPEG, (H, W, 1) or (H, W, 3); OpenCV turns it upright."""
    if not content.endswith(JPEG_END):
        inspect(path, BytesIO(content))  # truncated, or with something behind its end
    if _is_gray(content):
        return _decode(path, content, cv2.IMREAD_GRAYSCALE)[..., None]
    return _decode(path, content, cv2.IMREAD_COLOR_RGB)


def _is_gray(jpeg: bytes) -> bool:
    """Whether a JPEG has one channel, as its frame's segment says; each segment tells its length."""
    place = len(JPEG_START) - 1
    while place + 9 < len(jpeg) and jpeg[place + 1] not in _FRAMES:
        place += 2 + int.from_bytes(jpeg[place + 2 : place + 4], "big")
    return jpeg[place + 9 : place + 10] == b"\1"


def _read_other(path: str | Path, content: bytes) -> Pixels:
    """The pixels of a file that may have transparency or 16 bits: as they are, in the order RGBA, upright."""
    header = inspect(path, BytesIO(content))
    image = _decode(path, content, cv2.IMREAD_UNCHANGED)
    if image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"{path}: {image.dtype} pixels are not supported; save it with 8 or 16 bits")
    image = np.ascontiguousarray(_UPRIGHT[header.orientation](_in_our_order(image)))
    if image.shape != (header.height, header.width, header.channels):
        raise ValueError(f"{path}: decoded as {image.shape}, which its header denies; save it anew as PNG")
    return image


def _in_our_order(image: Pixels) -> Pixels:
    """From OpenCV's (H, W), BGR or BGRA."""
    if image.ndim == 2:
        return image[..., None]
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB if image.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)


def _decode(path: str | Path, content: bytes, flags: int) -> Pixels:
    """What OpenCV makes of a file."""
    image = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    if image is None:
        raise ValueError(f"{path}: damaged (it cannot be decoded); copy or download it again")
    return image
