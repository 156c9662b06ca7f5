"""The tables of the page of `atme analyze`, cell by cell."""

from collections.abc import Mapping
from typing import Any

from atme.process import Correction, questions
from atme.reports.analyze.published_tests import Published, published_tests
from atme.reports.analyze.study import CORRECTIONS, Outcome, Process, Study
from atme.reports.analyze.wording import PROCESSES, TESTS, percent


def share_rows(study: Study, processes: Mapping[str, Process]) -> list[dict[str, Any]]:
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


def effect_rows(study: Study, processes: Mapping[str, Process]) -> list[dict[str, Any]]:
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


def published_rows(study: Study, chosen: Published) -> list[dict[str, Any]]:
    rows = {"W, 5 pixels of each image": chosen}
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
