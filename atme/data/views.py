"""Views of a pair: how both halves are moved alike, and the matrix that says where.

The view is the affine map V (2, 3) from the sample's normalized coordinates to the whole picture's,

    (X, Y)ᵀ = V (x, y, 1)ᵀ,    both in [-1, 1] from edge to edge (``grid_sample``, align_corners=False),

found by sending three corners of the picture through the transforms as key points of albumentations. Loading
(resizing) leaves it alone, as normalized coordinates know no size.
"""

import random
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, TypeAlias

import albumentations as A
import cv2
import numpy as np
import torch
from albumentations.augmentations.crops.transforms import CropSizeError
from numpy.typing import NDArray
from torch import Tensor

from atme.images import Pixels

Transform: TypeAlias = A.BasicTransform | A.BaseCompose

_MIRRORS = (cv2.BORDER_REFLECT, cv2.BORDER_REFLECT_101)


@dataclass(frozen=True)
class Viewed:
    """A pair under a view."""

    source: Pixels
    """(H, W, C) uint8 or uint16."""
    target: Pixels
    """(H, W, C') uint8 or uint16."""
    view: Tensor
    """(2, 3) float32: from the sample's normalized coordinates to the whole picture's."""


class Chance:
    """The random numbers of one sample.

    Args:
        seed: all that they depend on.
    """

    def __init__(self, seed: np.random.SeedSequence) -> None:
        self._numpy = np.random.default_rng(seed)
        self._python = random.Random(int(seed.generate_state(1)[0]))

    def enter(self, transforms: A.Compose) -> None:
        """Let transforms draw from here, one after the other.

        With ``set_random_seed`` each would start with the same numbers, and whether a sample is mirrored
        would follow from where it is cropped.
        """
        transforms.set_random_state(self._numpy, self._python)


def compose(transforms: Sequence[Transform]) -> A.Compose:
    """Transforms in a row that move both halves alike."""
    return A.Compose(list(transforms), additional_targets={"target": "image"})


def mirrors(transforms: Sequence[Transform]) -> bool:
    """Whether one of these transforms continues a picture by its mirror image."""
    return any(getattr(each, "border_mode", None) in _MIRRORS for each in _all(transforms))


def without_mirrors(transforms: Sequence[Transform]) -> list[Transform]:
    """The same transforms, none of which continues a picture by its mirror image.

    Where one does, albumentations adds the mirror images of key points, and which ones show the view is lost.
    What is drawn by chance does not depend on how the picture is continued.
    """
    copies = deepcopy(list(transforms))
    for copy in _all(copies):
        if getattr(copy, "border_mode", None) in _MIRRORS:
            copy.border_mode = cv2.BORDER_CONSTANT
    return copies


def nearest(transforms: Sequence[Transform], *, fill: int | None = None) -> list[Transform]:
    """The same transforms, none of which mixes pixels; what is drawn by chance stays the same.

    Args:
        transforms: of albumentations.
        fill: what stands where a view leaves the picture; None: as each says.
    """
    copies = deepcopy(list(transforms))
    for copy in _all(copies):
        if hasattr(copy, "interpolation"):
            copy.interpolation = cv2.INTER_NEAREST
        if fill is not None and hasattr(copy, "fill"):
            copy.fill = fill
    return copies


def exact(transforms: Sequence[Transform]) -> bool:
    """Whether these transforms only move pixels to other places, none mixed, none added: `nearest` changes nothing."""
    return not any(hasattr(each, what) for each in _all(transforms) for what in ("interpolation", "fill"))


def _all(transforms: Sequence[Transform]) -> list[Transform]:
    return [each for one in transforms for each in (one, *_all(getattr(one, "transforms", ())))]


def move(transforms: A.Compose, source: Pixels, target: Pixels, *, name: str) -> Viewed:
    """Both halves, (H, W, C) and (H, W, C'), moved alike.

    Raises:
        ValueError: a transform cannot be applied to these images.
    """
    height, width = source.shape[:2]
    corners = np.zeros((3, 5), np.float32)  # x and y from the middle of a pixel; z, angle and scale unused
    corners[:, :2] = np.array([(0, 0), (width, 0), (0, height)]) - 0.5
    moved = apply(transforms, name=name, image=source, target=target, keypoints=corners)
    height, width = moved["image"].shape[:2]
    points = (2 * moved["keypoints"][:, :2].astype(np.float64) + 1) / (width, height) - 1
    return Viewed(moved["image"], moved["target"], torch.from_numpy(_view(points)))


def apply(transforms: A.Compose, *, name: str, **data: Pixels) -> dict[str, Any]:
    """Apply transforms to the images of a pair, one after the other.

    Compose's own call does the same, and checks and converts what is sound already: a quarter of its time.

    Raises:
        ValueError: a transform does not accept them; names the pair.
    """
    try:
        for transform in transforms:
            data = transform(**data)
        return data
    except (ValueError, TypeError, CropSizeError, cv2.error) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{name}: cannot be augmented ({reason}); change the transforms") from error


def _view(points: NDArray[np.float64]) -> NDArray[np.float32]:
    """The view (2, 3) float32 that sees three corners of the picture at ``points`` (3, 2) of the sample.

    These are n = A N + b for N = (-1, -1), (1, -1), (-1, 1); the view is the inverse of that map.
    """
    (x0, y0), (x1, y1), (x2, y2) = points.tolist()
    a, b, c, d = (x1 - x0) / 2, (x2 - x0) / 2, (y1 - y0) / 2, (y2 - y0) / 2  # A, row by row
    shift_x, shift_y = (x1 + x2) / 2, (y1 + y2) / 2
    scale = a * d - b * c
    rows = [(d, -b, b * shift_y - d * shift_x), (-c, a, c * shift_x - a * shift_y)]
    view: NDArray[np.float32] = (np.array(rows) / scale + 0.0).astype(np.float32)  # no -0
    return view
