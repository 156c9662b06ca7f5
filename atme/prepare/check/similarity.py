"""Which pictures are the same to the eye? A perceptual hash of 63 bits, and a search for close ones.

The hash: the picture in gray at 32×32, its discrete cosine transform, the 8×8 lowest frequencies without the
constant one, each above (1) or below (0) their median (Zauner 2010, "pHash"). It stays nearly the same under
recompression, resizing, brightness and slight crops. Mirroring a picture negates its odd horizontal
frequencies, so the hash of the mirrored picture comes for free. These ten lines on OpenCV work on the array
that is decoded anyway; the package imagehash would decode again and bring PyWavelets along.

A hash forgets color, so a thumbnail of 8×8 colors must agree as well: a catalog has one shoe in many colors.

Measured on the 262 halves of earth: recompression at quality 30 changes at most 4 bits of a half and moves
the thumbnail by 1.2 levels; of different pairs the closest differ in 36 bits of both halves and by 12 levels.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from atme.images import Pixels

BITS_APART = 15
"""Of the 126 bits of a pair's two halves, as many may differ in pairs that look the same."""
LEVELS_APART = 6.0
"""Of 255: as much may their thumbnails differ, on average."""

_SIZE = 32
_LOW = 8
_BANDS = 16  # bytes of a pair's code; 15 differing bits leave one of 16 bytes equal
assert BITS_APART < _BANDS

Code = NDArray[np.uint8]
"""(16,) the hashes of both halves, 8 bytes each."""


@dataclass(frozen=True)
class Look:
    """What a picture looks like, in 80 bytes."""

    hash: NDArray[np.uint8]
    """(8,) 63 bits and a 0."""
    mirrored: NDArray[np.uint8]
    """(8,) the hash of the picture mirrored left to right."""
    thumbnail: NDArray[np.uint8]
    """(8, 8, 3) colors, 0 to 255."""


def look_of(picture: Pixels) -> Look:
    """The look of a picture (H, W, C) uint8 or uint16, C = 1, 3 or 4."""
    color = as_color(picture)
    gray = cv2.cvtColor(color, cv2.COLOR_RGB2GRAY).astype(np.float32)
    small = cv2.resize(gray, (_SIZE, _SIZE), interpolation=cv2.INTER_AREA)
    frequencies = np.asarray(cv2.dct(small), np.float32)[:_LOW, :_LOW]
    mirrored = frequencies * np.float32(1 - 2 * (np.arange(_LOW) % 2))
    thumbnail = cv2.resize(color, (_LOW, _LOW), interpolation=cv2.INTER_AREA)
    return Look(_bits(frequencies), _bits(mirrored), np.asarray(thumbnail))


def as_color(picture: Pixels) -> NDArray[np.uint8]:
    """(H, W, 3) uint8: the upper 8 of 16 bits, gray three times, no transparency."""
    eight = picture if picture.dtype == np.uint8 else (picture >> 8).astype(np.uint8)
    return np.ascontiguousarray(eight[..., :3] if eight.shape[2] > 1 else eight.repeat(3, axis=2))


def close_codes(codes: NDArray[np.uint8], others: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """All (i, j) for which row i of `codes` and row j of `others` are at most `BITS_APART` bits apart.

    Two rows so close share at least one of their 16 bytes, so only rows with an equal byte are compared: one
    comparison in sixteen.

    Args:
        codes: (N, 16).
        others: (M, 16).
    """
    found: set[tuple[int, int]] = set()
    for band in range(_BANDS):
        for value in np.intersect1d(codes[:, band], others[:, band]):
            rows = np.flatnonzero(codes[:, band] == value)
            columns = np.flatnonzero(others[:, band] == value)
            found.update(_close(codes, others, rows, columns))
    return sorted(found)


def _close(
    codes: NDArray[np.uint8], others: NDArray[np.uint8], rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> set[tuple[int, int]]:
    left, right = codes[rows].view(np.uint64), others[columns].view(np.uint64)  # (n, 2), (m, 2)
    block = max(1, 1_000_000 // len(columns))  # rows at a time: some 20 MB
    found: set[tuple[int, int]] = set()
    for start in range(0, len(rows), block):
        part = left[start : start + block, None]
        apart = sum(np.bitwise_count(part[..., half] ^ right[:, half]) for half in (0, 1))
        i, j = np.nonzero(apart <= BITS_APART)
        found.update(zip(rows[start + i].tolist(), columns[j].tolist(), strict=True))
    return found


def _bits(frequencies: NDArray[np.float32]) -> NDArray[np.uint8]:
    values = frequencies.ravel()[1:]
    return np.packbits(values > np.median(values))
