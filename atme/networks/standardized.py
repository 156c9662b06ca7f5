"""Convolutions with standardized weights, and what lies before them, with derivatives of their own, for maps on a CPU.

Standardized weights are ŵ = (w − m) r of each row, with m its mean and r = 1 / √(variance + ε). From the gradient g
of ŵ,

    ∂w = r (g − mean g − ŵ mean g ŵ).

Kept for the backward pass are maps and weights as they are; ŵ, and the map after norm and SiLU that a second
convolution reads (fused.py), are made again there, which takes a pass over memory and saves an array of their size.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from atme.networks import few_pixels, winograd
from atme.networks.fused import Numbers, derivative, heard_or_none, ways
from atme.networks.standard_weights import standardized, standardized_slope


def convolved(
    image: Tensor, beside: Tensor | None, weight: Tensor, *, eps: float
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Convolution that keeps the size, of a map and perhaps a second one with more channels, without a bias.

    Args:
        image: (B, C₁, H, W).
        beside: (B, C₂, H, W), or None.
        weight: (C', C₁ + C₂, k, k), to be standardized, k odd.
        eps: added to the weights' variance.

    Returns:
        (B, C', H, W), and both maps as they are, for what else reads them: the gradients of these readers are then
        added where those of the convolution are written, instead of by a pass over all of them.
    """
    result, image, *others = StandardizedConvolution.apply(image, beside, weight, eps)
    return result, image, others[0] if others else None


def normalized_and_convolved(
    image: Tensor,
    bias: Tensor | None,
    norm: nn.GroupNorm,
    scale_shift: Tensor | None,
    weight: Tensor,
    *,
    eps: float,
) -> Tensor:
    """A convolution of `fused.normalize_scale_silu`, of which that map is not kept.

    Args:
        image: (B, C, H, W).
        bias: (C,) of the convolution that made x; None is 0.
        norm: with scale and shift.
        scale_shift: (B, 2 C): s − 1 and t, or None for s = 1, t = 0.
        weight: (C', C, k, k), to be standardized, k odd.
        eps: added to the weights' variance.

    Returns:
        (B, C', H, W).
    """
    bias, scale_shift = heard_or_none(bias, scale_shift, norm, images=len(image))
    of_norm = bias, norm.weight, norm.bias, scale_shift, norm.num_groups, norm.eps
    result: Tensor = NormalizedConvolution.apply(image, *of_norm, weight, eps)
    return result


