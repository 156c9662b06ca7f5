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

Where a C++ compiler is, this is four passes over memory (normalization_passes.py): moments, the result; P and Q, ∂x, of
which each computes g anew rather than write it down. Else it is PyTorch's operations, one after the other.

One more reason to be here: PyTorch's kernels for maps whose channels lie beside each other add up pixel after pixel,
which leaves five digits of the statistics over 256×256 pixels. Here some pixels are added up first, and `Tensor.mean`
adds in blocks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from atme.networks import kernels, normalization_passes


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
    bias, scale_shift = heard_or_none(bias, scale_shift, norm, images=len(image))
    arguments = (image, residual, bias, norm.weight, norm.bias, scale_shift, norm.num_groups, norm.eps)
    result: Tensor = NormScaleSiLU.apply(*arguments)
    return result


def heard_or_none(
    bias: Tensor | None, scale_shift: Tensor | None, norm: nn.GroupNorm, *, images: int
) -> tuple[Tensor, Tensor]:
    """A bias (C,), and s − 1 and t (B, 2 C), where there are none."""
    if bias is None:
        bias = torch.zeros_like(norm.bias)
    if scale_shift is None:
        scale_shift = norm.bias.new_zeros(images, 2 * len(norm.bias))
    return bias, scale_shift


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
        numbers = Numbers.of(image, bias, weight, beta, scale_shift, groups=groups, eps=eps)
        ctx.save_for_backward(image, bias, weight, beta, *numbers.kept())
        ctx.groups, ctx.heard = groups, scale_shift.dtype
        return ways(image).activated(image, numbers.factor, numbers.offset, residual)  # (B, C, H, W)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """As in the file's head."""
        image, bias, weight, beta, *kept = ctx.saved_tensors
        to_image, *others, to_heard = derivative(gradient, image, bias, weight, beta, Numbers(*kept), groups=ctx.groups)
        to_residual = gradient if ctx.needs_input_grad[1] else None
        return to_image, to_residual, *others, to_heard.to(ctx.heard), None, None


@dataclass(frozen=True)
class Numbers:
    """What the step makes of a map's moments, (B, C) each, by the letters of the file's head."""

    heard: Tensor
    """s − 1 and t, (B, 2 C)."""
    mean: Tensor
    """Of each channel, without its bias."""
    mu: Tensor
    r: Tensor
    factor: Tensor
    offset: Tensor

    @classmethod
    def of(
        cls, image: Tensor, bias: Tensor, weight: Tensor, beta: Tensor, heard: Tensor, *, groups: int, eps: float
    ) -> "Numbers":
        """From (B, C, H, W), (C,) three times, and s − 1 and t, (B, 2 C)."""
        way = ways(image)
        mean, variance = way.moments(image)  # (B, C) each
        heard = heard.to(mean.dtype)
        made = way.normalization(mean, variance, (bias, weight, beta), heard, groups=groups, eps=eps)  # (B, C) each
        return cls(heard, mean, *made)

    def kept(self) -> tuple[Tensor, ...]:
        """All of them, in their order."""
        return self.heard, self.mean, self.mu, self.r, self.factor, self.offset


def derivative(
    gradient: Tensor, image: Tensor, bias: Tensor, weight: Tensor, beta: Tensor, numbers: Numbers, *, groups: int
) -> tuple[Tensor, ...]:
    """∂x (B, C, H, W), ∂b, ∂γ, ∂β (C,) each, and ∂s and ∂t (B, 2 C), from the gradient of SiLU's result."""
    way, (heard, *kept, offset) = ways(image), numbers.kept()
    *sums, g = way.slope_sums(gradient, image, numbers.factor, offset)  # (B, C) twice; (B, C, H, W)
    pixels = image[0, 0].numel()
    a1, a0, *others = way.normalization_slope(sums, kept, (bias, weight, beta), heard, groups=groups, pixels=pixels)
    return way.combined(g, image, numbers.factor, offset, a1, a0), *others


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
    normalization: Callable[..., tuple[Tensor, ...]]
    """μ, r, f and o of moments, as `normalization_passes.normalization` says."""
    activated: Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]
    """SiLU(f x + o) + residual, from x, f, o and the residual, if any."""
    slope_sums: Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]
    """P and Q, from the gradient of SiLU's result, x, f and o; and what `combined` goes on from."""
    normalization_slope: Callable[..., tuple[Tensor, ...]]
    """a₁ and a₀, ∂b, ∂γ, ∂β, and ∂s and ∂t as one, from P and Q, as `normalization_passes.normalization_slope` says."""
    combined: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
    """f g + a₁ x + a₀, from what `slope_sums` left, which may be overwritten, x, f, o, a₁, a₀."""


