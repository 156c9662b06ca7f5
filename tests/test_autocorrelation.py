"""Autocorrelation, its bands and Ljung-Box: equal to statsmodels, of the right size, awake to memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, norm
from statsmodels.stats.diagnostic import acorr_ljungbox
from statsmodels.tsa.stattools import acf

from atme.process import CONTROLS, autocorrelation, autocorrelations, ljung_box


def noise(n: int, pixels: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, pixels))


@settings(deadline=None, max_examples=40)
@given(n=st.integers(4, 400), lags=st.integers(1, 30), shift=st.floats(-100, 100), seed=st.integers(0, 2**32 - 1))
def test_autocorrelations_equal_statsmodels(n: int, lags: int, shift: float, seed: int) -> None:
    series, lags = shift + noise(n, 2, seed=seed), min(lags, n - 1)
    expected = np.stack([acf(series[:, i], nlags=lags, fft=False) for i in range(2)], axis=1)
    np.testing.assert_allclose(autocorrelations(series, lags=lags), expected, rtol=1e-8, atol=1e-11)


@settings(deadline=None, max_examples=40)
@given(n=st.integers(10, 400), lags=st.none() | st.integers(1, 9), seed=st.integers(0, 2**32 - 1))
def test_ljung_box_equals_statsmodels(n: int, lags: int | None, seed: int) -> None:
    series = noise(n, 1, seed=seed)
    finding = ljung_box(series, lags=lags)
    expected = acorr_ljungbox(series[:, 0], lags=lags).iloc[-1]
    np.testing.assert_allclose(finding.statistic[0], expected["lb_stat"], rtol=1e-8)
    np.testing.assert_allclose(finding.pvalue, expected["lb_pvalue"], rtol=1e-8)


@pytest.mark.parametrize("test", [ljung_box, autocorrelation])
def test_size_on_white_noise(test: object) -> None:
    rejections = test(noise(600, 2000, seed=2)).rejected(alpha=0.01).sum()  # type: ignore[operator]
    low, high = binom.interval(0.999, 2000, 0.01)
    assert low <= rejections <= high


@pytest.mark.parametrize("test", [ljung_box, autocorrelation])
def test_the_increments_of_white_noise_are_not_white(test: object) -> None:
    finding = test(np.diff(noise(200, 300), axis=0))  # type: ignore[operator]
    assert finding.share_rejected(correction="holm") == 1


def test_bands_hold_what_they_promise() -> None:
    series = noise(500, 2000)
    finding = autocorrelation(series, lags=20, alpha=0.05)
    assert finding.details["band"] == pytest.approx(norm.ppf(0.975) / np.sqrt(500))
    r = autocorrelations(series, lags=20)[1:]
    assert (np.abs(r) > finding.details["band"]).mean(axis=0).tolist() == finding.effect.tolist()
    assert finding.effect.mean() == pytest.approx(0.05, abs=0.006)
    assert finding.details["outside"] == pytest.approx(0.05, abs=0.02)
    np.testing.assert_allclose(finding.details["mean"], r.mean(axis=1))


def test_one_outlying_lag_decides_the_largest() -> None:
    """p = 1 - (1 - p_1)^K, with p_1 the two-sided p-value of the largest √n |r_k|."""
    series = noise(300, 5)
    finding = autocorrelation(series, lags=12)
    single = 2 * norm.sf(np.sqrt(300) * np.abs(autocorrelations(series, lags=12)[1:]).max(axis=0))
    np.testing.assert_allclose(finding.pvalue, 1 - (1 - single) ** 12)


def test_effect_of_ljung_box_is_the_correlation_with_the_next_value() -> None:
    levels = CONTROLS["autoregressive"](4000, 20, rng=np.random.default_rng(0))
    assert ljung_box(levels).effect == pytest.approx(0.8, abs=0.05)


def test_pixels_that_cannot_be_tested_are_counted() -> None:
    series = noise(50, 3)
    series[:, 0], series[3, 1] = 7.0, np.nan
    for finding in (ljung_box(series), autocorrelation(series)):
        assert finding.tested.tolist() == [False, False, True]
        assert finding.left_out == {"constant": 1, "not finite": 1}
        assert np.isnan(finding.effect[:2]).all()
        assert finding.pvalue is not None
        assert np.isnan(finding.pvalue[:2]).all()
    assert np.isnan(autocorrelations(series, lags=3)[:, :2]).all()


def test_no_correlation_at_all_has_p_value_one() -> None:
    series = np.array([[1.0], [0.0], [-1.0], [0.0]])
    finding = autocorrelation(series, lags=1)
    assert finding.statistic.tolist() == [0.0]
    assert finding.pvalue is not None
    assert finding.pvalue.tolist() == [1.0]


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match=r"ljung_box: .* needs at least 10"):
        ljung_box(noise(9, 2))
    with pytest.raises(ValueError, match=r"autocorrelation: lags: 50 is no whole number from 1 to 49"):
        autocorrelation(noise(50, 2), lags=50)
    with pytest.raises(ValueError, match="lags: 0 is no whole number from 1 on"):
        autocorrelations(noise(50, 2), lags=0)