class StandardizedConvolution(torch.autograd.Function):
    """`convolved`, with its derivative."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, beside: Tensor | None, weight: Tensor, eps: float) -> tuple[Tensor, ...]:
        """(B, C₁, H, W), (B, C₂, H, W), (C', C₁ + C₂, k, k) to (B, C', H, W) and the maps."""
        given = [each for each in (image, beside) if each is not None]
        maps = [each.to(kind_of(image)) for each in given]
        result, statistics = convolved_of(maps, weight, eps=eps)  # (B, C', H, W); (C', 2)
        ctx.save_for_backward(weight, statistics, *maps)
        ctx.eps = eps
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*(each for each in given if not each.requires_grad))
        return result, *given

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor | None, *others: Tensor | None) -> tuple[Tensor | None, ...]:
        """As in the file's head; to a map's gradient those of its other readers are added."""
        weight, statistics, *maps = ctx.saved_tensors
        alone = [None] * (2 - len(maps))
        if gradient is None:  # nothing reads the result
            return *others, *alone, None, None
        wanted = list(ctx.needs_input_grad[: len(maps)])
        kind = maps[0].dtype if statistics is not None else None  # of what is added where it is written
        more = [each if each is not None and each.dtype == kind else None for each in others]
        to_maps, to_weight = derivatives(gradient, maps, weight, statistics, eps=ctx.eps, wanted=wanted, more=more)
        added = [
            slope if slope is None or other is None or within is not None else slope + other
            for slope, other, within in zip(to_maps, others, more, strict=True)
        ]
        return *added, *alone, to_weight, None


class NormalizedConvolution(torch.autograd.Function):
    """`normalized_and_convolved`, with its derivative."""

    @staticmethod
    def forward(
        ctx: Any,
        image: Tensor,
        bias: Tensor,
        scale: Tensor,
        beta: Tensor,
        scale_shift: Tensor,
        groups: int,
        norm_eps: float,
        weight: Tensor,
        eps: float,
    ) -> Tensor:
        """(B, C, H, W), (C,) three times, (B, 2 C), and (C', C, k, k) to (B, C', H, W)."""
        numbers = Numbers.of(image, bias, scale, beta, scale_shift, groups=groups, eps=norm_eps)
        active = ways(image).activated(image, numbers.factor, numbers.offset, None)  # (B, C, H, W)
        result, statistics = convolved_of([active], weight, eps=eps)  # (B, C', H, W); (C', 2)
        ctx.save_for_backward(image, bias, scale, beta, weight, statistics, *numbers.kept())
        ctx.groups, ctx.eps, ctx.heard = groups, eps, scale_shift.dtype
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """As in the heads of this file and of fused.py."""
        image, bias, scale, beta, weight, statistics, *kept = ctx.saved_tensors
        numbers = Numbers(*kept)
        active = ways(image).activated(image, numbers.factor, numbers.offset, None)  # (B, C, H, W)
        (to_active,), to_weight = derivatives(gradient, [active], weight, statistics, eps=ctx.eps, wanted=[True])
        del active
        assert to_active is not None
        to_image, *others, to_heard = derivative(to_active, image, bias, scale, beta, numbers, groups=ctx.groups)
        return to_image, *others, to_heard.to(ctx.heard), None, None, to_weight, None


def kind_of(image: Tensor) -> torch.dtype:
    """The precision that a convolution of this map is computed in."""
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else image.dtype


def groups_of(maps: Sequence[Tensor], weight: Tensor) -> list[list[Tensor]]:
    """Which maps are convolved together: all, where Winograd's takes them so, else each by itself."""
    if winograd.pays(maps, weight, border=border_of(weight)):
        return [list(maps)]
    return [[each] for each in maps]


def channels(maps: Sequence[Tensor]) -> int:
    """Of all."""
    return sum(each.shape[1] for each in maps)


def read_as(maps: Sequence[Tensor], weight: Tensor) -> tuple[list[int], torch.dtype]:
    """How `convolved_by` reads ŵ: channels of each group of maps, and as Winograd's reads it where that takes one."""
    groups, kind = groups_of(maps, weight), maps[0].dtype
    taken = any(winograd.pays(group, weight, border=border_of(weight)) for group in groups)
    return [channels(group) for group in groups], winograd.read_in(kind) if taken else kind


def made_for(maps: Sequence[Tensor], weight: Tensor, *, eps: float) -> tuple[list[Tensor], tuple[Tensor, ...]]:
    """ŵ as `convolved_by` reads it, and m and r of each row."""
    split, kind = read_as(maps, weight)
    return standardized(weight, split, kind, eps=eps)


def border_of(weight: Tensor) -> int:
    """With which a convolution keeps the size."""
    return weight.shape[2] // 2


def convolved_by(maps: list[Tensor], weights: list[Tensor]) -> Tensor:
    """conv([a b]) = conv_a(a) + conv_b(b), by what `made_for` made: the two are never copied into one."""
    border, groups = border_of(weights[0]), groups_of(maps, weights[0])
    parts = (convolved_alone(group, made, border) for group, made in zip(groups, weights, strict=True))
    result = next(parts)
    for part in parts:
        result.add_(part)
    return result


def convolved_of(maps: list[Tensor], weight: Tensor, *, eps: float) -> tuple[Tensor, Tensor | None]:
    """conv([a b]) by weights that are not standardized yet: (B, C', H, W); and (C', 2) where `read_as_they_are`."""
    if not read_as_they_are(maps, weight):
        return convolved_by(maps, made_for(maps, weight, eps=eps)[0]), None
    statistics = weight.new_empty(len(weight), 2)
    return winograd.convolved(maps, weight, border=border_of(weight), statistics=statistics, eps=eps), statistics


