"""All rules, found in their folder, and asked one after the other."""

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from importlib import import_module

from atme.planning import rules
from atme.planning.preset import place_of
from atme.planning.rule import Chosen, Decision, Facts, Rule, Setting


@dataclass(frozen=True)
class Decided:
    """What all rules came to, in the order in which they were asked."""

    decisions: Mapping[str, Decision]
    """By the names of their rules."""

    @property
    def chosen(self) -> Chosen:
        """All settings; a later rule may set a key anew."""
        settings: dict[str, Setting] = {}
        for decision in self.decisions.values():
            settings |= decision.settings
        return Chosen(settings)

    @property
    def in_order(self) -> list[tuple[str, Decision]]:
        """The decisions in the order of a preset; those that set nothing come last."""
        return sorted(self.decisions.items(), key=lambda each: min(map(place_of, each[1].settings), default=(99, 0)))


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule of the folder, each after those whose decisions it reads."""
    modules = (import_module(f"{rules.__name__}.{found.name}") for found in pkgutil.iter_modules(rules.__path__))
    found = {each.name: each for module in modules for each in vars(module).values() if isinstance(each, Rule)}
    order = TopologicalSorter({each.name: each.after for each in sorted(found.values(), key=lambda each: each.name)})
    return tuple(found[name] for name in order.static_order())


def decide(facts: Facts) -> Decided:
    """Ask every rule.

    Raises:
        ValueError: where pairs leave nothing to plan.
    """
    decided = Decided({})
    for each in all_rules():
        decision = each.decide(facts, decided.chosen).as_said(facts.said)
        decided = Decided({**decided.decisions, each.name: decision})
    return decided
