"""Augmented Dickey-Fuller on all pixels: equal to statsmodels, and to the laws of the statistic."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from statsmodels.tsa.adfvalues import mackinnonp
from statsmodels.tsa.stattools import adfuller

from atme.process import CONTROLS, augmented_dickey_fuller
from atme.process.adf import mackinnon_pvalue


def family(kind: str, epochs: int, *, seed: int = 0, pixels: int = 4) -> np.ndarray:
    """Series on which a least-squares routine can go wrong."""
    rng = np.random.default_rng(seed)
    noise, time = rng.standard_normal((epochs, pixels)), np.arange(epochs)[:, None]
    walk = noise.cumsum(axis=0)
    near = noise.copy()
    for t in range(1, epochs):
        near[t] += 0.999 * near[t - 1]
    families = {
        "white noise": noise,
        "walk": walk,
        "near unit root": near,
        "trend": 10 * time + noise,
        "walk with drift": 3 * time + walk,
        "far from zero": 1e4 + walk,
        "tiny": 1e-6 * walk,
        "twice integrated": walk.cumsum(axis=0),
        "differenced white noise": np.diff(rng.standard_normal((epochs + 1, pixels)), axis=0),
        "bounded, float32": np.tanh(0.1 * walk).astype(np.float32),
    }
    return families[kind]


KINDS = (
    "white noise",
    "walk",
    "near unit root",
    "trend",
    "walk with drift",
    "far from zero",
    "tiny",
    "twice integrated",
    "differenced white noise",
    "bounded, float32",
)


def assert_as_statsmodels(series: np.ndarray, **options: int) -> None:
    finding = augmented_dickey_fuller(series, longest_lag=options.get("maxlag"))
    for i in range(series.shape[1]):
        reference = adfuller(series[:, i].astype(np.float64), result_object=True, **options)
        assert finding.pvalue is not None
        assert finding.details["lag"][i] == reference.lags
        np.testing.assert_allclose(finding.statistic[i], reference.statistic, rtol=1e-8)
        np.testing.assert_allclose(finding.pvalue[i], reference.pvalue, rtol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("epochs", [8, 25, 100, 200, 600])
def test_equals_statsmodels(kind: str, epochs: int) -> None:
    assert_as_statsmodels(family(kind, epochs))


@settings(deadline=None, max_examples=60)
@given(epochs=st.integers(4, 300), kind=st.sampled_from(KINDS[:3]), seed=st.integers(0, 2**32 - 1))
def test_equals_statsmodels_at_every_length(epochs: int, kind: str, seed: int) -> None:
    assert_as_statsmodels(family(kind, epochs, seed=seed, pixels=1))


@pytest.mark.parametrize("longest_lag", [0, 1, 7])
def test_equals_statsmodels_with_a_chosen_longest_lag(longest_lag: int) -> None:
    assert_as_statsmodels(family("walk", 60), maxlag=longest_lag)


def test_pvalues_equal_statsmodels_over_all_statistics() -> None:
    statistic = np.concatenate([np.linspace(-25, 5, 3001), [-1.61, 2.74, -18.83]])
    expected = [mackinnonp(value, regression="c") for value in statistic]
    np.testing.assert_allclose(mackinnon_pvalue(statistic), expected, rtol=1e-12)


def test_the_result_of_a_pixel_does_not_depend_on_the_others() -> None:
    series = family("walk", 120, pixels=3000)  # several blocks, on several threads
    together = augmented_dickey_fuller(series).statistic
    alone = [augmented_dickey_fuller(series[:, [i]]).statistic[0] for i in (0, 1400, 2999)]
    assert together[[0, 1400, 2999]].tolist() == alone


@settings(deadline=None, max_examples=20)
@given(scale=st.sampled_from([1e-6, 0.5, 1e6]), shift=st.floats(-10, 10))
def test_units_do_not_matter(scale: float, shift: float) -> None:
    series = family("walk", 80)
    np.testing.assert_allclose(
        augmented_dickey_fuller(scale * (series + shift)).statistic,
        augmented_dickey_fuller(series).statistic,
        rtol=1e-8,
    )


def test_size_at_its_own_null() -> None:
    """2,000 walks: rejections at 1 % within the binomial law, with and without a lag to choose."""
    walks = CONTROLS["brownian"](1000, 2000, rng=np.random.default_rng(1))
    low, high = binom.interval(0.999, 2000, 0.01)
    for longest_lag in (None, 0):
        rejections = augmented_dickey_fuller(walks, longest_lag=longest_lag).rejected(alpha=0.01).sum()
        assert low <= rejections <= high


def test_pull_of_an_autoregression() -> None:
    series = CONTROLS["autoregressive"](3000, 50, rng=np.random.default_rng(0))
    assert np.median(augmented_dickey_fuller(series, longest_lag=0).effect) == pytest.approx(-0.2, abs=0.01)


def test_pixels_that_cannot_be_tested_are_counted() -> None:
    series = family("walk", 50, pixels=6)
    series[:, 0] = 3.0
    series[7, 1] = np.nan
    series[7, 2] = np.inf
    series[:, 3] = 0.3 + 0.1 * np.arange(50)  # a line, but for rounding: nothing random is left
    series[:, 4] = 0.0
    series[45:, 4] = 1.0  # one jump: its lags are columns of zeros or repeat each other
    finding = augmented_dickey_fuller(series)
    assert np.isnan(finding.statistic[:4]).all()
    assert finding.left_out == {"constant": 1, "not finite": 2, "degenerate": 1}
    assert finding.tested.tolist() == [False] * 4 + [True] * 2
    assert finding.statistic[5] == augmented_dickey_fuller(series[:, [5]]).statistic[0]


def test_a_lag_without_information_is_never_chosen() -> None:
    """Pixels that alternate until the last 8 epochs: lags from 8 on repeat the first: rounding to QR."""
    rng = np.random.default_rng(0)
    level = rng.random(500) + rng.random(500) * np.resize([1.0, -1.0], 60)[:, None]
    level[-8:] = rng.standard_normal((8, 500))
    finding = augmented_dickey_fuller(level)
    assert finding.tested.all()
    assert finding.details["lag"].max() < 8


@pytest.mark.parametrize(
    ("series", "options", "message"),
    [
        (np.zeros((3, 2)), {}, "needs at least 4"),
        (np.zeros(50), {}, "flatten maps"),
        (np.zeros((50, 0)), {}, "at least one pixel"),
        (np.zeros((50, 2), dtype=complex), {}, "real numbers"),
        (np.zeros((50, 2)), {}, "none of the 2 series can be tested \\(2 constant\\)"),
        (np.zeros((50, 2)), {"longest_lag": 24}, "allow lags 0 to 23"),
        (np.zeros((50, 2)), {"longest_lag": -1}, "allow lags 0 to 23"),
    ],
)
def test_bad_input_is_named(series: np.ndarray, options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=f"adf: .*{message}"):
        augmented_dickey_fuller(series, **options)
