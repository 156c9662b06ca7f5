"""Which pictures are the same to the eye? A perceptual hash of 63 bits, and a search for close ones.

The hash: the picture in gray at 32×32, its discrete cosine transform, the 8×8 lowest frequencies without the
constant one, each above (1) or below (0) their median (Zauner 2010, "pHash"). It stays nearly the same under
recompression, resizing, brightness and slight crops. Mirroring a picture negates its odd horizontal
frequencies, transposing it transposes them, so the hashes of all its eight turnings come for free. These lines on
OpenCV work on the array that is decoded anyway; the package imagehash would decode again and bring PyWavelets along.

A hash forgets color, so a thumbnail of 8×8 colors must agree as well: a catalog has one shoe in many colors.

Frames of a film all look the same: n of them make n² / 2 pairs that look alike, which is why the search tells of each
picture the first one that it is like, and of a group that is alike only the first one is compared any further.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from atme.images import Pixels

_SIZE = 32
_LOW = 8
_ALTERNATING: NDArray[np.float32] = (1 - 2 * (np.arange(_LOW) % 2)).astype(np.float32)
_BLOCK = 256  # rows that are compared at a time
_EXACT = 1e-6  # levels; what spreads not at all is compared as well
_ROUNDS = 4  # after which what is left is compared with all that is close at once

Array = NDArray[Any]


@dataclass(frozen=True)
class Turning:
    """One of the eight ways in which a picture can be turned and mirrored."""

    mirrored: bool
    """Left to right, before it is turned."""
    quarters: int
    """Turns by 90° against the clock."""
    words: str
    """For a person, after the name of another picture."""

    def __call__(self, picture: Array) -> Array:
        """The picture (H, W, …) turned."""
        return np.rot90(picture[:, ::-1] if self.mirrored else picture, self.quarters)

    def of_frequencies(self, frequencies: NDArray[np.float32]) -> NDArray[np.float32]:
        """The cosine transform of the turned picture, from that of the picture."""
        turned = frequencies * _ALTERNATING if self.mirrored else frequencies
        for _ in range(self.quarters):  # transposed, then upside down
            turned = turned.T * _ALTERNATING[:, None]
        return turned


TURNINGS = (
    Turning(False, 0, ""),
    Turning(True, 0, "mirrored"),
    Turning(True, 2, "upside down, mirrored"),
    Turning(False, 2, "upside down"),
    Turning(False, 1, "turned by a quarter"),
    Turning(False, 3, "turned by a quarter"),
    Turning(True, 1, "turned by a quarter and mirrored"),
    Turning(True, 3, "turned by a quarter and mirrored"),
)
"""All eight, the likeliest first; the first one turns nothing."""


@dataclass(frozen=True)
class Look:
    """What a picture looks like, in 256 bytes."""

    hashes: NDArray[np.uint64]
    """(8,) of each of `TURNINGS`: 63 bits and a 0."""
    thumbnail: NDArray[np.uint8]
    """(8, 8, 3) colors, 0 to 255."""


@dataclass(frozen=True)
class Likeness:
    """How much two pictures, or all halves of two pairs, may differ and still look the same."""

    bits: int
    """Of the 63 of each half, in sum."""
    levels: float
    """Of 255: between the thumbnails of a half, on average."""
    contrast: float = math.inf
    """The same as a share of how far the colors of the thumbnail spread: drawings are all nearly white."""


@dataclass(frozen=True)
class Looks:
    """The looks of N pairs, or of one half of each."""

    hashes: NDArray[np.uint64]
    """(N, 8, S): S is 2 for pairs and 1 for halves."""
    thumbnails: NDArray[np.uint8]
    """(N, S, 8, 8, 3)"""

    def __len__(self) -> int:
        return len(self.hashes)

    def __getitem__(self, rows: "slice | Array | list[int]") -> "Looks":
        return Looks(self.hashes[rows], self.thumbnails[rows])


def look_of(picture: Pixels) -> Look:
    """The look of a picture (H, W, C) uint8 or uint16, C = 1, 3 or 4."""
    color = as_color(picture)
    gray = cv2.cvtColor(color, cv2.COLOR_RGB2GRAY).astype(np.float32)
    small = cv2.resize(gray, (_SIZE, _SIZE), interpolation=cv2.INTER_AREA)
    frequencies = np.asarray(cv2.dct(small), np.float32)[:_LOW, :_LOW]
    turned = np.stack([turning.of_frequencies(frequencies) for turning in TURNINGS])
    thumbnail = cv2.resize(color, (_LOW, _LOW), interpolation=cv2.INTER_AREA)
    return Look(_bits(turned), np.asarray(thumbnail))


def as_color(picture: Pixels) -> NDArray[np.uint8]:
    """(H, W, 3) uint8: the upper 8 of 16 bits, gray three times, no transparency."""
    eight = picture if picture.dtype == np.uint8 else (picture >> 8).astype(np.uint8)
    return np.ascontiguousarray(eight[..., :3] if eight.shape[2] > 1 else eight.repeat(3, axis=2))


def looks_of(looks: Sequence[Sequence[Look]]) -> Looks:
    """The looks of N pairs, or of one half of each: (N, S) of them; at least one."""
    hashes = np.array([[each.hashes for each in row] for row in looks], np.uint64)
    thumbnails = np.array([[each.thumbnail for each in row] for row in looks], np.uint8)
    return Looks(np.ascontiguousarray(hashes.swapaxes(1, 2)), thumbnails)


def are_alike(one: Look, other: Look, *, likeness: Likeness) -> bool:
    """Whether two pictures look the same as they are."""
    first = first_alike(looks_of([[one]]), looks_of([[other]]), likeness=likeness, turning=0)
    return bool(first[0] >= 0)


def first_alike(some: Looks, others: Looks, *, likeness: Likeness, turning: int) -> NDArray[np.intp]:
    """For each of N looks the first of M others that looks the same.

    Args:
        some: N.
        others: M, of as many halves.
        likeness: What counts as the same.
        turning: The place in `TURNINGS` of how the first ones are turned before they are compared.

    Returns:
        (N,) places among the others; -1: there is none.
    """
    found = np.full(len(some), -1, np.intp)
    for start in range(0, len(some) if len(others) else 0, _BLOCK):
        block = some[start : start + _BLOCK]
        found[start : start + _BLOCK] = _first_of_block(block, others, likeness, turning)
    return found


def first_turned(
    some: Looks, others: Looks, *, likeness: Likeness, turnings: Iterable[int] = range(len(TURNINGS))
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """As `first_alike`, in the likeliest turning there is one: (N,) places among the others, (N,) turnings."""
    found, turned = np.full(len(some), -1, np.intp), np.zeros(len(some), np.intp)
    for turning in turnings:
        waiting = np.flatnonzero(found < 0)
        found[waiting] = first_alike(some[waiting], others, likeness=likeness, turning=turning)
        turned[waiting] = turning
    return found, turned


def leaders_of(looks: Looks, *, likeness: Likeness) -> list[tuple[int, int]]:
    """Groups that look the same, turned in whatever way: for each look its leader, and how it is turned.

    A look that is like no leader before it leads a group itself. So of those that are left when all others are taken
    away no two look the same, and a film that passes slowly from one scene to another falls into several groups.

    Returns:
        For each look (leader, turning): places among the looks and in `TURNINGS`; its own place if it leads.
    """
    groups = [(place, 0) for place in range(len(looks))]
    leaders = np.zeros(0, np.intp)
    for start in range(0, len(looks), _BLOCK):
        block = looks[start : start + _BLOCK]
        first, turning = first_turned(block, looks[leaders], likeness=likeness)
        for place in np.flatnonzero(first >= 0).tolist():
            groups[start + place] = (int(leaders[first[place]]), int(turning[place]))
        for place, leader, way in _among(block, np.flatnonzero(first < 0), likeness):
            groups[start + place] = (start + leader, way)
        own = [start + place for place in range(len(block)) if groups[start + place][0] == start + place]
        leaders = np.concatenate([leaders, np.asarray(own, np.intp)])
    return groups


def _among(block: Looks, places: NDArray[np.intp], likeness: Likeness) -> Iterator[tuple[int, int, int]]:
    """(place, leader, turning) of those looks of a block that are like an earlier one of them which leads."""
    rest = block[places]
    near = sum(_close(rest, rest, likeness, turning) for turning in range(len(TURNINGS)))
    leading: list[int] = []
    for row, place in enumerate(places.tolist()):
        if np.any(np.asarray(near)[row, :row]):
            first, turning = first_turned(block[[place]], block[leading], likeness=likeness)
            if first[0] >= 0:
                yield place, leading[int(first[0])], int(turning[0])
                continue
        leading.append(place)


def _first_of_block(some: Looks, others: Looks, likeness: Likeness, turning: int) -> NDArray[np.intp]:
    """As `first_alike`, for as many as fit into memory with all others."""
    close = _close(some, others, likeness, turning)
    turned = np.moveaxis(TURNINGS[turning](np.moveaxis(some.thumbnails, (0, 1), (2, 3))), (2, 3), (0, 1))
    found = np.full(len(some), -1, np.intp)
    for _ in range(_ROUNDS):
        rows = np.flatnonzero((found < 0) & close.any(axis=1))
        if not len(rows):
            break
        columns = close[rows].argmax(axis=1)
        same = _same_colors(turned[rows], others.thumbnails[columns], likeness)
        found[rows[same]] = columns[same]
        close[rows, columns] = False
    for row in np.flatnonzero((found < 0) & close.any(axis=1)):
        columns = np.flatnonzero(close[row])
        same = _same_colors(turned[row][None], others.thumbnails[columns], likeness)
        found[row] = columns[same.argmax()] if same.any() else -1
    return found


def _close(some: Looks, others: Looks, likeness: Likeness, turning: int) -> NDArray[np.bool_]:
    """(N, M): whether the hashes of the first ones, turned, and of the others are close."""
    apart = np.zeros((len(some), len(others)), np.uint8)
    for half in range(some.hashes.shape[2]):
        apart += np.bitwise_count(some.hashes[:, turning, half, None] ^ others.hashes[:, 0, half])
    return np.asarray(apart <= likeness.bits)


def _same_colors(some: NDArray[np.uint8], others: NDArray[np.uint8], likeness: Likeness) -> NDArray[np.bool_]:
    """(N,): whether the thumbnails (N, S, 8, 8, 3) of all S halves are close; one of the first ones may stand for N."""
    apart = np.abs(some.astype(np.int16) - others).mean(axis=(2, 3, 4))
    spread = others.std(axis=(2, 3)).mean(axis=-1)
    return np.asarray((apart <= np.minimum(likeness.levels, likeness.contrast * (spread + _EXACT))).all(axis=1))


def _bits(frequencies: NDArray[np.float32]) -> NDArray[np.uint64]:
    values = frequencies.reshape(len(frequencies), -1)[:, 1:]
    bits = np.packbits(values > np.median(values, axis=1, keepdims=True), axis=1)
    return np.ascontiguousarray(bits).view(np.uint64)[:, 0]
