"""Convolutions of stride 1 on a CPU, by whichever way is quicker there: Winograd's, one product, or PyTorch's own.

Of 2 × 2, 3 × 3 and 4 × 4 taps see winograd.py; of 1 × 1 and float32, products.py. On other devices, and where nothing
is compiled, all of it is PyTorch's.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from atme.networks import kernels, passes, products, winograd


def convolve(
    image: Tensor, weight: Tensor, bias: Tensor | None, *, border: int, beside: Tensor | None = None
) -> Tensor:
    """What `conv2d` makes, with derivatives of all orders.

    Args:
        image: (B, C, H, W).
        weight: (C', C, k, k).
        bias: (C',), or None.
        border: of zeros around the image.
        beside: (B, C₂, H, W), or None: a second map, whose channels come after those of the first, C of both.

    Returns:
        (B, C', H', W'), H' = H + 2 border − k + 1.
    """
    maps = [image] if beside is None else [image, beside]
    one_step = kernels.in_one_step(image)
    if one_step and torch.is_autocast_enabled("cpu"):
        maps = [each.to(torch.get_autocast_dtype("cpu")) for each in maps]
    if one_step and (pointwise(maps, weight) or winograd.pays(maps, weight, border=border)):
        result: Tensor = Convolution.apply(maps[0], maps[1] if len(maps) == 2 else None, weight, bias, border)
        return result
    if beside is None:
        return F.conv2d(maps[0], weight, bias, padding=border)
    first, second = weight.split([each.shape[1] for each in maps], dim=1)
    result = convolve(maps[0], first, bias, border=border)
    return result.add_(convolve(maps[1], second, None, border=border))


class Convolution(torch.autograd.Function):
    """The convolution, and its derivative; where that is to be derived again, it is PyTorch's."""

    @staticmethod
    def forward(
        ctx: Any, image: Tensor, beside: Tensor | None, weight: Tensor, bias: Tensor | None, border: int
    ) -> Tensor:
        """(B, C₁, H, W), (B, C₂, H, W) or None, (C', C, k, k) and (C',) to (B, C', H', W')."""
        maps = [image] if beside is None else [image, beside]
        ctx.save_for_backward(weight, *maps)
        ctx.border, ctx.alone = border, beside is None
        if pointwise(maps, weight):
            return projected(image, weight.flatten(1).T, bias)
        return winograd.convolved(maps, weight, bias, border=border)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """∂image = the convolution of the gradient with turned weights, ∂w = Σ over pixels."""
        weight, *maps = ctx.saved_tensors
        border, (*wanted, of_weight, of_bias, _) = ctx.border, ctx.needs_input_grad
        to_bias = summed(gradient).to(weight.dtype) if of_bias else None
        if torch.is_grad_enabled():  # whatever is made here will be derived
            whole = maps[0] if ctx.alone else torch.cat(maps, dim=1)
            to_whole, to_weight = directly(gradient, whole, weight, border, [any(wanted), of_weight])
            split = [each.shape[1] for each in maps]
            to_maps = [None] * len(maps) if to_whole is None else list(to_whole.split(split, dim=1))
            return *to_maps, *([None] if ctx.alone else []), to_weight, to_bias, None
        gradient, to_weight = gradient.to(maps[0].dtype), None
        if pointwise(maps, weight):
            to_maps = [projected(gradient, weight.flatten(1), None) if wanted[0] else None]
            if of_weight:
                to_weight = products.over_pixels(pixels(gradient), pixels(maps[0])).sum(0).view_as(weight)
        else:
            to_maps = winograd.all_maps_slopes(gradient, maps, weight, border=border, wanted=wanted[: len(maps)])
            if of_weight:
                to_weight = winograd.weights_slope(maps, gradient, side=weight.shape[2], border=border)
        to_weight = None if to_weight is None else to_weight.to(weight.dtype)
        return *to_maps, *([None] if ctx.alone else []), to_weight, to_bias, None


def summed(gradient: Tensor) -> Tensor:
    """Σ over images and pixels of (B, C, H, W): (C,), in float32 at least."""
    if not torch.is_grad_enabled() and kernels.take(gradient):
        return passes.channel_sums(gradient)
    return gradient.sum((0, 2, 3), dtype=torch.promote_types(gradient.dtype, torch.float32))


def directly(
    gradient: Tensor, image: Tensor, weight: Tensor, border: int, wanted: list[bool]
) -> tuple[Tensor | None, Tensor | None]:
    """∂image and ∂w as PyTorch has them, those that are wanted."""
    shape = [1, 1], [border, border], [1, 1], False, [0, 0], 1
    with torch.autocast("cpu", enabled=False):
        to_image, to_weight, _ = torch.ops.aten.convolution_backward(
            gradient.to(image.dtype), image, weight.to(image.dtype), None, *shape, [*wanted, False]
        )
    return to_image if wanted[0] else None, to_weight.to(weight.dtype) if wanted[1] else None


class Conv2d(nn.Conv2d):
    """PyTorch's layer, by `convolve`: square weights, stride 1, a border of zeros."""

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H', W')."""
        return convolve(image, self.weight, self.bias, border=int(self.padding[0]))


def pointwise(maps: Sequence[Tensor], weight: Tensor) -> bool:
    """Whether it is one product, here: of one map, with channels of both sides in whole vectors."""
    one = len(maps) == weight.shape[2] == weight.shape[3] == 1
    return one and all(products.pay(maps[0], channels) for channels in weight.shape[:2])


def pixels(image: Tensor) -> Tensor:
    """(B, C, H, W) to (B, H, W, C), in memory, too."""
    return image.permute(0, 2, 3, 1).contiguous()


def projected(image: Tensor, matrix: Tensor, start: Tensor | None) -> Tensor:
    """(B, C, H, W), (C, C') and (C',) to (B, C', H, W)."""
    batch, _, height, width = image.shape
    size = batch, matrix.shape[1], height, width
    result = torch.empty(size, dtype=image.dtype, memory_format=torch.channels_last)
    products.times(pixels(image), matrix, start, out=pixels(result))
    return result
