"""What a rule is: one function from facts to a few keys of a preset, with its reason and the measurement behind it.

A rule lives in a file of its own in `atme/planning/rules`, where it is found by being there; what it reads of earlier
rules it names by ``after``.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from atme.planning.fingerprint import Fingerprint
from atme.planning.speed import Clock, Machine

NOT_MEASURED = "not measured"
"""What a rule says that rests on no measurement of this project."""


def one_alone(_: int) -> int:
    """One process, whatever the batch."""
    return 1


@dataclass(frozen=True)
class Facts:
    """All that rules read."""

    pairs: Fingerprint
    machine: Machine
    seconds: float
    """That the training may take."""
    clock: Clock
    """Measures how long updates of a preset take here."""
    said: Mapping[str, Any] = field(default_factory=dict)
    """What the user has settled, by the keys of settings; rules that read these read them so."""
    processes: Callable[[int], int] = one_alone
    """How many processes share a batch, by its size."""


@dataclass(frozen=True)
class Setting:
    """One key of a preset."""

    value: Any
    """As YAML has it."""
    comment: str
    """What stands beside it: its reason, in a few words."""


@dataclass(frozen=True)
class Decision:
    """What a rule comes to."""

    settings: dict[str, Setting]
    """By their keys, such as ``data.crop_size``."""
    words: str
    """For the plan: what is done, and why here, in a line or two."""

    @property
    def values(self) -> dict[str, Any]:
        """What is set, without its reasons."""
        return {key: setting.value for key, setting in self.settings.items()}

    def as_said(self, said: Mapping[str, Any]) -> "Decision":
        """The same, but for what the user has settled."""
        other = {key: said[key] for key, value in self.values.items() if key in said and said[key] != value}
        if not other:
            return self
        named = ", ".join(f"{key} {value}" for key, value in other.items())
        settings = self.settings | {key: Setting(value, "as said") for key, value in other.items()}
        return Decision(settings, f"as said, {named}; by the rule {self.words}")


@dataclass(frozen=True)
class Chosen:
    """What earlier rules decided."""

    settings: Mapping[str, Setting]

    def __getitem__(self, key: str) -> Any:
        return self.settings[key].value

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, if it was decided."""
        return self.settings[key].value if key in self.settings else default

    @property
    def preset(self) -> dict[str, Any]:
        """The same as the sections of a preset."""
        sections: dict[str, Any] = {}
        for key, setting in self.settings.items():
            *path, last = key.split(".")
            place = sections
            for name in path:
                place = place.setdefault(name, {})
            place[last] = setting.value
        return sections


Decide = Callable[[Facts, Chosen], Decision]


@dataclass(frozen=True)
class Rule:
    """One rule."""

    name: str
    """Of its function, and of its file."""
    why: str
    """The reason, as the function's docstring gives it."""
    measured: str
    """The measurement behind it, and where it stands; or `NOT_MEASURED`."""
    after: tuple[str, ...]
    """Names of the rules whose decisions it reads."""
    decide: Decide


def rule(*, measured: str, after: tuple[str, ...] = ()) -> Callable[[Decide], Rule]:
    """Make a rule of a function; its docstring is its reason.

    Args:
        measured: the measurement behind it, or `NOT_MEASURED`.
        after: names of the rules whose decisions it reads.
    """

    def made(decide: Decide) -> Rule:
        why = " ".join((inspect.getdoc(decide) or "").split())
        return Rule(decide.__name__, why, measured, after, decide)

    return made
