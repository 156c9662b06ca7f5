"""To what size pictures are resized when they are loaded, and whether what is cut out of them then fits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeAlias

import cv2

from atme import require
from atme.complaints import several
from atme.data.shapes import Size
from atme.images import Pixels

Interpolation: TypeAlias = Literal["bilinear", "bicubic", "nearest"]
"""How pixels between pixels are found; ``nearest`` mixes none, as labels need it."""


@dataclass(frozen=True)
class Sizes:
    """To what size pictures are resized when they are loaded, and what is cut out of them then."""

    load_size: Size | None
    """(height, width); None: as they are."""
    crop_size: Size | None
    """(height, width); None: the whole."""
    interpolation: tuple[Interpolation, Interpolation] = ("bilinear", "bilinear")
    """Of the source and of the target."""

    @classmethod
    def of(
        cls,
        load_size: int | Size | None,
        crop_size: int | Size | None,
        interpolation: tuple[Interpolation, Interpolation] = ("bilinear", "bilinear"),
    ) -> Self:
        """Sizes as a user writes them: height and width, or a number for a square.

        Raises:
            ValueError: a size under 1, or an unknown interpolation.
        """
        if not isinstance(interpolation, list | tuple) or len(interpolation) != 2:
            raise ValueError(f"interpolation: {require.shown(interpolation)}; give two, the source's and the target's")
        for how in interpolation:
            require.choice("interpolation", how, Interpolation)
        return cls(_size("load_size", load_size), _size("crop_size", crop_size), interpolation)

    def load(self, image: Pixels, *, how: Interpolation = "bilinear") -> Pixels:
        """An image (H, W, C), resized to ``load_size``, if there is one."""
        return image if self.load_size is None else resize(image, self.load_size, how=how)

    def require_fit(
        self, pictures: Mapping[Size, str], *, after: Literal["loading", "transforms", "test_size"]
    ) -> None:
        """Whether the crop fits into pictures of these sizes, with one picture's name for each.

        Args:
            pictures: sizes after all that comes before the crop.
            after: what made them so large.

        Raises:
            ValueError: it does not.
        """
        if self.crop_size is None:
            return
        crop = self.crop_size
        small = {size: name for size, name in pictures.items() if size[0] < crop[0] or size[1] < crop[1]}
        if not small:
            return
        least = [min(crop[axis], *(size[axis] for size in small)) for axis in (0, 1)]
        large = [max(crop[axis], *(size[axis] for size in small)) for axis in (0, 1)]
        pad = "transforms that pad it (albumentations.PadIfNeeded)"
        what, remedy = {
            "loading": ("is loaded with", f"a load_size of at least {large}, or {pad}"),
            "transforms": ("can come out of the transforms with", f"transforms that leave more of it, or {pad}"),
            "test_size": ("is loaded with", f"a load_size (test_size) of at least {large}, or data.test_view whole"),
        }[after]
        lines = [
            f"{name}: {what} {in_words(size)}, smaller than the crop of {in_words(crop)}"
            for size, name in small.items()
        ]
        named = several(lines, what="sizes of pictures")
        raise ValueError(f"{named}; choose a crop_size (height, width) of at most {least}, {remedy}")

    def describe(self, how: str) -> str:
        """What is done, in words."""
        loaded = f"resized to {in_words(self.load_size)}, " if self.load_size else ""
        return loaded + (f"{how} {in_words(self.crop_size)}" if self.crop_size else "whole")


def resize(image: Pixels, size: Size, *, how: Interpolation = "bilinear") -> Pixels:
    """An image (H, W, C) at another size: bicubic, or averaged over areas where it shrinks in both directions.

    With ``nearest`` each pixel is one of the image's own instead, the one that lies where its center does.

    Args:
        image: (H, W, C).
        size: (height, width).
        how: ``bilinear`` and ``bicubic`` are one here.
    """
    if size == image.shape[:2]:
        return image
    height, width = size
    shrinks = height <= image.shape[0] and width <= image.shape[1]
    smooth = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    code = cv2.INTER_NEAREST_EXACT if how == "nearest" else smooth
    resized: Pixels = cv2.resize(image, (width, height), interpolation=code).reshape(height, width, -1)
    return resized


def in_words(size: Size) -> str:
    """A size as one writes it: width × height."""
    return f"{size[1]}×{size[0]} pixels"


def _size(option: str, size: int | Size | None) -> Size | None:
    if size is None:
        return None
    both: Any = (size, size) if isinstance(size, int) and not isinstance(size, bool) else size
    require.size(option, both)
    return both[0], both[1]
