"""Passes of fused.py in C++: moments of a map, what the step makes of them, and SiLU, with derivatives.

For maps on a CPU, and only where `kernels.take`. Numbers of a channel are (B, C), in float32 at least. What is computed
has no gradient: fused.py has the derivatives.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from atme.networks import passes


def moments(image: Tensor) -> tuple[Tensor, Tensor]:
    """(B, C, H, W) to the mean and the variance of each channel, (B, C) each.

    Taken in one pass, of what a channel differs from its mean over the first pixels, so that nothing cancels.
    """
    image = passes.beside_each_other(image)
    mean, variance = (_numbers(image) for _ in range(2))
    passes.call("moments", [image.dtype], image, mean, variance, *passes.sizes(image))
    return mean, variance


def normalization(
    mean: Tensor, variance: Tensor, of_channels: Sequence[Tensor], heard: Tensor, *, groups: int, eps: float
) -> tuple[Tensor, ...]:
    """From moments, (B, C) each, to μ, r, f, o of fused.py, (B, C) each.

    Args:
        mean: without the bias.
        variance: likewise.
        of_channels: bias, γ, β, (C,) each.
        heard: (B, 2 C), s − 1 and t, in the precision of moments.
        groups: of the norm.
        eps: added to the variance.
    """
    made = mean.new_empty(4, *mean.shape).unbind()
    numbers = *_in(mean.dtype, of_channels), heard.contiguous()
    passes.call("normalization", [mean.dtype], mean, variance, *numbers, *made, *mean.shape, groups, float(eps))
    return made


def normalization_slope(
    sums: Sequence[Tensor],
    numbers: Sequence[Tensor],
    of_channels: Sequence[Tensor],
    heard: Tensor,
    *,
    groups: int,
    pixels: int,
) -> tuple[Tensor, ...]:
    """From P and Q, (B, C) each, to a₁ and a₀, (B, C) each, ∂b, ∂γ, ∂β, (C,) each, and ∂s and ∂t, (B, 2 C).

    Args:
        sums: P and Q.
        numbers: mean, μ, r, f, (B, C) each.
        of_channels: as in `normalization`, and `heard` and `groups` likewise.
        pixels: of an image.
    """
    batch, channels = sums[0].shape
    kind = sums[0].dtype
    made = *sums[0].new_empty(2, batch, channels).unbind(), *sums[0].new_empty(3, channels).unbind()
    made = *made, sums[0].new_empty(batch, 2 * channels)
    given = *sums, *numbers, *_in(kind, of_channels), heard.contiguous()
    passes.call("normalization_slope", [kind], *given, *made, batch, pixels, channels, groups)
    return made


def activated(image: Tensor, factor: Tensor, offset: Tensor, residual: Tensor | None = None) -> Tensor:
    """SiLU(f x + o) + residual, (B, C, H, W)."""
    image = passes.beside_each_other(image)
    result = torch.empty_like(image)
    beside = None if residual is None else passes.beside_each_other(residual.to(image.dtype))
    passes.call(
        "activated", [image.dtype], image, _as(factor, image), _as(offset, image), beside, result, *passes.sizes(image)
    )
    return result


def slope_sums(gradient: Tensor, image: Tensor, factor: Tensor, offset: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Σ g and Σ g x, (B, C) each, with g = gradient · SiLU'(f x + o); and what `combined` goes on from."""
    image, gradient = passes.beside_each_other(image), passes.beside_each_other(gradient)
    P, Q = (_numbers(image) for _ in range(2))
    numbers = _as(factor, image), _as(offset, image)
    passes.call("slope_sums", [image.dtype], gradient, image, *numbers, P, Q, *passes.sizes(image))
    return P, Q, gradient


def combined(gradient: Tensor, image: Tensor, factor: Tensor, offset: Tensor, a1: Tensor, a0: Tensor) -> Tensor:
    """f g + a₁ x + a₀, (B, C, H, W), with g as in `slope_sums`."""
    image = passes.beside_each_other(image)
    result = torch.empty_like(image)
    numbers = (_as(each, image) for each in (factor, offset, a1, a0))
    passes.call("combined", [image.dtype], gradient, image, *numbers, result, *passes.sizes(image))
    return result


def _numbers(image: Tensor) -> Tensor:
    return torch.empty(image.shape[:2], dtype=passes.precise_kind(image))


def _as(numbers: Tensor, image: Tensor) -> Tensor:
    """Numbers of a channel in the precision of sums, (B, C) beside each other."""
    kind, size = passes.precise_kind(image), image.shape[:2]
    if numbers.dtype == kind and numbers.shape == size:  # as a rule: three operations would take as long as the pass
        return numbers.contiguous()
    return numbers.to(kind).expand(size).contiguous()


def _in(kind: torch.dtype, numbers: Sequence[Tensor]) -> list[Tensor]:
    return [each.to(kind).contiguous() for each in numbers]
