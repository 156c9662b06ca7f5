"""How does the variance of W grow with time? Of Brownian motion as a line, Var(W_t - W_0) = σ² t.

Two views. Across pixels: the mean of (W_t - W_0)² over pixels is a curve over t, to which a line is fitted.
Within a pixel: the mean squared displacement over τ epochs, averaged along the series,

    M(τ) = mean over t of (W_{t+τ} - W_t)²  ~  τ^γ,

has exponent γ = 1 for Brownian motion, γ → 0 for a process that comes back, γ = 2 for a drift (Metzler et
al., Phys. Chem. Chem. Phys. 16 (2014), section 2). This is a description and has no p-value: the values of M
overlap.
"""

from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atme.process.findings import Finding
from atme.process.series import Array, as_series, measure

SHORTEST = 16


def variance_growth(series: ArrayLike) -> Finding:
    """Growth of the variance of the level with time.

    What Brownian motion does: a line across pixels (``details["r_squared"]`` near 1), exponent 1 within each
    pixel. The statistic is that exponent γ, least squares of log M on log τ over τ up to a quarter of the
    series; a single pixel's γ is noisy (standard deviation 0.16 at 200 epochs), so read its
    distribution beside the controls.

    The effect is σ², the slope of M against τ through the origin, in squared units of W per epoch.
    ``details``: "variance" (T,), mean of (W_t - W_0)² over the pixels; "slope", "intercept" and "r_squared"
    of its line, all ().

    Args:
        series: (T, N), T >= 16 epochs of N pixels: the level, not the increments.

    Raises:
        ValueError: If the array is no history, is too short, or no pixel can be described.
    """
    values = as_series(series, test="variance_growth", shortest=SHORTEST)
    spans = np.unique(np.geomspace(1, len(values) // 4, 12).round().astype(np.intp))
    task = partial(_growth, spans=spans)
    measured = measure(task, values=values, name="variance_growth", outcomes=2, per_series=8 * 3 * len(values))
    exponent, slope = measured.values
    return Finding(
        name="variance_growth",
        statistic=exponent,
        pvalue=None,
        null="the variance grows in proportion to time (exponent 1)",
        effect=slope,
        measures="slope of the mean squared displacement, squared units of W per epoch",
        n=len(values),
        left_out=measured.left_out,
        details=_line(values, pixels=np.isfinite(exponent)),
    )


def _growth(series: Array, *, spans: NDArray[np.intp]) -> Array:
    """γ and σ² of the mean squared displacement: (n, T) -> (2, n); NaN where a displacement is 0."""
    displacement = np.stack([((series[:, tau:] - series[:, :-tau]) ** 2).mean(axis=1) for tau in spans])
    direction = np.log(spans) - np.log(spans).mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        exponent = direction @ np.log(displacement) / (direction**2).sum()
    slope = spans @ displacement / (spans**2).sum()
    return np.where(np.isfinite(exponent), np.stack([exponent, slope]), np.nan)


def _line(values: NDArray[np.generic], *, pixels: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
    """Mean over pixels of (W_t - W_0)² and its least-squares line over t."""
    start = values[0, pixels].astype(np.float64)
    variance = np.array([np.mean((row[pixels] - start) ** 2) for row in values])
    time = np.arange(len(values)) - (len(values) - 1) / 2
    slope = time @ variance / (time @ time)
    intercept = variance.mean() - slope * (len(values) - 1) / 2
    residuals = variance - variance.mean() - slope * time
    r_squared = 1 - residuals.var() / variance.var()
    line = {"variance": variance, "slope": slope, "intercept": intercept, "r_squared": r_squared}
    return {name: np.asarray(value) for name, value in line.items()}
