"""An evaluation of a run on disk: ``evaluation/SPLIT.json``, the same image by image as CSV, a page, and a table."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from rich.table import Table

from atme.data import DataOptions, PairedImages
from atme.data.layout import WHOLE, has_split
from atme.data.tested import read_tested
from atme.images.labels import Labels
from atme.inference import Evaluation, Translator, evaluate
from atme.metrics import METRICS, OURS, Kind, Score, chosen, metric, networks
from atme.metrics.classes import names as of_classes
from atme.metrics.own import take_in
from atme.reports.evaluate_page import number, write_page
from atme.reports.files import write_csv, write_json
from atme.run_folder import find_run, scores_folder
from atme.terminal import counted, remarks, results

EARLIER = "earlier"
"""Folder, beside the scores, of those of other protocols that were there before."""


def evaluate_run(
    run: Path,
    *,
    split: str | None,
    root: str | None,
    metrics: str,
    features: Mapping[Kind, Path],
    train_pairs: int,
    weights: Literal["average", "last"],
    precision: Literal["float32", "bf16"],
    device: str,
    as_trained: bool,
    calls: Sequence[int | None],
    radius: int,
    trust: bool,
) -> list[Path]:
    """Score a run, write the scores and a page of them into its folder, and print them.

    Scores go to ``evaluation/SPLIT.json``, those of a checkpoint that is not the last one to
    ``evaluation/step_########/SPLIT.json``; those with N calls of the generator to ``SPLIT_calls_N.json``. Those of
    another protocol that are there are kept in ``earlier/``.

    Args:
        run: The run's folder, or that of one of its checkpoints.
        split: The split to score; None for the run's ``data.test_split``.
        root: Where the data lies now; None for where the run says.
        metrics: Names of scores with commas, or "all".
        features: Files of weights of networks whose features are compared.
        train_pairs: How many training pairs are scored too, at most.
        weights: "average" takes the averaged weights where the run has them.
        precision: "bf16" runs most of the network in bfloat16.
        device: A device's name, or "auto".
        as_trained: Whether each picture's own statistics are used, and dropout is on.
        radius: Pixels within which thin classes of labels are scored.
        calls: Numbers of calls of the generator, each to be scored; None is as many as the game is played with.
        trust: Whether the run's options may name code that is not of atme.

    Returns:
        Paths of the pages.

    Raises:
        ValueError: if the run, its data or a file of weights cannot be read, or no score can be had.
        OSError: if the scores cannot be written.
    """
    if split in ("", "..") or (split not in (None, WHOLE) and Path(split).name != split):
        raise ValueError(f"split: {split!r} is no name of a split; give one such as test")
    place = find_run(run)
    data = read_tested(place.folder, root=root)
    split = data.test_split if split is None else split
    wanted = named(metrics, data.kinds.target)
    translators = [
        Translator.from_run(
            run, weights=weights, device=device, precision=precision, as_trained=as_trained, calls=each, trust=trust
        )
        for each in calls
    ]  # all of them, so that none is scored if one is refused
    test, folder, pages = data.open_test(split), scores_folder(place), []
    if split == data.train_split:
        remarks().print(f"split {split} was trained on: its scores do not tell how good translations of others are")
    for translator in translators:
        scored = score(
            translator, data, test, metrics=wanted, features=features, train_pairs=train_pairs, radius=radius
        )
        name, said = file_name(split), ""
        if translator.calls is not None:
            name, said = f"{name}_calls_{translator.calls}", f", calls {translator.calls}"
        title = f"{run}, {split}: {len(scored.names)} pairs, step {translator.source.step}{said}"
        _write(scored, translator, test, folder=folder, split=name, run=run)
        results().print(_table(scored, title))
        pages.append(folder / f"{name}.html")
    return pages


def file_name(split: str) -> str:
    """What the files of a split's scores are called, without ending: as the split, but for that of undivided data."""
    return "whole" if split == WHOLE else split


def named(metrics: str, labels: Labels | None) -> tuple[str, ...]:
    """The scores that a list with commas names; "all" are all, with those of classes where targets are labels.

    Raises:
        ValueError: If one is none.
    """
    names = [name.strip() for name in metrics.split(",") if name.strip()]
    take_in(names)
    return every(labels) if metrics == "all" else chosen(names)


