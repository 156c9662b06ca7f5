"""Translating pictures of any size: what is no multiple of the generator's stride is continued, and cut back.

A picture is continued by reflection at its right and lower edge.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from atme.data import Pair
from atme.models.roles import Networks
from atme.models.translation import TranslationModel
from atme.networks.size import shrunk
from atme.noise import Corrupted


def translate(
    model: TranslationModel,
    networks: Networks,
    pair: Pair,
    *,
    rng: torch.Generator | None = None,
    calls: int | None = None,
) -> tuple[Corrupted, Tensor]:
    """As the model's own ``translate``, for sources (B, C, H, W) of any size."""
    height, width = pair.source.shape[-2:]
    stride: Any = networks.generator.stride
    padded = replace(pair, source=pad(pair.source, stride=stride))
    corrupted, fake = model.translate(networks, padded, rng=rng, calls=calls)
    w = None if corrupted.map is None else cut(corrupted.map, height, width)
    return Corrupted(cut(corrupted.image, height, width), corrupted.level, w), cut(fake, height, width)


def pad(image: Tensor, *, stride: int) -> Tensor:
    """Continue an image by reflection until its sides are multiples of the stride.

    A reflection is at most an image long: where either side would need more, the last pixels are repeated on both.
    """
    height, width = image.shape[-2:]
    fits = _at_most_twice(height, stride, like=image) & _at_most_twice(width, stride, like=image)
    rows, columns = (_continued(side, stride, mirrored=fits) for side in (height, width))
    return image.index_select(-2, rows).index_select(-1, columns)


def cut(image: Tensor, height: int, width: int) -> Tensor:
    """The upper left part of a larger image (…, H, W).

    Rows and columns are chosen by their numbers, here and in `pad`: traced with sizes that are not known, no branch and
    no view depends on whether anything is left to choose.
    """
    rows, columns = (torch.arange(side, device=image.device) for side in (height, width))
    return image.index_select(-2, rows).index_select(-1, columns)


def continuation(height: int, width: int, *, stride: int) -> tuple[int, int, str]:
    """What `pad` does, for others: rows below, columns to the right, and ``reflect``, or ``replicate`` if too short."""
    down, right = -height % stride, -width % stride
    return down, right, "reflect" if down < height and right < width else "replicate"  # it is at most an image long


def _multiple(side: int, stride: int) -> int:
    return shrunk(side, stride) * stride


def _at_most_twice(side: int, stride: int, *, like: Tensor) -> Tensor:
    """Whether what is missing to a multiple is less than the side."""
    return torch.full((), _multiple(side, stride) - side, dtype=torch.int64, device=like.device) < side


def _continued(side: int, stride: int, *, mirrored: Tensor) -> Tensor:
    """Which pixel of a side stands at each place of the continued one."""
    places, last = torch.arange(_multiple(side, stride), device=mirrored.device), side - 1
    return torch.where(mirrored, last - (places - last).abs(), places.clamp(max=last)).clamp(min=0)
