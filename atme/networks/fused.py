"""GroupNorm, scale and shift, SiLU, and a residual in one step, for maps on a CPU.

With x the map without the bias b of its convolution, and all but SiLU one factor f and one offset o per image and
channel,

    ŷ = SiLU(f x + o) + residual,  f = γ s r,  o = β s + t + f (b − μ),  r = 1 / √(v + ε),

with μ, v the mean and variance of x + b in the group, γ, β of the norm, s, t of the level. Autograd needs to keep x
alone, where one step after the other keeps three maps of that size.

The derivative, with g that of z = f x + o, and Σ over the N pixels of an image: P = Σ g, Q = Σ g x,
R = r (Q + (b − μ) P),

    ∂γ = Σ_B s R,   ∂β = Σ_B s P,   ∂s = γ R + β P,   ∂t = P,
    ∂x = f g + a₁ x + a₀,   a₁ = −r² mean_G(γ s R),   a₀ = −r mean_G(γ s P) + a₁ (b − μ),   ∂b = Σ_B Σ ∂x,

where mean_G is the sum over the channels of a group, over the number of its values.

Where a C++ compiler is, each line is one pass over memory (kernels.py); else it is PyTorch's operations, one after
the other. Mean and variance are taken in one pass, of what a channel differs from its mean over the first row of
pixels, so that nothing cancels.

One more reason to be here: PyTorch's kernels for maps whose channels lie beside each other add up pixel after pixel,
which leaves five digits of the statistics over 256×256 pixels. Here rows are added up first, and `Tensor.mean` adds
in blocks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from atme.networks import kernels
from atme.networks.kernels import kernel, precise


def normalize_scale_silu(
    image: Tensor,
    bias: Tensor | None,
    norm: nn.GroupNorm,
    scale_shift: Tensor | None,
    *,
    residual: Tensor | None = None,
) -> Tensor:
    """SiLU(s · GroupNorm(x + bias) + t) + residual.

    Args:
        image: (B, C, H, W).
        bias: (C,) of the convolution that made x; None is 0.
        norm: with scale and shift.
        scale_shift: (B, 2 C): s − 1 and t, or None for s = 1, t = 0.
        residual: (B, C, H, W) or None.

    Returns:
        (B, C, H, W).
    """
    bias = torch.zeros_like(norm.bias) if bias is None else bias
    if scale_shift is None:
        scale_shift = norm.bias.new_zeros(len(image), 2 * len(norm.bias))
    arguments = (image, residual, bias, norm.weight, norm.bias, scale_shift, norm.num_groups, norm.eps)
    result: Tensor = NormScaleSiLU.apply(*arguments)
    return result


class NormScaleSiLU(torch.autograd.Function):
    """The step of the file's head, with its derivative."""

    @staticmethod
    def forward(
        ctx: Any,
        image: Tensor,
        residual: Tensor | None,
        bias: Tensor,
        weight: Tensor,
        beta: Tensor,
        scale_shift: Tensor,
        groups: int,
        eps: float,
    ) -> Tensor:
        """(B, C, H, W), the residual, (C,) three times, (B, 2 C), to (B, C, H, W)."""
        ways = COMPILED if kernels.available() else PLAIN
        mean, variance = ways.moments(image)  # (B, C) each
        mu, r = group_statistics(mean + bias, variance, groups=groups, eps=eps)  # (B, C) each
        scale, shift = scale_shift.to(mean.dtype).chunk(2, dim=1)  # (B, C) each
        factor = weight * (scale + 1) * r  # (B, C)
        offset = beta * (scale + 1) + shift + factor * (bias - mu)  # (B, C)
        result = ways.activated(image, factor, offset, residual)  # (B, C, H, W)
        ctx.save_for_backward(image, bias, weight, beta, scale, mean, mu, r, factor, offset)
        ctx.groups, ctx.ways, ctx.heard = groups, ways, scale_shift.dtype
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """As in the file's head."""
        image, bias, weight, beta, scale, mean, mu, r, factor, offset = ctx.saved_tensors
        g = ctx.ways.slope(gradient, image, factor, offset)  # (B, C, H, W)
        P, Q = ctx.ways.sums(g, image)  # (B, C) each
        s, centered, pixels = scale + 1, bias - mu, image[0, 0].numel()
        R = r * (Q + centered * P)  # (B, C)
        a1 = -r.square() * group_mean(weight * s * R, ctx.groups) / pixels  # (B, C)
        a0 = a1 * centered - r * group_mean(weight * s * P, ctx.groups) / pixels  # (B, C)
        to_image = ctx.ways.combined(g, image, factor, a1, a0)  # (B, C, H, W)
        to_bias = (factor * P + pixels * (a1 * mean + a0)).sum(0)  # (C,)
        to_scale_shift = torch.cat([weight * R + beta * P, P], dim=1).to(ctx.heard)  # (B, 2 C)
        to_residual = gradient if ctx.needs_input_grad[1] else None
        return to_image, to_residual, to_bias, (s * R).sum(0), (s * P).sum(0), to_scale_shift, None, None


