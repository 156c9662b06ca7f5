"""Shapiro-Wilk on all pixels: equal to scipy, of the right size, and sharp on heavy tails."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, shapiro

from atme.process import shapiro_wilk


def family(kind: str, n: int, *, seed: int = 0, pixels: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    families = {
        "normal": rng.standard_normal((n, pixels)),
        "uniform": rng.random((n, pixels)),
        "heavy tails": 1e3 * rng.standard_t(2, (n, pixels)),
        "skewed": rng.exponential(1, (n, pixels)) ** 3,
        "walk far from zero": 100 + rng.standard_normal((n, pixels)).cumsum(axis=0),
        "tiny": 1e-12 * rng.standard_normal((n, pixels)),
        "ties": np.round(2 * rng.standard_normal((n, pixels))) + np.linspace(0, 1e-3, n)[:, None],
    }
    return families[kind]


KINDS = ("normal", "uniform", "heavy tails", "skewed", "walk far from zero", "tiny", "ties")


def assert_as_scipy(series: np.ndarray) -> None:
    finding = shapiro_wilk(series)
    expected = [shapiro(series[:, i]) for i in range(series.shape[1])]
    np.testing.assert_allclose(finding.statistic, [e.statistic for e in expected], rtol=1e-8)
    np.testing.assert_allclose(finding.pvalue, [e.pvalue for e in expected], rtol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [4, 5, 6, 11, 12, 50, 199, 1000, 5000])
def test_equals_scipy(kind: str, n: int) -> None:
    assert_as_scipy(family(kind, n))


@settings(deadline=None, max_examples=150)
@given(n=st.integers(3, 5000), kind=st.sampled_from(KINDS[:4]), seed=st.integers(0, 2**32 - 1))
def test_equals_scipy_at_every_length(n: int, kind: str, seed: int) -> None:
    assert_as_scipy(family(kind, n, seed=seed, pixels=1))


def test_three_values_as_far_from_normal_as_can_be() -> None:
    finding = shapiro_wilk(np.array([[0.0, 1.0], [0.0, 2.0], [1.0, 3.0]]))
    np.testing.assert_allclose(finding.statistic, [0.75, 1.0])
    np.testing.assert_allclose(finding.pvalue, [0.0, 1.0], atol=1e-7)


def test_the_least_normal_samples() -> None:
    """All values but one the same: the smallest W there is at that length, and what scipy says of it."""
    for n in range(4, 20):
        assert_as_scipy(np.eye(n)[:, [n // 2]])
    pairs = np.random.default_rng(0).standard_normal((2, 1000))
    three = shapiro_wilk(pairs[[0, 0, 1]])
    assert (three.statistic >= 0.75).all()
    assert three.statistic == pytest.approx(0.75)


@settings(deadline=None, max_examples=20)
@given(scale=st.sampled_from([1e-9, 0.5, 1e9]), shift=st.floats(-10, 10))
def test_units_and_order_do_not_matter(scale: float, shift: float) -> None:
    series = family("skewed", 80)
    expected = shapiro_wilk(series)
    found = shapiro_wilk(scale * (series[::-1] + shift))
    np.testing.assert_allclose(found.statistic, expected.statistic, rtol=1e-7)
    np.testing.assert_allclose(found.effect, expected.effect, rtol=1e-6)


@pytest.mark.parametrize("n", [10, 200])
def test_size_on_normal_values(n: int) -> None:
    rejections = shapiro_wilk(family("normal", n, seed=3, pixels=2000)).rejected(alpha=0.01).sum()
    low, high = binom.interval(0.999, 2000, 0.01)
    assert low <= rejections <= high


def test_heavy_tails_are_found_and_sized() -> None:
    steps = np.random.default_rng(0).standard_t(3, (199, 400))
    finding = shapiro_wilk(steps)
    assert finding.share_rejected(correction="holm") > 0.85
    assert np.median(finding.effect) > 2


def test_excess_kurtosis_of_known_laws() -> None:
    assert shapiro_wilk(family("normal", 5000)).effect == pytest.approx(0, abs=0.4)
    assert shapiro_wilk(family("uniform", 5000)).effect == pytest.approx(-1.2, abs=0.1)


def test_pixels_that_cannot_be_tested_are_counted() -> None:
    series = family("normal", 50, pixels=4)
    series[:, 0], series[3, 1] = 7.0, np.nan
    series[:, 2] = 0.1 + 1e-16 * np.arange(50)  # one value, but for rounding
    finding = shapiro_wilk(series)
    assert finding.tested.tolist() == [False, False, False, True]
    assert finding.left_out == {"constant": 2, "not finite": 1}


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match=r"shapiro: .* needs at least 3"):
        shapiro_wilk(np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"shapiro: .* known up to 5000"):
        shapiro_wilk(np.zeros((5001, 4)))
