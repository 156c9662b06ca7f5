"""Does a series have a unit root? The augmented Dickey-Fuller test on all pixels at once.

Said & Dickey, Biometrika 71 (1984); p-values: MacKinnon, J. Business & Economic Statistics 12 (1994). The
regression is

    Δx_t = α + γ x_{t-1} + Σ_{j=1}^{k} δ_j Δx_{t-j} + ε_t,      null: γ = 0,      statistic: γ̂ / se(γ̂).

Everything follows `statsmodels.tsa.stattools.adfuller(x, regression="c", autolag="AIC")`, and the tests hold
the two equal: the longest lag p is Schwert's ⌈12 (T/100)^{1/4}⌉ but at most T/2 - 2; the lag k ∈ 0…p
minimizes the AIC among regressions over the same T - 1 - p dates; the statistic comes from a second
regression over the T - 1 - k dates that lag k allows. Departures, all where no least-squares answer exists:
a constant series is NaN and counted (statsmodels raises); so is one whose chosen regression is collinear or
fits exactly (statsmodels answers from a pseudo-inverse).

Method: one Householder QR of [regressors, Δx] per series, batched. Its triangle R holds every nested
regression: with the columns 1, x_{t-1}, Δx_{t-1}, …, Δx_{t-p}, the residual sum of squares at lag k is the
sum of R²_{i,y} below row k + 1. QR works on the data themselves; normal equations would square the condition
number, and near a unit root or under a trend the level and the lags are almost collinear.
"""

from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from atme import require
from atme.process.findings import Finding
from atme.process.series import ROUNDING, Array, as_series, blocks, measure

# MacKinnon (1994), one series, constant, no trend: p = Φ(polynomial in the statistic), in two pieces.
_TAU_MAX, _TAU_MIN, _TAU_SPLIT = 2.74, -18.83, -1.61
_BELOW_SPLIT = (2.1659, 1.4412, 0.038269)
_ABOVE_SPLIT = (1.7339, 0.93202, -0.12745, -0.010368)


def augmented_dickey_fuller(series: ArrayLike, *, longest_lag: int | None = None) -> Finding:
    """Augmented Dickey-Fuller test with a constant, lag by AIC.

    Null hypothesis: the series has a unit root, i.e. shocks never fade. A small p-value says that the series
    is drawn back to its mean. Brownian motion W keeps it and its increments dW reject it; a mean-reverting
    process rejects it on both, so the test on increments alone cannot tell the two apart.

    The effect is γ̂, the pull towards the mean per epoch: 0 for a unit root, φ - 1 for an AR(1), -1 for
    white noise. ``details["lag"]`` is (N,), the lag chosen for each pixel, NaN where it could not be tested.

    Args:
        series: (T, N), T >= 4 epochs of N pixels.
        longest_lag: Longest lag considered, at most T/2 - 2; None for Schwert's rule.

    Raises:
        ValueError: If the array is no history, is too short, no pixel can be tested, or the lag is out of
            range.
    """
    values = as_series(series, test="adf", shortest=4)
    longest = _checked_lag(longest_lag, epochs=len(values))
    measured = measure(
        partial(_dickey_fuller, longest=longest),
        values=values,
        name="adf",
        outcomes=3,
        per_series=8 * len(values),
    )
    statistic, pull, lag = measured.values
    return Finding(
        name="adf",
        statistic=statistic,
        pvalue=mackinnon_pvalue(statistic),
        null="the series has a unit root: shocks never fade",
        effect=pull,
        measures="pull towards the mean per epoch (0 for a unit root, -1 for white noise)",
        n=len(values),
        left_out=measured.left_out,
        details={"lag": lag},
    )


def mackinnon_pvalue(statistic: Array) -> Array:
    """MacKinnon's (1994) approximate p-value, one series, regression with a constant; NaN stays NaN."""
    below = np.polynomial.polynomial.polyval(statistic, _BELOW_SPLIT)
    above = np.polynomial.polynomial.polyval(statistic, _ABOVE_SPLIT)
    pvalue: Array = ndtr(np.where(statistic <= _TAU_SPLIT, below, above))
    pvalue[statistic > _TAU_MAX] = 1.0
    pvalue[statistic < _TAU_MIN] = 0.0
    return pvalue