def every(labels: Labels | None) -> tuple[str, ...]:
    """All scores that there are of such targets."""
    return (*METRICS, *(() if labels is None else of_classes(labels)))


def score(
    translator: Translator,
    data: DataOptions,
    test: PairedImages,
    *,
    metrics: Sequence[str] | None = None,
    features: Mapping[Kind, Path] | None = None,
    train_pairs: int = 0,
    radius: int = 2,
    quiet: bool = False,
) -> Evaluation:
    """Score a translator on a split, showing how far it is, and saying what cannot be scored and why.

    Args:
        translator: Of a run.
        data: Which pairs the run was trained on.
        test: The pairs to score.
        metrics: Names of scores; None for all that there are.
        features: Files of weights; what is not named is sought in torch's hub cache.
        train_pairs: How many training pairs are scored too, at most.
        radius: Pixels within which thin classes of labels are scored.
        quiet: Whether missing weights are nothing to speak of.

    Raises:
        ValueError: If the data or a file of weights cannot be read, or no score can be had.
    """
    metrics = every(test.kinds.target) if metrics is None else metrics
    found, missing = networks(metrics, given=features or {}, device=translator.device)
    unknown = [name for name in metrics if (needs := metric(name).network) is not None and needs not in found]
    if len(unknown) == len(metrics):
        raise ValueError("; ".join(missing))
    for line in () if quiet else missing:
        remarks().print(line)
    train = data.open_test(data.train_split) if has_split(test.root, data.train_split) else None
    if train is None:
        alone = f"no split {data.train_split} in {test.root}: scored without the training set's median color"
        remarks().print(f"{alone}, and without training pairs" if train_pairs else alone)
    scored = evaluate(
        translator,
        test,
        train,
        metrics=metrics,
        networks=found,
        train_pairs=train_pairs,
        radius=radius,
        progress=lambda pairs: counted(pairs, total=len(pairs), doing="evaluating"),
    )
    reasons = {name: why for name, why in scored.measured.left_out.items() if name not in unknown}
    left_out = [f"{name}: left out, since {why}" for name, why in reasons.items()]
    if not scored.measured.ours:
        raise ValueError("; ".join(left_out))
    if scored.gap is not None:
        left_out += [f"{name}: of training pairs left out, since {why}" for name, why in scored.gap.left_out.items()]
    for line in left_out:
        remarks().print(line)
    return scored


def _write(
    scored: Evaluation, translator: Translator, test: PairedImages, *, folder: Path, split: str, run: Path
) -> None:
    """All files, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=f".{split}.") as unfinished:
        made = Path(unfinished)
        write_csv(made / f"{split}.csv", scored.table())
        write_json(made / f"{split}.json", scored.summary())
        write_page(made / f"{split}.html", scored, translator, test, run=run)
        _keep_earlier(folder, split, protocol=scored.protocol)
        for name in (f"{split}.csv", f"{split}.html", f"{split}.json"):
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
    for ending in (".csv", ".html"):
        if (beside := place.with_suffix(ending)).exists():
            beside.rename(kept.with_suffix(ending))
    remarks().print(f"{place} held scores of another protocol: they are kept in {kept}")


def _table(scored: Evaluation, title: str) -> Table:
    """A row a score: this run with its interval, beside trivial predictors."""
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for predictor in ("this run", *scored.baselines):
        table.add_column(predictor.replace("_", " "), justify="right")
    for name, ours in scored.measured.scores[OURS].items():
        arrow = "↓" if metric(name).lower_is_better else "↑"
        others = [number(name, each[name].value) if name in each else "–" for each in scored.baselines.values()]
        table.add_row(f"{metric(name).title} {arrow}", _with_interval(name, ours), *others)
    return table


def _with_interval(name: str, score: Score) -> str:
    if score.interval is None:
        return number(name, score.value)
    low, high = (number(name, end) for end in score.interval)
    return f"{number(name, score.value)}  {low} … {high}"