def read_as_they_are(maps: Sequence[Tensor], weight: Tensor) -> bool:
    """Whether all maps are for winograd.py, as one: it standardizes weights where it reads them."""
    return weight.dtype == torch.float32 and winograd.pays(maps, weight, border=border_of(weight))


def convolved_alone(group: list[Tensor], made: Tensor, border: int) -> Tensor:
    """The convolution of a group of maps by their ŵ."""
    if winograd.pays(group, made, border=border):
        return winograd.convolved(group, made, border=border)
    with torch.autocast("cpu", enabled=False):
        return F.conv2d(group[0], made.to(group[0].dtype), padding=border)


def derivatives(
    gradient: Tensor,
    maps: list[Tensor],
    weight: Tensor,
    statistics: Tensor | None,
    *,
    eps: float,
    wanted: list[bool],
    more: Sequence[Tensor | None] = (None, None),
) -> tuple[list[Tensor | None], Tensor]:
    """∂ of each map that is wanted, and ∂w, from the gradient of the convolution, and what `convolved_of` gave.

    With statistics, `more` may be added to that of each map.
    """
    if statistics is not None:
        return by_winograd(gradient, maps, weight, statistics, wanted=wanted, more=more)
    return one_by_one(gradient, maps, weight, eps=eps, wanted=wanted)


def one_by_one(
    gradient: Tensor, maps: list[Tensor], weight: Tensor, *, eps: float, wanted: list[bool]
) -> tuple[list[Tensor | None], Tensor]:
    """The same by ŵ, of each group of maps."""
    to_maps: list[Tensor | None] = []
    to_made: list[Tensor] = []
    made, statistics = made_for(maps, weight, eps=eps)
    wants = iter(wanted)
    for group, of_group in zip(groups_of(maps, weight), made, strict=True):
        of_each = [next(wants) for _ in group]
        if winograd.pays(group, weight, border=border_of(weight)):
            to_group, to_weights = by_winograd(gradient, group, of_group, None, wanted=of_each)
        else:
            to_group, to_weights = directly(gradient, group[0], of_group, wanted=of_each[0])
        to_maps.extend(to_group)
        to_made.append(to_weights)
    kind = max((each.dtype for each in to_made), key=lambda kind: kind.itemsize)  # of one map alone, it may be float32
    to_made = [each.to(kind) for each in to_made]
    return to_maps, standardized_slope(to_made, weight, statistics)


def by_winograd(
    gradient: Tensor,
    maps: list[Tensor],
    weight: Tensor,
    statistics: Tensor | None,
    *,
    wanted: list[bool],
    more: Sequence[Tensor | None] = (None, None),
) -> tuple[list[Tensor | None], Tensor]:
    """∂ of each map that is wanted, and of the weights; with statistics they are w, and ŵ without."""
    gradient, border = gradient.to(maps[0].dtype), border_of(weight)
    to_maps = winograd.all_maps_slopes(
        gradient, maps, weight, border=border, wanted=wanted, statistics=statistics, more=more
    )
    standardized = None if statistics is None else (weight, statistics)
    side = weight.shape[2]
    return to_maps, winograd.weights_slope(maps, gradient, side=side, border=border, standardized=standardized)


def directly(gradient: Tensor, image: Tensor, made: Tensor, *, wanted: bool) -> tuple[list[Tensor | None], Tensor]:
    """∂ of one map, if it is wanted, and of its ŵ."""
    gradient, made = gradient.to(image.dtype), made.to(image.dtype)
    border, side = border_of(made), made.shape[2]
    few, shape = few_pixels.are_few(image), ([1, 1], [border, border], [1, 1], False, [0, 0], 1)
    to_map, to_made, _ = torch.ops.aten.convolution_backward(
        gradient, image, made, None, *shape, [wanted, not few, False]
    )
    if few:
        to_made = few_pixels.weights_slope(gradient, image, side)
    return [to_map if wanted else None], to_made
