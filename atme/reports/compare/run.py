"""The runs of a comparison: what their folders hold, read and checked; nothing is written into them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from atme.run_folder import find_run, named, read_log, read_options, read_state
from atme.training.changes import flatten
from atme.training.search import KEY

LINE = ("step", "epoch", "images", "seconds", "images_per_second")
"""What every line of a log holds beside the means of its steps."""


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        folder: Its folder, or that of one of its checkpoints, as the user named it.
        name: The folder's name, with so much of its parents as tells it from the others.
        options: Dotted key -> value, of `options.yaml`.
        step: Updates of the weights at its last checkpoint.
        log: Lines of the log up to that step.
        best: What the best checkpoint was sought by, such as "val_l1", and its step; None where none was kept.
    """

    folder: Path
    name: str
    options: dict[str, Any]
    step: int
    log: list[dict[str, Any]]
    best: tuple[str, int] | None = None

    @property
    def seed(self) -> Any:
        """Seed of the run; None where its options do not say it."""
        return self.options.get("run.seed")

    @property
    def last(self) -> dict[str, Any] | None:
        """The last line of its log."""
        return self.log[-1] if self.log else None

    @property
    def images_per_second(self) -> float | None:
        """Of the median line: waiting for data counts, checkpoints and samples do not."""
        return median(line["images_per_second"] for line in self.log) if self.log else None

    def settled(self, key: str) -> float | None:
        """The mean of a logged value over its last tenth; None if it was not logged."""
        values = [float(line[key]) for line in self.log if is_number(line.get(key))]
        return fmean(values[-max(1, len(values) // 10) :]) if values else None


def is_number(value: object) -> bool:
    """Whether a value of a log can be drawn."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """Read runs, in the order in which they were named.

    Raises:
        ValueError: If there is none, one is named twice, or a folder holds no trained run or a damaged one.
    """
    if not folders:
        raise ValueError("runs: none was named; give the folders of one run or more")
    places = [named(folder).resolve() for folder in folders]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise ValueError(f"{folders[number]}: is named twice; name each run once")
    names = _names(places)
    return [_read(folder, name) for folder, name in zip(folders, names, strict=True)]


def _read(folder: Path, name: str) -> Run:
    place = find_run(folder)
    checkpoint = place.checkpoint
    options = flatten(read_options(place.folder))
    state = read_state(checkpoint)
    step = state.get("step") if isinstance(state, dict) else None
    if not isinstance(step, int):
        raise ValueError(f"{checkpoint / 'state.json'}: says no step; use another checkpoint")
    log = _read_lines(place.folder)
    return Run(folder, name, options, step, [line for line in log if line["step"] <= step], _best(state))


def _best(state: dict[str, Any]) -> tuple[str, int] | None:
    search = state.get("search") or {}
    aim, best = search.get("aim"), search.get("best")
    return (f"{KEY}{aim['metric']}", best["step"]) if aim and best else None


def _read_lines(folder: Path) -> list[dict[str, Any]]:
    """The log, each line with all that belongs to one."""
    path = folder / "log.jsonl"
    try:
        lines = read_log(folder)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is no text ({error}); restore or remove it") from error
    for number, line in enumerate(lines, 1):
        missing = [key for key in LINE if not isinstance(line, dict) or not is_number(line.get(key))]
        if missing:
            raise ValueError(f"{path}, line {number}: holds no number for {missing[0]}; repair or remove the line")
    return lines


def _names(places: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that tell them apart."""
    depths = [1] * len(places)
    while True:
        names = ["/".join(place.parts[-depth:]) for place, depth in zip(places, depths, strict=True)]
        counts = Counter(names)
        if max(counts.values()) == 1:
            return names
        depths = [depth + (counts[name] > 1) for depth, name in zip(depths, names, strict=True)]
