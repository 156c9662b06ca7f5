"""``atme analyze RUN``: is W a Brownian motion? The history of a run under all tests, beside processes of known law.

Writes, into the run's folder,

    analysis/analysis.json   everything in numbers
    analysis/tests.csv       a row for each recording, process and test
    analysis/entropy.csv     a row for each recording, image and epoch: how flat D is
    analysis/pixels.csv      a row for each epoch of a few pixels drawn by seed
    report.html              the same to look at; stands alone

A recording, or a test, that cannot answer says why; the others are reported all the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from atme import history
from atme.process import Examination, questions
from atme.reports.analyze.page import write_page
from atme.reports.analyze.pictures import ImageView, PixelSeries, Section, image_view
from atme.reports.analyze.published_tests import choose, published_tests
from atme.reports.analyze.stretches import longest_stretch
from atme.reports.analyze.study import CONTROL_PIXELS, Process, Study, study
from atme.reports.analyze.wording import TESTS, cannot_say, few, found, percent
from atme.reports.files import write_csv, write_json
from atme.reports.flatness import LOG_4, Flatness, flatness
from atme.run_folder import read_log, run_of
from atme.terminal import remarks, results

PIXELS = 6
"""Pixels whose series the page shows, of each recording."""


def analyze_run(
    run: Path,
    *,
    window: tuple[int, int] | None = None,
    transform: Literal["none", "atanh"] = "none",
    alpha: float = 0.01,
    seed: int = 0,
) -> Path:
    """Test whether W of a run is a Brownian motion, and write what was found into its folder.

    Args:
        run: The run's folder, with a history; that of one of its checkpoints stands for it.
        window: First and last epoch to read, both counted from 1 and included; None for all.
        transform: "atanh" tests atanh W, the network's output before the tanh that bounds it.
        alpha: Level of the tests, in (0, 1).
        seed: Seed of the controls, and of the choice of the pixels that are shown.

    Returns:
        Path of the page.

    Raises:
        ValueError: If the run has no history, none of its recordings can be tested, or an argument is out of range.
        OSError: If the results cannot be written.
    """
    run = run_of(run)
    sections: list[Section] = []
    problems: list[str] = []
    progress = remarks()
    for name, recording in sorted(history.read(run).items()):  # the fixed view first: a pixel stays one place
        with progress.status(f"testing the {name} recording"):
            try:
                stretch = longest_stretch(recording, window=window)
                tested = study(stretch, transform=transform, alpha=alpha, seed=seed)
                sections.append(_section(tested, seed=seed))
            except ValueError as error:
                problems.append(f"{name} recording: {error}")
    if not sections:
        raise ValueError(f"{run}: {'; '.join(problems) or 'its history holds no recording; train again'}")
    problems += [f"{s.study.stretch.recording.name}: {remark}" for s in sections for remark in s.study.stretch.remarks]
    log = read_log(run)
    settings = {"window": window, "transform": transform, "alpha": alpha, "seed": seed}
    folder = run / "analysis"
    folder.mkdir(exist_ok=True)
    write_json(folder / "analysis.json", _summary(run, sections, problems, log, settings))
    write_csv(folder / "tests.csv", _test_rows(sections))
    write_csv(folder / "entropy.csv", _entropy_rows(sections))
    write_csv(folder / "pixels.csv", _pixel_rows(sections))
    page = run / "report.html"
    write_page(page, run=run.resolve().name, sections=sections, problems=problems, log=log, settings=settings)
    _show(sections, problems, page)
    return page


def _section(study: Study, *, seed: int) -> Section:
    """Draw everything of one recording, image by image."""
    stretch, examinations = study.stretch, study.noise.examinations
    published = published_tests(examinations, chosen=choose(examinations, seed=seed))
    picked = _picked(study, seed=seed)
    views: list[ImageView] = []
    flat: dict[str, Flatness] = {}
    pixels: list[PixelSeries] = []
    for i, image in enumerate(stretch.images):
        name, maps, decisions = stretch.recording.images[image], stretch.maps(image), stretch.decisions(image)
        flat[name] = flatness(decisions)
        views.append(image_view(name, examinations[i], maps, decisions, flat[name]))
        pixels += [_series(name, maps, pixel, examinations[i]) for pixel in picked[i]]
    return Section(study, published, views, flat, pixels)


def _picked(study: Study, *, seed: int) -> list[NDArray[np.intp]]:
    """The pixels to show, without replacement among those of all images: one array an image."""
    counts = [examination.pixels for examination in study.noise.examinations]
    edges = np.cumsum([0, *counts])
    numbers = np.sort(np.random.default_rng(seed).choice(edges[-1], min(PIXELS, int(edges[-1])), replace=False))
    return [numbers[(numbers >= a) & (numbers < b)] - a for a, b in pairwise(edges)]


def _series(name: str, maps: NDArray[Any], pixel: int, examination: Examination) -> PixelSeries:
    row, column = divmod(int(pixel), maps.shape[2])
    pvalues = {t: float(f.pvalue[pixel]) for t, f in examination.findings.items() if f.pvalue is not None}
    return PixelSeries(name, row, column, maps[:, row, column], pvalues)


def _summary(
    run: Path,
    sections: Sequence[Section],
    problems: Sequence[str],
    log: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    objective = [line["objective"] for line in log if "objective" in line]
    last = objective[-max(1, len(objective) // 10) :]
    return {
        "run": run.resolve().name,
        **settings,
        "control_pixels": CONTROL_PIXELS,
        "problems": list(problems),
        "objective": {"log_4": LOG_4, "last_tenth": float(np.mean(last)) if last else None},
        "recordings": {s.study.stretch.recording.name: _recording(s) for s in sections},
    }


def _recording(section: Section) -> dict[str, Any]:
    study, stretch = section.study, section.study.stretch
    published = {"chosen": section.published, "all": published_tests(study.noise.examinations)}
    published |= {name: published_tests(control.examinations) for name, control in study.controls.items()}
    return {
        "first_epoch": int(stretch.epochs[0]),
        "last_epoch": int(stretch.epochs[-1]),
        "few": few(study) or None,
        "images": list(section.flatness),
        "found": found(study, section.published),
        "cannot_say": cannot_say(study),
        "median_step": study.step,
        "processes": {name: _process(process) for name, process in study.processes.items()},
        "published_tests": {name: asdict(row) | {"brownian": row.brownian} for name, row in published.items()},
        "entropy": {name: float(flat.entropy.mean()) for name, flat in section.flatness.items()},
    }


def _process(process: Process) -> dict[str, Any]:
    return {
        "pixels": process.pixels,
        "epochs": process.examinations[0].epochs,
        "independent_pixels": process.independent_pixels,
        "tests": {name: _described(process, name) for name in process.outcomes},
        "refused": dict(process.refused),
    }


def _described(process: Process, name: str) -> dict[str, Any]:
    finding = next(e.findings[name] for e in process.examinations if name in e.findings)
    return {
        "null": finding.null,
        "brownian": finding.brownian,
        "measures": "exponent of the variance" if name == "variance_growth" else finding.measures,
        "n": finding.n,
        **asdict(process.outcomes[name]),
    }


def _test_rows(sections: Sequence[Section]) -> Iterable[dict[str, Any]]:
    for section in sections:
        for key, process in section.study.processes.items():
            for name, outcome in process.outcomes.items():
                low, median, high = outcome.effect
                yield {
                    "recording": section.study.stretch.recording.name,
                    "process": key,
                    "test": name,
                    "pixels": process.pixels,
                    "tested": outcome.tested,
                    "rejected": outcome.rejected.get("none"),
                    "rejected_holm": outcome.rejected.get("holm"),
                    "rejected_benjamini_hochberg": outcome.rejected.get("benjamini_hochberg"),
                    "effect_5": low,
                    "effect_median": median,
                    "effect_95": high,
                }


def _entropy_rows(sections: Sequence[Section]) -> Iterable[dict[str, Any]]:
    for section in sections:
        stretch = section.study.stretch
        for image, flat in section.flatness.items():
            for epoch, entropy, spread in zip(stretch.epochs, flat.entropy, flat.spread, strict=True):
                yield {
                    "recording": stretch.recording.name,
                    "image": image,
                    "epoch": int(epoch),
                    "entropy": entropy,
                    "spread": spread,
                }


def _pixel_rows(sections: Sequence[Section]) -> Iterable[dict[str, Any]]:
    for section in sections:
        stretch = section.study.stretch
        for pixel in section.pixels:
            for epoch, level in zip(stretch.epochs, pixel.level, strict=True):
                yield {
                    "recording": stretch.recording.name,
                    "image": pixel.image,
                    "row": pixel.row,
                    "column": pixel.column,
                    "epoch": int(epoch),
                    "W": float(level),
                }


def _show(sections: Sequence[Section], problems: Sequence[str], page: Path) -> None:
    console = results()
    for section in sections:
        if warning := few(section.study):
            console.print(f"{section.study.stretch.recording.name} recording: {warning}", style="yellow")
    for section in sections:
        console.print(_table(section.study))
        console.print(found(section.study, section.published) + "\n")
    for problem in problems:
        console.print(problem, style="yellow")
    console.print(f"report: {page}", soft_wrap=True)


def _table(study: Study) -> Table:
    """Share of rejected pixels: W as it is and corrected, and two controls."""
    table = Table(title=f"{study.stretch.recording.name}: share of pixels rejected", title_justify="left")
    table.add_column("test")
    table.add_column("Brownian\nmotion is")
    for heading in ("W", "W, Holm", "W, BH", "Brownian", "AR(1)"):
        table.add_column(heading, justify="right")
    controls = [study.controls[name] for name in ("brownian", "autoregressive")]
    for name, question in questions().items():
        if question.brownian is not None:
            own = _shares(study.noise, name, 3)
            beside = [share for control in controls for share in _shares(control, name, 1)]
            table.add_row(TESTS[name], question.brownian, *own, *beside)
    return table


def _shares(process: Process, name: str, count: int) -> list[str]:
    outcome = process.outcomes.get(name)
    return ["–"] * count if outcome is None else [percent(s) for s in list(outcome.rejected.values())[:count]]
