"""The colors, or the ids, that label pictures are made of: found and counted.

A half that holds few colors altogether, each apart from the others, is labels as it is. Else noise is looked away from:
JPEG leaves edges and their neighborhood in colors of no class, but the inside of an area nearly as it was. So of every
picture the *flat* pixels are taken, in whose 3×3 neighborhood no channel varies by more than some levels, and their
colors counted. The most frequent color is the first of the palette, and takes all within a distance with it; the most
frequent one of the rest is the second, and so on, until what is left is too rare. What has no sharp peak, half of it
within a few levels, is a shade of a photograph, and no color of a palette. (Clustering by k-means wants to know how
many there are, by density a library more; the histogram of flat pixels has its classes as separate peaks.)
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from atme.images import Pixels

MOST = 254
"""Classes that labels may have."""
FLAT = 12
"""Levels by which a channel varies at most around a flat pixel."""
APART = 24.0
"""Distance in RGB within which colors are one."""
SHARP = 6.0
"""Distance within which half of a color's pixels lie."""
LEAST = 0.001
"""Share of the flat pixels under which a color is none of the palette."""
EXPLAINED = 0.7
"""Share of all pixels that the colors of labels are near to, at least."""

Counted = dict[int, int]


@dataclass(frozen=True)
class Palette:
    """What one half of pairs is made of."""

    values: tuple[tuple[int, ...], ...]
    """Colors (R, G, B), or ids (one number each), the most frequent first."""
    shares: tuple[float, ...]
    """Of all pixels, nearest to each."""
    explained: float
    """Share of all pixels that are near to one of them; 1 where they are exact."""
    exact: bool
    """Whether the pictures hold no other color."""

    @property
    def names(self) -> list[str]:
        """A name for each: what its color is called (CSS), or its id."""
        found: list[str] = []
        for value in self.values:
            name = f"id_{value[0]}" if len(value) == 1 else _called(value)
            same = sum(each.rstrip("0123456789").rstrip("_") == name for each in found)
            found.append(f"{name}_{same + 1}" if same and len(value) > 1 else name)
        return found


def find_palette(pictures: Iterable[Pixels]) -> Palette | None:
    """The palette of some pictures (H, W, C); None where they are of many colors, as photographs are."""
    every: Counted = {}
    flat: Counted = {}
    channels = 0
    for picture in pictures:
        channels = picture.shape[2]
        if channels not in (1, 3) or (channels == 3 and picture.dtype != np.uint8):
            return None
        packed = _packed(picture)
        _count(every, packed)
        if channels == 3:
            _count(flat, packed[flat_pixels(picture)])
    if 2 <= len(every) <= MOST and (channels == 1 or _are_apart(every)):
        order = sorted(every, key=lambda each: (-every[each], each))
        total = sum(every.values())
        return Palette(
            tuple(_unpacked(each, channels) for each in order), tuple(every[each] / total for each in order), 1.0, True
        )
    return _peaks(every, flat) if flat and channels == 3 else None


def _are_apart(every: Counted) -> bool:
    """Whether no two colors are so near to each other as noise makes them."""
    colors = _arrays(every)[0]
    return all((_apart(colors[at + 1 :], colors[at]) > SHARP).all() for at in range(len(colors)))


def _peaks(every: Counted, flat: Counted) -> Palette | None:
    """The peaks of a histogram of flat pixels, if nearly all pixels are near to one of them."""
    colors, counts = _arrays(flat)
    left, found, least = counts.copy(), list[NDArray[np.int64]](), LEAST * counts.sum()
    while len(found) <= MOST and left.sum() >= least:
        top = colors[int(left.argmax())]
        apart = _apart(colors, top)
        near = apart <= APART
        if left[near].sum() >= least and 2 * left[apart <= SHARP].sum() >= left[near].sum():
            found.append(top)
        left[near] = 0
    if not 2 <= len(found) <= MOST:
        return None
    all_colors, all_counts = _arrays(every)
    apart = np.stack([_apart(all_colors, each) for each in found])  # (classes, colors)
    nearest, total = apart.argmin(axis=0), all_counts.sum()
    shares = np.bincount(nearest, weights=all_counts, minlength=len(found)) / total
    explained = float(all_counts[apart.min(axis=0) <= APART].sum() / total)
    if explained < EXPLAINED:
        return None
    order = np.argsort(-shares, kind="stable")
    return Palette(
        tuple(tuple(int(each) for each in found[at]) for at in order),
        tuple(float(shares[at]) for at in order),
        explained,
        False,
    )


def flat_pixels(picture: Pixels) -> NDArray[np.bool_]:
    """(H, W): in whose 3×3 neighborhood no channel varies by more than `FLAT`."""
    window = np.ones((3, 3), np.uint8)
    spread = cv2.dilate(picture, window).astype(np.int16) - cv2.erode(picture, window)
    return np.asarray(spread.max(axis=2) <= FLAT)


def _packed(picture: Pixels) -> NDArray[np.int64]:
    """Each pixel as one number (H, W)."""
    values = picture.astype(np.int64)
    return values[..., 0] if values.shape[2] == 1 else values @ np.array([65536, 256, 1])


def _unpacked(value: int, channels: int) -> tuple[int, ...]:
    return (value,) if channels == 1 else (value >> 16, value >> 8 & 255, value & 255)


def _count(into: Counted, packed: NDArray[np.int64]) -> None:
    values, counts = np.unique(packed, return_counts=True)
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        into[value] = into.get(value, 0) + count


def _arrays(counted: Counted) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Colors (n, 3), in their order, and how many pixels have each."""
    packed = np.array(sorted(counted), np.int64)
    colors = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=1)
    return colors, np.array([counted[each] for each in packed.tolist()], np.int64)


def _apart(colors: NDArray[np.int64], one: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(np.square(colors - one).sum(axis=1)))


def _called(color: Sequence[int]) -> str:
    """The name in CSS of the color that is nearest."""
    named = {name: ImageColor.getrgb(code)[:3] for name, code in ImageColor.colormap.items() if "grey" not in name}
    return min(named, key=lambda name: sum((a - b) ** 2 for a, b in zip(named[name], color, strict=True)))