def wide(numbers: Tensor, like: Tensor) -> Tensor:
    """(B, C) to (B, C, 1, 1), in the precision of a map."""
    return numbers.to(like.dtype)[:, :, None, None]


def plain_moments(image: Tensor) -> tuple[Tensor, Tensor]:
    precise = torch.promote_types(image.dtype, torch.float32)
    means = image.mean((2, 3), keepdim=True, dtype=precise)  # (B, C, 1, 1)
    return means.flatten(1), (image - means).square_().mean((2, 3))


def plain_normalization(
    mean: Tensor, variance: Tensor, of_channels: Sequence[Tensor], heard: Tensor, *, groups: int, eps: float
) -> tuple[Tensor, ...]:
    bias, weight, beta = of_channels
    mu, r = group_statistics(mean + bias, variance, groups=groups, eps=eps)  # (B, C) each
    scale, shift = heard.chunk(2, dim=1)  # (B, C) each
    factor = weight * (scale + 1) * r  # (B, C)
    return mu, r, factor, beta * (scale + 1) + shift + factor * (bias - mu)


def plain_normalization_slope(
    sums: Sequence[Tensor],
    numbers: Sequence[Tensor],
    of_channels: Sequence[Tensor],
    heard: Tensor,
    *,
    groups: int,
    pixels: int,
) -> tuple[Tensor, ...]:
    (P, Q), (mean, mu, r, factor), (bias, weight, beta) = sums, numbers, of_channels
    s, centered = heard.chunk(2, dim=1)[0] + 1, bias - mu  # (B, C) each
    R = r * (Q + centered * P)  # (B, C)
    a1 = -r.square() * group_mean(weight * s * R, groups) / pixels  # (B, C)
    a0 = a1 * centered - r * group_mean(weight * s * P, groups) / pixels  # (B, C)
    to_bias = (factor * P + pixels * (a1 * mean + a0)).sum(0)  # (C,)
    return a1, a0, to_bias, (s * R).sum(0), (s * P).sum(0), torch.cat([weight * R + beta * P, P], dim=1)


def plain_activated(image: Tensor, factor: Tensor, offset: Tensor, residual: Tensor | None) -> Tensor:
    z = torch.addcmul(wide(offset, image), image, wide(factor, image))
    result = nn.functional.silu(z, inplace=True)
    return result if residual is None else result.add_(residual)


def plain_slope_sums(gradient: Tensor, image: Tensor, factor: Tensor, offset: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    z = torch.addcmul(wide(offset, image), image, wide(factor, image))
    g: Tensor = torch.ops.aten.silu_backward.grad_input(gradient, z, grad_input=z)
    precise = torch.promote_types(image.dtype, torch.float32)
    return g.sum((2, 3), dtype=precise), (g * image).sum((2, 3), dtype=precise), g


def plain_combined(g: Tensor, image: Tensor, factor: Tensor, offset: Tensor, a1: Tensor, a0: Tensor) -> Tensor:
    rest = torch.addcmul(wide(a0, image), image, wide(a1, image))
    return g.mul_(wide(factor, g)).add_(rest)


PLAIN = Ways(
    plain_moments,
    plain_normalization,
    plain_activated,
    plain_slope_sums,
    plain_normalization_slope,
    plain_combined,
)
COMPILED = Ways(
    normalization_passes.moments,
    normalization_passes.normalization,
    normalization_passes.activated,
    normalization_passes.slope_sums,
    normalization_passes.normalization_slope,
    normalization_passes.combined,
)


def ways(image: Tensor) -> Ways:
    """Those for a map, here."""
    return COMPILED if kernels.take(image) else PLAIN
