"""The page of a run while it trains: how far it is, its curves, the same pictures all along; one file, written anew.

It needs no server: a browser that has it open loads it again every half minute while the run goes on. Writing takes at
most a fiftieth of the run's time, since it waits that much longer until the next time.
"""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from atme.data.sizes import resize
from atme.images import read_image
from atme.reports.compare.curves import charts, draw
from atme.reports.compare.groups import Group
from atme.reports.compare.run import Run
from atme.reports.embedded import picture_uri
from atme.reports.page import rendered, write_html
from atme.run_folder import read_log
from atme.status import account, line
from atme.training.search import KEY
from atme.training.standing import curves_of
from atme.training.watched import Moment

RELOAD = 30
"""Seconds."""
SHARE = 50
"""How many times as long as writing the page took it waits until it writes it again."""
GRIDS = 8
"""Sample grids that the page shows, from the first to the last."""
WIDEST = 1200
"""Pixels of a grid, which is shown reduced beyond."""
FIRST = ("objective", "entropy", "g_l1")
"""Curves that people look at first, behind those of the validation split."""
MARK = "atme train --page"
"""By which such a page is known."""


class Evening:
    """Writes the page, as a run's watcher.

    Args:
        page: the file; one that is there must be such a page.
        say: tells the user, once, why the page cannot be written; the run goes on.

    Raises:
        ValueError: if the file cannot be the page.
    """

    def __init__(self, page: Path, *, say: Callable[[str], None]) -> None:
        if page.is_dir():
            raise ValueError(f"--page: {page} is a folder; name a file such as {page / 'evening.html'}")
        if page.exists() and not is_ours(page):
            raise ValueError(f"--page: {page} is there, and no page of atme train; name another file")
        self._page, self._say, self._next, self._failed = page, say, 0.0, False

    def __call__(self, moment: Moment) -> None:
        """Write the page, if it is time."""
        began = time.monotonic()
        if began < self._next and moment.ended is None:
            return
        try:
            write(self._page, moment)
        except OSError as error:
            if not self._failed:
                self._say(f"--page: {self._page} cannot be written ({error.strerror or error}); the run goes on")
            self._failed = True
        self._next = time.monotonic() + SHARE * (time.monotonic() - began)


def is_ours(page: Path) -> bool:
    """Whether a file is a page that this module wrote."""
    with page.open("rb") as file:
        return MARK.encode() in file.read(2000)


def write(path: Path, moment: Moment) -> None:
    """Write the page of a run as it stands; a reader never finds half of it.

    Raises:
        OSError: if it cannot be written.
    """
    log = read_log(moment.run)
    name = moment.run.resolve().name
    aim, best = moment.search.aim, moment.search.best
    run = Run(moment.run, name, {}, moment.step, log, (f"{KEY}{aim.metric}", best.step) if aim and best else None)
    group, curves = Group(name, (run,)), curves_of(moment.run)
    drawn = sorted(charts([run]), key=lambda chart: _rank(chart.key))
    page = rendered(
        "evening.html",
        mark=MARK,
        reload=None if moment.ended else RELOAD,
        name=name,
        moment=moment,
        share=moment.step / moment.steps,
        facts=_facts(moment, log),
        status=account(curves) if moment.ended else [line(curves)],
        looks=_looks(run),
        charts=[{"key": each.key, "meaning": each.meaning, "uri": draw(each, [group])} for each in drawn],
        grids=_grids(moment.run),
        of_split=_of_split(curves.options),
        written=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S %z"),
    )
    unfinished = path.with_name(f".{path.name}")
    write_html(unfinished, page)
    unfinished.replace(path)


def span(seconds: float) -> str:
    """A time as people say it: "2 h 05 min", "3 min", "40 s"."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min" if minutes >= 10 else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _facts(moment: Moment, log: list[dict[str, Any]]) -> dict[str, str]:
    """What stands on top, by its name."""
    last = log[-1] if log else {}
    facts = {"updates": f"{moment.step:,} of {moment.steps:,}"}
    if last:
        facts |= {"epoch": str(last["epoch"]), "images seen": f"{last['images']:,}"}
        facts |= {"images a second": f"{last['images_per_second']:.1f}"}
    facts["trained for"] = span(moment.seconds)
    if moment.ended is None and moment.left is not None:
        facts["left"] = f"about {span(moment.left)}"
    return facts


def _looks(run: Run) -> list[dict[str, str]]:
    """Scores of the validation split: the first, the best where one is sought, and the last."""
    seen = [line for line in run.log if any(key.startswith(KEY) for key in line)]
    if not seen:
        return []
    best = [line for line in seen if run.best and line["step"] == run.best[1]]
    chosen = {"first": seen[0], **({"best": best[0]} if best else {}), "last": seen[-1]}
    return [{"look": name, "step": f"{line['step']:,}"} | _scores(line) for name, line in chosen.items()]


def _scores(line: dict[str, Any]) -> dict[str, str]:
    scores = {key.removeprefix(KEY): value for key, value in line.items() if key.startswith(KEY)}
    return {key: "none" if value is None else f"{value:.4g}" for key, value in scores.items()}


def _rank(key: str) -> int:
    """Validation, then what people look at first; the others stay in their order."""
    if key.startswith(KEY):
        return 0
    return 1 + FIRST.index(key) if key in FIRST else 1 + len(FIRST)


def _of_split(options: Mapping[str, Any]) -> str:
    """Of which split the whole pairs of a sample grid are, if not of the one that is trained on."""
    train, test = options.get("data.train_split"), options.get("data.test_split")
    return "" if test in (None, train) else f" of split {test}"


def _grids(run: Path) -> list[dict[str, str]]:
    """Sample grids from the first to the last, some of them, as pictures with the epoch's number."""
    found = {int(path.stem.removeprefix("epoch_")): path for path in (run / "samples").glob("epoch_*.png")}
    epochs = sorted(found)
    chosen = sorted({epochs[round(at)] for at in np.linspace(0, len(epochs) - 1, GRIDS)}) if epochs else []
    return [{"epoch": str(epoch), "uri": _picture(found[epoch])} for epoch in chosen]


def _picture(path: Path) -> str:
    pixels = read_image(path)
    height, width = pixels.shape[:2]
    if width > WIDEST:
        pixels = resize(pixels, (round(height * WIDEST / width), WIDEST))
    return picture_uri(pixels, format="webp")
