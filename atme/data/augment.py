"""Augmentation: the same view for both halves of a pair, drawn by chance or fixed, over albumentations.

Albumentations counts key points from the middle of a pixel when it flips, crops and turns, and from its edge
when it resizes, half a pixel off. As views (`views.py`) rest on key points, transforms that resize are
refused, and so are those that bend the picture, which no matrix describes. ``A.Affine(scale=...)`` zooms
exactly.
"""

from collections.abc import Sequence
from typing import ClassVar

import albumentations as A
import numpy as np
from albumentations.core.transforms_interface import ImageOnlyTransform

from atme.data.shapes import Size
from atme.data.views import Chance, Sizes, Transform, Viewed, apply, compose, in_words, move
from atme.images import Pixels

_CHOICES = (A.OneOf, A.OneOrOther, A.RandomOrder, A.Sequential, A.SomeOf)
# Each of these is tested to show what its view says.
_MOVING: tuple[type, ...] = (A.NoOp, A.HorizontalFlip, A.VerticalFlip, A.Transpose, A.D4, A.SquareSymmetry)
_MOVING += (A.RandomRotate90, A.Rotate, A.SafeRotate, A.Affine, A.Pad, A.PadIfNeeded)
_MOVING += (A.Crop, A.CenterCrop, A.RandomCrop, A.RandomCropFromBorders)


class Augmentation:
    """Resize, draw a crop and a flip, and whatever albumentations offers beyond.

    Args:
        load_size: what both halves are resized to first: [height, width], or a number for a square, as in
            pix2pix; null keeps the size. Bicubic, or averaging over areas where it shrinks.
        crop_size: [height, width] of what is cut out, or a number for a square; null keeps all.
        flip: mirror left and right every other time.
        transforms: of albumentations, moving both halves alike, after resizing and before the crop.
        source_transforms: of albumentations, changing the source's colors, after all else.

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
    ) -> None:
        _check(transforms, _MOVING, where="transforms", only="turn, mirror, shift, zoom or crop")
        _check(source_transforms, (ImageOnlyTransform,), where="source_transforms", only="change colors")
        self.sizes = _sizes(load_size, crop_size)
        crop = [A.RandomCrop(*self.sizes.crop_size)] if self.sizes.crop_size else []
        mirror = [A.HorizontalFlip(p=0.5)] if flip else []
        self._moves = compose([*transforms, *crop, *mirror])
        self._colors = A.Compose(source_transforms)

    @property
    def in_words(self) -> str:
        """What is done, for protocols."""
        return _describe(self.sizes, "random crop of")

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
        viewed = move(self._moves, source, target, name=name)
        if not len(self._colors):
            return viewed
        chance.enter(self._colors)
        colored = apply(self._colors, name=name, image=viewed.source)["image"]
        return Viewed(colored, viewed.target, viewed.view)


class TestView:
    """The view under which pairs are looked at and not learned from: the whole, or its middle.

    Args:
        load_size: what both halves are resized to first: [height, width], or a number for a square; null
            keeps the size. Bicubic, or averaging over areas where it shrinks.
        crop_size: [height, width] of the middle that is cut out, or a number for a square; null keeps all.

    Raises:
        ValueError: a size under 1.
    """

    __test__: ClassVar[bool] = False  # for pytest, which takes it for a test

    def __init__(self, *, load_size: int | Size | None = None, crop_size: int | Size | None = None) -> None:
        self.sizes = _sizes(load_size, crop_size)
        self._moves = compose([A.CenterCrop(*self.sizes.crop_size)] if self.sizes.crop_size else [])

    @property
    def in_words(self) -> str:
        """What is done, for protocols."""
        return _describe(self.sizes, "center crop of")

    def draw(self, source: Pixels, target: Pixels, *, seed: np.random.SeedSequence, name: str) -> Viewed:
        """The view of a loaded pair, (H, W, C) and (H, W, C'); ``seed`` has no influence."""
        return move(self._moves, source, target, name=name)


def _sizes(load_size: int | Size | None, crop_size: int | Size | None) -> Sizes:
    return Sizes(_size("load_size", load_size), _size("crop_size", crop_size))


def _size(option: str, size: int | Size | None) -> Size | None:
    if size is None:
        return None
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width) < 1:
        raise ValueError(f"{option}: {size} is no size in pixels; give 1 or more, or null")
    return height, width


def _describe(sizes: Sizes, how: str) -> str:
    loaded = f"resized to {in_words(sizes.load_size)}, " if sizes.load_size else ""
    return loaded + (f"{how} {in_words(sizes.crop_size)}" if sizes.crop_size else "whole")


def _check(transforms: Sequence[Transform], kinds: tuple[type, ...], *, where: str, only: str) -> None:
    """Whether all transforms, also those within a choice such as ``A.OneOf``, are of these kinds."""
    for transform in transforms:
        if isinstance(transform, _CHOICES):
            _check(transform.transforms, kinds, where=where, only=only)
        elif not isinstance(transform, kinds):
            name = type(transform).__name__
            raise ValueError(f"{where}: {name} is none of those that {only}, as these must; remove it")
