"""A plan in words, for one screen."""

import textwrap
from collections.abc import Iterator
from pathlib import Path

from atme.data.layout import WHOLE
from atme.data.shapes import Size
from atme.names import as_word, shown
from atme.planning.curve import Curve, Range, Study
from atme.planning.decide import Decided
from atme.planning.expected import expectation
from atme.planning.fingerprint import Fingerprint
from atme.planning.labelled import holds_ids
from atme.planning.plan import MORE, Plan
from atme.planning.speed import Machine
from atme.prepare.check.faults import COLORS
from atme.prepare.palette import Palette
from atme.training.duration import in_words

_WIDE, _LEFT = 98, 14
_HELPS = 0.03
"""Share of the score from which on a gain is one."""
_DIVISIBLE, _SHARED = 2, 10
"""Pairs of which one can be held out; of which a tenth for each of two splits is at least one."""
_TOLD_OF_MORE = ("batch", "game", "length")
"""Rules that say what they would do with more, where that is something else."""


def screen(plan: Plan) -> list[str]:
    """The lines of a plan, at most 98 columns wide."""
    facts = plan.facts
    lines = [shown(facts.pairs.root)]
    for title, entries in (
        ("Pairs", _pairs(facts.pairs)),
        ("Machine", _machine(facts.machine)),
        ("Plan", ((name, decision.words) for name, decision in plan.decided.in_order)),
        ("Expected", _expected(plan)),
    ):
        lines += ["", title, *(line for name, said in entries for line in _entry(name, said))]
    return lines


def _entry(name: str, said: str) -> list[str]:
    """A fact in lines with its name before them; without a name a command, in one line, so that it can be copied."""
    first = f"  {name:<{_LEFT - 2}}"
    if not name:
        return [f"{' ' * _LEFT}{said}"]
    return textwrap.wrap(shown(said), _WIDE, initial_indent=first, subsequent_indent=" " * _LEFT)


def _pairs(pairs: Fingerprint) -> Iterator[tuple[str, str]]:
    others = ", ".join(f"{count:,} in {split}" for split, count in pairs.splits.counts.items())
    parts = "not divided" if pairs.splits.train == WHOLE else others
    yield "number", f"{pairs.pairs:,} to train on ({parts}); of {pairs.looked_at:,} all pixels were looked at"
    sizes = _size(pairs.size) if pairs.one_size else f"{_size(pairs.size)} to {_size(pairs.largest)}"
    kinds = [f"{COLORS[c]}, {b} bits" for c, b in zip(pairs.channels, pairs.bits, strict=True)]
    yield "pictures", f"{sizes} pixels; source {kinds[0]}, target {kinds[1]}"
    for name, palette in zip(("source", "target"), pairs.palettes, strict=True):
        if palette is not None:
            yield name, _colors(palette)
    correlation = f"correlation {pairs.correlation:.2f}" if pairs.correlation == pairs.correlation else "all blank"
    yield (
        "distance",
        f"source to target L1 {pairs.distance:.2f}, {correlation}; median color to target {pairs.floor:.3f}",
    )
    kept = [f"{1 - lost:.0%} at {side}" for side, lost in pairs.detail[-12::3]]
    if kept:
        yield "detail", f"of the target's detail is kept {', '.join(kept)} pixels"
    if pairs.upright is None:
        yield "upright", "too few pairs to tell"
    else:
        told = f"turned pairs in {pairs.upright.turned:.0%}, mirrored in {pairs.upright.mirrored:.0%}"
        yield "upright", f"a classifier tells {told} of {pairs.upright.pairs} pairs held out; chance is 50%"
    faults = ", ".join(f"{count} {kind}" for kind, count in pairs.faults.items())
    which = f"of {pairs.checked:,} pairs that were checked" if pairs.checked < sum(pairs.splits.counts.values()) else ""
    yield "check", f"{faults or 'nothing suspicious'} {which}".rstrip() + ("; which, is shown by" if faults else "")
    if faults:
        layout = f" --layout {pairs.layout}" if pairs.layout != "auto" else ""
        yield "", f"atme data check {as_word(pairs.root)}{layout}"
    yield from (("files", remark) for remark in pairs.remarks)


