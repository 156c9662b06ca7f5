"""How far a score would be off on other pictures of the same kind: 95 % intervals.

A mean over pictures: the bias-corrected and accelerated bootstrap (BCa; Efron 1987) over the pictures, by scipy. A
score of whole sets (FID, KID, SWD) is no mean, and what bootstraps it repeats pictures, which pushes each of
them up; so these are left out in turns, a group at a time (the delete-a-group jackknife), and the interval is
value ± t · standard error. It is about other sets of as many pairs: that FID and SWD of few pictures are larger than
those of many is not in it.
"""

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap, t

Interval = tuple[float, float]

CONFIDENCE = 0.95
RESAMPLES = 5000
GROUPS = 20

_BATCH = 2**22
"""Numbers that are drawn at a time."""


def of_mean(values: Sequence[float], *, seed: int = 0) -> Interval | None:
    """For the mean over pictures.

    Args:
        values: one a picture.
        seed: of the resamples.

    Returns:
        Low and high; None for fewer than two pictures, or where a value is infinite.
    """
    return _bootstrapped((values,), lambda one, axis: one.mean(axis=axis), seed)


def of_difference(values: Sequence[float], others: Sequence[float], *, seed: int = 0) -> Interval | None:
    """For the mean of some pictures less that of others: (values, others) as for `of_mean`."""
    return _bootstrapped((values, others), lambda one, other, axis: one.mean(axis=axis) - other.mean(axis=axis), seed)


def _bootstrapped(
    samples: Sequence[Sequence[float]], statistic: Callable[..., NDArray[Any]], seed: int
) -> Interval | None:
    if min(map(len, samples)) < 2 or not all(isfinite(value) for sample in samples for value in sample):
        return None
    arrays = tuple(np.asarray(sample, float) for sample in samples)
    if all(np.ptp(array) == 0 for array in arrays):  # nothing varies, and BCa divides by it
        value = float(statistic(*arrays, axis=-1))
        return value, value
    found = bootstrap(
        arrays,
        statistic,
        n_resamples=RESAMPLES,
        batch=max(1, _BATCH // max(map(len, arrays))),
        confidence_level=CONFIDENCE,
        method="BCa",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(found.low), float(found.high)


def groups(pairs: int) -> NDArray[np.intp]:
    """The group (pairs,) of each pair: at most `GROUPS` of them, as equal as can be."""
    return np.arange(pairs) % min(GROUPS, pairs)


def jackknifed(
    value: float, without: Sequence[float], *, least: float | None = None, most: float | None = None
) -> Interval | None:
    """For a score of whole sets.

    Args:
        value: of all pairs.
        without: the score without each group in turn.
        least: what no such score is below.
        most: what none is above.

    Returns:
        Low and high; None for fewer than two groups.
    """
    count = len(without)
    if count < 2 or not all(map(isfinite, without)):
        return None
    spread = np.asarray(without, float) - np.mean(without)
    half = float(t.ppf((1 + CONFIDENCE) / 2, count - 1) * np.sqrt((count - 1) / count * np.sum(spread**2)))
    return max(value - half, -np.inf if least is None else least), min(value + half, np.inf if most is None else most)