def group_statistics(mean: Tensor, variance: Tensor, *, groups: int, eps: float) -> tuple[Tensor, Tensor]:
    """μ and r of each channel's group, (B, C) each, from the moments of the channels, (B, C) each."""
    grouped = mean.unflatten(1, (groups, -1))  # (B, G, C/G)
    spread = variance.unflatten(1, (groups, -1)).mean(2) + grouped.var(2, correction=0)  # (B, G)
    each = grouped.shape[2]
    return grouped.mean(2).repeat_interleave(each, 1), (spread + eps).rsqrt().repeat_interleave(each, 1)


def group_mean(values: Tensor, groups: int) -> Tensor:
    """(B, C) to (B, C): each channel gets the mean of its group."""
    grouped = values.unflatten(1, (groups, -1))  # (B, G, C/G)
    means: Tensor = grouped.mean(2, keepdim=True).expand_as(grouped).flatten(1)
    return means


@dataclass(frozen=True)
class Ways:
    """How the passes over whole maps (B, C, H, W) are done; numbers of a channel are (B, C), in float32 at least."""

    moments: Callable[[Tensor], tuple[Tensor, Tensor]]
    """Mean and variance of each channel."""
    activated: Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]
    """SiLU(f x + o) + residual, from x, f, o and the residual, if any."""
    slope: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
    """g, from the gradient of the result, x, f and o."""
    sums: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    """Σ g and Σ g x, from g and x."""
    combined: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
    """f g + a₁ x + a₀, from g, x, f, a₁, a₀; g may be overwritten."""


def wide(numbers: Tensor, like: Tensor) -> Tensor:
    """(B, C) to (B, C, 1, 1), in the precision of a map."""
    return numbers.to(like.dtype)[:, :, None, None]


def plain_moments(image: Tensor) -> tuple[Tensor, Tensor]:
    precise = torch.promote_types(image.dtype, torch.float32)
    means = image.mean((2, 3), keepdim=True, dtype=precise)  # (B, C, 1, 1)
    return means.flatten(1), (image - means).square_().mean((2, 3))


def plain_activated(image: Tensor, factor: Tensor, offset: Tensor, residual: Tensor | None) -> Tensor:
    z = torch.addcmul(wide(offset, image), image, wide(factor, image))
    result = nn.functional.silu(z, inplace=True)
    return result if residual is None else result.add_(residual)


def plain_slope(gradient: Tensor, image: Tensor, factor: Tensor, offset: Tensor) -> Tensor:
    z = torch.addcmul(wide(offset, image), image, wide(factor, image))
    slope: Tensor = torch.ops.aten.silu_backward.grad_input(gradient, z, grad_input=z)
    return slope


def plain_sums(g: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
    precise = torch.promote_types(image.dtype, torch.float32)
    return g.sum((2, 3), dtype=precise), (g * image).sum((2, 3), dtype=precise)


def plain_combined(g: Tensor, image: Tensor, factor: Tensor, a1: Tensor, a0: Tensor) -> Tensor:
    rest = torch.addcmul(wide(a0, image), image, wide(a1, image))
    return g.mul_(wide(factor, g)).add_(rest)


PLAIN = Ways(plain_moments, plain_activated, plain_slope, plain_sums, plain_combined)


def compiled_moments(image: Tensor) -> tuple[Tensor, Tensor]:
    near = precise(image[:, :, 0]).mean(2)  # (B, C)
    mean, square = kernel_moments(image, near)
    return mean + near, square - mean.square()


@kernel
def kernel_moments(image: Tensor, near: Tensor) -> tuple[Tensor, Tensor]:
    x = precise(image) - near[:, :, None, None]
    return x.mean(3).mean(2), x.square().mean(3).mean(2)


def compiled_activated(image: Tensor, factor: Tensor, offset: Tensor, residual: Tensor | None) -> Tensor:
    if residual is None:
        return kernel_activated(image, factor, offset)
    return kernel_activated_beside(image, factor, offset, residual)


@kernel
def kernel_activated(image: Tensor, factor: Tensor, offset: Tensor) -> Tensor:
    z = precise(image) * factor[:, :, None, None] + offset[:, :, None, None]
    return (z * z.sigmoid()).to(image.dtype)


@kernel
def kernel_activated_beside(image: Tensor, factor: Tensor, offset: Tensor, residual: Tensor) -> Tensor:
    z = precise(image) * factor[:, :, None, None] + offset[:, :, None, None]
    return (z * z.sigmoid() + residual).to(image.dtype)


@kernel
def kernel_slope(gradient: Tensor, image: Tensor, factor: Tensor, offset: Tensor) -> Tensor:
    z = precise(image) * factor[:, :, None, None] + offset[:, :, None, None]
    s = z.sigmoid()
    return (gradient * s * (1 + z * (1 - s))).to(image.dtype)


@kernel
def kernel_sums(g: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
    precise_g = precise(g)
    return precise_g.sum(3).sum(2), (precise_g * precise(image)).sum(3).sum(2)


@kernel
def kernel_combined(g: Tensor, image: Tensor, factor: Tensor, a1: Tensor, a0: Tensor) -> Tensor:
    rest = precise(image) * a1[:, :, None, None] + a0[:, :, None, None]
    return (precise(g) * factor[:, :, None, None] + rest).to(image.dtype)


COMPILED = Ways(compiled_moments, compiled_activated, kernel_slope, kernel_sums, kernel_combined)
