"""What pictures tell of a translation between them: how far apart they are, and how large its details are.

All is computed on a sample, of pictures as files have them: (H, W, C) uint8 or uint16.
"""

from collections.abc import Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray

from atme.data.shapes import Size
from atme.data.sizes import resize
from atme.images import Pixels, to_tensor
from atme.metrics.baselines import median_color

Float = NDArray[np.float32]

SIDES = (16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 1024)
"""Shorter sides, in pixels, to which targets are shrunk."""
_SMALL = 64  # pixels a side, at which halves are compared
_SCORED = 256  # pixels a side, at which scores are usual; what is smaller is nearer to one color
_BLANK = 1e-3  # spread below which a half shows nothing
_FOR_DETAIL = 40  # pictures that are shrunk and enlarged again
_LARGEST = 1024  # pixels of the shorter side above which a picture is halved first


def centered(picture: Pixels) -> Float:
    """A picture (H, W, C) in [-1, 1]."""
    return np.asarray(picture, np.float32) * (2 / np.iinfo(picture.dtype).max) - 1


def gray(picture: Pixels) -> Float:
    """(H, W) in [-1, 1]: the mean of its colors, without transparency."""
    return np.asarray(centered(picture)[..., :3].mean(axis=2))


def smaller(picture: Pixels, side: int) -> Pixels:
    """A picture whose shorter side is at most so long; its shape is kept."""
    short = min(picture.shape[:2])
    return picture if short <= side else resize(picture, scaled(picture.shape[:2], side))


def scaled(size: Size, side: int) -> Size:
    """A size (height, width) of this shape whose shorter side is so long."""
    short = min(size)
    return max(1, round(size[0] * side / short)), max(1, round(size[1] * side / short))


def apart(sources: Sequence[Pixels], targets: Sequence[Pixels]) -> tuple[float, float]:
    """How far sources and targets are from one another.

    Returns:
        The mean of |x − y| in [-1, 1] (of gray values where their channels differ), and the mean correlation of gray
        values within a pair; NaN where no pair has two halves that show anything.
    """
    distances, correlations = [], []
    for source, target in zip(sources, targets, strict=True):
        x, y = smaller(source, _SMALL), smaller(target, _SMALL)
        alike = x.shape == y.shape
        distances.append(np.abs(centered(x) - centered(y) if alike else gray(x) - gray(y)).mean())
        of_x, of_y = (each - each.mean() for each in (gray(x), gray(y)))
        spreads = float(of_x.std()), float(of_y.std())
        if min(spreads) > _BLANK:
            correlations.append(float((of_x * of_y).mean()) / (spreads[0] * spreads[1]))
    return float(np.mean(distances)), float(np.mean(correlations)) if correlations else float("nan")


def floor_of(targets: Sequence[Pixels], unseen: Sequence[Pixels] = (), *, bits: int) -> float:
    """The L1, in [-1, 1], of the constant that minimizes it for targets: their median color.

    Args:
        targets: of which the color is.
        unseen: other targets, for which the L1 is; without any it is for the same.
        bits: of their values.
    """
    small, scored = ([to_tensor(smaller(each, _SCORED)) for each in some] for some in (targets, unseen or targets))
    median = median_color(iter(small), levels=2**bits)
    return float(np.mean([(each - median).abs().mean().item() for each in scored]))


def detail(targets: Sequence[Pixels]) -> tuple[tuple[int, float], ...]:
    """What targets lose when they are shrunk by area and enlarged again.

    Returns:
        (shorter side, loss) for each side below the usual one of the targets: the L1 between what comes back and the
        target, as a share of that between the target and its mean; 0 is nothing lost, 1 all of it.
    """
    chosen = [smaller(targets[at], _LARGEST) for at in spread(len(targets), _FOR_DETAIL)]
    usual = median(min(each.shape[:2]) for each in chosen)
    whole = sum(_spread_of(each) for each in chosen)
    sides = [side for side in SIDES if side < usual]
    return tuple((side, sum(_lost(each, side) for each in chosen) / max(whole, 1e-6)) for side in sides)


def spread(count: int, most: int) -> list[int]:
    """At most so many places, evenly from the first to the last."""
    return [int(at) for at in np.linspace(0, count - 1, min(count, most)).round()]


def _spread_of(picture: Pixels) -> float:
    values = centered(picture)
    return float(np.abs(values - values.mean(axis=(0, 1))).mean())


def _lost(picture: Pixels, side: int) -> float:
    back = resize(resize(picture, scaled(picture.shape[:2], side)), picture.shape[:2])
    return float(np.abs(centered(back) - centered(picture)).mean())
