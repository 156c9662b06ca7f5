"""Arrays as image files: whole or not at all, and never with less than the array holds."""

import os
import threading
from pathlib import Path

import cv2
import numpy as np

from atme.images.headers import IMAGE_SUFFIXES
from atme.images.pixels import Pixels

# What a file of each ending can hold: bytes per value, and channels.
_PLAIN, _RICH = ((1,), (1, 3)), ((1, 2), (1, 3, 4))
_HOLDS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {".webp": ((1,), (3, 4))}
_HOLDS |= dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif", ".bmp"), _PLAIN)
_HOLDS |= dict.fromkeys((".png", ".tif", ".tiff"), _RICH)
_SIDES = {".webp": 16_383} | dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), 65_500)  # pixels, at most


def write_image(path: str | Path, array: Pixels) -> None:
    """Write pixels to a file whose ending gives the format, under a temporary name that is then changed.

    Args:
        path: the file; an existing one is replaced. JPEG is written with quality 95, WebP without loss.
        array: (H, W, C) uint8 or uint16, C = 1 (gray), 3 (RGB) or 4 (RGBA).

    Raises:
        ValueError: an unknown ending, or pixels that such a file cannot hold, be it for their number.
        OSError: the folder is missing or not writable, or the disk is full; nothing is left behind.
    """
    path = Path(path)
    _check(path, array)
    settings = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_WEBP_QUALITY, 101]  # over 100: without loss
    suffix = path.suffix.lower()
    done, encoded = cv2.imencode(".jpg" if suffix == ".jfif" else suffix, _in_opencv_order(array), settings)
    if not done:
        size = f"{array.shape[1]}×{array.shape[0]} pixels"
        raise ValueError(f"{path}: {size} cannot be written as {suffix}; write a .png, or cut it into tiles")
    _write_whole(path, encoded.tobytes())


def require_ending(path: str | Path, *, bits: int, channels: int) -> None:
    """Whether a file of this name can hold such pixels.

    Args:
        path: of the file; only its name is looked at.
        bits: 8 or 16, per value.
        channels: 1 (gray), 3 (RGB) or 4 (RGBA).

    Raises:
        ValueError: it cannot.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _HOLDS:
        raise ValueError(f"{path}: not an image's ending; choose one of {' '.join(IMAGE_SUFFIXES)}")
    sizes, counts = _HOLDS[suffix]
    if bits // 8 not in sizes or channels not in counts:
        raise ValueError(f"{path}: a {suffix} file cannot hold {bits}-bit pixels of {channels} channels; write a .png")


def _check(path: Path, array: Pixels) -> None:
    assert array.ndim == 3, array.shape
    assert array.dtype in (np.uint8, np.uint16), array.dtype
    require_ending(path, bits=8 * array.itemsize, channels=array.shape[2])
    most = _SIDES.get(path.suffix.lower(), max(array.shape))
    if max(array.shape) > most:
        size = f"{array.shape[1]:,}×{array.shape[0]:,} pixels"
        raise ValueError(f"{path}: a {path.suffix} file has sides of {most:,} pixels at most, not {size}; write a .png")


def _in_opencv_order(array: Pixels) -> Pixels:
    if array.shape[2] == 1:
        return array
    return cv2.cvtColor(array, cv2.COLOR_RGB2BGR if array.shape[2] == 3 else cv2.COLOR_RGBA2BGRA)


def _write_whole(path: Path, content: bytes) -> None:
    part = path.with_name(f".{os.getpid()}.{threading.get_ident()}.part")  # any name that fits has room for its own
    try:
        part.write_bytes(content)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
