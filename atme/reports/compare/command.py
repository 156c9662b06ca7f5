"""``atme compare RUN RUN …``: which game translates best, at which price, and what differs between them.

Writes, into a folder of its own,

    report.html     scores, curves, the same test images side by side, settings that differ; stands alone
    compare.json    the same in numbers

Runs whose settings differ in the seed alone are one game; its numbers are mean and standard deviation over seeds. The
runs' folders are only read: a run whose last evaluation is of the same weights and pairs is not scored again.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from rich.table import Table

from atme.data import DataOptions, PairedImages
from atme.data.tested import read_tested
from atme.images import Pixels
from atme.inference import Translator
from atme.reports.compare.curves import charts
from atme.reports.compare.data import differences
from atme.reports.compare.groups import Group, differing, grouped
from atme.reports.compare.page import number, write_page
from atme.reports.compare.result import Comparison, Result, predictors
from atme.reports.compare.run import Run, read_runs
from atme.reports.compare.scores import Scores, scores_of, shared
from atme.reports.compare.words import of_one_class, title, warnings, words
from atme.reports.files import write_json
from atme.reports.pictures import chosen, examples, translations
from atme.run_folder import run_of
from atme.terminal import remarks, results

PAGE, NUMBERS = "report.html", "compare.json"


@dataclass(frozen=True)
class Asked:
    """How translations are made and scored.

    Attributes:
        split: Of the data; None for each run's own ``data.test_split``.
        weights: "average" takes averaged weights where a run has them.
        precision: "float32" or "bf16".
        device: A device's name, or "auto".
        images: Test pairs that are shown.
        trust: Whether the runs' options may name code that is not of atme.
        root: Where the runs' data lies now, if not where it lay.
    """

    split: str | None
    weights: Literal["average", "last"]
    precision: Literal["float32", "bf16"]
    device: str
    images: int
    trust: bool = False
    root: str | None = None


def compare_runs(folders: Sequence[Path], *, output: Path, asked: Asked) -> Path:
    """Compare runs, and write what was found.

    Args:
        folders: Of the runs.
        output: Folder of the results: a new one, or that of an earlier comparison.
        asked: How they are scored, and how many pictures are shown.

    Returns:
        Path of the page.

    Raises:
        ValueError: If a folder holds no trained run, or something of it is damaged; if the output holds something else.
        OSError: If the results cannot be written.
    """
    if asked.images < 0:
        raise ValueError(f"images: {asked.images} is negative; give 0 to show none")
    runs = read_runs(folders)
    _check_output(output, runs)
    found = _compare(runs, asked)
    said, warned = words(found), warnings(found)
    output.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as unfinished:
        write_json(Path(unfinished) / NUMBERS, found.as_dict(words=said, remarks=warned))
        write_page(Path(unfinished) / PAGE, found, words=said, remarks=warned)
        output.mkdir(exist_ok=True)
        for name in (NUMBERS, PAGE):
            (Path(unfinished) / name).replace(output / name)
    _show(found, warned)
    return output / PAGE


def _check_output(output: Path, runs: Sequence[Run]) -> None:
    """Raises ValueError unless the results may lie there."""
    place = output.resolve()
    for run in runs:
        if place.is_relative_to(run_of(run.folder).resolve()):
            raise ValueError(f"{output}: lies in the run {run.folder}, which is only read; choose another --output")
    above = next(folder for folder in (place, *place.parents) if folder.exists())
    if not above.is_dir():
        raise ValueError(f"{above}: is a file; choose a folder as --output")
    if not os.access(above, os.W_OK):
        raise ValueError(f"{above}: cannot be written to; choose another --output")
    there = {path.name for path in place.iterdir()} if place.exists() else set()
    if there and not (NUMBERS in there and there <= {NUMBERS, PAGE}):
        raise ValueError(f"{output}: holds other things than a comparison; choose a new folder as --output")


def _compare(runs: Sequence[Run], asked: Asked) -> Comparison:
    groups = grouped(runs)
    data = {run.name: read_tested(run.folder, root=asked.root) for run in runs}
    tests = {name: options.open_test(asked.split or options.test_split) for name, options in data.items()}
    differ = differences(tests)
    test = tests[runs[0].name]
    indices = [] if differ else chosen(len(test), asked.images)
    results, answers = _results(groups, data, tests, asked, indices)
    return Comparison(
        split=", ".join(dict.fromkeys(each.split for each in tests.values())),
        pairs=len(test),
        view=test.view_in_words,
        direction=test.direction,
        precision=asked.precision,
        metrics=results[0].scored[0].units,
        results=results,
        predictors=predictors(results),
        settings=differing(groups),
        charts=charts(runs),
        examples=examples(test, indices, answers),
        differences=differ,
    )


def _results(
    groups: Sequence[Group],
    data: Mapping[str, DataOptions],
    tests: Mapping[str, PairedImages],
    asked: Asked,
    indices: Sequence[int],
) -> tuple[list[Result], dict[str, list[Pixels]]]:
    """Each game's scores, and what the first run of each makes of some pictures; one run is in memory at a time."""
    console = remarks()
    found, answers = [], {}
    for group in groups:
        scored: list[Scores] = []
        parameters: dict[str, int] = {}
        for run in group.runs:
            translator = Translator.from_run(
                run.folder,
                weights=asked.weights,
                device=asked.device,
                precision=asked.precision,
                trust=asked.trust,
            )
            scored.append(scores_of(run.folder, translator, data[run.name], tests[run.name]))
            console.print(f"{run.name}: {'evaluated before' if scored[-1].reused else 'evaluated'}")
            if run is group.runs[0]:
                parameters = _parameters(translator)
                answers[group.name] = translations(translator, tests[run.name], indices)
        found.append(Result(group, tuple(scored), parameters))
    return _alike(found), answers


def _alike(found: Sequence[Result]) -> list[Result]:
    """With the metrics alone that all runs have; says which others are left out.

    Raises:
        ValueError: If there is none.
    """
    every = [scored for result in found for scored in result.scored]
    metrics = shared(every)
    others = {name: None for scored in every for name in scored.units if name not in metrics}
    if not metrics:
        raise ValueError("no score is known of all runs; give each the same with atme evaluate RUN --scores")
    if others:
        remarks().print(f"not shown: {', '.join(others)}, which not all runs have, or not of the same features")
    return [replace(result, scored=tuple(scored.of(metrics) for scored in result.scored)) for result in found]


def _parameters(translator: Translator) -> dict[str, int]:
    """For each network, how many numbers are learned."""
    return {
        name: sum(p.numel() for p in module.parameters() if p.requires_grad)
        for name, module in translator.networks.items()
    }


def _show(found: Comparison, warned: Sequence[str]) -> None:
    """The scores in the terminal; what stands in the way of comparing on stderr."""
    table = Table(title=f"{found.split}: mean over images", title_justify="left")
    table.add_column("")
    shown = [metric for metric in found.metrics if not of_one_class(metric)]
    for metric in shown:
        table.add_column(title(metric), justify="right")
    for result in found.results:
        cells = [number(found, metric, result.score(metric).mean, result.score(metric).sd) for metric in shown]
        table.add_row(result.name, *cells)
    for predictor in found.predictors:
        known = predictor.scores
        table.add_row(predictor.name, *(number(found, m, known[m]) if m in known else "–" for m in shown))
    results().print(table)
    for remark in warned:
        remarks().print(remark, style="yellow")