def _colors(palette: Palette) -> str:
    most = 8
    each = [f"{name} {share:.1%}" for name, share in zip(palette.names, palette.shares, strict=True)]
    more = f" and {len(each) - most} more" if len(each) > most else ""
    exact = "exactly" if palette.exact else f"({palette.explained:.1%} of the pixels are near to one)"
    return f"{len(each)} {'numbers' if holds_ids(palette) else 'colors'} {exact}: {', '.join(each[:most])}{more}"


def _machine(machine: Machine) -> Iterator[tuple[str, str]]:
    yield "computes on", f"{machine.words}; {machine.cores} cores, {machine.memory / 2**30:.1f} GiB free"


def _expected(plan: Plan) -> Iterator[tuple[str, str]]:
    yield "score", expectation(plan.facts.pairs, plan.decided.chosen)
    yield f"{MORE} × hours", _instead(plan.decided, plan.with_time)
    yield f"{MORE} × pairs", _instead(plan.decided, plan.with_pairs)
    if plan.facts.pairs.splits.validation is None and plan.facts.pairs.splits.test is None:
        yield from _held_out(plan.facts.pairs)


def _held_out(pairs: Fingerprint) -> Iterator[tuple[str, str]]:
    """How to hold some pairs out, where there is no split to look at."""
    if pairs.pairs < _DIVISIBLE:
        yield "first", "more pairs: of one, none can be held out"
        return
    place = Path(pairs.root)
    named = place.name not in ("", "..")
    new = place.with_name(f"{place.name}_split") if named else Path("..") / f"{place.resolve().name}_split"
    words = [as_word(pairs.root), as_word(new)]
    words += ["--split", as_word(pairs.splits.train)] if len(pairs.splits.counts) > 1 else []
    words += ["--layout", pairs.layout] if pairs.layout != "auto" else []
    words += ["--val", "1", "--test", "0"] if pairs.pairs < _SHARED else []
    yield "first", "hold some pairs out, and plan for that:"
    yield "", f"atme data split {' '.join(words)}"


def cost_of(study: Study) -> str:
    """What a learning curve costs, before it begins."""
    parts = ", ".join(f"{part:,}" for part in study.parts)
    return (
        f"learning curve: trains on {parts} pairs, twice each, {study.updates:,} updates a run, some "
        f"{in_words(study.seconds)} in all; scored by {study.scored:,} pairs that are not trained on"
    )


def of_curve(curve: Curve) -> list[str]:
    """What a learning curve says, in the lines of a screen."""
    points = (
        (f"{count:,} pairs", ", ".join(f"L1 {each:.4f}" for each in found)) for count, found in curve.scores.items()
    )
    all_of_them = f"L1 {_range(curve.at_all)} after as many updates, by a power law with a floor"
    entries = [
        *points,
        (f"{curve.pairs:,} pairs", f"{all_of_them}; the range holds nine of ten curves that go with these scores"),
        (f"{2 * curve.pairs:,} pairs", f"L1 {_range(curve.at_twice)}; {_worth(curve.gain)}"),
    ]
    return ["", "More pairs", *(line for name, said in entries for line in _entry(name, said))]


def _range(known: Range) -> str:
    return f"{known.middle:.4f} ({known.low:.4f} to {known.high:.4f})"


def _worth(gain: Range) -> str:
    """Whether twice as many pairs would help, in a sentence."""
    range_ = f"{gain.middle:.0%} less ({gain.low:.0%} to {gain.high:.0%})"
    if gain.low >= _HELPS:
        return f"{range_}: twice as many pairs would help"
    if gain.high < _HELPS:
        return f"{range_}: more pairs would hardly help; more hours, or a larger network, may"
    return f"{range_}: these runs do not tell whether more pairs would help; longer ones, by more --hours, may"


def _instead(decided: Decided, more: Decided) -> str:
    """What would be done otherwise."""
    changed = [
        more.decisions[name].words
        for name in _TOLD_OF_MORE
        if decided.decisions[name].values != more.decisions[name].values
        and decided.decisions[name].words != more.decisions[name].words
    ]
    return "; ".join(changed) or "the same"


def _size(size: Size) -> str:
    return f"{size[1]}×{size[0]}"
