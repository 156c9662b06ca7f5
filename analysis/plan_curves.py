"""Do learning curves keep what they say? What half of the pairs predict, beside trainings with all of them.

    OMP_NUM_THREADS=1 python analysis/plan_curves.py STUDY.yaml --output runs/curves [--only Maps,edges]

The study is one of plan_study.py, whose sets and minutes count. Each set is planned, its curve is learned on parts of
the pairs in half of the minutes, as `atme plan --learning-curve` does, and then twice on all pairs, with as many
updates and the same held-out pairs to be scored by. Time is the processor's. Sets that are done are not done again.

Output: SET.json of each set, and curves.md.
"""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

if __name__ == "__main__":  # before atme is imported, which asks this clock how long updates take
    time.perf_counter = time.process_time

from jsonargparse import auto_cli
from plan_study import Study, Told

from atme.planning.curve import CHAINS, curve_of, learn_curve, study_of
from atme.planning.plan import make_plan

NARROW = 0.2
"""Of the score, that an interval may be wide."""


def learn(file: Path, *, output: Path, only: str = "") -> None:
    """Learn curves.

    Args:
        file: the study.
        output: folder of what is found.
        only: names of sets, with commas between; all without.
    """
    study = Study.read(file)
    output.mkdir(parents=True, exist_ok=True)
    names = only.split(",") if only else [told.name for told in study.sets]
    for told in study.sets:
        found = output / f"{told.name.replace(' ', '_')}.json"
        if told.name in names and not found.exists():
            found.write_text(json.dumps(of_set(told, minutes=study.minutes), indent=1))
        done = [output / f"{each.name.replace(' ', '_')}.json" for each in study.sets]
        (output / "curves.md").write_text(table([json.loads(each.read_text()) for each in done if each.exists()]))


def of_set(told: Told, *, minutes: float) -> dict[str, Any]:
    """The curve of a set, and what all of its pairs come to."""
    plan = make_plan(told.data, hours=minutes / 60, direction=told.direction)
    study = study_of(plan)
    began = time.process_time()
    scores: dict[int, list[float]] = {}
    for count, score in learn_curve(plan, study):
        scores.setdefault(count, []).append(score)
    took = time.process_time() - began
    pairs = plan.facts.pairs.pairs - (
        0 if plan.facts.pairs.splits.validation or plan.facts.pairs.splits.test else study.scored
    )
    curve = curve_of(scores, pairs=pairs)
    reached = [score for _, score in learn_curve(plan, study, parts=(pairs,))]
    return {
        "set": told.name,
        "pairs": pairs,
        "updates": study.updates,
        "seconds said": study.seconds,
        "seconds": took,
        "scores": scores,
        "at all": [curve.at_all.low, curve.at_all.middle, curve.at_all.high],
        "reached": reached,
    }


def table(sets: Sequence[Mapping[str, Any]]) -> str:
    """One row a set."""
    head = [
        "pairs",
        "updates of a run",
        "an eighth",
        "a quarter",
        "a half",
        "said of all",
        "reached",
        "within",
        "width",
    ]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    for each in sets:
        low, middle, high = each["at all"]
        parts = [" ".join(f"{score:.4f}" for score in found) for found in each["scores"].values()]
        reached = fmean(each["reached"])
        within = "yes" if low <= reached <= high else "no"
        said, width = f"{middle:.4f} ({low:.4f} to {high:.4f})", (high - low) / middle
        narrow = f"{width:.0%}" if width <= NARROW else f"**{width:.0%}**"
        all_of_them = " ".join(f"{score:.4f}" for score in each["reached"])
        rows.append(
            [f"{each['set']}, {each['pairs']:,}", f"{each['updates']:,}", *parts, said, all_of_them, within, narrow]
        )
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    assert CHAINS == 2, "the docs speak of two"
    auto_cli(learn, as_positional=True)
