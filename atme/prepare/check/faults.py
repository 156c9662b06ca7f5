"""What is wrong with a dataset, judged from the inspections of its pairs."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from atme.data.scan import Entry
from atme.prepare.check.inspect import Half, Inspection
from atme.prepare.check.similarity import LEVELS_APART, close_codes

Kind = Literal[
    "unreadable",
    "changed",
    "missing",
    "size",
    "channels",
    "bits",
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
    "blank": "a half that shows nothing",
    "same halves": "A and B are the same picture",
    "misaligned": "B does not lie where A does",
    "duplicate": "the same pair twice in one split",
    "leak": "the same pair, or half of it, in two splits: scores on the one are flattered by the other",
}
"""What each kind of fault is, for a person."""

COLORS = {1: "gray", 3: "RGB", 4: "RGBA"}
"""Names of what so many channels hold."""

SMALLEST_SHIFT = 3
"""Pixels of shift that are reported: a label map drawn by hand is off by one or two at many an edge."""

_BEYOND = 3.0  # times the play that is usual in the dataset; maps of houses seen from the air are off by more
_MANY = 20  # shifts that tell what is usual
_COMMON = 0.8  # share of the pairs above which a size or depth is the rule, and another one a fault
_KEPT = {"train": 0, "val": 2, "test": 3}  # of two equal pairs in two splits the one that counts more stays


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


def judge(inspections: Sequence[Inspection]) -> list[Fault]:
    """All faults that the inspections show, in the order of `MEANING`, then of the pairs."""
    read = [inspection for inspection in inspections if inspection.halves is not None]
    faults = chain(
        (Fault("unreadable", i.entry, i.error) for i in inspections if i.error is not None),
        _outliers("size", read, lambda half: f"{half.size[1]}×{half.size[0]}", common=_COMMON),
        _outliers("channels", read, lambda half: COLORS[half.channels], common=0),
        _outliers("bits", read, lambda half: f"{half.bits} bits", common=_COMMON),
        _blank(read),
        _same_halves(read),
        _misaligned(read),
        _repeated(read),
    )
    return in_order(faults)


def in_order(faults: Iterable[Fault]) -> list[Fault]:
    """Sorted by kind as in `MEANING`, then by pair."""
    place = {kind: number for number, kind in enumerate(MEANING)}
    return sorted(faults, key=lambda fault: (place[fault.kind], fault.entry.split, fault.entry.name))


def _halves(inspection: Inspection) -> tuple[Half, Half]:
    assert inspection.halves is not None
    return inspection.halves


def _outliers(
    kind: Kind, read: Sequence[Inspection], measure: Callable[[Half], str], *, common: float
) -> Iterator[Fault]:
    """Pairs that measure otherwise than the commonest way, if at least the share `common` measures so."""
    measured = [" and ".join(dict.fromkeys(map(measure, _halves(i)))) for i in read]
    for usual, count in Counter(measured).most_common(1):
        if count >= common * len(read):
            for inspection, value in zip(read, measured, strict=True):
                if value != usual:
                    yield Fault(kind, inspection.entry, f"{value} ({count:,} pairs: {usual})")


def _blank(read: Sequence[Inspection]) -> Iterator[Fault]:
    for inspection in read:
        blank = [letter for letter, half in zip("AB", _halves(inspection), strict=True) if half.blank]
        if blank:
            yield Fault("blank", inspection.entry, f"{' and '.join(blank)} in one color")


def _same_halves(read: Sequence[Inspection]) -> Iterator[Fault]:
    for inspection in read:
        a, b = _halves(inspection)
        if a.digest == b.digest and not a.blank:
            yield Fault("same halves", inspection.entry, "pixel for pixel")


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
    """Duplicates and leaks, at most one of each kind for a pair: the closest, then the first."""
    equal = list(_equal(read))
    twins = {inspection.entry for inspection, _, words in equal if not words.half}
    single = [inspection for inspection in read if inspection.entry not in twins]  # a thousand copies stay linear
    told: set[tuple[Kind, Entry]] = set()
    for one, other, words in chain(equal, _alike(single, mirrored=False), _alike(single, mirrored=True)):
        guilty, kept = _by_blame(one.entry, other.entry)
        kind: Kind = "duplicate" if guilty.split == kept.split else "leak"
        if words.half and kind == "duplicate":
            continue  # one photograph in several pairs of a split is what some datasets are made of
        if (kind, guilty) not in told:
            told.add((kind, guilty))
            yield Fault(kind, guilty, words.text.format(f"{kept.split}/{kept.name}"), other=kept)


def _by_blame(one: Entry, other: Entry) -> tuple[Entry, Entry]:
    """The pair that has the fault and the one that stays: test is kept before val, and that before train."""
    kept, guilty = sorted((one, other), key=lambda entry: (-_KEPT.get(entry.split, 1), entry.split, entry.name))
    return guilty, kept


@dataclass(frozen=True)
class _Sameness:
    text: str
    half: bool = False


def _equal(read: Sequence[Inspection]) -> Iterator[tuple[Inspection, Inspection, _Sameness]]:
    """Pairs, then halves, that agree in every pixel, each with the first one like it in every other split."""
    whole = [tuple(half.digest for half in _halves(i)) for i in read]
    yield from _grouped(read, whole, _Sameness("the same as {}"))
    for side, letter in enumerate("AB"):
        seen = [i for i in read if not _halves(i)[side].blank]
        digests = [_halves(i)[side].digest for i in seen]
        yield from _grouped(seen, digests, _Sameness(f"its {letter} is that of {{}}", half=True))


def _grouped(
    read: Sequence[Inspection], keys: Sequence[Hashable], words: _Sameness
) -> Iterator[tuple[Inspection, Inspection, _Sameness]]:
    firsts: dict[Hashable, dict[str, Inspection]] = defaultdict(dict)  # key → split → its first pair
    for inspection, key in zip(read, keys, strict=True):
        like = firsts[key]
        for first in like.values():
            yield inspection, first, words
        like.setdefault(inspection.entry.split, inspection)


def _alike(read: Sequence[Inspection], *, mirrored: bool) -> Iterator[tuple[Inspection, Inspection, _Sameness]]:
    """Pairs both of whose halves look alike, as they are or mirrored."""
    shown = [i for i in read if not all(half.blank for half in _halves(i))]
    codes = _codes(shown, lambda half: half.look.hash)
    others = _codes(shown, lambda half: half.look.mirrored) if mirrored else codes
    words = _Sameness("{} mirrored" if mirrored else "looks the same as {}")
    for i, j in close_codes(codes, others):
        if i > j and _same_colors(shown[i], shown[j], mirrored=mirrored):
            yield shown[i], shown[j], words


def _codes(read: Sequence[Inspection], bits: Callable[[Half], NDArray[np.uint8]]) -> NDArray[np.uint8]:
    rows = [np.concatenate([bits(half) for half in _halves(i)]) for i in read]
    return np.array(rows, np.uint8).reshape(len(rows), 16)


def _same_colors(one: Inspection, other: Inspection, *, mirrored: bool) -> bool:
    step = -1 if mirrored else 1
    return all(
        np.abs(a.look.thumbnail[:, ::step].astype(np.int16) - b.look.thumbnail).mean() <= LEVELS_APART
        for a, b in zip(_halves(one), _halves(other), strict=True)
    )
