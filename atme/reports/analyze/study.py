"""One recording of a run under all tests of the process, beside processes of known law.

W is tested image by image, so that memory holds one image at a time; p-values are then corrected over all
pixels of all images together, since they are one family. The controls have the length of the recording, the
step of its median pixel, and its number of pixels up to 65,536, an image of 256×256: chance moves a share of so many
by less than half a point, and more of them would cost more than W itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atme.process import (
    CONTROLS,
    Correction,
    Examination,
    Finding,
    Transform,
    corrected,
    questions,
    suite,
)
from atme.reports.analyze.stretches import Stretch

CONTROL_PIXELS = 256**2
CORRECTIONS: tuple[Correction, ...] = ("none", "holm", "benjamini_hochberg")

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """One test on all pixels of one process.

    Attributes:
        rejected: Correction -> share of the tested pixels whose null is rejected; empty without p-values.
        effect: 5 %, 50 % and 95 % quantile over pixels of what `effect_of` reads.
        tested: Number of pixels tested.
        left_out: Reason -> number of pixels that could not be tested for it.
    """

    rejected: Mapping[Correction, float]
    effect: tuple[float, float, float]
    tested: int
    left_out: Mapping[str, int]


@dataclass(frozen=True)
class Process:
    """One process under all tests.

    Attributes:
        examinations: One an image; a control has one.
        outcomes: Test -> what it says of all pixels together.
        refused: Test -> why it could not answer.
    """

    examinations: tuple[Examination, ...]
    outcomes: Mapping[str, Outcome]
    refused: Mapping[str, str]

    @property
    def pixels(self) -> int:
        """Number of pixels, of all images."""
        return sum(examination.pixels for examination in self.examinations)

    @property
    def independent_pixels(self) -> float | None:
        """How many independent pixels an image is worth, mean over images; None where it is not known."""
        findings = [e.findings["correlation"] for e in self.examinations if "correlation" in e.findings]
        counts = [float(finding.details["independent_pixels"]) for finding in findings]
        return float(np.mean(counts)) if counts else None

    def mean_detail(self, test: str, name: str) -> Array | None:
        """A detail of a finding, averaged over images; None where the test was refused for all of them."""
        details = [e.findings[test].details[name] for e in self.examinations if test in e.findings]
        return np.stack(details).astype(np.float64).mean(axis=0) if details else None


@dataclass(frozen=True)
class Study:
    """What was found on one recording.

    Attributes:
        stretch: The epochs tested.
        transform: What was applied to W.
        alpha: The level at which `Outcome.rejected` rejects.
        noise: W over all tracked images.
        verdicts: D's logits over all tracked images, never transformed; None where they cannot be tested.
        controls: Name -> control.
        step: Standard deviation of dW of the median pixel, in units of W (of atanh W where transformed).
    """

    stretch: Stretch
    transform: Transform
    alpha: float
    noise: Process
    verdicts: Process | None
    controls: Mapping[str, Process]
    step: float

    @property
    def processes(self) -> dict[str, Process]:
        """All that was tested, by name: W, D where it could be, and the controls."""
        verdicts = {} if self.verdicts is None else {"D": self.verdicts}
        return {"W": self.noise} | verdicts | dict(self.controls)


def study(stretch: Stretch, *, transform: Transform = "none", alpha: float = 0.01, seed: int = 0) -> Study:
    """Run all tests on a recording and on its controls.

    Args:
        stretch: The epochs to test, at least 2.
        transform: "atanh" tests atanh W.
        alpha: Level in (0, 1).
        seed: Seed of the controls.

    Raises:
        ValueError: If there are fewer than two epochs, or an argument is out of its range.
    """
    examinations, steps = [], []
    for image in stretch.images:
        level = stretch.maps(image).reshape(len(stretch.epochs), -1)
        examinations.append(suite(level, transform=transform, alpha=alpha))
        steps.append(_steps(level, transform=transform))
    step = _median_step(np.concatenate(steps))
    noise = pooled(examinations)
    return Study(
        stretch,
        transform,
        alpha,
        noise=noise,
        verdicts=_verdicts(stretch, alpha=alpha),
        controls=_controls(len(stretch.epochs), noise.pixels, step=step, transform=transform, alpha=alpha, seed=seed),
        step=step,
    )


def pooled(examinations: Sequence[Examination]) -> Process:
    """Read several images' examinations as one family of tests."""
    outcomes: dict[str, Outcome] = {}
    refused: dict[str, str] = {}
    for name in questions():
        findings = [e.findings[name] for e in examinations if name in e.findings]
        if findings:
            outcomes[name] = _outcome(findings, alpha=examinations[0].alpha)
        else:
            refused[name] = next(e.refused[name] for e in examinations)
    return Process(tuple(examinations), outcomes, refused)


def effect_of(finding: Finding) -> Array:
    """What a report shows of a finding: its effect, and of variance_growth its exponent, which has a scale."""
    return finding.statistic if finding.name == "variance_growth" else finding.effect


def _outcome(findings: Sequence[Finding], *, alpha: float) -> Outcome:
    effect = np.concatenate([effect_of(finding) for finding in findings])
    low, median, high = np.nanquantile(effect, (0.05, 0.5, 0.95))
    left_out: dict[str, int] = {}
    for finding in findings:
        for reason, count in finding.left_out.items():
            left_out[reason] = left_out.get(reason, 0) + count
    tested = sum(int(finding.tested.sum()) for finding in findings)
    pvalues = [finding.pvalue for finding in findings if finding.pvalue is not None]
    rejected = _shares(np.concatenate(pvalues), alpha=alpha) if pvalues else {}
    return Outcome(rejected, (float(low), float(median), float(high)), tested, left_out)


def _shares(pvalue: Array, *, alpha: float) -> dict[Correction, float]:
    """Share of the tested whose null is rejected, for each correction."""
    tested = int(np.isfinite(pvalue).sum())
    return {
        correction: int((corrected(pvalue, correction=correction) <= alpha).sum()) / tested
        for correction in CORRECTIONS
    }


def _steps(level: NDArray[Any], *, transform: Transform) -> Array:
    """Standard deviation of every pixel's increments (N,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        series = np.arctanh(level) if transform == "atanh" else level
        return np.asarray(np.diff(series, axis=0).std(axis=0), dtype=np.float64)


def _median_step(steps: Array) -> float:
    """The median of those that move; 1 where none does, since then no test answers either."""
    moving = steps[np.isfinite(steps) & (steps > 0)]
    return float(np.median(moving)) if len(moving) else 1.0


def _verdicts(stretch: Stretch, *, alpha: float) -> Process | None:
    logits = [stretch.decisions(image).reshape(len(stretch.epochs), -1) for image in stretch.images]
    together = np.concatenate(logits, axis=1)
    if not np.isfinite(together).all(axis=0).any():
        return None
    return pooled([suite(together, alpha=alpha)])


def _controls(
    epochs: int, pixels: int, *, step: float, transform: Transform, alpha: float, seed: int
) -> dict[str, Process]:
    """Every control under the same tests; what is bounded as W is goes through W's transform."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, control in CONTROLS.items():
        level = control(epochs, min(pixels, CONTROL_PIXELS), rng=rng, scale=step)
        applied: Transform = transform if name == "bounded_brownian" else "none"
        found[name] = pooled([suite(level, transform=applied, alpha=alpha)])
    return found
