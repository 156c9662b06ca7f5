"""Translating pictures of any size: what is no multiple of the generator's stride is continued, and cut back.

A picture is continued by reflection at its right and lower edge.
"""

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from atme.data import Pair
from atme.models.translation import Networks, TranslationModel
from atme.noise import Corrupted


def translate(
    model: TranslationModel, networks: Networks, pair: Pair, *, rng: torch.Generator | None = None
) -> tuple[Corrupted, Tensor]:
    """As the model's own ``translate``, for sources (B, C, H, W) of any size."""
    height, width = pair.source.shape[-2:]
    stride: Any = networks.generator.stride
    corrupted, fake = model.translate(networks, replace(pair, source=pad(pair.source, stride=stride)), rng=rng)
    w = corrupted.map if corrupted.map is None else corrupted.map[..., :height, :width]
    return Corrupted(corrupted.image[..., :height, :width], corrupted.level, w), fake[..., :height, :width]


def pad(image: Tensor, *, stride: int) -> Tensor:
    """Continue an image by reflection until its sides are multiples of the stride."""
    down, right, mode = continuation(*image.shape[-2:], stride=stride)
    return F.pad(image, (0, right, 0, down), mode=mode)


def continuation(height: int, width: int, *, stride: int) -> tuple[int, int, str]:
    """Rows below, columns to the right, and how they are made: ``reflect``, or ``replicate`` if too short."""
    down, right = -height % stride, -width % stride
    return down, right, "reflect" if down < height and right < width else "replicate"  # it is at most an image long
