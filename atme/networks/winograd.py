"""Convolutions by Winograd's minimal filtering, on a CPU: a fraction of the multiplications.

Lavin and Gray 2016, arXiv 1509.09308; cpp/winograd.cpp says how. Of a map, windows of 6 × 6 pixels are multiplied by
weights as 36 numbers each, where k × k taps give (7 − k)² results: four times fewer products for 3 × 3 and 4 × 4 taps,
2.8 times fewer for 2 × 2. Sums are taken in float32, also of bfloat16 maps. Rounding of results is about twice, and of
gradients of weights up to four times, that of a direct convolution in float32 (1e-6 of the norm at 64 channels); in
bfloat16 it is less than a direct one's, since weights stay in float32.

Gradients of bfloat16 maps are multiplied in bfloat16, two by two, where the processor does that (AVX512-BF16): half
the time. Each is off by 1.2 % of its norm then, where a direct one is by 0.24 %, with its result rounded. All gradients
of the diffusion U-Net, taken as one, still lie nearer to float64 than by direct convolutions (0.36 to 1.1 % beside 0.56
to 1.6 %, nine networks and pictures), since what goes forward is more precise.

Processors with a matrix unit for bfloat16 (AMX, on Linux) are faster by direct convolutions of bfloat16 maps, so there
the functions of this file compute these instead (`directly`; cpp/direct.cpp), with weights in bfloat16 and sums in
float32: no rounding but what bfloat16 itself has. With 64 channels or more they take 4 to 38 % less time than PyTorch's
(oneDNN's), and gradients of weights 24 to 75 %, most where pixels are few.
"""

import ctypes
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from atme.networks import kernels, passes

SIDES = (2, 3, 4)
"""Of weights that there are passes for."""

WINDOW = 6
"""Side of what is read for a tile of results."""

LEAST = 4
"""Tiles of a batch from which on it pays: for each of them 36 values of all weights are made. 64 pixels are 4 tiles for
3 × 3 taps."""

WASTED = 2.0
"""Times as many results as there are pixels, made in tiles that overhang, up to which it pays."""


