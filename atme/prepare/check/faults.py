"""What is wrong with a dataset, judged from the inspections of its pairs."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import numpy as np

from atme.data.scan import Entry
from atme.images.levels import together, unscaled
from atme.prepare.check.classes import PICTURES, Classes
from atme.prepare.check.inspect import Half, Inspection
from atme.prepare.check.repeated import HALVES_ALIKE, halves_of, repeats
from atme.prepare.check.similarity import are_alike

Kind = Literal[
    "unreadable",
    "changed",
    "missing",
    "size",
    "channels",
    "bits",
    "values",
    "classes",
    "blank",
    "same halves",
    "misaligned",
    "duplicate",
    "leak",
]

MEANING: dict[Kind, str] = {
    "unreadable": "cannot be read as a pair",
    "changed": "a file is not as it was when the dataset was fetched",
    "missing": "a file of the dataset is not there",
    "size": "of another size than nearly all others",
    "channels": "of other channels than the others: a run refuses it",
    "bits": "of another depth than nearly all others",
    "values": "looks black and is not: its values are numbers of classes, or of fewer bits than the file has",
    "classes": "labels in which no class has some of the colors or ids: training takes colors for the nearest class",
    "blank": "a half that shows nothing",
    "same halves": "A and B are the same picture",
    "misaligned": "B does not lie where A does",
    "duplicate": "the same pair twice in one split",
    "leak": "the same pair, or half of it, in two splits: scores on the one are flattered by the other",
}
"""What each kind of fault is, for a person."""

KEPT_BY_FIX: frozenset[Kind] = frozenset({"values", "classes", "blank"})
"""What is set aside only if it is asked for by name: what can be set right, and what may be as it should be, such as
the map of open water."""

COLORS = {1: "gray", 3: "RGB", 4: "RGBA"}
"""Names of what so many channels hold."""

SMALLEST_SHIFT = 3
"""Pixels of shift that are reported: a label map drawn by hand is off by one or two at many an edge."""

_BEYOND = 3.0  # times the play that is usual in the dataset; maps of houses seen from the air are off by more
_MANY = 20  # shifts that tell what is usual
_COMMON = 0.8  # share of the pairs above which a size or depth is the rule, and another one a fault


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with one pair."""

    kind: Kind
    entry: Entry
    detail: str
    """What exactly, in a few words."""
    other: Entry | None = None
    """The pair that it is the same as."""
    shift: tuple[int, int] | None = None
    """(right, down) in pixels, of misaligned halves."""


def judge(inspections: Sequence[Inspection], *, classes: Classes = PICTURES) -> list[Fault]:
    """All faults that the inspections show, in the order of `MEANING`, then of the pairs.

    Args:
        inspections: of all pairs.
        classes: of A and B, where they are labels.
    """
    read = [inspection for inspection in inspections if inspection.halves is not None]
    faults = chain(
        (Fault("unreadable", i.entry, i.error) for i in inspections if i.error is not None),
        _outliers("size", read, lambda half: f"{half.size[1]}×{half.size[0]}", common=_COMMON),
        _outliers("channels", read, lambda half: COLORS[half.channels], common=0),
        _outliers("bits", read, lambda half: f"{half.bits} bits", common=_COMMON),
        _dark(read, classes),
        _strange(read),
        _same_halves(read),
        _misaligned(read),
        _repeated(read),
    )
    return in_order(faults)


def in_order(faults: Iterable[Fault]) -> list[Fault]:
    """Sorted by kind as in `MEANING`, then by pair."""
    place = {kind: number for number, kind in enumerate(MEANING)}
    return sorted(faults, key=lambda fault: (place[fault.kind], fault.entry.split, fault.entry.name))


