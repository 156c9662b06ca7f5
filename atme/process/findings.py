"""What a test of the process says of every pixel: a frozen `Finding`, the one type that leaves this package.

A finding never holds a verdict: whether a p-value rejects depends on the level and on the correction for
multiplicity, and both are arguments of `Finding.rejected`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from atme.process.multiplicity import Correction, corrected

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Finding:
    """The outcome of one test on N pixels at once.

    Attributes:
        name: What was tested, e.g. ``"adf"`` or ``"variance_ratio_10"``.
        statistic: (N,) test statistic; NaN where the pixel could not be tested.
        pvalue: (N,) in [0, 1], NaN where the pixel could not be tested; None for a summary that tests
            nothing.
        null: The null hypothesis in words.
        effect: (N,) how far the pixel is from the null, in the unit that ``measures`` names.
        measures: What ``effect`` measures, in words, with its value under the null.
        n: Number of values of each series that the test read.
        brownian: What Brownian motion does to this null: it is "kept", it is "rejected", or the test takes
            no side.
        left_out: Reason -> number of pixels that could not be tested for it.
        details: What a report needs beyond this, e.g. the lag used by each pixel; shapes are given by each
            test.
    """

    name: str
    statistic: Array
    pvalue: Array | None
    null: str
    effect: Array
    measures: str
    n: int
    brownian: Literal["kept", "rejected"] | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    details: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)

    @property
    def tested(self) -> Flags:
        """(N,) True where the pixel has a result."""
        return np.isfinite(self.statistic)

    def rejected(self, *, alpha: float = 0.01, correction: Correction = "none") -> Flags:
        """Where the null hypothesis is rejected.

        Args:
            alpha: The level in (0, 1): per pixel without correction, of the whole family with "holm", and the
                false discovery rate with "benjamini_hochberg".
            correction: How to correct for testing many pixels.

        Returns:
            (N,) True where rejected; False where kept, and where the pixel could not be tested.

        Raises:
            ValueError: If this finding is a summary without p-values, or alpha lies outside (0, 1).
        """
        if self.pvalue is None:
            raise ValueError(f"{self.name}: a summary without p-values rejects nothing; read its statistic")
        if not 0 < alpha < 1:
            raise ValueError(f"alpha = {alpha}: not a level; choose a number between 0 and 1, such as 0.01")
        return corrected(self.pvalue, correction=correction) <= alpha

    def share_rejected(self, *, alpha: float = 0.01, correction: Correction = "none") -> float:
        """Share of the tested pixels whose null is rejected, in [0, 1]; arguments as in `rejected`."""
        rejections = int(self.rejected(alpha=alpha, correction=correction).sum())
        return rejections / int(self.tested.sum())
