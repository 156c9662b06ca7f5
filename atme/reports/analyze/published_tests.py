"""What the published three tests alone would have concluded.

Solano-Carrillo et al. (CVPRW 2023) test the increments of 25 pixels, five in each of five images: augmented
Dickey-Fuller p < 0.01 in all 25, autocorrelations inside their 99 % bands, Shapiro-Wilk p > 0.01 in 64 %. Here the
same three on floats, on five pixels of each tracked image drawn by seed, on all pixels, and on the controls.
Departure: the published pictures have 8 bits; `analysis/published_protocol.py` shows what that does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atme.process import Examination

PIXELS_OF_EACH = 5
ENOUGH = 0.95
NORMAL_ENOUGH = 0.64

Chosen = Sequence[NDArray[np.intp]]


@dataclass(frozen=True)
class Published:
    """Shares in [0, 1], None where the test was refused.

    Attributes:
        pixels: Number of pixels.
        adf_rejected: Share of pixels whose unit root of dW is rejected.
        inside: Share of their lags inside the bands.
        normal: Share of pixels whose normality of dW is kept.
    """

    pixels: int
    adf_rejected: float | None
    inside: float | None
    normal: float | None

    @property
    def brownian(self) -> bool | None:
        """Whether these tests alone would have said Brownian motion; None where one was refused.

        At least 95 % rejected by ADF, 95 % of the lags inside, and 64 % normal, the share that was published.
        """
        if self.adf_rejected is None or self.inside is None or self.normal is None:
            return None
        return min(self.adf_rejected, self.inside) >= ENOUGH and self.normal >= NORMAL_ENOUGH


def published_tests(examinations: Sequence[Examination], *, chosen: Chosen | None = None) -> Published:
    """Read the three tests off examinations.

    Args:
        examinations: One an image.
        chosen: Pixels to read, one array an image; None for all.
    """
    everything = [np.arange(examination.pixels) for examination in examinations]
    pixels = everything if chosen is None else list(chosen)
    outside = _values(examinations, pixels, "autocorrelation", effect=True)
    kept = _values(examinations, pixels, "shapiro")
    return Published(
        sum(map(len, pixels)),
        adf_rejected=_mean(_values(examinations, pixels, "adf_increments")),
        inside=None if outside is None else 1 - float(outside.mean()),
        normal=None if kept is None else 1 - float(kept.mean()),
    )


def choose(examinations: Sequence[Examination], *, seed: int) -> list[NDArray[np.intp]]:
    """Five pixels of each image, without replacement."""
    rng = np.random.default_rng(seed)
    return [rng.choice(e.pixels, min(PIXELS_OF_EACH, e.pixels), replace=False) for e in examinations]


def _values(
    examinations: Sequence[Examination], pixels: Chosen, test: str, *, effect: bool = False
) -> NDArray[np.float64] | None:
    """Rejections, or effects, of the pixels that could be tested; None where there are none."""
    found = []
    for examination, some in zip(examinations, pixels, strict=True):
        if test in examination.findings:
            finding = examination.findings[test]
            tested = some[finding.tested[some]]
            values = finding.effect if effect else finding.rejected(alpha=examination.alpha)
            found.append(np.asarray(values[tested], dtype=np.float64))
    together = np.concatenate(found) if found else np.empty(0)
    return together if len(together) else None


def _mean(values: NDArray[np.float64] | None) -> float | None:
    return None if values is None else float(values.mean())
