"""A plan: what is known of pairs and machine, what the rules made of it, and what they would make of more."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

from atme.data.layout import Direction
from atme.data.recipes import LayoutChoice
from atme.planning.decide import Decided, decide
from atme.planning.expected import expectation
from atme.planning.fingerprint import Track, take_fingerprint
from atme.planning.preset import written
from atme.planning.rule import Facts, Setting, one_alone
from atme.planning.speed import Clock, Read, find_machine, read_preset

HOURS = 2.0
"""That a training may take, where nobody says how many."""
MORE = 4
"""Times as many hours, or pairs, for what would be done with more."""


@dataclass(frozen=True)
class Plan:
    """What to train on some pairs."""

    facts: Facts
    decided: Decided
    with_time: Decided
    """The same with `MORE` times the hours."""
    with_pairs: Decided
    """The same with `MORE` times the pairs, of the same kind."""

    @property
    def run(self) -> Path:
        """The folder of the run, unless another one is named."""
        return run_of(self.facts.pairs.root)

    @property
    def settings(self) -> Mapping[str, Setting]:
        """All that the preset sets."""
        run = {
            "run.dir": Setting(str(self.run), "all that the run writes lies below it"),
            "run.seed": Setting(0, "of weights, order of samples and crops"),
        }
        return run | dict(self.decided.chosen.settings)

    @property
    def preset(self) -> str:
        """The preset as a file."""
        pairs, chosen = self.facts.pairs, self.decided.chosen
        heading = [
            f"Planned for {pairs.root}: {pairs.pairs:,} pairs, {self.facts.seconds / 3600:g} hours, on "
            f"{self.facts.machine.words}.",
            f"Expected: {expectation(pairs, chosen)}.",
            *(f"{name}: {decision.words}." for name, decision in self.decided.in_order),
        ]
        return written(self.settings, heading=heading)


def make_plan(
    data: str,
    *,
    hours: float = HOURS,
    direction: Direction = "AtoB",
    layout: LayoutChoice = "auto",
    device: str = "auto",
    said: Mapping[str, Any] | None = None,
    read: Read = read_preset,
    read_alone: Read = read_preset,
    processes: Callable[[int], int] = one_alone,
    track: Track = lambda each, _: each,
) -> Plan:
    """Look at pairs and machine, and ask the rules.

    Args:
        data: a folder of pairs, or a dataset's name.
        hours: that the training may take.
        direction: which half is the source.
        layout: where the halves lie.
        device: to train on.
        said: what the user has settled, by the keys of settings.
        read: makes options of a preset's sections, with all that the user settled.
        read_alone: the same without what the user settled of a game.
        processes: how many of them share a batch of so many images.
        track: progress of reading.

    Raises:
        ValueError: no pairs to train on, a file that cannot be read, or too little time.
    """
    if not (isfinite(hours) and hours > 0):
        raise ValueError(f"--hours: {hours:g} is no time to train; give a number above 0, such as 0.5")
    pairs = take_fingerprint(data, direction=direction, layout=layout, track=track)
    clock = Clock(read, read_alone)
    facts = Facts(pairs, find_machine(device), seconds=3600 * hours, clock=clock, said=said or {}, processes=processes)
    decided = decide(facts)
    guessed = replace(facts, clock=clock.without_measuring())
    with_time = decide(replace(guessed, seconds=MORE * facts.seconds))
    with_pairs = decide(replace(guessed, pairs=replace(pairs, pairs=MORE * pairs.pairs)))
    return Plan(facts, decided, with_time, with_pairs)


def run_of(data: str) -> Path:
    """The folder of a run on a dataset: ``runs/`` and the dataset's name."""
    return Path("runs") / (Path(data).resolve().name or "planned")
