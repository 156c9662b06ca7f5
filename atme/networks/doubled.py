"""A map at twice the size and a convolution after it, as one convolution of the map as it is.

Along one axis, with each pixel doubled, three taps w₀, w₁, w₂ see two pixels: the first of a doubled pixel sees the one
before it, by w₀, and itself, by w₁ + w₂; the second one itself, by w₀ + w₁, and the one after it, by w₂. So between two
pixels, and beyond the first and the last, lie two results of the same two pixels, with weights (w₀ + w₁, w₂) and
(w₀, w₁ + w₂): a convolution of two taps with a border of 1 makes both, as channels, and the outermost are cut off.
"""

from typing import Any

import torch
from torch import Tensor, nn

from atme.networks import kernels, passes, winograd
from atme.networks.convolution import convolve
from atme.networks.kept import Kept
from atme.networks.standardized import kind_of


def doubled(image: Tensor, convolution: nn.Conv2d, kept: Kept) -> Tensor:
    """Nearest-neighbor enlargement to twice the size, then a 3×3 convolution, in 4/9 of the multiplications.

    Args:
        image: (B, C, H, W).
        convolution: C to C' channels, 3×3, border of 1.
        kept: for the weights, of this convolution alone, where nothing learns.

    Returns:
        (B, C', 2H, 2W).
    """
    if kernels.in_one_step(image) and kernels.take(image):
        image = image.to(kind_of(image))
        weights = weights_of(convolution, kept, read_in(image, convolution))
        placed: Tensor = Interleaved.apply(convolve(image, *weights, border=1), False)
        return placed  # (B, C', 2H, 2W)
    bias = convolution.bias
    result = convolve(image, plain_between(convolution.weight), None if bias is None else bias.repeat(4), border=1)
    pixels = result.permute(0, 2, 3, 1).unflatten(3, (2, 2, -1)).transpose(2, 3)  # (B, H+1, 2, W+1, 2, C')
    whole: Tensor = pixels.flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)  # (B, C', 2H+2, 2W+2)
    return whole[:, :, 1:-1, 1:-1].contiguous(memory_format=torch.channels_last)


def read_in(image: Tensor, convolution: nn.Conv2d) -> torch.dtype:
    """The precision in which its weights are read, which Winograd's has its own word about."""
    made = torch.empty(4 * convolution.out_channels, convolution.in_channels, 2, 2, device="meta")
    return winograd.read_in(image.dtype) if winograd.pays([image], made, border=1) else image.dtype


def weights_of(convolution: nn.Conv2d, kept: Kept, kind: torch.dtype) -> tuple[Tensor, Tensor | None]:
    """(2·2·C', C, 2, 2) and (2·2·C',), kept in the precision that they are read in where nothing learns."""
    weight, bias = convolution.weight, convolution.bias
    if torch.is_grad_enabled():
        kept.forget()  # a fused optimizer moves weights without a word
        return between(weight), None if bias is None else bias.repeat(4)
    (made,) = kept.of([weight], lambda: (between(weight).to(kind),), kind)
    return made, None if bias is None else bias.repeat(4)


def between(weight: Tensor) -> Tensor:
    """`plain_between`, in one pass where there is one."""
    made: Tensor = Between.apply(weight, False) if kernels.take(weight) else plain_between(weight)
    return made


def plain_between(weight: Tensor) -> Tensor:
    """(C', C, 3, 3) to (2·2·C', C, 2, 2): for each of four results between pixels its weights."""
    rows = weight.permute(0, 2, 3, 1)  # (C', 3, 3, C)
    for axis in (1, 2):
        first, middle, last = rows.unbind(axis)
        rows = torch.stack([first + middle, last, first, middle + last], axis)  # (C', 2·2, 2·2, C) in the end
    results: Tensor = rows.unflatten(2, (2, 2)).unflatten(1, (2, 2)).permute(1, 3, 0, 2, 4, 5)  # (2, 2, C', 2, 2, C)
    return results.flatten(0, 2).permute(0, 3, 1, 2)


class Between(torch.autograd.Function):
    """`plain_between` in one pass, and back; each is the other's derivative."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, back: bool) -> Tensor:
        """(C', C, 3, 3) to (2·2·C', C, 2, 2), or back."""
        ctx.back = back
        return passes.between_slope(weight) if back else passes.between(weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """The same the other way round."""
        to_weight: Tensor = Between.apply(gradient, not ctx.back)
        return to_weight, None


class Interleaved(torch.autograd.Function):
    """Four results between pixels, as channels, to where they belong, and back; each is the other's derivative."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, back: bool) -> Tensor:
        """(B, 4 C', H+1, W+1) to (B, C', 2H, 2W), or back."""
        ctx.back = back
        return passes.parted(image) if back else passes.interleaved(image)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """The same the other way round."""
        to_image: Tensor = Interleaved.apply(gradient, not ctx.back)
        return to_image, None
