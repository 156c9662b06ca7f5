"""Correlation between pixels: equal to numpy's matrix, and an honest count of independent pixels."""

import numpy as np
import pytest

from atme.process import CONTROLS, pixel_correlation


def test_equals_the_matrix_that_is_never_built() -> None:
    rng = np.random.default_rng(0)
    series = rng.standard_normal((40, 30)) + rng.standard_normal((40, 1))
    finding = pixel_correlation(series)
    others = np.corrcoef(series.T)[~np.eye(30, dtype=bool)].reshape(30, 29)
    np.testing.assert_allclose(finding.effect, others.mean(axis=1))
    np.testing.assert_allclose(finding.statistic, np.sqrt((others**2).mean(axis=1)))


@pytest.mark.parametrize("name", list(CONTROLS))
def test_independent_pixels_are_counted_in_full_whatever_their_memory(name: str) -> None:
    """Also where autocorrelation or changing variance makes chance correlations larger than 1/√n."""
    level = CONTROLS[name](200, 3000, rng=np.random.default_rng(0))
    count = pixel_correlation(np.diff(level, axis=0)).details["independent_pixels"]
    assert 0.9 * 3000 < count <= 3000


@pytest.mark.parametrize("copies", [2, 30])
def test_copies_count_once(copies: int) -> None:
    groups = np.random.default_rng(0).standard_normal((199, 100))
    finding = pixel_correlation(np.repeat(groups, copies, axis=1))
    assert finding.details["independent_pixels"] == pytest.approx(100, rel=0.1)


def test_a_shared_shock_is_seen() -> None:
    rng = np.random.default_rng(0)
    finding = pixel_correlation(rng.standard_normal((199, 500)) + rng.standard_normal((199, 1)))
    assert finding.effect.mean() == pytest.approx(0.5, abs=0.1)
    assert finding.details["independent_pixels"] < 8


def test_pixels_that_cannot_be_tested_are_left_out() -> None:
    series = np.random.default_rng(0).standard_normal((50, 6))
    expected = pixel_correlation(series[:, 2:])
    series[:, 0], series[3, 1] = 7.0, np.nan
    finding = pixel_correlation(series)
    np.testing.assert_allclose(finding.effect[2:], expected.effect)
    assert finding.left_out == {"constant": 1, "not finite": 1}


def test_bad_input_is_named() -> None:
    series = np.random.default_rng(0).standard_normal((50, 2))
    series[:, 0] = 1
    with pytest.raises(ValueError, match="correlation: 1 of 2 pixels change"):
        pixel_correlation(series)
