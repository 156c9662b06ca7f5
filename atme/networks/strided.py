"""Convolutions of 4×4 taps, stride 2 and a border of 1, and their transposes, by a processor's matrix unit (AMX).

Along one axis, result i sees the pixels 2i − 1 to 2i + 2: two cells of two pixels that follow one another, where the
first cell has the border and the first pixel. With the four pixels of a cell as channels (`passes.parted`), that is a
convolution of 2×2 taps and stride 1, which cpp/direct.cpp computes, from weights as they lie in memory. The transpose
is what leads from its gradient to that of the map, put in its place (`passes.interleaved`).

In bfloat16, and where sides are even; all else is PyTorch's. Weights stay float32 until they are multiplied, and so do
their gradients: PyTorch casts weights and lays them out anew, which takes longer than to multiply where pixels are few.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from atme.networks import kernels, passes, winograd
from atme.networks.convolution import summed

SIDE, STRIDE, BORDER = 4, 2, 1


class _Halving(nn.Module):
    """What both layers are made of.

    Args:
        in_channels: C.
        out_channels: C'.
        bias: whether there is one.
    """

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, SIDE, STRIDE, BORDER, bias=bias)


class StridedConv2d(_Halving, nn.Conv2d):
    """PyTorch's layer, of 4×4 taps, stride 2 and a border of 1."""

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H/2, W/2), of an odd side what fits in."""
        return convolve(image, self.weight, self.bias, back=False)


class StridedConvTranspose2d(_Halving, nn.ConvTranspose2d):
    """PyTorch's layer, likewise."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(B, C, H, W) to (B, C', 2H, 2W), or to another size that PyTorch's layer can make."""
        if output_size is not None:
            return nn.ConvTranspose2d.forward(self, input, output_size)
        return convolve(input, self.weight, self.bias, back=True)


def convolve(image: Tensor, weight: Tensor, bias: Tensor | None, *, back: bool) -> Tensor:
    """What `conv2d` makes, or, back, `conv_transpose2d`, with derivatives of all orders.

    Args:
        image: (B, C, H, W).
        weight: (C', C, 4, 4), or, back, (C, C', 4, 4).
        bias: (C',), or None.
        back: whether it is the transpose.
    """
    if kernels.in_one_step(image) and torch.is_autocast_enabled("cpu"):
        image = image.to(torch.get_autocast_dtype("cpu"))
    if pays(image, weight, back=back):
        result: Tensor = Strided.apply(image, weight, bias, back)
        return result
    way = F.conv_transpose2d if back else F.conv2d
    return way(image, weight, bias, stride=STRIDE, padding=BORDER)


def pays(image: Tensor, weight: Tensor, *, back: bool) -> bool:
    """Whether it is for `Strided`, here."""
    if not (kernels.in_one_step(image) and kernels.take(image) and winograd.directly(image.dtype)):
        return False
    even = back or all(side % STRIDE == 0 for side in image.shape[2:])
    return even and all(channels % winograd.lanes() == 0 for channels in weight.shape[:2])


class Strided(torch.autograd.Function):
    """The convolution, and its derivative; where that is to be derived again, it is PyTorch's."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, weight: Tensor, bias: Tensor | None, back: bool) -> Tensor:
        """(B, C, H, W), (C', C, 4, 4) and (C',) to (B, C', H/2, W/2); back, (C, C', 4, 4) to (B, C', 2H, 2W)."""
        ctx.save_for_backward(image, weight)
        ctx.back = back
        return enlarged(image, weight, bias) if back else halved(image, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """∂image = the other way round with the same weights, ∂w = Σ over pixels."""
        image, weight = ctx.saved_tensors
        of_image, of_weight, of_bias, _ = ctx.needs_input_grad
        to_bias = summed(gradient).to(weight.dtype) if of_bias else None
        gradient = gradient.to(image.dtype)
        if torch.is_grad_enabled():  # whatever is made here will be derived
            shape = [STRIDE] * 2, [BORDER] * 2, [1, 1], ctx.back, [0, 0], 1
            with torch.autocast("cpu", enabled=False):
                to_image, to_weight, _ = torch.ops.aten.convolution_backward(
                    gradient, image, weight.to(image.dtype), None, *shape, [of_image, of_weight, False]
                )
            return to_image, None if to_weight is None else to_weight.to(weight.dtype), to_bias, None
        to_image = to_weight = None
        if of_image:
            to_image = halved(gradient, weight, None) if ctx.back else enlarged(gradient, weight, None)
        if of_weight:
            large, small = (gradient, image) if ctx.back else (image, gradient)
            to_weight = winograd.weights_slope([passes.parted(large)], small, side=SIDE, border=0, halved=True)
            to_weight = to_weight.to(weight.dtype)
        return to_image, to_weight, to_bias, None


def halved(image: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """(B, C, 2H, 2W), (C', C, 4, 4) and (C',) to (B, C', H, W)."""
    return winograd.convolved([passes.parted(image)], weight, bias, border=0, halved=True)


def enlarged(image: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """(B, C, H, W), (C, C', 4, 4) and (C',) to (B, C', 2H, 2W)."""
    channels, start = 4 * weight.shape[1], None if bias is None else bias.repeat(4)
    cells = winograd.maps_slope(image, weight, border=0, first=0, count=channels, start=start, halved=True)
    return passes.interleaved(cells)  # of (B, 4 C', H+1, W+1)
