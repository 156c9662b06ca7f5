"""How large a picture can be after transforms of albumentations: whether a crop fits is known before a run starts.

A size comes out of a transform in one of three ways: always the same, so that one try on a blank picture tells;
turned or not; or by chance (``A.RandomCropFromBorders``, ``A.Affine(fit_output=True)``), where some tries tell what
is likely, and a sample that is smaller still names itself when it is drawn.
"""

import random
from collections.abc import Iterable, Sequence
from copy import deepcopy
from functools import reduce

import albumentations as A
import numpy as np

from atme.data.shapes import Size
from atme.data.views import Transform, apply, compose

_TURNING = (A.Transpose, A.D4, A.SquareSymmetry, A.RandomRotate90)
_BY_CHANCE = (A.RandomCropFromBorders, A.Rotate, A.Affine, A.RandomOrder, A.SomeOf)
_TRIES = 16


def smallest(sizes: Iterable[Size]) -> set[Size]:
    """Those sizes than which no other is smaller in both directions, or in one and equal in the other."""
    different = set(sizes)
    return {
        (height, width)
        for height, width in different
        if not any(h <= height and w <= width and (h, w) != (height, width) for h, w in different)
    }


def sizes_after(transforms: Sequence[Transform], size: Size, *, name: str) -> set[Size]:
    """The sizes that a picture can have after transforms, one after the other.

    Args:
        transforms: each of a type in `admitted.MOVING`, or a choice among such.
        size: of the picture.
        name: of the picture, for errors.

    Raises:
        ValueError: a transform cannot be applied to a picture of a size that it can meet.
    """
    return reduce(lambda sizes, each: {s for size in sizes for s in _after(each, size, name=name)}, transforms, {size})


def _after(transform: Transform, size: Size, *, name: str) -> set[Size]:
    unchanged = {size} if transform.p < 1 else set()
    if transform.p == 0:
        return {size}
    if type(transform) is A.Sequential:
        return unchanged | sizes_after(transform.transforms, size, name=name)
    if type(transform) in (A.OneOf, A.OneOrOther):
        return unchanged | {s for each in transform.transforms for s in _after(each, size, name=name)}
    if type(transform) in _TURNING:
        return {size, size[::-1]}
    tries = _TRIES if isinstance(transform, _BY_CHANCE) else 1
    return unchanged | {_try(transform, size, number, name=name) for number in range(tries)}


def _try(transform: Transform, size: Size, number: int, *, name: str) -> Size:
    """The size after one application to a blank picture."""
    certain = deepcopy(transform)
    certain.p = 1.0
    moves = compose([certain])
    moves.set_random_state(np.random.default_rng(number), random.Random(number))
    height, width = apply(moves, name=name, image=np.zeros((*size, 1), np.uint8))["image"].shape[:2]
    return height, width
