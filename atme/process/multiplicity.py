"""Correct p-values for testing many pixels at once: Holm (1979) and Benjamini-Hochberg (1995).

At level 0.01, 655 of 65,536 pixels of a true Brownian motion are rejected by chance. Holm bounds the
probability that *any* true null is rejected; Benjamini-Hochberg bounds the expected share of true nulls
among the rejected. Holm holds under any dependence between pixels, Benjamini-Hochberg under positive
dependence, which neighboring pixels of a smooth map have.

Benjamini-Hochberg is statsmodels'. Holm is written out, and the tests hold it equal to statsmodels'
`multipletests`: that runs Python's garbage collector at every call, a quarter of a second in a process that
has torch loaded.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.multitest import fdrcorrection

from atme import require

Array = NDArray[np.float64]

Correction = Literal["none", "holm", "benjamini_hochberg"]


def corrected(pvalue: Array, *, correction: Correction) -> Array:
    """Corrected p-values: to be compared with the same level as a single one.

    Args:
        pvalue: (N,) in [0, 1]; NaN marks a pixel that was not tested and does not count as a test.
        correction: "none" returns the p-values as they are.

    Returns:
        (N,) corrected p-values in [0, 1], never below the uncorrected; NaN stays NaN.

    Raises:
        ValueError: If the correction is unknown.
    """
    require.choice("correction", correction, Correction)
    if not isinstance(pvalue, np.ndarray) or pvalue.ndim != 1 or pvalue.dtype.kind != "f":
        raise ValueError(f"pvalue: {require.shown(pvalue)} is no array of p-values; give (N,) float64")
    if correction == "none":
        return pvalue
    methods = {"holm": _holm, "benjamini_hochberg": _benjamini_hochberg}
    result, tested = np.full_like(pvalue, np.nan), np.isfinite(pvalue)
    if tested.any():
        result[tested] = methods[correction](pvalue[tested])
    return result


def _holm(pvalue: Array) -> Array:
    """The i-th smallest of n p-values times n - i + 1, never below a smaller one's, at most 1."""
    order = np.argsort(pvalue)
    stepped = np.maximum.accumulate(pvalue[order] * np.arange(len(pvalue), 0, -1))
    result = np.empty_like(pvalue)
    result[order] = np.minimum(stepped, 1.0)
    return result


def _benjamini_hochberg(pvalue: Array) -> Array:
    return np.asarray(fdrcorrection(pvalue)[1])
