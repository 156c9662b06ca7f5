"""A glance at some pairs before a training: is there something to learn in them, and does it lie where it should?

What is found goes into every line of the log, as ``pairs.…``, beside which the curves are read (`atme.status`).
``atme data check`` looks at every pair, and finds more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import hypot

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from atme.data import Pair, PairedImages
from atme.images import to_array
from atme.images.alignment import shift_of
from atme.metrics import median_color

Array = NDArray[np.float64]

MOST = 32
"""Pairs that are looked at, from the first to the last."""
PIXELS = 2**24
"""Of all pictures that are looked at, or so: of large ones there are fewer, but `FEWEST`."""
FEWEST = 4
END = 1 - 1 / 128
"""Beyond which a value is black or white: half a step of 8 bits."""
_APART = 0.5  # share of all differences between halves that must lie along one line to speak of a direction
_UNDECIDED = 0.3  # of the usual length along it: pairs that differ by less belong to neither side
_FEW = 0.05  # share of such pairs, up to which all the others have a side
_ENOUGH = 8  # pairs that tell of directions, and with these chances
_SHOW = 3  # pairs that must show where they belong


@dataclass(frozen=True)
class Glance:
    """What was found."""

    looked: int
    """Pairs that were looked at."""
    sources: int
    """Different sources among them."""
    targets: int
    """Different targets."""
    one_color: float
    """Mean |target − median color|: the L1 of one color for everything, values in [-1, 1]."""
    spread: float
    """Standard deviation within a target, mean over targets and channels."""
    ends: float
    """Share of the targets' values that are black or white."""
    turned: float
    """Share of the pairs whose halves look as if they were the other way round than in most; 0 where none tells."""
    shift: float
    """Pixels of a picture as it is loaded, by which a target lies beside its source: the median of the pairs that show
    it; 0 where fewer than three do."""
    one_color_unseen: float | None = None
    """The L1 of that color, by which `one_color` is, for pairs that are not trained on; None: there are none."""

    def as_readings(self) -> dict[str, float]:
        """For the log."""
        return {f"pairs.{name}": round(value, 4) for name, value in asdict(self).items() if value is not None}


def glance(pairs: PairedImages, *, unseen: PairedImages | None = None) -> Glance | None:
    """Look at some pairs; None if none of them can be read, which the training will say.

    Args:
        pairs: to train on, whole.
        unseen: pairs that scores are of.
    """
    seen = list(_some(pairs))
    if not seen:
        return None
    targets = [_target(pair) for pair in seen]
    middle = median_color((target.clamp(-1, 1) for target in targets), levels=256)
    others = [_target(pair).clamp(-1, 1) for pair in _some(unseen)] if unseen is not None else []
    shifts = [hypot(*found) for pair in seen if (found := _shift(pair)) is not None]
    return Glance(
        looked=len(seen),
        sources=len({pair.source.numpy().tobytes() for pair in seen}),
        targets=len({target.numpy().tobytes() for target in targets}),
        one_color=_mean([(target - middle).abs().mean() for target in targets]),
        spread=_mean([spread(target) for target in targets]),
        ends=_mean([ends(target) for target in targets]),
        turned=_turned(seen),
        shift=float(np.median(shifts)) if len(shifts) >= _SHOW else 0.0,
        one_color_unseen=_mean([(target - middle).abs().mean() for target in others]) if others else None,
    )


def spread(image: Tensor) -> Tensor:
    """Standard deviation within each image and channel, the mean of all: (…, C, H, W) → ()."""
    return image.float().flatten(-2).std(dim=-1, correction=0).mean()


def ends(image: Tensor) -> Tensor:
    """Share of an image's values that are black or white: (…, C, H, W) in [-1, 1] → ()."""
    return (image.abs() > END).float().mean()


def _some(pairs: PairedImages) -> Iterator[Pair]:
    height, width = pairs.shapes.sizes[0]
    count = min(len(pairs), MOST, max(FEWEST, PIXELS // (height * width)))
    for index in sorted({round(at) for at in np.linspace(0, len(pairs) - 1, count)}):
        try:
            yield pairs[index]
        except ValueError:  # the training names the file when it comes to it
            continue


def _target(pair: Pair) -> Tensor:
    assert pair.target is not None
    return pair.target


def _mean(values: Sequence[Tensor]) -> float:
    return float(torch.stack(list(values)).mean())


def _shift(pair: Pair) -> tuple[float, float] | None:
    return shift_of(to_array(pair.source), to_array(_target(pair)))


def _turned(seen: Sequence[Pair]) -> float:
    """Share of the pairs that are the other way round.

    Each half becomes a few numbers. If the difference between a pair's halves lies along one line, and hardly any pair
    is undecided on it, then each pair has a direction, and those on the side of the fewer are turned.
    """
    if len(seen) < _ENOUGH or any(pair.source.shape != _target(pair).shape for pair in seen):
        return 0.0
    looks = np.array([[_look(pair.source), _look(_target(pair))] for pair in seen])  # (n, 2, k)
    scale = looks.std(axis=(0, 1))
    apart = (looks[:, 0] - looks[:, 1]) / np.where(scale > 0, scale, 1)  # (n, k)
    _, strength, lines = np.linalg.svd(apart, full_matrices=False)
    along = apart @ lines[0]
    usual = float(np.sqrt((along**2).mean()))
    if not usual or strength[0] ** 2 < _APART * (strength**2).sum():
        return 0.0
    if (np.abs(along) < _UNDECIDED * usual).mean() > _FEW:
        return 0.0
    share = float((along > 0).mean())
    return min(share, 1 - share)


def _look(image: Tensor) -> Array:
    """What tells one kind of picture from another: mean and spread of each channel, and how rough it is."""
    values = image.double()
    rough = (values.diff(dim=-1).abs().mean() + values.diff(dim=-2).abs().mean()).clamp(min=1e-6).log()
    numbers = [*values.mean(dim=(1, 2)), *values.std(dim=(1, 2)), rough]
    return np.array([float(number) for number in numbers])
