"""Augmentation: the same view for both halves of a pair, drawn by chance or fixed, over albumentations.

Albumentations counts key points from the middle of a pixel when it flips, crops and turns, and from its edge
when it resizes, half a pixel off. As views (`views.py`) rest on key points, transforms that resize are
refused, and so are those that bend the picture, which no matrix describes. ``A.Affine(scale=...)`` zooms
exactly. What is accepted is listed by type (`admitted.py`), and a type that nobody tried is refused.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from typing import ClassVar, Self

import albumentations as A
import numpy as np

from atme.data.admitted import require_colors, require_moves
from atme.data.extents import sizes_after, smallest
from atme.data.kinds import PICTURES, Kinds
from atme.data.shapes import Size
from atme.data.sizes import Interpolation, Sizes
from atme.data.views import (
    Chance,
    Transform,
    Viewed,
    apply,
    compose,
    exact,
    mirrors,
    move,
    nearest,
    without_mirrors,
)
from atme.images import Pixels
from atme.images.labels import NOWHERE, Labels

_BOTH: tuple[Interpolation, Interpolation] = ("bilinear", "bilinear")


class Augmentation:
    """Resize, draw a crop and a flip, and whatever albumentations offers beyond.

    Args:
        load_size: what both halves are resized to first: [height, width], or a number for a square, as in
            pix2pix; null keeps the size. Bicubic, or averaging over areas where it shrinks.
        crop_size: [height, width] of what is cut out, or a number for a square; null keeps all.
        flip: mirror left and right every other time.
        transforms: of albumentations, moving both halves alike, after resizing and before the crop.
        source_transforms: of albumentations, changing the source's colors, after all else.
        interpolation: of the source and of the target: ``nearest`` resizes, turns and zooms a label map without mixing
            its colors; the other two are one here, and leave it to ``transforms`` how they interpolate.

    Raises:
        ValueError: a size under 1, or a transform where it does not belong.
    """

    def __init__(
        self,
        *,
        load_size: int | Size | None = None,
        crop_size: int | Size | None = None,
        flip: bool = True,
        transforms: Sequence[Transform] = (),
        source_transforms: Sequence[Transform] = (),
        interpolation: tuple[Interpolation, Interpolation] = _BOTH,
    ) -> None:
        require_moves(transforms)
        require_colors(source_transforms)
        self.sizes = Sizes.of(load_size, crop_size, interpolation)
        crop = [A.RandomCrop(*self.sizes.crop_size)] if self.sizes.crop_size else []
        mirror = [A.HorizontalFlip(p=0.5)] if flip else []
        self._transforms = tuple(transforms)
        self._rest = (*crop, *mirror)
        self._moves = compose([*transforms, *crop, *mirror])
        self._shown = compose([*without_mirrors(transforms), *crop, *mirror]) if mirrors(transforms) else None
        self._colors = A.Compose(source_transforms)
        self._kinds = PICTURES
        self._apart = self._moved_apart(self._kinds)

    def of_kinds(self, kinds: Kinds) -> Self:
        """The same for halves of these kinds.

        Raises:
            ValueError: if the source is labels, and its colors are to be changed.
        """
        if kinds.source and len(self._colors):
            raise ValueError("source_transforms: change colors, and the source is labels, which have none; remove them")
        changed = copy(self)
        changed._kinds, changed._apart = kinds, self._moved_apart(kinds)
        return changed

    def _moved_apart(self, kinds: Kinds) -> tuple[A.Compose, A.Compose] | None:
        """How source and target are moved, where one of them takes the nearest pixels; None: both as they are."""
        careful = [labels or how == "nearest" for labels, how in zip(kinds.both, self.sizes.interpolation, strict=True)]
        if not any(careful) or exact(self._transforms):
            return None
        one, other = (
            compose([*nearest(self._transforms, fill=NOWHERE if labels else None), *self._rest])
            if each
            else self._moves
            for each, labels in zip(careful, kinds.both, strict=True)
        )
        return one, other

    @property
    def in_words(self) -> str:
        """What is done, for protocols."""
        return self.sizes.describe("random crop of")

    def check(self, sizes: Mapping[Size, str]) -> None:
        """Whether the crop fits into pictures of these sizes, with one picture's name for each.

        Raises:
            ValueError: it does not, or a transform cannot be applied; names the picture.
        """
        self.sizes.require_fit(self.sizes_after(sizes), after="transforms" if self._transforms else "loading")

    def sizes_after(self, sizes: Mapping[Size, str]) -> dict[Size, str]:
        """The sizes that pictures can have before the crop, without those than which others are smaller.

        Raises:
            ValueError: a transform cannot be applied; names the picture.
        """
        loaded = {self.sizes.load_size or size: name for size, name in sizes.items()}
        if not self._transforms:
            return loaded
        after = {
            out: loaded[size]
            for size in sorted(smallest(loaded))
            for out in sorted(sizes_after(self._transforms, size, name=loaded[size]))
        }
        return after

    def draw(self, source: Pixels, target: Pixels, *, seed: np.random.SeedSequence, name: str) -> Viewed:
        """A view of a loaded pair.

        Args:
            source: (H, W, C) uint8 or uint16.
            target: (H, W, C') uint8 or uint16.
            seed: all that chance depends on.
            name: of the pair, for errors.

        Raises:
            ValueError: a transform cannot be applied to these images.
        """
        chance = Chance(seed)
        chance.enter(self._moves)
        viewed = self._move(source, target, seed=seed, name=name)
        if not len(self._colors):
            return viewed
        chance.enter(self._colors)
        colored = apply(self._colors, name=name, image=viewed.source)["image"]
        if (colored.shape, colored.dtype) != (viewed.source.shape, viewed.source.dtype):
            kinds = f"{viewed.source.shape} {viewed.source.dtype} to {colored.shape} {colored.dtype}"
            raise ValueError(
                f"{name}: source_transforms turned it from {kinds}; remove those that do not keep its kind"
            )
        return Viewed(colored, viewed.target, viewed.view)

    def _move(self, source: Pixels, target: Pixels, *, seed: np.random.SeedSequence, name: str) -> Viewed:
        if self._shown is None and self._apart is None:
            return move(self._moves, source, target, name=name)
        both = apply(self._moves, name=name, image=source, target=target)
        one, other = both["image"], both["target"]
        if self._apart is not None:
            one, other = (
                self._again(moves, seed, name=name, image=half)["image"]
                for moves, half in zip(self._apart, (source, target), strict=True)
            )
        shown = self._shown or self._moves
        Chance(seed).enter(shown)  # draws the same once more
        blank = np.zeros((*source.shape[:2], 1), np.uint8)
        return Viewed(*self._kinds.filled(one, other), move(shown, blank, blank, name=name).view)

    def _again(
        self, transforms: A.Compose, seed: np.random.SeedSequence, *, name: str, **data: Pixels
    ) -> dict[str, Pixels]:
        """Apply transforms that draw the same numbers once more."""
        Chance(seed).enter(transforms)
        return apply(transforms, name=name, **data)


class TestView:
    """The view under which pairs are looked at and not learned from: the whole, or its middle.

    Args:
        load_size: what both halves are resized to first: [height, width], or a number for a square; null
            keeps the size. Bicubic, or averaging over areas where it shrinks.
        crop_size: [height, width] of the middle that is cut out, or a number for a square; null keeps all.
        pad: surround smaller pictures with black, instead of refusing them.
        interpolation: of the source and of the target, when they are resized; see `Augmentation`.

    Raises:
        ValueError: a size under 1.
    """

    __test__: ClassVar[bool] = False  # for pytest, which takes it for a test

    def __init__(
        self,
        *,
        load_size: int | Size | None = None,
        crop_size: int | Size | None = None,
        pad: bool = False,
        interpolation: tuple[Interpolation, Interpolation] = _BOTH,
    ) -> None:
        self.sizes = Sizes.of(load_size, crop_size, interpolation)
        self._pad = pad
        crop = [A.CenterCrop(*self.sizes.crop_size, pad_if_needed=pad)] if self.sizes.crop_size else []
        self._moves, self._kinds = compose(crop), PICTURES
        self._apart: tuple[A.Compose, A.Compose] | None = None

    def of_kinds(self, kinds: Kinds) -> Self:
        """The same for halves of these kinds: of labels, what is padded is of a class as well."""
        changed = copy(self)
        changed._kinds = kinds
        if self.sizes.crop_size and self._pad and not kinds.is_plain:
            changed._apart = self._crop(kinds.source), self._crop(kinds.target)
        return changed

    def _crop(self, labels: Labels | None) -> A.Compose:
        assert self.sizes.crop_size is not None
        return compose([A.CenterCrop(*self.sizes.crop_size, pad_if_needed=True, fill=NOWHERE if labels else 0)])

    @property
    def in_words(self) -> str:
        """What is done, for protocols."""
        return self.sizes.describe("center crop of")

    def check(self, sizes: Mapping[Size, str]) -> None:
        """Whether the crop fits into pictures of these sizes, with one picture's name for each.

        Raises:
            ValueError: it does not; names the picture.
        """
        if not self._pad:
            loaded = {self.sizes.load_size or size: name for size, name in sizes.items()}
            self.sizes.require_fit(loaded, after="test_size")

    def draw(self, source: Pixels, target: Pixels, *, seed: np.random.SeedSequence, name: str) -> Viewed:
        """The view of a loaded pair, (H, W, C) and (H, W, C'); ``seed`` has no influence."""
        viewed = move(self._moves, source, target, name=name)
        if self._apart is None:
            return viewed
        halves = zip(self._apart, (source, target), strict=True)
        one, other = (apply(crop, name=name, image=half)["image"] for crop, half in halves)
        return Viewed(*self._kinds.filled(one, other), viewed.view)
