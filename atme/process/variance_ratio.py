"""Does variance grow in proportion to time? The variance ratio test on all pixels at once.

Lo & MacKinlay, Review of Financial Studies 1 (1988), overlapping differences, corrected for bias, z robust
to changing variance. With W_0…W_n, x_t = W_t - W_{t-1} and μ̂ = (W_n - W_0)/n:

    σ̂²(1) = Σ_{t=1}^{n} (x_t - μ̂)² / (n - 1)
    σ̂²(q) = Σ_{t=q}^{n} (W_t - W_{t-q} - q μ̂)² / m,      m = q (n - q + 1)(1 - q/n)
    VR(q) = σ̂²(q) / σ̂²(1)
    δ̂_j   = n Σ_{t=j+1}^{n} (x_t - μ̂)² (x_{t-j} - μ̂)² / (Σ_t (x_t - μ̂)²)²
    θ̂(q)  = Σ_{j=1}^{q-1} (2 (q - j)/q)² δ̂_j
    z(q)  = √n (VR(q) - 1) / √θ̂(q)

Departure: the p-value. Lo & MacKinlay refer z to N(0, 1), which is right for q far below n only. VR(q) is a
mean of squares, bounded by 0 below and skewed to the right: at n = 199 the normal law rejects true Brownian
motion at VR(20) in 2.3 % of cases at α = 0.01, all of them above 1, and AR(1) with φ = 0.8 never.
Here VR(q) is referred to the gamma law of mean 1 and variance θ̂(q)/n (Satterthwaite 1946), which tends to
the same normal law: 1.3 % and 80 %. Increments with heavy tails still thicken the lower tail; read any share
of rejected pixels beside those of the controls of the same length.
"""

from functools import partial

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammainc, gammaincc

from atme import require
from atme.process.findings import Finding
from atme.process.series import ROUNDING, Array, as_series, measure


def variance_ratio(series: ArrayLike, *, q: int) -> Finding:
    """Variance ratio test over q epochs.

    Null hypothesis: the increments of the series are uncorrelated (their variance may change over time), so
    that the variance over q epochs is q times that over one. Brownian motion keeps it. VR(q) < 1 says that
    the series comes back (mean reversion; 1/q in the limit of white noise), VR(q) > 1 that it persists. It
    is read on the level W, and tells Brownian motion from the slow mean reversion that tests of the
    increments overlook.

    The effect is VR(q): 1 under the null.

    Args:
        series: (T, N), T > 2q epochs of N pixels: the level, not the increments.
        q: Number of epochs of the long difference, at least 2.

    Raises:
        ValueError: If q < 2, the array is no history, is too short, or no pixel can be tested.
    """
    require.whole("variance_ratio: q", q, least=2)  # VR(q) compares q epochs with one
    name = f"variance_ratio_{q}"
    values = as_series(series, test=name, shortest=2 * q + 1)
    task = partial(_variance_ratio, q=q)
    measured = measure(task, values=values, name=name, outcomes=3, per_series=8 * 4 * len(values))
    z, ratio, pvalue = measured.values
    return Finding(
        name=name,
        statistic=z,
        pvalue=pvalue,
        null="the increments are uncorrelated: variance grows in proportion to time",
        effect=ratio,
        measures=f"VR({q}), variance over {q} epochs beside {q} times that over one (1 for Brownian motion)",
        n=len(values),
        left_out=measured.left_out,
    )


def _variance_ratio(series: Array, *, q: int) -> Array:
    """z(q), VR(q) and p-value of each series: (n, T) -> (3, n); NaN where the increments do not vary."""
    n = series.shape[1] - 1
    drift = (series[:, -1:] - series[:, :1]) / n
    squares = (np.diff(series, axis=1) - drift) ** 2
    total = squares.sum(axis=1)
    total[total <= ROUNDING**2 * (series**2).sum(axis=1)] = np.nan
    differences = series[:, q:] - series[:, :-q] - q * drift
    long = np.einsum("nt,nt->n", differences, differences) / (q * (n - q + 1) * (1 - q / n))
    ratio = long / (total / (n - 1))
    variance = _robust_variance(squares, q=q) / total**2  # θ̂(q)/n
    with np.errstate(divide="ignore"):
        shape = 1 / variance
    lower, upper = gammainc(shape, shape * ratio), gammaincc(shape, shape * ratio)
    return np.stack([(ratio - 1) / np.sqrt(variance), ratio, 2 * np.minimum(lower, upper)])


def _robust_variance(squares: Array, *, q: int) -> Array:
    """Σ_j (2 (q - j)/q)² Σ_t (x_t - μ̂)² (x_{t-j} - μ̂)², from the squares (n, T - 1): (n,)."""
    products = [np.einsum("nt,nt->n", squares[:, j:], squares[:, :-j]) for j in range(1, q)]
    return np.asarray(np.square(2 * (q - np.arange(1, q)) / q) @ np.stack(products))
