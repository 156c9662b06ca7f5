"""An evaluation of a run on disk: ``evaluation/SPLIT.json``, the same image by image as CSV, and a table."""

from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from atme.data import DataOptions
from atme.data.options import read_data_options
from atme.inference import Evaluation, Translator, evaluate
from atme.metrics import UNITS
from atme.reports.files import write_csv, write_json


def evaluate_run(
    run: Path,
    *,
    split: str,
    weights: Literal["average", "last"],
    precision: Literal["float32", "bf16"],
    device: str,
) -> Evaluation:
    """Score a run, write the scores into its folder, and print them.

    Raises:
        ValueError: if the run or its data cannot be read.
        OSError: if the scores cannot be written.
    """
    translator = Translator.from_run(run, weights=weights, device=device, precision=precision)
    scored = score(translator, read_data_options(run / "options.yaml"), split=split)
    _write(scored, run / "evaluation", split)
    title = f"{run}, {split}: {len(scored.names)} pairs, step {translator.source.step}"
    Console().print(_table(scored, escape(title)))
    return scored


def score(translator: Translator, data: DataOptions, *, split: str) -> Evaluation:
    """Score a translator on a split, showing how far it is.

    Args:
        translator: Of a run.
        data: Which pairs the run was trained on.
        split: The split to score.

    Raises:
        ValueError: If the data cannot be read.
    """
    test, train = data.open_test(split), data.open_test(data.train_split)
    console = Console(stderr=True)
    quiet = not console.is_terminal
    return evaluate(
        translator,
        test,
        train,
        progress=lambda pairs: track(pairs, "evaluating", total=len(test), console=console, disable=quiet),
    )


def _write(scored: Evaluation, folder: Path, split: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / f"{split}.json", scored.summary())
    write_csv(folder / f"{split}.csv", scored.table())


def _table(scored: Evaluation, title: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("predictor")
    for name in UNITS:
        table.add_column(name, justify="right")
    summary = scored.summary()
    rows = {"this run": summary} | summary["baselines"]
    for predictor, values in rows.items():
        table.add_row(predictor.replace("_", " "), *(f"{values[name]:.4f}" for name in UNITS))
    return table
