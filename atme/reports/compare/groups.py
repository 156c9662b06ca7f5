"""Runs that are one game under several seeds, and the settings in which the games differ."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from atme.reports.compare.run import Run
from atme.training.changes import MAY_CHANGE

PLACE = ("run.dir", "config")
"""Keys that say where a run lies, and nothing of the run."""

_OF_THE_GAME = ("training.rate.", "training.precision", "training.stop_after", "training.least_gain")
"""May change while a run goes on, and change what it comes to."""

INCIDENTAL = (
    *(key for key in MAY_CHANGE if key not in _OF_THE_GAME),
    "history.",
)
"""Beginnings of the keys that do not change the game: a run may be recorded, logged and computed in several ways."""

SEED = "run.seed"


@dataclass(frozen=True)
class Group:
    """One game: runs that differ in their seed alone.

    Attributes:
        name: The run's name; of several runs the beginning that they share.
        runs: In the order in which they were named.
    """

    name: str
    runs: tuple[Run, ...]

    @property
    def seeds(self) -> tuple[Any, ...]:
        """One a run."""
        return tuple(run.seed for run in self.runs)


@dataclass(frozen=True)
class Setting:
    """A key that not all runs have the same value for.

    Attributes:
        key: Dotted, as in `options.yaml`.
        values: For each group its value as text; several, with commas, where its runs differ; – where it is not set.
        incidental: It does not change the game.
    """

    key: str
    values: tuple[str, ...]
    incidental: bool


def grouped(runs: Sequence[Run]) -> list[Group]:
    """Runs by game, in the order of their first ones.

    Two runs of one game under one and the same seed are no two draws: the second one begins a group of its own.
    """
    groups: list[list[Run]] = []
    for run in runs:
        fits = (g for g in groups if game(g[0]) == game(run) and run.seed not in [one.seed for one in g])
        group = next(fits, None)
        if group is None:
            groups.append([run])
        else:
            group.append(run)
    names = _names(groups)
    return [Group(name, tuple(group)) for name, group in zip(names, groups, strict=True)]


def game(run: Run) -> dict[str, Any]:
    """The settings that make the game: all but the seed, the place, and what is incidental."""
    return {key: value for key, value in _settings(run).items() if key != SEED and not key.startswith(INCIDENTAL)}


def differing(groups: Sequence[Group]) -> list[Setting]:
    """The settings that are not the same in all runs: first those that make the game, then the seed, then the rest."""
    runs = [run for group in groups for run in group.runs]
    keys = dict.fromkeys(key for run in runs for key in _settings(run))
    found = []
    for key in keys:
        if len({_said(run, key) for run in runs}) > 1:
            values = tuple(_of_group(group, key) for group in groups)
            found.append(Setting(key, values, key.startswith(INCIDENTAL)))
    sections = list(dict.fromkeys(key.split(".")[0] for key in keys))
    return sorted(found, key=lambda s: (s.incidental, s.key == SEED, sections.index(s.key.split(".")[0])))


def _settings(run: Run) -> dict[str, Any]:
    """All but the place; a section or a list that is there and empty is as good as none."""
    return {key: value for key, value in run.options.items() if not key.startswith(PLACE) and value not in ({}, [])}


def _of_group(group: Group, key: str) -> str:
    values = [_said(run, key) for run in group.runs]
    return values[0] if len(set(values)) == 1 else ", ".join(values)


def _said(run: Run, key: str) -> str:
    value = run.options.get(key)
    if value in (None, {}, []):
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _names(groups: Sequence[Sequence[Run]]) -> list[str]:
    """Of one run its name; of several what they share, unless that says nothing, or is another group's name too."""
    listed = [", ".join(run.name for run in group) for group in groups]
    short = [group[0].name if len(group) == 1 else _shared(group) for group in groups]
    return [a if a and short.count(a) == 1 else b for a, b in zip(short, listed, strict=True)]


def _shared(group: Sequence[Run]) -> str:
    """The beginning of the names, without what leads to the seed: "atme" of atme_seed0 and atme_seed1."""
    together = zip(*(run.name for run in group), strict=False)
    prefix = "".join(letters[0] for letters in takewhile(lambda letters: len(set(letters)) == 1, together))
    return re.sub(r"([\W_]+(seed|s))?[\W_]*\d*[\W_]*$", "", prefix)
