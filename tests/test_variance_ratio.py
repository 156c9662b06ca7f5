"""Variance ratio: Lo and MacKinlay's numbers, as `arch` has them, and p-values that hold at 200 epochs."""

import numpy as np
import pytest
from arch.unitroot import VarianceRatio
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, gamma, norm

from atme.process import CONTROLS, variance_ratio


def control(name: str, epochs: int, pixels: int, *, seed: int = 0) -> np.ndarray:
    return CONTROLS[name](epochs, pixels, rng=np.random.default_rng(seed))


@settings(deadline=None, max_examples=60)
@given(
    q=st.integers(2, 20),
    extra=st.integers(1, 300),
    name=st.sampled_from(list(CONTROLS)),
    seed=st.integers(0, 10**9),
)
def test_ratio_and_z_equal_arch(q: int, extra: int, name: str, seed: int) -> None:
    level = 0.3 + control(name, 2 * q + extra, 1, seed=seed)
    finding = variance_ratio(level, q=q)
    reference = VarianceRatio(level[:, 0], lags=q, trend="c", overlap=True, robust=True, debiased=True)
    np.testing.assert_allclose(finding.effect[0], reference.vr, rtol=1e-8)
    np.testing.assert_allclose(finding.statistic[0], reference.stat, rtol=1e-8)


def test_pvalue_is_of_the_gamma_law_with_the_robust_variance() -> None:
    finding = variance_ratio(control("brownian", 200, 6), q=10)
    shape = 1 / ((finding.effect - 1) / finding.statistic) ** 2
    law = gamma(shape, scale=1 / shape)
    expected = 2 * np.minimum(law.cdf(finding.effect), law.sf(finding.effect))
    np.testing.assert_allclose(finding.pvalue, expected, rtol=1e-9)


def test_the_gamma_law_becomes_the_normal_law() -> None:
    finding = variance_ratio(control("brownian", 20_000, 40), q=2)
    np.testing.assert_allclose(finding.pvalue, 2 * norm.sf(np.abs(finding.statistic)), atol=0.01)


@pytest.mark.parametrize(("q", "epochs"), [(2, 200), (5, 200), (10, 1000), (20, 2000)])
def test_size_on_brownian_motion(q: int, epochs: int) -> None:
    finding = variance_ratio(control("brownian", epochs, 2000, seed=4), q=q)
    low, high = binom.interval(0.999, 2000, 0.01)
    assert low <= finding.rejected(alpha=0.01).sum() <= high


@pytest.mark.parametrize(("q", "power"), [(10, 0.5), (20, 0.65)])
def test_at_200_epochs_the_gamma_law_sees_what_the_normal_law_misses(q: int, power: float) -> None:
    finding = variance_ratio(control("autoregressive", 200, 1000), q=q)
    assert finding.share_rejected(alpha=0.01) > power
    assert (2 * norm.sf(np.abs(finding.statistic)) < 0.01).mean() < 0.3
    brownian = variance_ratio(control("brownian", 200, 2000), q=q)
    assert brownian.share_rejected(alpha=0.01) < 0.02


def test_ratios_of_known_processes() -> None:
    """VR(q) of an AR(1), (1 - φ^q)/(q (1 - φ)); 1/q of white noise; 1 of Brownian motion."""
    for name, expected in (("brownian", 1), ("autoregressive", (1 - 0.8**10) / 2), ("white_noise", 0.1)):
        ratio = variance_ratio(control(name, 5000, 40), q=10).effect.mean()
        assert ratio == pytest.approx(expected, abs=0.04)


def test_changing_variance_is_no_reason_to_reject() -> None:
    steps = np.random.default_rng(0).standard_normal((1000, 2000))
    steps[::50] *= 10
    finding = variance_ratio(steps.cumsum(axis=0), q=5)
    assert finding.share_rejected(alpha=0.01) < 0.02


def test_pixels_that_cannot_be_tested_are_counted() -> None:
    level = control("brownian", 60, 4)
    level[:, 0], level[3, 1], level[:, 2] = 7.0, np.nan, 0.1 * np.arange(60)
    finding = variance_ratio(level, q=5)
    assert finding.tested.tolist() == [False, False, False, True]
    assert finding.left_out == {"constant": 1, "not finite": 1, "degenerate": 1}


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match=r"variance_ratio_10: .* needs at least 21"):
        variance_ratio(control("brownian", 20, 2), q=10)
    with pytest.raises(ValueError, match="q: 1 is no whole number from 2 on"):
        variance_ratio(control("brownian", 20, 2), q=1)
