"""The pictures of the page of `atme analyze`: films and maps of an image, curves of a recording, single pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atme.process import Examination, Finding, Transform, autocorrelations
from atme.reports import figures
from atme.reports.analyze.published_tests import Published
from atme.reports.analyze.study import Process, Study, effect_of
from atme.reports.analyze.wording import HORIZONS, TESTS
from atme.reports.figures import Film, Mark, Picture
from atme.reports.flatness import LOG_2, LOG_4, Flatness

Numbers = NDArray[Any]

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


def section_figures(section: Section, processes: Mapping[str, Process]) -> list[tuple[str, str, dict[str, Mark]]]:
    """The curves of a recording, each with the caption that is also its alternative text, and its legend."""
    epochs = section.study.stretch.epochs
    shown = {name: process for name, process in processes.items() if name != "D"}
    drawn: list[tuple[str, str, dict[str, Mark]]] = []
    horizons = [q for q in HORIZONS if all(f"variance_ratio_{q}" in p.outcomes for p in shown.values())]
    if horizons:
        profiles = {
            name: [process.outcomes[f"variance_ratio_{q}"].effect for q in horizons] for name, process in shown.items()
        }
        caption = "Variance ratio over its horizon, median over pixels; gray: 5 to 95 % of W's pixels"
        drawn.append((figures.ratios(profiles, horizons), caption, {}))
    variances = {name: process.mean_detail("variance_growth", "variance") for name, process in shown.items()}
    known = {name: variance for name, variance in variances.items() if variance is not None}
    if "W" in known:
        drawn.append((figures.growth(known), "Variance of W against time: of Brownian motion a straight line", {}))
    entropies = {name: flat.entropy for name, flat in section.flatness.items()}
    spreads = {name: flat.spread for name, flat in section.flatness.items()}
    legend = figures.marks(entropies) if len(entropies) > 1 else {}
    uri = figures.curves(epochs, entropies, level=(LOG_2, "log 2"), labels=("epoch", "mean entropy of D, nats"))
    drawn.append((uri, "Flatness: mean decision entropy of each image; log 2 where D cannot tell", legend))
    uri = figures.curves(epochs, spreads, level=(0.0, "flat"), labels=("epoch", "sd of D over the map, logits"))
    return [*drawn, (uri, "Flatness: spread of D over the map; 0 where it is flat", legend)]


def pixel_cards(section: Section) -> list[dict[str, Any]]:
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
