"""How alike are the pixels? Correlation between their increments, and how many it leaves independent.

All pixels come out of one network and one discriminator, so their series are not 65,536 experiments. With
z_i the increments of pixel i, centered and of length 1, r_ij = z_i · z_j. The N × N matrix is never built:
with Z = (z_1 … z_N),

    Σ_j r_ij = z_i · Σ_j z_j,      Σ_j r_ij² = z_iᵀ (Z Zᵀ) z_i,

and S = Z Zᵀ/N is only as large as the number of epochs squared. The participation ratio N²/Σ r_ij² says how
many independent pixels there are, once Σ r_ij² is freed from what chance gives: independent series of n
white values have mean r² = 1/(n - 1), and more if they are autocorrelated or if their variance changes over
time. Chance is therefore taken as Σ_{s,t} R²_st, with R the covariance over epochs that has the variances of
S on its diagonal and, at distance |s - t|, the mean autocorrelation of S: what independent pixels of this
autocorrelation would have.
"""

from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atme.process.findings import Finding
from atme.process.series import Array, as_series, blocks, load, measure, usable


def pixel_correlation(series: ArrayLike) -> Finding:
    """Correlation of every pixel's increments with those of all the others.

    A summary without p-values. Tests of two pixels are two experiments only if the pixels are independent:
    where ``details["independent_pixels"]`` is far below N, a share of rejected pixels scatters as if it came
    from that many, and neighboring pixels on a map confirm each other less than they seem to.

    The statistic is the root mean square of r_ij over j ≠ i, 1/√(T - 1) for independent pixels; the effect
    is their mean, 0 for independent pixels and positive where all move together. ``details``:
    "independent_pixels" ().

    Args:
        series: (T, N), T >= 3 increments of N >= 2 pixels.

    Raises:
        ValueError: If the array is no history, is too short, or fewer than two pixels change.
    """
    values = as_series(series, test="correlation", shortest=3)
    n, per_series = len(values), 8 * 2 * len(values)
    total, outer, pixels = _accumulate(values, per_series=per_series)
    if pixels < 2:
        raise ValueError(f"correlation: {pixels} of {values.shape[1]} pixels change; it takes at least two")
    task = partial(_with_others, total=total, outer=outer, others=pixels - 1)
    measured = measure(task, values=values, name="correlation", outcomes=2, per_series=per_series)
    mean_square, mean = measured.values
    excess = max(0.0, float(np.nanmean(mean_square)) - _by_chance(outer / pixels))
    return Finding(
        name="correlation",
        statistic=np.sqrt(mean_square),
        pvalue=None,
        null="the pixels move independently of each other",
        effect=mean,
        measures="mean correlation with the other pixels (0 for independent pixels)",
        n=n,
        left_out=measured.left_out,
        details={"independent_pixels": np.asarray(pixels / (1 + (pixels - 1) * excess))},
    )


def _accumulate(values: NDArray[np.generic], *, per_series: int) -> tuple[Array, Array, int]:
    """Σ z_i (T,), Z Zᵀ (T, T) and the number of pixels that have a z."""
    n = len(values)
    total, outer, pixels = np.zeros(n), np.zeros((n, n)), 0
    for block in blocks(values.shape[1], per_series=per_series):
        series = load(values, block=block)
        z = _normalized(series[usable(series)[1]])
        total, outer, pixels = total + z.sum(axis=0), outer + z.T @ z, pixels + len(z)
    return total, outer, pixels


def _with_others(series: Array, *, total: Array, outer: Array, others: int) -> Array:
    """Mean square and mean of each pixel's correlations with the others: (n, T) -> (2, n)."""
    z = _normalized(series)
    mean_square = (np.einsum("nt,nt->n", z @ outer, z) - 1) / others
    return np.stack([np.maximum(mean_square, 0.0), (z @ total - 1) / others])


def _by_chance(covariance: Array) -> float:
    """Mean r² of independent pixels with these variances and mean autocorrelations: (T, T) -> scalar."""
    deviation = np.sqrt(np.diag(covariance))
    expected = 0.0
    for k in range(len(deviation)):
        products = deviation[: len(deviation) - k] * deviation[k:]
        autocorrelation = np.trace(covariance, k) / max(products.sum(), np.finfo(np.float64).tiny)
        expected += (1 if k == 0 else 2) * float(((autocorrelation * products) ** 2).sum())
    return expected


def _normalized(series: Array) -> Array:
    centered = series - series.mean(axis=1, keepdims=True)
    lengths = np.sqrt(np.einsum("nt,nt->n", centered, centered))
    return np.asarray(centered / lengths[:, None])
