"""Is W a Brownian motion? All tests on one history, each on the level W or on the increments dW.

tanh bounds W, so the claim can only concern a window of epochs; atanh W, the network's output before the
tanh, is offered as a transform. A test that cannot answer is reported with its reason, and the others still
run.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atme import require
from atme.process.adf import augmented_dickey_fuller
from atme.process.autocorrelation import autocorrelation, ljung_box
from atme.process.correlation import pixel_correlation
from atme.process.findings import Finding
from atme.process.multiplicity import Correction
from atme.process.series import as_series
from atme.process.shapiro import shapiro_wilk
from atme.process.variance_growth import variance_growth
from atme.process.variance_ratio import variance_ratio

Transform = Literal["none", "atanh"]

HORIZONS = (2, 5, 10, 20)


@dataclass(frozen=True)
class Question:
    """One test as the suite asks it.

    Attributes:
        test: Takes (T, N) and returns a finding.
        of: The level W, or its increments dW_t = W_{t+1} - W_t.
        brownian: What Brownian motion does to the null; None where the test takes no side.
    """

    test: Callable[[NDArray[np.float64]], Finding]
    of: Literal["level", "increments"]
    brownian: Literal["kept", "rejected"] | None


@dataclass(frozen=True)
class Examination:
    """What the suite found on one history.

    Attributes:
        findings: Name -> finding, in the order in which they are to be read.
        refused: Name -> why that test could not answer.
        alpha: The level at which `shares` rejects.
        window: First epoch and the epoch behind the last one that were read.
        transform: What was applied to W before testing.
        epochs: Number of epochs tested.
        pixels: Number of pixels.
    """

    findings: Mapping[str, Finding]
    refused: Mapping[str, str]
    alpha: float
    window: tuple[int, int]
    transform: Transform
    epochs: int
    pixels: int

    def shares(self, *, correction: Correction = "none") -> dict[str, float]:
        """Name -> share of the tested pixels whose null is rejected, in [0, 1], where there are p-values."""
        return {
            name: finding.share_rejected(alpha=self.alpha, correction=correction)
            for name, finding in self.findings.items()
            if finding.pvalue is not None
        }


def questions(*, alpha: float = 0.01) -> dict[str, Question]:
    """The tests of the suite, in the order in which they are to be read: name -> question."""
    require.number("alpha", alpha, above=0, below=1)
    ratios = {f"variance_ratio_{q}": Question(partial(variance_ratio, q=q), "level", "kept") for q in HORIZONS}
    return {
        "adf_increments": Question(augmented_dickey_fuller, "increments", "rejected"),
        "adf_level": Question(augmented_dickey_fuller, "level", "kept"),
        "shapiro": Question(shapiro_wilk, "increments", "kept"),
        "autocorrelation": Question(partial(autocorrelation, alpha=alpha), "increments", "kept"),
        "ljung_box": Question(ljung_box, "increments", "kept"),
        **ratios,
        "variance_growth": Question(variance_growth, "level", None),
        "correlation": Question(pixel_correlation, "increments", None),
    }


def suite(
    W: ArrayLike, *, window: tuple[int, int] | None = None, transform: Transform = "none", alpha: float = 0.01
) -> Examination:
    """Run every test on a history of W.

    Args:
        W: (T, N), T epochs of N pixels, any real dtype; NaN and constant pixels are left out and counted.
        window: First epoch and the epoch behind the last to read, 0 <= first < last <= T; None for all.
        transform: "atanh" tests atanh W, for W in [-1, 1]; a pixel that touches ±1 counts as not finite.
        alpha: Level in (0, 1) of the bands and of `Examination.shares`.

    Returns:
        Findings and refusals; a test that is refused (say, too few epochs) does not stop the others.

    Raises:
        ValueError: If W is no history, or an argument is out of its range.
    """
    require.number("alpha", alpha, above=0, below=1)
    history = as_series(W, test="suite", shortest=2)
    first, last = _checked_window(window, epochs=len(history))
    level = _transformed(history[first:last], transform=transform)
    series = {"level": level, "increments": np.diff(level, axis=0)}
    findings: dict[str, Finding] = {}
    refused: dict[str, str] = {}
    for name, question in questions(alpha=alpha).items():
        try:
            findings[name] = replace(question.test(series[question.of]), name=name, brownian=question.brownian)
        except ValueError as refusal:
            refused[name] = str(refusal)
    return Examination(findings, refused, alpha, (first, last), transform, *level.shape)


def _checked_window(window: tuple[int, int] | None, *, epochs: int) -> tuple[int, int]:
    if window is not None:
        require.whole_numbers("window", window, count=2)
    first, last = (0, epochs) if window is None else window
    if not 0 <= first < last <= epochs:
        raise ValueError(
            f"window {first}:{last}: the history has {epochs} epochs; choose 0 <= first < last <= {epochs}"
        )
    return first, last


def _transformed(history: NDArray[np.generic], *, transform: Transform) -> NDArray[np.float64]:
    """The level to test, float64; NaN where infinite, so that increments subtract no infinities."""
    level = history.astype(np.float64)
    require.choice("transform", transform, Transform)
    if transform == "atanh":
        if (np.abs(level) > 1).any():
            raise ValueError("transform atanh: W leaves [-1, 1]; choose transform none")
        with np.errstate(divide="ignore"):
            np.arctanh(level, out=level)
    level[np.isinf(level)] = np.nan
    return level