def _outliers(
    kind: Kind, read: Sequence[Inspection], measure: Callable[[Half], str], *, common: float
) -> Iterator[Fault]:
    """Pairs that measure otherwise than the commonest way, if at least the share `common` measures so."""
    measured = [" and ".join(dict.fromkeys(map(measure, halves_of(i)))) for i in read]
    for usual, count in Counter(measured).most_common(1):
        if count >= common * len(read):
            for inspection, value in zip(read, measured, strict=True):
                if value != usual:
                    yield Fault(kind, inspection.entry, f"{value} ({count:,} pairs: {usual})")


def _dark(read: Sequence[Inspection], classes: Classes) -> Iterator[Fault]:
    """Halves in one color, and those that only look so: by their own values, or by those of all on their side."""
    sides = list(zip(*map(halves_of, read), strict=True))
    ids = [labels is not None and labels.ids is not None for labels in classes]  # which are dark, and are to be
    odd = [unscaled(together(half.levels for half in side)) for side in sides]
    for inspection in read:
        blank, values = [], []
        for letter, half, of_all, known in zip("AB", halves_of(inspection), odd, ids, strict=True):
            own = unscaled(half.levels) if half.blank else of_all
            if own is not None and not known and half.levels.used != frozenset({half.levels.top}):
                values.append(f"{letter} {of_all or own}")
            elif half.blank:
                blank.append(letter)
        if values:
            yield Fault("values", inspection.entry, " and ".join(values))
        if blank:
            yield Fault("blank", inspection.entry, f"{' and '.join(blank)} in one color")


def _strange(read: Sequence[Inspection]) -> Iterator[Fault]:
    for inspection in read:
        found = [(letter, half.strange) for letter, half in zip("AB", halves_of(inspection), strict=True)]
        said = "; ".join(f"{letter}: {words}" for letter, words in found if words is not None)
        if said:
            yield Fault("classes", inspection.entry, said)


def _same_halves(read: Sequence[Inspection]) -> Iterator[Fault]:
    """Equal in every pixel, or to the eye: this where it is rare, for in some tasks all halves look the same."""
    shown = [i for i in read if not halves_of(i)[0].blank]
    alike = {i.entry for i in shown if _look_the_same(i)}
    is_task = len(alike) > max(1, (1 - _COMMON) * len(shown))
    for inspection in shown:
        a, b = halves_of(inspection)
        if a.digest == b.digest:
            yield Fault("same halves", inspection.entry, "pixel for pixel")
        elif inspection.entry in alike and not is_task:
            yield Fault("same halves", inspection.entry, "to the eye")


def _look_the_same(inspection: Inspection) -> bool:
    a, b = halves_of(inspection)
    return are_alike(a.look, b.look, likeness=HALVES_ALIKE)


def _misaligned(read: Sequence[Inspection]) -> Iterator[Fault]:
    usual = _usual_play([i.shift for i in read if i.shift is not None])
    for inspection in read:
        off = max(map(abs, inspection.shift)) if inspection.shift is not None else 0.0
        if inspection.shift is not None and round(off) >= SMALLEST_SHIFT and off > _BEYOND * usual:
            right, down = (round(way) for way in inspection.shift)
            ways = [f"{abs(right)} px {'right' if right > 0 else 'left'}"] * (right != 0)
            ways += [f"{abs(down)} px {'down' if down > 0 else 'up'}"] * (down != 0)
            detail = f"B lies on A when it is moved {' and '.join(ways)}"
            yield Fault("misaligned", inspection.entry, detail, shift=(right, down))


def _usual_play(shifts: Sequence[tuple[float, float]]) -> float:
    """Pixels within which three quarters of the halves lie, about where most of them do; 0 if few can be told."""
    if len(shifts) < _MANY:
        return 0.0
    ways = np.asarray(shifts)
    return float(np.percentile(np.abs(ways - np.median(ways, axis=0)).max(axis=1), 75))


def _repeated(read: Sequence[Inspection]) -> Iterator[Fault]:
    for repeat in repeats(read):
        kind: Kind = "leak" if repeat.is_leak else "duplicate"
        name = f"{repeat.kept.split}/{repeat.kept.name}"
        yield Fault(kind, repeat.entry, repeat.words.format(name), other=repeat.kept)
