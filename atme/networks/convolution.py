"""Convolutions of stride 1 on a CPU, by whichever way is quicker there: Winograd's, one product, or PyTorch's own.

Of 2 × 2, 3 × 3 and 4 × 4 taps see winograd.py; of 1 × 1 and float32, products.py. On other devices, and where nothing
is compiled, all of it is PyTorch's.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from atme.networks import kernels, passes, products, winograd


def convolve(image: Tensor, weight: Tensor, bias: Tensor | None, *, border: int) -> Tensor:
    """What `conv2d` makes, with derivatives of all orders.

    Args:
        image: (B, C, H, W).
        weight: (C', C, k, k).
        bias: (C',), or None.
        border: of zeros around the image.

    Returns:
        (B, C', H', W'), H' = H + 2 border − k + 1.
    """
    if not kernels.in_one_step(image):
        return F.conv2d(image, weight, bias, padding=border)
    if torch.is_autocast_enabled("cpu"):
        image = image.to(torch.get_autocast_dtype("cpu"))
    if not (pointwise(image, weight) or tiled(image, weight, border)):
        return F.conv2d(image, weight, bias, padding=border)
    result: Tensor = Convolution.apply(image, weight, bias, border)
    return result


class Convolution(torch.autograd.Function):
    """The convolution, and its derivative; where that is to be derived again, it is PyTorch's."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, weight: Tensor, bias: Tensor | None, border: int) -> Tensor:
        """(B, C, H, W), (C', C, k, k) and (C',) to (B, C', H', W')."""
        ctx.save_for_backward(image, weight)
        ctx.border = border
        if pointwise(image, weight):
            return projected(image, weight.flatten(1).T, bias)
        return winograd.convolved([image], weight, bias, border=border)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """∂image = the convolution of the gradient with turned weights, ∂w = Σ over pixels."""
        image, weight = ctx.saved_tensors
        border, (*wanted, of_bias, _) = ctx.border, ctx.needs_input_grad
        to_bias = summed(gradient).to(weight.dtype) if of_bias else None
        if torch.is_grad_enabled():  # whatever is made here will be derived
            return *directly(gradient, image, weight, border, wanted), to_bias, None
        gradient, to_image, to_weight = gradient.to(image.dtype), None, None
        if pointwise(image, weight):
            if wanted[0]:
                to_image = projected(gradient, weight.flatten(1), None)
            if wanted[1]:
                to_weight = (
                    products.over_pixels(pixels(gradient), pixels(image)).sum(0).view_as(weight).to(weight.dtype)
                )
        else:
            if wanted[0]:
                to_image = winograd.maps_slope(gradient, weight, border=border, first=0, count=image.shape[1])
            if wanted[1]:
                to_weight = winograd.weights_slope([image], gradient, side=weight.shape[2], border=border)
                to_weight = to_weight.to(weight.dtype)
        return to_image, to_weight, to_bias, None


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


def pointwise(image: Tensor, weight: Tensor) -> bool:
    """Whether it is one product, here, with channels of both sides in whole vectors."""
    sides = weight.shape[2] == weight.shape[3] == 1
    return sides and all(products.pay(image, channels) for channels in weight.shape[:2])


def tiled(image: Tensor, weight: Tensor, border: int) -> bool:
    """Whether it goes by Winograd's."""
    return winograd.pays([image], weight, border=border)


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
