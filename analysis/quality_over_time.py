"""How good was a run after so many minutes? Its checkpoints, scored on the same pairs.

    python analysis/quality_over_time.py RUN [RUN …] --split val --scores iou,precision_street,recall_street \
        --output runs/over_time

scores what lies in `RUN/checkpoints` (`--training.keep 1000` keeps all of them) with `atme evaluate`, which writes
`RUN/evaluation/step_########/val.json`, and passes over what has been scored. Output: over_time.md, a table, and
over_time.png, the scores over the minutes of each run's log. These are processor time of one core where the run was
trained by processor_time.py.
"""

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from atme.cli import main
from atme.metrics import metric
from atme.run_folder import checkpoints, latest, read_log, read_state

Point = dict[str, float]
"""Minutes and scores of a checkpoint."""


def over_time(runs: list[Path], *, split: str, scores: str, output: Path) -> None:
    """Score all checkpoints of some runs.

    Args:
        runs: their folders.
        split: that is scored.
        scores: names with commas, as `atme evaluate` has them.
        output: folder of the table and the picture.
    """
    names = scores.split(",")
    found = {run.name: [point(each, run, split, names) for each in checkpoints(run)] for run in runs}
    output.mkdir(parents=True, exist_ok=True)
    (output / "over_time.md").write_text(table(found, names))
    drawn(found, names).savefig(output / "over_time.png", dpi=110)


def point(checkpoint: Path, run: Path, split: str, names: Sequence[str]) -> Point:
    """What a checkpoint is worth, and when it was written."""
    ends = checkpoint == latest(run)
    file = run / "evaluation" / ("" if ends else checkpoint.name) / f"{split}.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    if not set(names) <= known.keys():
        words = ["--split", split, "--scores", ",".join(names), "--train_pairs", "0"]
        if main(["evaluate", str(run if ends else checkpoint), *words]) != 0:
            raise SystemExit(f"{checkpoint}: could not be scored")
        known = json.loads(file.read_text())
    step = read_state(checkpoint)["step"]
    seconds = next(line["seconds"] for line in read_log(run) if line["step"] >= step and "seconds" in line)
    return {"minutes": seconds / 60, **{name: known[name] for name in names}}


def table(found: dict[str, list[Point]], names: Sequence[str]) -> str:
    """One row a checkpoint."""
    rows = [["run", "minutes", *(metric(name).title for name in names)], ["---", *["---:"] * (len(names) + 1)]]
    for run, points in found.items():
        rows += [[run, f"{each['minutes']:.0f}", *(f"{each[name]:.3f}" for name in names)] for each in points]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def drawn(found: dict[str, list[Point]], names: Sequence[str]) -> Figure:
    """A panel for each score, a line for each run."""
    figure = Figure(figsize=(3.4 * len(names), 3.2), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for run, points in found.items():
            axes.plot([each["minutes"] for each in points], [each[name] for each in points], ".-", label=run)
        axes.set(title=metric(name).title, xlabel="minutes of one core")
        axes.spines[["top", "right"]].set_visible(False)
    if len(found) > 1:
        axes.legend(frameon=False, fontsize=8)
    return figure


if __name__ == "__main__":
    words = ArgumentParser()
    words.add_argument("runs", nargs="+", type=Path)
    words.add_argument("--split", default="val")
    words.add_argument("--scores", default="l1")
    words.add_argument("--output", required=True, type=Path)
    over_time(**vars(words.parse_args()))
