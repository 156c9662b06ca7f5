"""Which values pictures use: masks of 0 and 1, class numbers and 12 bits in 16 look black, and are not blank.

One picture may be dark by nature. What all pictures of a side have in common tells how they were saved:

    reason = unscaled(together(levels_of(picture) for picture in pictures))
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from atme.images.pixels import Pixels

_FEW = 64
"""Of 8 bits: pictures all of whose values are smaller hold numbers of classes, or are nearly black."""
_CLASSES = 48
"""Values, at most, that pictures of classes use: a dark photograph uses nearly all of its range."""
_SPARE = 2
"""Of 16 bits: unused upper bits that are taken for another depth, as of 12 or 14 bits, not for a dark picture."""


@dataclass(frozen=True)
class Levels:
    """The values that pictures use in their gray or color channels."""

    bits: int
    """Of the files: 8 or 16."""
    top: int
    """The largest value."""
    used: frozenset[int] | None
    """All values; None if they are not few and small (under 64)."""


def levels_of(picture: Pixels) -> Levels:
    """The values that a picture (H, W, C) uses; what is in its alpha does not count."""
    shown = picture[..., :3]
    top, bits = int(shown.max()), 8 * picture.itemsize
    used = frozenset(np.flatnonzero(np.bincount(shown.ravel())).tolist()) if top < _FEW else None
    return Levels(bits, top, used)


def together(levels: Iterable[Levels]) -> Levels:
    """The values that several pictures of one depth use; at least one picture."""
    each = list(levels)
    assert each, "of no picture"
    sets = [level.used for level in each if level.used is not None]
    used = frozenset().union(*sets) if len(sets) == len(each) else None
    return Levels(max(level.bits for level in each), max(level.top for level in each), used)


def unscaled(levels: Levels) -> str | None:
    """What is odd about these values, with the remedy, in words; None if they fill their range or are one color.

    Call it before anything is called blank: a mask of 0 and 1 is no picture in one color. Examples: ``uses 2 of
    256 values, 0 and 1: multiply by 255``; ``uses 12 of 16 bits: multiply by 16``.
    """
    used = levels.used
    if used is not None and len(used) < 2:
        return None
    if used is not None and len(used) <= _CLASSES:
        ordered = sorted(used)
        values = " and ".join(map(str, ordered)) if len(ordered) == 2 else f"{ordered[0]} to {ordered[-1]}"
        return (
            f"uses {len(used)} of {2**levels.bits:,} values, {values}: multiply by {(2**levels.bits - 1) // levels.top}"
        )
    bits = levels.top.bit_length()
    if levels.bits == 16 and bits <= 16 - _SPARE:
        return f"uses {bits} of 16 bits: multiply by {2 ** (16 - bits)}"
    return None
