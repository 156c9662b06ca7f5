"""Does a value say anything about later ones? Autocorrelation and Ljung-Box on all pixels at once.

With x̄ the mean of n values, the autocorrelation at lag k is

    r_k = Σ_{t=k}^{n-1} (x_t - x̄)(x_{t-k} - x̄) / Σ_t (x_t - x̄)²,

as `statsmodels.tsa.stattools.acf(x, adjusted=False)`. Of white noise each r_k is about N(0, 1/n) (Bartlett
1946), hence the bands ±z_{1-α/2}/√n. Ljung & Box (Biometrika 65 (1978)) add up the first K of them,

    Q = n (n + 2) Σ_{k=1}^{K} r_k² / (n - k)  ~  χ²_K,

as `statsmodels.stats.diagnostic.acorr_ljungbox`. The tests hold both equal to statsmodels.
"""

from functools import partial

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, ndtr, ndtri

from atme import require
from atme.process.findings import Finding
from atme.process.series import Array, Measured, as_series, measure

WHITE = "the values are white noise: none says anything about a later one"


def autocorrelations(series: ArrayLike, *, lags: int) -> Array:
    """Autocorrelation at lags 0…lags.

    Args:
        series: (T, N), T > lags values of N pixels.
        lags: Largest lag, in epochs, at least 1.

    Returns:
        (lags + 1, N) in [-1, 1], row 0 is 1; NaN where a series is constant or not finite.

    Raises:
        ValueError: If the array is no history, is too short, or no pixel has an autocorrelation.
    """
    r = _measure(series, lags=lags, test="autocorrelation").values
    return np.concatenate([np.where(np.isnan(r[:1]), np.nan, 1.0), r])


def autocorrelation(series: ArrayLike, *, lags: int | None = None, alpha: float = 0.01) -> Finding:
    """Are the autocorrelations inside their bands?

    Null hypothesis: the values are white noise. The statistic is the largest √n |r_k|; its p-value takes the
    r_k for independent, p = 1 - (2Φ(statistic) - 1)^K, and so allows for having looked at K lags. The
    published criterion, every lag inside its own 99 % band, is ``effect == 0``: white pixels miss it with
    probability 1 - 0.99^K.

    The effect is the share of lags outside the bands: α under the null. ``details``: "band" (), half its
    width; "mean" (K,), r_k averaged over pixels; "outside" (K,), share of pixels outside the band at each
    lag.

    Args:
        series: (T, N), T >= 4 values of N pixels; usually increments.
        lags: K, largest lag in epochs; None for min(10 log10 T, T - 1), as statsmodels.
        alpha: Level of the bands: 0.01 for 99 %.

    Raises:
        ValueError: If the array is no history, is too short, or no pixel can be tested.
    """
    require.number("autocorrelation: alpha", alpha, above=0, below=1)
    n = len(as_series(series, test="autocorrelation", shortest=4))
    if lags is not None:
        require.whole("autocorrelation: lags", lags, least=1, most=n - 1)
    most = int(min(10 * np.log10(n), n - 1)) if lags is None else lags
    measured = _measure(series, lags=most, test="autocorrelation")
    r, tested = measured.values, np.isfinite(measured.values[0])
    band = ndtri(1 - alpha / 2) / np.sqrt(n)
    largest = np.sqrt(n) * np.abs(r).max(axis=0)
    outside = np.where(tested, np.abs(r) > band, np.nan)
    with np.errstate(divide="ignore"):  # a statistic of 0 has log1p(-1) and p = 1
        pvalue = -np.expm1(most * np.log1p(-2 * ndtr(-largest)))
    return Finding(
        name="autocorrelation",
        statistic=largest,
        pvalue=pvalue,
        null=WHITE,
        effect=outside.mean(axis=0),
        measures=f"share of lags 1 to {most} outside the {1 - alpha:.0%} bands ({alpha:g} for white noise)",
        n=n,
        left_out=measured.left_out,
        details={
            "band": np.asarray(band),
            "mean": r[:, tested].mean(axis=1),
            "outside": outside[:, tested].mean(axis=1),
        },
    )


def ljung_box(series: ArrayLike, *, lags: int | None = None) -> Finding:
    """Ljung-Box test of no autocorrelation up to a lag.

    Null hypothesis: the values are white noise. A small p-value says that they are correlated in time. The
    increments of Brownian motion keep it; so do, at a few hundred epochs, those of a slowly mean-reverting
    process.

    The effect is r_1, the correlation of a value with the next: 0 under the null.

    Args:
        series: (T, N), T >= 10 values of N pixels; usually increments.
        lags: K, largest lag in epochs; None for min(10, T/5), as statsmodels.

    Raises:
        ValueError: If the array is no history, is too short, or no pixel can be tested.
    """
    n = len(as_series(series, test="ljung_box", shortest=10))
    if lags is not None:
        require.whole("ljung_box: lags", lags, least=1, most=n - 1)
    most = min(10, n // 5) if lags is None else lags
    measured = _measure(series, lags=most, test="ljung_box")
    weights = n * (n + 2) / (n - np.arange(1, most + 1))
    statistic = weights @ measured.values**2
    return Finding(
        name="ljung_box",
        statistic=statistic,
        pvalue=chdtrc(most, statistic),
        null=WHITE,
        effect=measured.values[0],
        measures="autocorrelation at lag 1 (0 for white noise)",
        n=n,
        left_out=measured.left_out,
        details={"lags": np.asarray(most)},
    )


def _measure(series: ArrayLike, *, lags: int, test: str) -> Measured:
    require.whole(f"{test}: lags", lags, least=1)
    values = as_series(series, test=test, shortest=lags + 1)
    task = partial(_autocorrelations, lags=lags)
    return measure(task, values=values, name=test, outcomes=lags, per_series=8 * 2 * len(values))


def _autocorrelations(series: Array, *, lags: int) -> Array:
    """r_1…r_lags of each series: (n, T) -> (lags, n)."""
    x = series - series.mean(axis=1, keepdims=True)
    products = [np.einsum("nt,nt->n", x[:, k:], x[:, : x.shape[1] - k]) for k in range(lags + 1)]
    return np.asarray(np.stack(products[1:]) / products[0])
