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

UNSHARP = 0.5
"""Share of the flat pixels that may lie in shades without a sharp peak."""

_PENDING = 2**17  # colors of single pictures that are kept until they are added up


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
    every, flat, channels = _Counted(), _Counted(), 0
    for picture in pictures:
        channels = channels or picture.shape[2]
        if picture.shape[2] != channels or channels not in (1, 3) or (channels == 3 and picture.dtype != np.uint8):
            return None
        packed = _packed(picture)
        every.add(packed)
        if channels == 3:
            flat.add(packed[flat_pixels(picture)])
    there, counts = every.sum()
    if 2 <= len(there) <= MOST and (channels == 1 or _are_apart(_colors(there))):
        order = np.lexsort((there, -counts))
        return Palette(
            tuple(_unpacked(int(there[at]), channels) for at in order),
            tuple(float(counts[at] / counts.sum()) for at in order),
            1.0,
            True,
        )
    return _peaks(every, flat) if channels == 3 and len(flat.sum()[0]) else None


def why_none(pictures: Sequence[Pixels]) -> str:
    """Why pictures (H, W, C) in which `find_palette` finds no palette are no labels as they are, in words."""
    channels = sorted({picture.shape[2] for picture in pictures})
    if len(channels) > 1:
        return f"pictures of {' and of '.join(map(str, channels))} channels; labels have one, or three"
    if channels == [4]:
        return "pictures with alpha, which labels have none of; convert them to RGB"
    if channels == [3] and any(picture.dtype != np.uint8 for picture in pictures):
        return "colors of 16 bits, and those of labels have 8; convert them"
    if len({int(value) for picture in pictures for value in np.unique(_packed(picture))[:2]}) == 1:
        return "pictures of one color"
    if channels == [3] and all((picture == picture[..., :1]).all() for picture in pictures):
        return "gray in three equal channels; if it is ids, convert it to one"
    return "pictures, of more colors than labels have"


class _Counted:
    """How many pixels have each color, by its channels as one number, or each id: of millions, too."""

    def __init__(self) -> None:
        self._parts: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        self._waiting = 0

    def add(self, packed: NDArray[np.uint32]) -> None:
        """Count the pixels of a picture."""
        values, counts = np.unique(packed, return_counts=True)
        self._parts.append((values.astype(np.int64), counts))
        self._waiting += len(values)
        if self._waiting > max(_PENDING, 2 * len(self._parts[0][0])):  # so that each color is added up few times
            self.sum()

    def sum(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The colors in their order, and how many pixels have each."""
        if len(self._parts) > 1:
            values, places = np.unique(np.concatenate([part[0] for part in self._parts]), return_inverse=True)
            counts = np.bincount(places, weights=np.concatenate([part[1] for part in self._parts]))
            self._parts = [(values, counts.astype(np.int64))]
        self._waiting = 0
        return self._parts[0] if self._parts else (np.zeros(0, np.int64), np.zeros(0, np.int64))


def _are_apart(colors: NDArray[np.int64]) -> bool:
    """Whether no two colors are so near to each other as noise makes them."""
    return all((_apart(colors[at + 1 :], colors[at]) > SHARP).all() for at in range(len(colors)))


def _peaks(every: _Counted, flat: _Counted) -> Palette | None:
    """The peaks of a histogram of flat pixels, if nearly all pixels are near to one of them."""
    packed, left = flat.sum()
    colors = _colors(packed)
    found, total = list[NDArray[np.int64]](), int(left.sum())
    least, unsharp = LEAST * total, 0
    while len(found) <= MOST and left.sum() >= least and unsharp <= UNSHARP * total:
        top = colors[int(left.argmax())]
        apart = _apart(colors, top)
        near = apart <= APART
        here = int(left[near].sum())
        if here >= least and 2 * left[apart <= SHARP].sum() >= here:
            found.append(top)
        else:
            unsharp += here
        colors, left = colors[~near], left[~near]
    if unsharp > UNSHARP * total or not 2 <= len(found) <= MOST:
        return None
    packed, all_counts = every.sum()
    nearest, apart = _nearest(_colors(packed), found)
    total = int(all_counts.sum())
    shares = np.bincount(nearest, weights=all_counts, minlength=len(found)) / total
    explained = float(all_counts[apart <= APART].sum() / total)
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


def _packed(picture: Pixels) -> NDArray[np.uint32]:
    """Each pixel as one number (H, W)."""
    if picture.shape[2] == 1:
        return picture[..., 0].astype(np.uint32)
    red, green, blue = (picture[..., at].astype(np.uint32) for at in range(3))
    return np.asarray(red << 16 | green << 8 | blue, np.uint32)


def _unpacked(value: int, channels: int) -> tuple[int, ...]:
    return (value,) if channels == 1 else (value >> 16, value >> 8 & 255, value & 255)


def _colors(packed: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n, 3)"""
    return np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=1)


def _nearest(
    colors: NDArray[np.int64], palette: Sequence[NDArray[np.int64]]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each color (n, 3) the place of the nearest one of a palette, and how far that is."""
    nearest, apart = np.zeros(len(colors), np.int64), np.full(len(colors), np.inf)
    for place, one in enumerate(palette):
        here = _apart(colors, one)
        closer = here < apart
        nearest[closer], apart[closer] = place, here[closer]
    return nearest, apart


def _apart(colors: NDArray[np.int64], one: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(np.square(colors - one).sum(axis=1)))


def _called(color: Sequence[int]) -> str:
    """The name in CSS of the color that is nearest."""
    named = {name: ImageColor.getrgb(code)[:3] for name, code in ImageColor.colormap.items() if "grey" not in name}
    return min(named, key=lambda name: sum((a - b) ** 2 for a, b in zip(named[name], color, strict=True)))
