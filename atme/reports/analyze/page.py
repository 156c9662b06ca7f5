"""The page of `atme analyze`: one HTML file that stands alone, with its pictures and a few lines of script inside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atme.process import Correction, Examination, Finding, Transform, autocorrelations, questions
from atme.reports import figures
from atme.reports.analyze.published_tests import Published, published_tests
from atme.reports.analyze.study import CORRECTIONS, Outcome, Process, Study, effect_of
from atme.reports.analyze.wording import HORIZONS, PROCESSES, TESTS, cannot_say, found, percent
from atme.reports.figures import Film, Picture
from atme.reports.flatness import LOG_2, LOG_4, Flatness
from atme.reports.page import rendered

Numbers = NDArray[Any]

GRADIENTS = ("magma", "viridis", "RdBu_r")
CENTERS = {"shapiro": 0.0, "ljung_box": 0.0, "variance_growth": 1.0, "correlation": 0.0} | {
    f"variance_ratio_{q}": 1.0 for q in HORIZONS
}
"""Value of the effect under the null, where its map has two sides."""

SMALLEST = -4.0  # log10 of the smallest p-value that has a color of its own


@dataclass(frozen=True)
class PixelSeries:
    """One pixel, drawn by seed.

    Attributes:
        image: Its image's name.
        row: From above.
        column: From the left.
        level: (T,) W.
        pvalues: Test -> p-value of this pixel; NaN where it could not be tested.
    """

    image: str
    row: int
    column: int
    level: Numbers
    pvalues: Mapping[str, float]


@dataclass(frozen=True)
class ImageView:
    """What the page shows of one tracked image."""

    name: str
    films: list[tuple[str, Film]]
    maps: list[tuple[str, Picture]]
    entropy: Picture
    left_out: str


@dataclass(frozen=True)
class Section:
    """What the page shows of one recording."""

    study: Study
    published: Published
    images: Sequence[ImageView]
    flatness: Mapping[str, Flatness]
    pixels: Sequence[PixelSeries]


def write_page(
    path: Path,
    *,
    run: str,
    sections: Sequence[Section],
    problems: Sequence[str],
    log: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
) -> None:
    """Write the page.

    Args:
        path: Where.
        run: Name of the run.
        sections: One a recording.
        problems: What could not be analyzed, in words.
        log: Lines of the run's log.
        settings: Name -> value, as the page prints them.

    Raises:
        OSError: If it cannot be written.
    """
    page = rendered(
        "analyze.html",
        colors=GRADIENTS,
        run=run,
        problems=problems,
        settings=settings,
        objective=objective_figures(log),
        sections=[_rendered(section) for section in sections],
    )
    path.write_text(page, encoding="utf-8")


def image_view(name: str, examination: Examination, maps: Numbers, decisions: Numbers, flat: Flatness) -> ImageView:
    """Draw one image: films of D, W and dW, and maps over pixels.

    Args:
        name: The image's.
        examination: Of its W.
        maps: (T, H, W).
        decisions: (T, h, w) logits.
        flat: Flatness of its verdicts.
    """
    steps = np.diff(maps, axis=0, prepend=np.float32(np.nan))
    films = [
        (title, figures.film(values, bound=_bound(values)))
        for title, values in (("D, logits", decisions), ("→ W", maps), ("→ dW", steps))
    ]
    pictures = []
    for test, finding in examination.findings.items():
        pictures += _finding_maps(test, finding, maps.shape[1:])
    entropy = figures.map_picture(flat.map, low=0.0, high=LOG_2, colors="viridis")
    return ImageView(name, films, pictures, entropy, _left_out(examination))


def objective_figures(log: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Objective against log 4 and entropy against log 2, as pictures with their captions."""
    drawn = []
    for key, level, said, unit in (
        ("objective", LOG_4, "log 4", "objective, nats"),
        ("entropy", LOG_2, "log 2", "entropy, nats"),
    ):
        lines = [line for line in log if key in line and "step" in line]
        if lines:
            steps = np.array([line["step"] for line in lines])
            values = np.array([line[key] for line in lines], dtype=np.float64)
            uri = figures.curves(steps, {key: values}, level=(level, said), labels=("step", unit))
            last = float(values[-max(1, len(values) // 10) :].mean())
            drawn.append((uri, f"{key} over steps: {last:.3f} in the last tenth, {said} = {level:.3f}"))
    return drawn


def level_of(maps: Numbers, *, transform: Transform) -> Numbers:
    """W or atanh W, as it was tested."""
    if transform == "none":
        return maps
    with np.errstate(divide="ignore"):
        return np.asarray(np.arctanh(maps))


def _finding_maps(test: str, finding: Finding, shape: tuple[int, ...]) -> list[tuple[str, Picture]]:
    """The p-values and the effect of one test over the image."""
    drawn = []
    if finding.pvalue is not None:
        with np.errstate(divide="ignore"):
            p = np.maximum(np.log10(finding.pvalue), SMALLEST).reshape(shape)
        picture = figures.map_picture(p, low=SMALLEST, high=0.0, colors="magma")
        drawn.append((f"{TESTS[test]}: log₁₀ p", picture))
    effect = effect_of(finding)
    low, high = (float(value) for value in np.nanquantile(effect, (0.01, 0.99)))
    colors = "viridis"
    if test in CENTERS:
        center = CENTERS[test]
        far = max(center - low, high - center)
        low, high, colors = center - far, center + far, "RdBu_r"
    said = "exponent γ" if test == "variance_growth" else finding.measures.split(", ")[0].split(" (")[0]
    caption = said if said.startswith("VR") else f"{TESTS[test]}: {said}"
    picture = figures.map_picture(effect.reshape(shape), low=low, high=high, colors=colors)
    return [*drawn, (caption, picture)]


def _bound(values: Numbers) -> float:
    """99.5 % quantile of the sizes, for the colors of a film."""
    sizes = np.abs(values[np.isfinite(values)])
    return float(np.quantile(sizes, 0.995)) if len(sizes) else 1.0


def _left_out(examination: Examination) -> str:
    """What could not be tested of this image, in words; empty where all could."""
    reasons = {name: dict(finding.left_out) for name, finding in examination.findings.items()}
    said = [
        f"{TESTS[name]}: {', '.join(f'{count:,} pixels {reason}' for reason, count in left.items())}"
        for name, left in reasons.items()
        if left
    ]
    return "; ".join(said + [f"{TESTS[name]}: {why}" for name, why in examination.refused.items()])


def _rendered(section: Section) -> dict[str, Any]:
    """A section as the template reads it."""
    study = section.study
    processes = study.processes
    return {
        "name": study.stretch.recording.name,
        "first": int(study.stretch.epochs[0]),
        "found": found(study, section.published),
        "cannot_say": cannot_say(study),
        "step": f"{study.step:.3g}",
        "processes": [(PROCESSES[name], process.pixels) for name, process in processes.items()],
        "shares": _share_rows(study, processes),
        "effects": _effect_rows(study, processes),
        "published": _published_rows(section),
        "figures": _section_figures(section, processes),
        "images": section.images,
        "pixels": _pixel_cards(section),
        "refused": {TESTS[name]: why for name, why in study.noise.refused.items()},
    }


def _share_rows(study: Study, processes: Mapping[str, Process]) -> list[dict[str, Any]]:
    """Test by test the shares of rejected pixels: of W also corrected."""
    rows = []
    for name, question in questions().items():
        if question.brownian is None:
            continue
        cells = []
        for key, process in processes.items():
            for correction in CORRECTIONS if key == "W" else CORRECTIONS[:1]:
                cells.append(_cell(process.outcomes.get(name), correction, question.brownian))
        null = next((e.findings[name].null for e in study.noise.examinations if name in e.findings), "was refused")
        rows.append({"test": TESTS[name], "null": null, "brownian": question.brownian, "cells": cells})
    return rows


def _cell(outcome: Outcome | None, correction: Correction, brownian: str) -> dict[str, Any]:
    """A share as text, and in percent how far it is from what Brownian motion does."""
    if outcome is None:
        return {"text": "–", "strange": 0}
    share = outcome.rejected[correction]
    strange = share if brownian == "kept" else 1 - share
    return {"text": percent(share), "strange": round(100 * strange)}


def _effect_rows(study: Study, processes: Mapping[str, Process]) -> list[dict[str, Any]]:
    """Test by test the median effect, with the 5 % and 95 % quantile over pixels."""
    rows = []
    for name in questions():
        findings = [e.findings[name] for e in study.noise.examinations if name in e.findings]
        if findings:
            measures = "exponent γ of the variance (1)" if name == "variance_growth" else findings[0].measures
            outcomes = [process.outcomes.get(name) for process in processes.values()]
            cells = [
                None if outcome is None else [_two_places(value) for value in outcome.effect] for outcome in outcomes
            ]
            rows.append({"test": TESTS[name], "measures": measures, "cells": cells})
    return rows


def _two_places(value: float) -> str:
    return f"{value:z.2f}".replace("-", "−")


def _published_rows(section: Section) -> list[dict[str, Any]]:
    study = section.study
    rows = {"W, 5 pixels of each image": section.published}
    rows["W, all pixels"] = published_tests(study.noise.examinations)
    rows |= {PROCESSES[name]: published_tests(c.examinations) for name, c in study.controls.items()}
    verdicts = {True: "Brownian", False: "not Brownian", None: "–"}
    return [
        {
            "process": name,
            "pixels": row.pixels,
            "shares": ["–" if s is None else percent(s) for s in (row.adf_rejected, row.inside, row.normal)],
            "verdict": verdicts[row.brownian],
        }
        for name, row in rows.items()
    ]


def _section_figures(section: Section, processes: Mapping[str, Process]) -> list[tuple[str, str]]:
    """The curves of a recording, each with the caption that is also its alternative text."""
    epochs = section.study.stretch.epochs
    shown = {name: process for name, process in processes.items() if name != "D"}
    drawn = []
    horizons = [q for q in HORIZONS if all(f"variance_ratio_{q}" in p.outcomes for p in shown.values())]
    if horizons:
        profiles = {
            name: [process.outcomes[f"variance_ratio_{q}"].effect for q in horizons] for name, process in shown.items()
        }
        caption = "Variance ratio over its horizon, median over pixels; gray: 5 to 95 % of W's pixels"
        drawn.append((figures.ratios(profiles, horizons), caption))
    variances = {name: process.mean_detail("variance_growth", "variance") for name, process in shown.items()}
    known = {name: variance for name, variance in variances.items() if variance is not None}
    if "W" in known:
        drawn.append((figures.growth(known), "Variance of W against time: of Brownian motion a straight line"))
    entropies = {name: flat.entropy for name, flat in section.flatness.items()}
    spreads = {name: flat.spread for name, flat in section.flatness.items()}
    uri = figures.curves(epochs, entropies, level=(LOG_2, "log 2"), labels=("epoch", "mean entropy of D, nats"))
    drawn.append((uri, "Flatness: mean decision entropy of each image; log 2 where D cannot tell"))
    uri = figures.curves(epochs, spreads, level=(0.0, "flat"), labels=("epoch", "sd of D over the map, logits"))
    return [*drawn, (uri, "Flatness: spread of D over the map; 0 where it is flat")]


def _pixel_cards(section: Section) -> list[dict[str, Any]]:
    """A few pixels: series, autocorrelations, p-values."""
    study, epochs = section.study, section.study.stretch.epochs
    lags = int(min(10 * np.log10(max(len(epochs) - 1, 1)), len(epochs) - 2))
    band = study.noise.mean_detail("autocorrelation", "band")
    cards = []
    for one in section.pixels:
        r = _autocorrelations(level_of(one.level, transform=study.transform), lags=lags)
        cards.append(
            {
                "title": f"{one.image}, row {one.row}, column {one.column}",
                "uri": figures.pixel(epochs, one.level, r, band=0.0 if band is None else float(band)),
                "pvalues": [(TESTS[name], f"{p:.3g}") for name, p in one.pvalues.items()],
            }
        )
    return cards


def _autocorrelations(level: Numbers, *, lags: int) -> Numbers:
    """(lags + 1,) of dW of one pixel; only lag 0 where it has none."""
    try:
        return autocorrelations(np.diff(level)[:, None], lags=lags)[:, 0]
    except ValueError:  # too short, constant, or not finite: the page's table of tests says so
        return np.ones(1)
