"""The page of `atme analyze`: one HTML file that stands alone, with its pictures and a few lines of script inside."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from atme.reports.analyze.pictures import Section, objective_figures, pixel_cards, section_figures
from atme.reports.analyze.tables import effect_rows, published_rows, share_rows
from atme.reports.analyze.wording import PROCESSES, TESTS, cannot_say, few, found
from atme.reports.page import rendered, write_html

GRADIENTS = ("magma", "viridis", "RdBu_r")


def write_page(
    path: Path,
    *,
    run: str,
    sections: Sequence[Section],
    problems: Sequence[str],
    log: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
) -> None:
    """Write the page.

    Args:
        path: Where.
        run: Name of the run.
        sections: One a recording.
        problems: What could not be analyzed, in words.
        log: Lines of the run's log.
        settings: Name -> value, as the page prints them.

    Raises:
        OSError: If it cannot be written.
    """
    page = rendered(
        "analyze.html",
        colors=GRADIENTS,
        run=run,
        problems=problems,
        settings=settings,
        objective=objective_figures(log),
        sections=[_rendered(section) for section in sections],
    )
    write_html(path, page)


def _rendered(section: Section) -> dict[str, Any]:
    """A section as the template reads it."""
    study = section.study
    processes = study.processes
    return {
        "name": study.stretch.recording.name,
        "first": int(study.stretch.epochs[0]),
        "few": few(study),
        "found": found(study, section.published),
        "cannot_say": cannot_say(study),
        "step": f"{study.step:.3g}",
        "processes": [(PROCESSES[name], process.pixels) for name, process in processes.items()],
        "shares": share_rows(study, processes),
        "effects": effect_rows(study, processes),
        "published": published_rows(study, section.published),
        "figures": section_figures(section, processes),
        "images": section.images,
        "pixels": pixel_cards(section),
        "refused": {TESTS[name]: why for name, why in study.noise.refused.items()},
    }
