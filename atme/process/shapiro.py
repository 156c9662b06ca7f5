"""Are the values drawn from a normal distribution? The Shapiro-Wilk test on all pixels at once.

Shapiro & Wilk, Biometrika 52 (1965), in Royston's approximation (Applied Statistics 44 (1995), remark AS
R94), the one that `scipy.stats.shapiro` computes; the tests hold the two equal. With the sorted values x_(i)
and weights a_i,

    W = (Σ a_i x_(i))² / (Σ a_i² Σ (x_i - x̄)²),

and a transform of log(1 - W) is normal under the null. Departures: a constant series is NaN and counted
(scipy says W = 1, p = 1), and more than 5000 values are refused (scipy warns), since Royston's transform was
fitted up to there.
"""

import numpy as np
from numpy.polynomial.polynomial import polyval
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from atme.process.findings import Finding
from atme.process.series import Array, as_series, measure

LONGEST = 5000

# Royston (1995): the two outermost weights, polynomials in 1/√n; then mean and log of the deviation of the
# transform, polynomials in n up to 11 values and in log n above.
_OUTERMOST = (0.0, 0.221157, -0.147981, -2.07119, 4.434685, -2.706056)
_NEXT = (0.0, 0.042981, -0.293762, -1.752461, 5.682633, -3.582633)
_SMALL_MEAN = (0.5440, -0.39978, 0.025054, -0.0006714)
_SMALL_LOG_DEVIATION = (1.3822, -0.77857, 0.062767, -0.0020322)
_LARGE_MEAN = (-1.5861, -0.31082, -0.083751, 0.0038915)
_LARGE_LOG_DEVIATION = (-0.4803, -0.082676, 0.0030302)
_SMALL_BOUND = (-2.273, 0.459)


def shapiro_wilk(series: ArrayLike) -> Finding:
    """Shapiro-Wilk test of normality.

    Null hypothesis: the values are independent draws from one normal distribution. A small p-value says that
    they are not: heavier or lighter tails, skewness, ties, a change of scale over time, or strong serial
    correlation. The increments of a Brownian motion keep it; so do those of any Gaussian process,
    mean-reverting ones included.

    The effect is the excess kurtosis: 0 for a normal distribution, positive for heavy tails.

    Args:
        series: (T, N), 3 <= T <= 5000 values of N pixels; usually increments.

    Raises:
        ValueError: If the array is no history, is too short or too long, or no pixel can be tested.
    """
    values = as_series(series, test="shapiro", shortest=3)
    if len(values) > LONGEST:
        raise ValueError(
            f"shapiro: the series has {len(values)} values and p-values are known up to {LONGEST}; narrow the window"
        )
    measured = measure(_shapiro, values=values, name="shapiro", outcomes=3, per_series=8 * 3 * len(values))
    statistic, pvalue, kurtosis = measured.values
    return Finding(
        name="shapiro",
        statistic=statistic,
        pvalue=pvalue,
        null="the values are independent draws from one normal distribution",
        effect=kurtosis,
        measures="excess kurtosis (0 for a normal distribution)",
        n=len(values),
        left_out=measured.left_out,
    )


def _shapiro(series: Array) -> Array:
    """W, its p-value and the excess kurtosis: (n, T) -> (3, n)."""
    order = np.sort(series, axis=1)
    scale = order[:, -1:] - order[:, :1]
    order = (order - order[:, series.shape[1] // 2, None]) / scale
    order -= order.mean(axis=1, keepdims=True)
    weights = _weights(series.shape[1])
    squares = order**2
    spread, aligned, length = squares.sum(axis=1), order @ weights, (weights**2).sum()
    root = np.sqrt(length * spread)
    remainder = (root - aligned) * (root + aligned) / (length * spread)  # 1 - W without cancellation
    remainder = np.clip(remainder, 0.0, 0.25 if series.shape[1] == 3 else 1.0)  # passed only by rounding
    kurtosis = (squares**2).mean(axis=1) / squares.mean(axis=1) ** 2 - 3
    return np.stack([1 - remainder, _pvalue(remainder, n=series.shape[1]), kurtosis])


def _weights(n: int) -> Array:
    """Royston's weights a_i, antisymmetric: (n,)."""
    if n == 3:
        return np.array([-np.sqrt(0.5), 0.0, np.sqrt(0.5)])
    scores = -_normal_quantile((np.arange(1, n // 2 + 1) - 0.375) / (n + 0.25))  # positive, falling
    norm = 2 * (scores**2).sum()
    fixed = 2 if n > 5 else 1  # how many of the outermost have polynomials of their own
    outermost = [polyval(n**-0.5, c) for c in (_OUTERMOST, _NEXT)][:fixed] + scores[:fixed] / np.sqrt(norm)
    scores /= np.sqrt((norm - 2 * (scores[:fixed] ** 2).sum()) / (1 - 2 * (outermost**2).sum()))
    scores[:fixed] = outermost
    return np.concatenate([-scores, np.zeros(n % 2), scores[::-1]])


def _pvalue(remainder: Array, *, n: int) -> Array:
    """p-value of W = 1 - remainder: exact for n = 3, else from Royston's normal transform."""
    if n == 3:
        return np.maximum(0.0, 1 - 6 / np.pi * np.arccos(np.sqrt(1 - remainder)))
    logarithm = np.log(np.maximum(remainder, np.finfo(np.float64).tiny))
    if n > 11:
        deviation = np.exp(polyval(np.log(n), _LARGE_LOG_DEVIATION))
        return np.asarray(ndtr(-(logarithm - polyval(np.log(n), _LARGE_MEAN)) / deviation))
    # The bound is above the logarithm for every sample: W >= n a_n²/(n - 1), which is 0.63 at n = 4.
    transformed = -np.log(polyval(n, _SMALL_BOUND) - logarithm)
    deviation = np.exp(polyval(n, _SMALL_LOG_DEVIATION))
    return np.asarray(ndtr(-(transformed - polyval(n, _SMALL_MEAN)) / deviation))


def _normal_quantile(p: NDArray[np.floating]) -> Array:
    """Beasley & Springer's (1977) quantile, AS 111, good to 1e-6: Royston's constants belong to it."""
    center = p - 0.5
    inner = center * polyval(center**2, (2.50662823884, -18.61500062529, 41.39119773534, -25.44106049637))
    inner /= polyval(center**2, (1.0, -8.47351093090, 23.08336743743, -21.06224101826, 3.13082909833))
    tail = np.sqrt(-np.log(np.minimum(p, 1 - p)))
    outer = polyval(tail, (-2.78718931138, -2.29796479134, 4.85014127135, 2.32121276858))
    outer /= polyval(tail, (1.0, 3.54388924762, 1.63706781897))
    return np.asarray(np.where(np.abs(center) <= 0.42, inner, np.sign(center) * outer))
