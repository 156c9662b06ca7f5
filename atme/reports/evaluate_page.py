"""The page of `atme evaluate`: scores with their intervals, what was learned by heart, the worst and the best pictures.

It is one HTML file that stands alone, with its pictures inside.
"""

import json
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from atme.data import PairedImages
from atme.inference import Evaluation, Translator
from atme.metrics import OURS, Score, metric
from atme.metrics.classes import DOTS, ONE_CLASS
from atme.reports.page import rendered, write_html
from atme.reports.pictures import COLORS, examples, translations

SHOWN = {"worst": 2, "median": 1, "best": 2}
"""Pairs of each kind that are shown."""

MANY = 2048
"""Pictures under which FID is known to be far from what it is for many: fewer than its features."""


def write_page(path: Path, scored: Evaluation, translator: Translator, test: PairedImages, *, run: Path) -> None:
    """Write the page.

    Args:
        path: Where.
        scored: What it shows.
        translator: That was scored.
        test: The pairs that were scored.
        run: That was scored, as it was named.

    Raises:
        OSError: If it cannot be written.
    """
    by, order = ranked(scored)
    indices = [index for index, _ in order]
    drawn = examples(test, indices, {OURS: translations(translator, test, indices)})
    page = rendered(
        "evaluate.html",
        colors=(COLORS,),
        run=str(run),
        step=f"{translator.source.step:,}",
        words=list(words(scored)),
        predictors=[name.replace("_", " ") for name in scored.baselines],
        scores=_rows(scored),
        levels=_levels(scored),
        gap=_gap(scored) if scored.gap is not None and scored.gap.differences else None,
        by=None if by is None else metric(by).title,
        examples=[
            {"rank": rank, "example": example, "scores": _of_one(scored, index)}
            for (index, rank), example in zip(order, drawn, strict=True)
        ],
        left_out=list(_left_out(scored)),
        protocol=[(key.replace("_", " "), _plain(value)) for key, value in scored.protocol.items()],
    )
    write_html(path, page)


def number(name: str, value: float) -> str:
    """A score as text, with places for its usual size: 0.1369, 18.95, 162.7."""
    if not isfinite(value):
        return "∞"
    places = {"psnr": 2, "delta_e": 2, "fid": 2, "swd": 1}.get(name, 4)
    return f"{value:z,.{places}f}".replace("-", "−")