def pays(maps: Sequence[Tensor], weight: Tensor, *, border: int) -> bool:
    """Whether a convolution of maps, and its gradients, are for the functions of this file, here.

    Args:
        maps: one or two, (B, Cᵢ, H, W).
        weight: (C', C, k, k).
        border: of zeros around the maps.
    """
    image, side = maps[0], weight.shape[2]
    if weight.shape[3] != side or image.dtype not in (torch.float32, torch.bfloat16) or not kernels.take(image):
        return False
    two_at_once = side == 1 and len(maps) == 2 and directly(image.dtype)  # of one map, oneDNN's product is as fast
    if side not in SIDES and not two_at_once:
        return False
    if len(maps) > 2 or any(channels % lanes() for channels in (len(weight), *(each.shape[1] for each in maps))):
        return False
    batch, _, *size = image.shape
    height, width = (pixels + 2 * border - side + 1 for pixels in size)
    if directly(image.dtype):
        return min(height, width) > 0
    results = WINDOW + 1 - side
    tiles = batch * -(-height // results) * -(-width // results)
    return min(height, width) > 0 and LEAST <= tiles <= WASTED * batch * height * width / results**2


def directly(kind: torch.dtype) -> bool:
    """Whether maps of this precision are convolved directly here: the processor has a matrix unit for it."""
    return kind == torch.bfloat16 and matrix_unit()


def read_in(kind: torch.dtype) -> torch.dtype:
    """The precision in which weights are read, for maps of this one."""
    return kind if directly(kind) else torch.float32


def convolved(
    maps: Sequence[Tensor],
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    border: int,
    statistics: Tensor | None = None,
    eps: float | None = None,
    halved: bool = False,
) -> Tensor:
    """The convolution of maps that are read as one, of stride 1.

    Args:
        maps: one or two, (B, Cᵢ, H, W).
        weight: (C', C, k, k), C of all maps; in float32, or in another precision as `read_in` says.
        bias: (C',), read in float32, or None.
        border: of zeros around the maps.
        statistics: (C', 2), mean m and r of each row of weights in float32: (w − m) r is what they are convolved with.
        eps: statistics are taken first, with r = 1 / √(variance + ε).
        halved: only where `directly`: weights are (C', C / 4, 4, 4), and read as 2 × 2 taps, as strided.py says.

    Returns:
        (B, C', H', W') in the maps' precision, H' = H + 2 border − k + 1.
    """
    read = weight, statistics, eps
    return _convolved(maps, *read, bias, border=border, back=False, first=0, count=len(weight), halved=halved)


def maps_slope(
    gradient: Tensor,
    weight: Tensor,
    *,
    border: int,
    first: int,
    count: int,
    statistics: Tensor | None = None,
    more: Tensor | None = None,
    start: Tensor | None = None,
    halved: bool = False,
) -> Tensor:
    """From the gradient (B, C', H', W') of `convolved` to that of a map, (B, count, H, W).

    Args:
        gradient: of the result.
        weight: as there, and `border` and `statistics` likewise.
        first: of the map's channels among those of all maps.
        count: of its channels.
        more: (B, count, H, W) in the gradient's precision, added to it before it is rounded.
        start: (count,), added likewise, read in float32.
        halved: as there.
    """
    border = _taps(weight, halved)[2] - 1 - border
    read = weight, statistics, None
    return _convolved([gradient], *read, start, more, border=border, back=True, first=first, count=count, halved=halved)


def all_maps_slopes(
    gradient: Tensor,
    maps: Sequence[Tensor],
    weight: Tensor,
    *,
    border: int,
    wanted: Sequence[bool],
    statistics: Tensor | None = None,
    more: Sequence[Tensor | None] = (None, None),
) -> list[Tensor | None]:
    """`maps_slope` of each map that is wanted."""
    slopes: list[Tensor | None] = []
    first = 0
    for each, wants, others in zip(maps, wanted, more, strict=False):
        count, slope = each.shape[1], None
        if wants:
            slope = maps_slope(
                gradient, weight, border=border, first=first, count=count, statistics=statistics, more=others
            )
        slopes.append(slope)
        first += count
    return slopes


def weights_slope(
    maps: Sequence[Tensor],
    gradient: Tensor,
    *,
    side: int,
    border: int,
    standardized: tuple[Tensor, Tensor] | None = None,
    halved: bool = False,
) -> Tensor:
    """From the gradient (B, C', H', W') of `convolved` to that of the weights, (C', C, side, side), in float32.

    Args:
        maps: as there, and `border` likewise.
        gradient: of the result.
        side: of the weights.
        standardized: weights and statistics, as there: then it is the gradient of w rather than that of (w − m) r.
        halved: as there; `side` is 4.
    """
    maps, gradient = [passes.beside_each_other(each) for each in maps], passes.beside_each_other(gradient)
    channels, rows = sum(each.shape[1] for each in maps) // (4 if halved else 1), gradient.shape[1]
    result = torch.empty(rows, channels, side, side, memory_format=torch.channels_last)
    weight, statistics = standardized or (None, None)
    weight = None if weight is None else passes.beside_each_other(weight)
    given = *_two(maps), gradient, weight, statistics, result, *_sizes(maps, border=border), rows
    if directly(gradient.dtype):
        passes.call("weights_slope_directly", [], *given, *_taps(result, halved)[2:])
    else:
        passes.call(f"weights_slope_{side}", [gradient.dtype], *given)
    return result


def _convolved(
    maps: Sequence[Tensor],
    weight: Tensor,
    statistics: Tensor | None,
    eps: float | None,
    bias: Tensor | None,
    more: Tensor | None = None,
    *,
    border: int,
    back: bool,
    first: int,
    count: int,
    halved: bool,
) -> Tensor:
    kind = maps[0].dtype
    if weight.dtype not in (torch.float32, read_in(kind)):
        weight = weight.to(read_in(kind))
    maps, weight = [passes.beside_each_other(each) for each in maps], passes.beside_each_other(weight)
    bias = None if bias is None else bias.float()
    rows, columns, side, half = _taps(weight, halved)
    batch, _, *size = maps[0].shape
    height, width = (pixels + 2 * border - side + 1 for pixels in size)
    result = torch.empty(batch, count, height, width, dtype=kind, memory_format=torch.channels_last)
    more = None if more is None else passes.beside_each_other(more)
    given = *_two(maps), weight, statistics, bias, more, result, *_sizes(maps, border=border)
    wanted = rows, columns, int(back), first, count, -1.0 if eps is None else float(eps)
    if directly(kind):
        passes.call("convolved_directly", [weight.dtype], *given, *wanted, side, half)
    else:
        passes.call(f"convolved_{side}", [kind], *given, *wanted)
    return result


def _taps(weight: Tensor, halved: bool) -> tuple[int, int, int, int]:
    """Rows, columns and side of weights as they are read, and how many columns are two pixels', if they are halved."""
    rows, channels, side, _ = weight.shape
    return (rows, 4 * channels, side // 2, 2 * channels) if halved else (rows, channels, side, 0)


def _two(maps: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
    return maps[0], maps[1] if len(maps) == 2 else None


def _sizes(maps: Sequence[Tensor], *, border: int) -> tuple[int, ...]:
    """Images, height, width, border, channels of both maps."""
    batch, channels, height, width = maps[0].shape
    return batch, height, width, border, channels, maps[1].shape[1] if len(maps) == 2 else 0


@cache
def lanes() -> int:
    """Channels come in multiples of this."""
    return _number("lanes")


@cache
def matrix_unit() -> bool:
    """Whether the processor multiplies matrices of bfloat16 by a unit of its own (AMX)."""
    return bool(_number("matrix_unit"))


@cache
def multiplies_pairs() -> bool:
    """Whether the processor multiplies bfloat16 two by two (AVX512-BF16)."""
    return bool(_number("multiplies_pairs"))


def _number(name: str) -> int:
    told = getattr(kernels.library(), name)
    told.restype = ctypes.c_int
    return int(told())
