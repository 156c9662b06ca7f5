"""Which pairs are there twice, in one split or in two, whole or by half?

First what agrees in every pixel, then what looks the same, as it is or turned and mirrored. Within a split each pair is
told of the first one of its group; a pair is compared with all pairs of the other splits, and with their halves: one
photograph in several pairs of a split is what some datasets are made of, in two splits it flatters the scores.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

from atme.data.scan import Entry
from atme.prepare.check.inspect import Half, Inspection
from atme.prepare.check.similarity import TURNINGS, Likeness, Look, first_turned, leaders_of, looks_of

PAIRS_ALIKE = Likeness(bits=15, levels=6.0)
"""Of earth's pairs, and their copies at JPEG's quality 30: these differ by 8 bits and 1.2 levels at most, and no two
pairs by less than 36 bits and 12 levels."""
HALVES_ALIKE = Likeness(bits=4, levels=3.0, contrast=0.15)
"""A half alone shows less. So close come all halves to their copies at quality 85, nearly all at 60; of a million
ways to choose two maps of the Maps set, or drawings in two splits of the edges sets, no two are as they are."""

_KEPT = {"train": 0, "val": 2, "test": 3}  # of two equal pairs in two splits the one that counts more stays


@dataclass(frozen=True)
class Repeat:
    """A pair that is there once more."""

    entry: Entry
    kept: Entry
    """The one that stays: test is kept before val, and that before train."""
    words: str
    """How they are the same, "{}" standing for the name of the one that stays."""

    @property
    def is_leak(self) -> bool:
        """Whether they lie in two splits."""
        return self.entry.split != self.kept.split


def repeats(read: Sequence[Inspection]) -> Iterator[Repeat]:
    """Of each pair at most one repeat within its split and one across splits, the closest.

    Args:
        read: Inspections with halves.
    """
    ordered = sorted(read, key=lambda i: (-_KEPT.get(i.entry.split, 1), i.entry.split, i.entry.name))
    equal = list(_equal(ordered))
    twins = {repeat.entry for repeat in equal if not repeat.is_leak}
    single = [inspection for inspection in ordered if inspection.entry not in twins]
    told: set[tuple[bool, Entry]] = set()
    for repeat in chain(equal, _pairs_alike(single), _halves_alike(single)):
        if (repeat.is_leak, repeat.entry) not in told:
            told.add((repeat.is_leak, repeat.entry))
            yield repeat


def halves_of(inspection: Inspection) -> tuple[Half, Half]:
    """A and B of a pair that could be read."""
    assert inspection.halves is not None
    return inspection.halves


def _equal(ordered: Sequence[Inspection]) -> Iterator[Repeat]:
    """Pairs, then halves in two splits, that agree in every pixel."""
    yield from _grouped(ordered, lambda i: tuple(half.digest for half in halves_of(i)), "the same as {}")
    for side, letter in enumerate("AB"):
        shown = [i for i in ordered if not halves_of(i)[side].blank]
        same = _grouped(shown, partial(_digest, side=side), f"its {letter} is that of {{}}")
        yield from (repeat for repeat in same if repeat.is_leak)


def _grouped(ordered: Sequence[Inspection], key: Callable[[Inspection], Hashable], words: str) -> Iterator[Repeat]:
    """Each with the first one like it in every split."""
    firsts: dict[Hashable, dict[str, Entry]] = defaultdict(dict)  # key → split → its first pair
    for inspection in ordered:
        like = firsts[key(inspection)]
        for first in like.values():
            yield Repeat(inspection.entry, first, words)
        like.setdefault(inspection.entry.split, inspection.entry)


def _pairs_alike(ordered: Sequence[Inspection]) -> Iterator[Repeat]:
    """Pairs both of whose halves look the same, turned alike."""
    shown = [i for i in ordered if not all(half.blank for half in halves_of(i))]
    words = ["looks the same as {}", *(f"{{}} {turning.words}" for turning in TURNINGS[1:])]
    yield from _across(shown, lambda i: [half.look for half in halves_of(i)], PAIRS_ALIKE, words)
    for group in _by_split(shown):
        looks = looks_of([[half.look for half in halves_of(i)] for i in group])
        for place, (leader, turning) in enumerate(leaders_of(looks, likeness=PAIRS_ALIKE)):
            if leader != place:
                yield Repeat(group[place].entry, group[leader].entry, words[turning])


def _halves_alike(ordered: Sequence[Inspection]) -> Iterator[Repeat]:
    """Halves that look the same, as they are, as those of pairs in other splits: turned, plain maps are too alike."""
    for side, letter in enumerate("AB"):
        shown = [i for i in ordered if not halves_of(i)[side].blank]
        words = [f"its {letter} looks the same as that of {{}}"]
        yield from _across(shown, partial(_look, side=side), HALVES_ALIKE, words)


def _across(
    ordered: Sequence[Inspection], looks: Callable[[Inspection], list[Look]], likeness: Likeness, words: list[str]
) -> Iterator[Repeat]:
    """Each that looks the same, in a turning there are words for, as one of a split before its own: the first one."""
    before: list[Inspection] = []
    for group in _by_split(ordered):
        if before:
            some, others = (looks_of([looks(i) for i in each]) for each in (group, before))
            first, turned = first_turned(some, others, likeness=likeness, turnings=range(len(words)))
            for inspection, place, turning in zip(group, first.tolist(), turned.tolist(), strict=True):
                if place >= 0:
                    yield Repeat(inspection.entry, before[place].entry, words[turning])
        before += group


def _digest(inspection: Inspection, *, side: int) -> bytes:
    return halves_of(inspection)[side].digest


def _look(inspection: Inspection, *, side: int) -> list[Look]:
    return [halves_of(inspection)[side].look]


def _by_split(ordered: Sequence[Inspection]) -> list[list[Inspection]]:
    """The inspections of each split, in the order of the splits."""
    groups: dict[str, list[Inspection]] = defaultdict(list)
    for inspection in ordered:
        groups[inspection.entry.split].append(inspection)
    return list(groups.values())
