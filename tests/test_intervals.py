"""Intervals of scores hold what they claim, on data whose truth is known; ones that are too narrow would not."""

import numpy as np
import pytest

from atme.metrics.inception import fid
from atme.metrics.intervals import groups, jackknifed, of_difference, of_mean

REPEATS, PICTURES = 300, 30
OFF = 0.04
"""How far a share of 300 may be from 95 %: three standard errors."""


def skewed(seed: int, pictures: int = PICTURES) -> np.ndarray:
    """Errors of pictures are skewed: most are small. Their mean is 1."""
    return np.random.default_rng(seed).gamma(2.0, 0.5, pictures)


def test_intervals_of_means_cover() -> None:
    found = [of_mean(skewed(seed).tolist()) for seed in range(REPEATS)]
    held = np.mean([low <= 1 <= high for low, high in filter(None, found)])
    assert abs(held - 0.95) < OFF
    halved = [((3 * low + high) / 4, (low + 3 * high) / 4) for low, high in filter(None, found)]
    assert np.mean([low <= 1 <= high for low, high in halved]) < 0.95 - 3 * OFF


def test_intervals_of_differences_cover() -> None:
    found = [of_difference(skewed(seed).tolist(), (2 * skewed(~seed % 2**31, 50)).tolist()) for seed in range(REPEATS)]
    held = np.mean([low <= -1 <= high for low, high in filter(None, found)])
    assert abs(held - 0.95) < OFF


def test_intervals_of_a_distance_of_sets_cover_what_it_is_for_so_many_pictures() -> None:
    """Not what it would be for infinitely many: FID of few pictures is larger."""

    def drawn(seed: int) -> tuple[float, tuple[float, float]]:
        rng = np.random.default_rng(seed)
        one, other = rng.normal(size=(40, 4)), rng.normal(0.7, 1.3, size=(40, 4))
        group, value = groups(40), fid(one, other)
        interval = jackknifed(value, [fid(one[group != g], other[group != g]) for g in range(20)], least=0.0)
        assert interval is not None
        return value, interval

    found = [drawn(seed) for seed in range(REPEATS)]
    expected = np.mean([value for value, _ in found])
    held = np.mean([low <= expected <= high for _, (low, high) in found])
    assert abs(held - 0.95) < OFF


def test_the_jackknife_of_a_mean_is_the_standard_error() -> None:
    """Of single pictures, n − 1 times the variance of the means without one is s²/n."""
    values = skewed(0, 20)
    without = [np.delete(values, i).mean() for i in range(20)]
    low, high = jackknifed(float(values.mean()), without) or (0, 0)
    assert (high - low) / 2 == pytest.approx(2.093 * values.std(ddof=1) / np.sqrt(20), rel=1e-3)  # t, 19 degrees


def test_the_same_seed_gives_the_same_interval() -> None:
    values = skewed(0).tolist()
    assert of_mean(values, seed=1) == of_mean(values, seed=1) != of_mean(values, seed=2)


def test_what_has_no_interval_has_none() -> None:
    assert of_mean([1.0]) is None
    assert of_mean([1.0, float("inf")]) is None
    assert of_mean([0.0, 0.0, 0.0]) == (0, 0)
    assert jackknifed(1.0, []) is None


def test_groups_are_as_equal_as_can_be() -> None:
    for pairs in (1, 3, 20, 45, 1001):
        sizes = np.bincount(groups(pairs))
        assert sizes.sum() == pairs
        assert len(sizes) == min(pairs, 20)
        assert np.ptp(sizes) <= 1
