"""GroupNorm, scale and shift, and SiLU in one step, for maps on a CPU.

All but SiLU is one factor a and one offset o per image and channel:

    ŷ = SiLU(a x + o),  a = γ s / √(v + ε),  o = (β − γ m / √(v + ε)) s + t

with m, v the mean and variance of the group, γ, β of the norm, s, t of the level. So autograd needs to keep x alone,
where one step after the other keeps three maps of that size, and a and o are small enough to leave to autograd.

Two more reasons to be here. PyTorch's kernels for maps whose channels lie beside each other add up pixel after
pixel, which leaves five digits of the statistics over 256×256 pixels; `Tensor.mean` adds in blocks and leaves seven.
And in bfloat16 their backward pass takes about twice as long as the one here.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class ChannelMoments(torch.autograd.Function):
    """Mean and variance over the pixels of each channel, in float32 at least."""

    @staticmethod
    def forward(ctx: Any, image: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) to (B, C) twice."""
        precise = torch.promote_types(image.dtype, torch.float32)
        means = image.mean((2, 3), keepdim=True, dtype=precise)  # (B, C, 1, 1)
        variances = (image - means).square_().mean((2, 3))  # (B, C)
        means = means.flatten(1)  # (B, C)
        ctx.save_for_backward(image, means)
        return means, variances

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_means: Tensor, to_variances: Tensor) -> Tensor:
        """∂m/∂x = 1/N, ∂v/∂x = 2 (x − m) / N, with N pixels."""
        image, means = ctx.saved_tensors
        factor = 2 / image[0, 0].numel() * to_variances  # (B, C)
        offset = to_means / image[0, 0].numel() - factor * means  # (B, C)
        return affine(image, factor, offset)


class AffineSiLU(torch.autograd.Function):
    """SiLU(a x + o) with a and o per image and channel."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, factor: Tensor, offset: Tensor) -> Tensor:
        """(B, C, H, W), and (B, C) twice, to (B, C, H, W)."""
        ctx.save_for_backward(image, factor, offset)
        return nn.functional.silu(affine(image, factor, offset), inplace=True)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """With z = a x + o and g the gradient of z: a g of x, Σ x g of a, Σ g of o."""
        image, factor, offset = ctx.saved_tensors
        z = affine(image, factor, offset)  # (B, C, H, W)
        g = torch.ops.aten.silu_backward.grad_input(gradient, z, grad_input=z)  # (B, C, H, W)
        to_offset = g.sum((2, 3), dtype=offset.dtype)  # (B, C)
        to_factor = (g * image).sum((2, 3), dtype=factor.dtype)  # (B, C)
        return g.mul_(factor.to(g.dtype)[:, :, None, None]), to_factor, to_offset


def affine(image: Tensor, factor: Tensor, offset: Tensor) -> Tensor:
    """(B, C, H, W), and (B, C) twice, to (B, C, H, W), in the precision of the image."""
    factor, offset = (small.to(image.dtype)[:, :, None, None] for small in (factor, offset))
    return torch.addcmul(offset, image, factor)


def normalize_scale_silu(image: Tensor, bias: Tensor | None, norm: nn.GroupNorm, scale_shift: Tensor | None) -> Tensor:
    """SiLU(s · GroupNorm(x + bias) + t).

    Args:
        image: (B, C, H, W).
        bias: (C,) of the convolution that made x; None is 0.
        norm: with scale and shift.
        scale_shift: (B, 2 C): s − 1 and t, or None for s = 1, t = 0.

    Returns:
        (B, C, H, W).
    """
    means, variances = ChannelMoments.apply(image)  # (B, C) each
    bias = torch.zeros_like(norm.bias) if bias is None else bias
    groups = (norm.num_groups, -1)
    grouped = (means + bias).unflatten(1, groups)  # (B, G, C/G)
    mean = grouped.mean(2, keepdim=True)  # (B, G, 1)
    spread = variances.unflatten(1, groups).mean(2, keepdim=True) + grouped.var(2, correction=0, keepdim=True)
    factor = norm.weight.view(groups) * (spread + norm.eps).rsqrt()  # (B, G, C/G)
    offset = norm.bias + (factor * (bias.view(groups) - mean)).flatten(1)  # (B, C)
    factor = factor.flatten(1)  # (B, C)
    if scale_shift is not None:
        scale, shift = scale_shift.chunk(2, dim=1)  # (B, C) each
        factor, offset = factor * (scale + 1), offset * (scale + 1) + shift
    result: Tensor = AffineSiLU.apply(image, factor, offset)
    return result
