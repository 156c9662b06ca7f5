"""The page of `atme compare`: one HTML file that stands alone, with its pictures and a few lines of script inside."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from atme.reports.compare.curves import Chart, draw, marks
from atme.reports.compare.result import Comparison, Predictor, Result
from atme.reports.compare.scores import Spread, lower_is_better
from atme.reports.compare.words import decimals, of_one_class, title
from atme.reports.figures import Mark
from atme.reports.page import rendered, write_html
from atme.reports.pictures import COLORS

PARAMETERS = {"generator": "G", "discriminator": "D", "scheme": "noise scheme"}
QUANTITIES = {
    "epoch": "epochs",
    "steps": "updates",
    "images": "images seen",
    "seconds": "training time",
    "images_per_second": "images/s",
    "objective": "objective, last tenth",
    "entropy": "entropy, last tenth",
}


def write_page(path: Path, comparison: Comparison, *, words: Sequence[str], remarks: Sequence[str]) -> None:
    """Write the page.

    Args:
        path: Where.
        comparison: What it shows.
        words: Paragraphs to say of it.
        remarks: What a reader must know first.

    Raises:
        OSError: If it cannot be written.
    """
    groups = [result.group for result in comparison.results]
    page = rendered(
        "compare.html",
        colors=(COLORS,),
        names=[group.name for group in groups],
        marks=marks(groups),
        words=words,
        remarks=remarks,
        several=any(len(group.runs) > 1 for group in groups),
        alone=any(len(group.runs) == 1 for group in groups),
        metrics=[
            {"title": title(name), "unit": unit, "lower": lower_is_better(unit)}
            for name, unit in comparison.metrics.items()
            if not of_one_class(name)
        ],
        scores=_score_rows(comparison),
        classes=_class_rows(comparison),
        predictors=[predictor.name for predictor in comparison.predictors],
        parameters=[PARAMETERS.get(role, role) for role in _roles(comparison)],
        quantities=list(QUANTITIES.values()),
        trainings=[_training_row(result, _roles(comparison)) for result in comparison.results],
        charts=[_chart(comparison, chart) for chart in comparison.charts],
        examples=comparison.examples,
        settings=[setting for setting in comparison.settings if not setting.incidental],
        incidental=[setting for setting in comparison.settings if setting.incidental],
        comparable=not comparison.differences,
    )
    write_html(path, page)


def number(comparison: Comparison, metric: str, mean: float, sd: float | None = None) -> str:
    """A score as text, with as many places as all others of its column: "0.1369 ± 0.0021"."""
    means = [result.score(metric).mean for result in comparison.results]
    means += [predictor.scores[metric] for predictor in comparison.predictors if metric in predictor.scores]
    return _text(mean, sd, places=decimals(means))


def _text(mean: float, sd: float | None, *, places: int) -> str:
    said = f"{mean:z,.{places}f}".replace("-", "−")
    return said if sd is None else f"{said} ± {sd:,.{places}f}"


def _score_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """First the games, then the trivial predictors."""
    rows = [
        {
            "name": result.name,
            "seeds": str(len(result.group.runs)),
            "game": True,
            "cells": [_cell(comparison, metric, result.name, result.score(metric)) for metric in _shared(comparison)],
        }
        for result in comparison.results
    ]
    for predictor in comparison.predictors:
        cells = [_of_predictor(comparison, metric, predictor) for metric in _shared(comparison)]
        rows.append({"name": predictor.name, "seeds": "–", "game": False, "cells": cells})
    return rows


def _shared(comparison: Comparison) -> list[str]:
    """The metrics of the table of scores: those of single classes have another one."""
    return [metric for metric in comparison.metrics if not of_one_class(metric)]


def _class_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """A row a score of one class; none where targets are no labels."""
    return [
        {
            "title": title(metric),
            "cells": [_cell(comparison, metric, result.name, result.score(metric)) for result in comparison.results]
            + [_of_predictor(comparison, metric, predictor) for predictor in comparison.predictors],
        }
        for metric in comparison.metrics
        if of_one_class(metric)
    ]


def _of_predictor(comparison: Comparison, metric: str, predictor: Predictor) -> dict[str, Any]:
    """A cell of a predictor, which may have no such score."""
    if metric not in predictor.scores:
        return {"text": "–", "best": False}
    return _cell(comparison, metric, predictor.name, Spread((predictor.scores[metric],)))


def _cell(comparison: Comparison, metric: str, name: str, value: Spread) -> dict[str, Any]:
    return {"text": number(comparison, metric, value.mean, value.sd), "best": name in comparison.best(metric)}


def _roles(comparison: Comparison) -> list[str]:
    """The networks of all games, the well-known first."""
    found = {role for result in comparison.results for role in result.parameters}
    return [role for role in PARAMETERS if role in found] + sorted(found - PARAMETERS.keys())


def _training_row(result: Result, roles: Sequence[str]) -> dict[str, Any]:
    quantities = result.quantities()
    return {
        "name": result.name,
        "parameters": [f"{result.parameters[name]:,}" if name in result.parameters else "–" for name in roles],
        "quantities": [_quantity(name, quantities[name]) for name in QUANTITIES],
    }


def _quantity(name: str, value: Spread | None) -> str:
    if value is None:
        return "–"
    match name:
        case "seconds":
            return duration(value.mean, value.sd)
        case "images_per_second":
            return _text(value.mean, value.sd, places=1)
        case "objective" | "entropy":
            return _text(value.mean, value.sd, places=3)
        case _:
            return _text(value.mean, value.sd or None, places=0)


def duration(seconds: float, sd: float | None = None) -> str:
    """A time as text: "32.4 ± 0.1 min"."""
    unit, size = ("s", 1) if seconds < 120 else ("min", 60) if seconds < 7200 else ("h", 3600)
    return f"{_text(seconds / size, None if sd is None else sd / size, places=1)} {unit}"


def _chart(comparison: Comparison, chart: Chart) -> dict[str, Any]:
    """One quantity: the drawing, and where each game settled."""
    groups = [result.group for result in comparison.results]
    settled = {result.name: result.settled(chart.key) for result in comparison.results}
    known = {name: value for name, value in settled.items() if value is not None}
    places = decimals([value.mean for value in known.values()])
    texts: Mapping[str, str] = {name: _text(v.mean, v.sd, places=min(places, 3)) for name, v in known.items()}
    looks: dict[str, Mark] = marks(groups)
    return {
        "key": chart.key,
        "meaning": chart.meaning,
        "uri": draw(chart, groups),
        "said": ", ".join(f"{name} {text}" for name, text in texts.items()),
        "legend": [(name, looks[name], text) for name, text in texts.items()],
    }