def ranked(scored: Evaluation) -> tuple[str | None, list[tuple[int, str]]]:
    """By which score pictures are ranked, and which are shown: an index and a rank in words each, the worst first."""
    by = next((name for name, score in scored.measured.ours.items() if score.each is not None), None)
    if by is None:
        return None, []
    values = np.asarray(scored.measured.ours[by].each)
    order = np.argsort(-values if metric(by).lower_is_better else values, kind="stable").tolist()
    count = len(order)
    worst, best = min(SHOWN["worst"], count), min(SHOWN["best"], count)
    places = [*range(worst), (count - 1) // 2, *range(count - best, count)]
    return by, [(order[place], _rank(place, count)) for place in sorted(set(places))]


def _rank(place: int, count: int) -> str:
    if place in (0, count - 1):
        return "worst" if place == 0 else "best"
    if place == (count - 1) // 2:
        return "median"
    return f"{_nth(place + 1)} worst" if place < count / 2 else f"{_nth(count - place)} best"


def _nth(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")


def words(scored: Evaluation) -> Iterator[str]:
    """What the scores say, and what they cannot say: sentences."""
    pairs, ours = len(scored.names), scored.measured.ours
    yield (
        f"{pairs:,} pair{'s' * (pairs != 1)} of the split {scored.protocol['split']}, {scored.protocol['view']}, "
        f"{scored.protocol['size']} pixels. Brackets hold 95 % intervals: where a score would lie on other pictures of "
        "the same kind."
    )
    for name, other in scored.baselines.items():
        both = [(key, score, other[key]) for key, score in ours.items() if key in other and not _is_sure(key, name)]
        lost = [metric(key).title for key, score, floor in both if not _better(key, score, floor)]
        if lost:
            yield f"By {', '.join(lost)} this run is no better than the {name.replace('_', ' ')}."
    if scored.gap is not None and scored.gap.differences:
        yield " ".join(_remembers(scored))
    if "fid" in ours and pairs < MANY:
        yield (
            f"FID of {pairs:,} pictures is larger than that of many: compare it only with FIDs of as many. KID has no "
            "such bias."
        )


def _is_sure(key: str, predictor: str) -> bool:
    """Whether a predictor that knows nothing finds all there is by what it is."""
    return key.startswith("recall_") and predictor in (ONE_CLASS, DOTS)


def _better(name: str, ours: Score, other: Score) -> bool:
    return ours.value < other.value if metric(name).lower_is_better else ours.value > other.value


def _remembers(scored: Evaluation) -> Iterator[str]:
    """Whether scores of training pairs are better than chance explains."""
    gap = scored.gap
    assert gap is not None
    surely = [metric(name).title for name, (value, ends) in gap.differences.items() if _is_better(name, value, ends)]
    yield f"Beside them {gap.pairs:,} pair{'s' * (gap.pairs != 1)} of {gap.split}, under the same view."
    if surely:
        yield (
            f"It is better on these by {', '.join(surely)}, by more than chance explains: it "
            "remembers some of them, unless they are easier pictures."
        )
    else:
        yield "It is not better on these by more than chance explains: there is no sign that it remembers them."


def _is_better(name: str, difference: float, ends: tuple[float, float] | None) -> bool:
    """Whether training pairs are better, and the interval of split less training says so."""
    if ends is None:
        return False
    return ends[0] > 0 if metric(name).lower_is_better else ends[1] < 0


def _rows(scored: Evaluation) -> list[dict[str, Any]]:
    return [
        {
            "title": metric(name).title,
            "unit": metric(name).unit if name in _said_once(scored) else "",
            "lower": metric(name).lower_is_better,
            "cells": [_cell(name, each.get(name)) for each in (scored.measured.ours, *scored.baselines.values())],
        }
        for name in scored.measured.ours
    ]


def _said_once(scored: Evaluation) -> list[str]:
    """The first of all scores that are the same of other classes: what it is needs no repeating."""
    names = list(scored.measured.ours)
    return list({metric(name).unit: name for name in reversed(names)}.values())


def _cell(name: str, score: Score | None) -> tuple[str, str]:
    """A score, and its interval or nothing; a predictor may have none."""
    if score is None:
        return "–", ""
    return number(name, score.value), _interval(name, score.interval)


def _interval(name: str, ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f"[{number(name, ends[0])}, {number(name, ends[1])}]"


def _levels(scored: Evaluation) -> list[tuple[str, str]]:
    """SWD at each level: the pixels of the shorter side, and the distance."""
    swd = scored.measured.ours.get("swd")
    if swd is None or swd.levels is None:
        return []
    side = min(scored.measured.sizes[0])
    return [(f"{side // 2**i} px", number("swd", value)) for i, value in enumerate(swd.levels)]


def _gap(scored: Evaluation) -> dict[str, Any]:
    gap = scored.gap
    assert gap is not None
    rows = [
        {
            "title": metric(name).title,
            "lower": metric(name).lower_is_better,
            "split": number(name, scored.measured.ours[name].value),
            "train": number(name, gap.scores[name].value),
            "difference": number(name, difference) if isfinite(difference) else "–",
            "interval": _interval(name, ends),
        }
        for name, (difference, ends) in gap.differences.items()
    ]
    return {"split": gap.split, "pairs": gap.pairs, "rows": rows}


def _left_out(scored: Evaluation) -> Iterator[str]:
    for name, why in scored.measured.left_out.items():
        yield f"{metric(name).title}: {why}."
    for name, why in scored.gap.left_out.items() if scored.gap is not None else ():
        yield f"{metric(name).title} of training pairs: {why}."


def _of_one(scored: Evaluation, index: int) -> str:
    """The scores of one picture."""
    each = {name: score.each for name, score in scored.measured.ours.items() if score.each is not None}
    return " · ".join(f"{metric(name).title} {number(name, values[index])}" for name, values in each.items())


def _plain(value: Any) -> str:
    """A value of the protocol in a cell."""
    if isinstance(value, Mapping):
        return "\n".join(f"{key}: {_plain(each)}" for key, each in _flat(value)) or "none"
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _flat(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Keys with dots instead of mappings within."""
    for key, each in value.items():
        if isinstance(each, Mapping):
            yield from ((f"{key}.{inner}", one) for inner, one in _flat(each))
        else:
            yield key, each
