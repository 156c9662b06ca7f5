"""Standardized weights ŵ = (w − m) r of each row, and their derivative, as the head of standardized.py says."""

from collections.abc import Sequence

import torch
from torch import Tensor

from atme.networks import kernels, passes


def standardized(
    weight: Tensor, split: Sequence[int], kind: torch.dtype, *, eps: float
) -> tuple[list[Tensor], tuple[Tensor, ...]]:
    """ŵ in the precision of one or two maps, for each map its own channels, (C', C, k, k); and m and r of each row."""
    if kernels.take_weights(weight, kind):
        return passes.standardized(weight, split, kind, eps=eps)
    whole, *statistics = plain_standardized(weight, eps=eps)
    return list(whole.to(kind).split(list(split), dim=1)), tuple(statistics)


def standardized_slope(gradients: list[Tensor], weight: Tensor, statistics: tuple[Tensor, ...]) -> Tensor:
    """∂w (C', C, k, k) from the gradient of what `standardized` made for each map, in one precision."""
    if kernels.take_weights(weight, gradients[0].dtype):
        return passes.standardized_slope(gradients, weight, statistics)
    whole = gradients[0] if len(gradients) == 1 else torch.cat(gradients, dim=1)  # (C', C, k, k)
    return plain_standardized_slope(whole.to(weight.dtype), weight, statistics)


def plain_standardized(weight: Tensor, *, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """ŵ (C', C, k, k), m and r of each row."""
    rows = weight.permute(0, 2, 3, 1)  # channels last: the layout in which the convolution reads it
    made, mean, r = torch.native_layer_norm(rows, rows.shape[1:], None, None, eps)
    return made.permute(0, 3, 1, 2), mean, r


def plain_standardized_slope(gradient: Tensor, weight: Tensor, statistics: tuple[Tensor, ...]) -> Tensor:
    """∂w from the gradient of ŵ, (C', C, k, k) both."""
    of_rows, rows = gradient.permute(0, 2, 3, 1), weight.permute(0, 2, 3, 1)
    to_rows: Tensor = torch.ops.aten.native_layer_norm_backward(
        of_rows, rows, rows.shape[1:], *statistics, None, None, [True, False, False]
    )[0]
    return to_rows.permute(0, 3, 1, 2)
