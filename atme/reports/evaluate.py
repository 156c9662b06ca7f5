"""An evaluation of a run on disk: ``evaluation/SPLIT.json``, the same image by image as CSV, and a table."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from rich.table import Table

from atme.data import DataOptions
from atme.data.layout import WHOLE, has_split
from atme.data.tested import read_tested
from atme.inference import Evaluation, Translator, evaluate
from atme.metrics import UNITS
from atme.reports.files import write_csv, write_json
from atme.run_folder import find_run, scores_folder
from atme.terminal import counted, remarks, results

EARLIER = "earlier"
"""Folder, beside the scores, of those of other protocols that were there before."""


def evaluate_run(
    run: Path,
    *,
    split: str,
    root: str | None,
    weights: Literal["average", "last"],
    precision: Literal["float32", "bf16"],
    device: str,
    as_trained: bool,
    trust: bool,
) -> Evaluation:
    """Score a run, write the scores into its folder, and print them.

    Scores go to ``evaluation/SPLIT.json``, those of a checkpoint that is not the last one to
    ``evaluation/step_########/SPLIT.json``. Those of another protocol that are there are kept in ``earlier/``.

    Args:
        run: The run's folder, or that of one of its checkpoints.
        split: The split to score.
        root: Where the data lies now; None for where the run says.
        weights: "average" takes the averaged weights where the run has them.
        precision: "bf16" runs most of the network in bfloat16.
        device: A device's name, or "auto".
        as_trained: Whether each picture's own statistics are used, and dropout is on.
        trust: Whether the run's options may name code that is not of atme.

    Raises:
        ValueError: if the run or its data cannot be read.
        OSError: if the scores cannot be written.
    """
    if split in ("", "..") or (split != WHOLE and Path(split).name != split):
        raise ValueError(f"split: {split!r} is no name of a split; give one such as test")
    place = find_run(run)
    data = read_tested(place.folder, root=root)
    translator = Translator.from_run(
        run, weights=weights, device=device, precision=precision, as_trained=as_trained, trust=trust
    )
    scored = score(translator, data, split=split)
    _write(scored, scores_folder(place), file_name(split))
    title = f"{run}, {split}: {len(scored.names)} pairs, step {translator.source.step}"
    results().print(_table(scored, title))
    return scored


def file_name(split: str) -> str:
    """What the files of a split's scores are called, without ending: as the split, but for that of undivided data."""
    return "whole" if split == WHOLE else split


def score(translator: Translator, data: DataOptions, *, split: str) -> Evaluation:
    """Score a translator on a split, showing how far it is, and saying so if there is no training split.

    Args:
        translator: Of a run.
        data: Which pairs the run was trained on.
        split: The split to score.

    Raises:
        ValueError: If the data cannot be read.
    """
    test = data.open_test(split)
    train = data.open_test(data.train_split) if has_split(test.root, data.train_split) else None
    if train is None:
        remark = f"no split {data.train_split} in {test.root}: scored without the training set's median color"
        remarks().print(remark)
    return evaluate(
        translator,
        test,
        train,
        progress=lambda pairs: counted(pairs, total=len(test), doing="evaluating"),
    )


def _write(scored: Evaluation, folder: Path, split: str) -> None:
    """Both files, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=f".{split}.") as unfinished:
        made = Path(unfinished)
        write_csv(made / f"{split}.csv", scored.table())
        write_json(made / f"{split}.json", scored.summary())
        _keep_earlier(folder, split, protocol=scored.protocol)
        for name in (f"{split}.csv", f"{split}.json"):
            (made / name).replace(folder / name)


def _keep_earlier(folder: Path, split: str, *, protocol: dict[str, Any]) -> None:
    """Move scores of another protocol aside, and say where they are."""
    place = folder / f"{split}.json"
    if not place.exists():
        return
    try:
        found = json.loads(place.read_text("utf-8"))["protocol"]
    except (OSError, ValueError, KeyError, TypeError):
        found = None  # no evaluation of ours, or a damaged one: kept all the more
    if found == json.loads(json.dumps(protocol)):
        return
    numbers = [int(path.stem.rpartition("_")[2]) for path in (folder / EARLIER).glob(f"{split}_[0-9]*.json")]
    kept = folder / EARLIER / f"{split}_{max(numbers, default=0) + 1:04d}.json"
    kept.parent.mkdir(exist_ok=True)
    place.rename(kept)
    if (table := place.with_suffix(".csv")).exists():
        table.rename(kept.with_suffix(".csv"))
    remarks().print(f"{place} held scores of another protocol: they are kept in {kept}")


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