def _checked_lag(longest_lag: int | None, *, epochs: int) -> int:
    most = epochs // 2 - 2
    if longest_lag is None:
        return min(most, int(np.ceil(12 * (epochs / 100) ** 0.25)))
    require.whole(f"adf: longest_lag ({epochs} values allow lags 0 to {most})", longest_lag, most=most)
    return longest_lag


def _dickey_fuller(series: Array, *, longest: int) -> Array:
    """Statistic, γ̂ and lag of each series: (n, T) -> (3, n)."""
    lags = _choose_lag(series, longest=longest)
    results = np.empty((3, len(series)))
    for lag in np.unique(lags):
        chosen = lags == lag
        results[:2, chosen] = _statistic(series[chosen], lag=int(lag))
    results[2] = np.where(np.isnan(results[0]), np.nan, lags)
    return results


def _choose_lag(series: Array, *, longest: int) -> NDArray[np.intp]:
    """The lag of least AIC among 0…longest, every regression over the same dates: (n, T) -> (n,).

    A lag whose column depends on those before it explains nothing: what QR assigns to it belongs to the
    residuals.
    """
    triangle = _triangle(series, lag=longest, level_last=False)
    squares = triangle[:, 2:, -1] ** 2  # (n, longest + 1): of lags 1…longest, then of the residuals
    explained = np.where(_dependent(triangle)[:, 2:], 0.0, squares)
    explained[:, -1] += (squares - explained).sum(axis=1)
    residual_squares = np.cumsum(explained[:, ::-1], axis=1)[:, ::-1]  # (n, longest + 1): at lag k
    dates = series.shape[1] - 1 - longest
    likelihood = dates * np.log(np.maximum(residual_squares, np.finfo(np.float64).tiny))
    lags: NDArray[np.intp] = np.argmin(likelihood + 2 * np.arange(longest + 1), axis=1)
    return lags


def _statistic(series: Array, *, lag: int) -> Array:
    """t statistic of the level and γ̂ at one lag: (n, T) -> (2, n); NaN where collinear or fitted exactly."""
    triangle = _triangle(series, lag=lag, level_last=True)
    degrees = series.shape[1] - 1 - lag - (lag + 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        pull = triangle[:, -2, -1] / triangle[:, -2, -2]
        deviation = np.abs(triangle[:, -1, -1] / triangle[:, -2, -2]) / np.sqrt(degrees)
        result = np.stack([pull / deviation, pull])
    result[:, _dependent(triangle).any(axis=1)] = np.nan
    return result


def _triangle(series: Array, *, lag: int, level_last: bool) -> Array:
    """R of the QR of [regressors, Δx], in parts that fit the cache: (n, T) -> (n, lag + 3, lag + 3)."""
    columns, dates = lag + 3, series.shape[1] - 1 - lag
    parts = blocks(len(series), per_series=8 * columns * dates)
    triangles = [np.linalg.qr(_design(series[part], lag=lag, level_last=level_last), mode="r") for part in parts]
    return np.concatenate(triangles)


def _design(series: Array, *, lag: int, level_last: bool) -> Array:
    """Columns 1, level, lags 1…lag (or lags, level), Δx_t: (n, T) -> (n, dates, lag + 3)."""
    steps = np.diff(series, axis=1)
    dates = steps.shape[1] - lag
    first_lag, level = (1, lag + 1) if level_last else (2, 1)
    columns = np.empty((len(series), lag + 3, dates))  # column by column, as LAPACK wants it
    columns[:, 0] = 1
    columns[:, level] = series[:, lag:-1]
    for j in range(1, lag + 1):
        columns[:, first_lag + j - 1] = steps[:, lag - j : lag - j + dates]
    columns[:, -1] = steps[:, lag:]
    return columns.transpose(0, 2, 1)


def _dependent(triangle: Array) -> NDArray[np.bool_]:
    """Which columns are, to rounding, a combination of those before them: (n, c, c) -> (n, c)."""
    lengths = np.sqrt((triangle**2).sum(axis=1))
    return np.asarray(np.abs(np.diagonal(triangle, axis1=1, axis2=2)) <= ROUNDING * lengths)
