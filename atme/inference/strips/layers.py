"""Each layer of the package's networks on a map in strips: what is local is a rule, what is global a sweep first."""

from functools import singledispatch

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from atme.inference.strips.rows import Rows, beside, through
from atme.inference.strips.shelf import Shelf
from atme.inference.strips.statistics import Context, Moments
from atme.networks.attention import Attention, LinearAttention, pixels, unpixels
from atme.networks.block import Block, standardize
from atme.networks.fused import group_statistics


@singledispatch
def layered(layer: nn.Module, rows: Rows, shelf: Shelf) -> Rows:
    """A layer's answer to a map.

    Raises:
        ValueError: for a layer that is not known.
    """
    raise ValueError(f"exact: how {type(layer).__name__} works in strips is not known; leave --exact out")


@layered.register
def _sequence(layer: nn.Sequential, rows: Rows, shelf: Shelf) -> Rows:
    for each in layer:
        rows = layered(each, rows, shelf)
    return rows


@layered.register(nn.ReLU)
@layered.register(nn.LeakyReLU)
@layered.register(nn.Tanh)
@layered.register(nn.Identity)
def _pixelwise(layer: nn.Module, rows: Rows, shelf: Shelf) -> Rows:
    return through(layer, rows, channels=rows.channels)


@layered.register
def _dropout(layer: nn.Dropout, rows: Rows, shelf: Shelf) -> Rows:
    if layer.training and layer.p > 0:
        raise ValueError("exact: what dropout draws for a whole picture cannot be drawn in strips; leave --exact out")
    return rows


@layered.register
def _convolution(layer: nn.Conv2d, rows: Rows, shelf: Shelf) -> Rows:
    kernel, stride, padding = layer.kernel_size[0], layer.stride[0], int(layer.padding[0])
    height, width = ((side + 2 * padding - kernel) // stride + 1 for side in (rows.height, rows.width))
    channels = layer.out_channels
    return through(layer, rows, channels=channels, reach=kernel, down=stride, size=(height, width))


@layered.register
def _transposed(layer: nn.ConvTranspose2d, rows: Rows, shelf: Shelf) -> Rows:
    return through(layer, rows, channels=layer.out_channels, reach=layer.kernel_size[0], up=layer.stride[0])


@layered.register(_InstanceNorm)
@layered.register(_BatchNorm)
def _normalization(layer: _InstanceNorm | _BatchNorm, rows: Rows, shelf: Shelf) -> Rows:
    """Over the whole picture; with running statistics it is pixelwise."""
    if not layer.training and layer.running_mean is not None:
        return through(layer, rows, channels=rows.channels)
    kept, moments = _seen(rows, shelf)
    factor = (moments.variance + layer.eps).rsqrt()[0]  # (C,)
    offset = -moments.mean[0] * factor
    if layer.affine:
        factor, offset = factor * layer.weight, offset * layer.weight + layer.bias
    return through(lambda strip: scaled(strip, factor, offset), kept, channels=rows.channels)


def _seen(rows: Rows, shelf: Shelf) -> tuple[Rows, Moments]:
    """A map that is kept, and its moments."""
    moments = Moments()
    return shelf.store(rows, moments.see), moments


def scaled(strip: Tensor, factor: Tensor, offset: Tensor) -> Tensor:
    """f x + o, each (C,), in the strip's precision."""
    shape = (1, -1, 1, 1)
    return torch.addcmul(offset.to(strip.dtype).view(shape), strip, factor.to(strip.dtype).view(shape))


def block(layer: Block, *maps: Rows, scale_shift: Tensor | None, residual: Rows | None, shelf: Shelf) -> Rows:
    """`networks.block.Block`: what follows the sweep is f x + o and SiLU, as in `networks.fused`."""
    weight, norm = standardize(layer.conv.weight, eps=layer.eps), layer.norm
    convolved = through(
        lambda strip: F.conv2d(strip, weight, layer.conv.bias, padding=1),
        maps[0] if len(maps) == 1 else beside(*maps),
        channels=layer.conv.out_channels,
        reach=1,
    )
    kept, moments = _seen(convolved, shelf)
    mu, r = group_statistics(moments.mean, moments.variance, groups=norm.num_groups, eps=norm.eps)  # (1, C) each
    factor, offset = norm.weight * r, norm.bias - norm.weight * r * mu  # (1, C) each
    if scale_shift is not None:
        scale, shift = scale_shift.double().chunk(2, dim=1)  # (1, C) each
        factor, offset = factor * (scale + 1), offset * (scale + 1) + shift

    def activated(strip: Tensor, *residual: Tensor) -> Tensor:
        result = F.silu(scaled(strip, factor, offset), inplace=True)  # (1, C', h, W)
        return result + residual[0] if residual else result

    return through(activated, kept, *([] if residual is None else [residual]), channels=kept.channels)


@layered.register
def _linear_attention(layer: LinearAttention, rows: Rows, shelf: Shelf) -> Rows:
    """A sweep for T of `networks.linear_attention`, from which each pixel has its answer."""
    context = Context()
    to_q, to_k, to_v = layer.qkv.weight.chunk(3)  # (h·d, C, 1, 1) each

    def see(top: int, strip: Tensor) -> None:
        y = layer.norm(pixels(strip))  # (1, N, C)
        context.see(pixels(F.conv2d(unpixels(y, like=strip), to_k)), y)

    def attended(strip: Tensor) -> Tensor:
        y = layer.norm(pixels(strip))  # (1, N, C)
        q = pixels(F.conv2d(unpixels(y, like=strip), to_q)).unflatten(2, (layer.heads, -1))  # (1, N, h, d)
        mixed = torch.baddbmm(layer.out.bias, q.softmax(3).flatten(2), matrix)  # (1, N, C)
        return strip + unpixels(layer.out_norm(mixed), like=strip)  # (1, C, h, W)

    shelf.sweep(rows, see)
    matrix = layer.project(context.mean, to_v.flatten(1)) / context.pixels  # (1, h·d, C)
    return through(attended, rows, channels=rows.channels)


@layered.register
def _attention(layer: Attention, rows: Rows, shelf: Shelf) -> Rows:
    """Keys and values of all pixels are held; each strip asks them. The cost is that of the whole: pixels squared."""
    to_q, to_kv = layer.qkv.weight.tensor_split([layer.qkv.weight.shape[0] // 3])  # (h·d, C, 1, 1), (2 h·d, C, 1, 1)
    kept: list[Tensor] = []

    def features(strip: Tensor, weight: Tensor, count: int) -> Tensor:
        y = unpixels(layer.norm(pixels(strip)), like=strip)  # (1, C, h, W)
        made: Tensor = pixels(F.conv2d(y, weight)).unflatten(2, (count, layer.heads, -1))  # (1, n, count, heads, d)
        return made.permute(2, 0, 3, 1, 4)  # (count, 1, heads, n, d)

    def asked(strip: Tensor) -> Tensor:
        (q,) = features(strip, to_q, 1)  # (1, heads, n, d)
        seen = F.scaled_dot_product_attention(q, k, v)  # (1, heads, n, d)
        result: Tensor = strip + unpixels(layer.out(seen.transpose(1, 2).flatten(2)), like=strip)  # (1, C, h, W)
        return result

    shelf.sweep(rows, lambda top, strip: kept.append(features(strip, to_kv, 2)))
    k, v = torch.cat(kept, dim=3)  # (1, heads, N, d) each
    kept.clear()
    with shelf.holding(k, v):
        return shelf.store(through(asked, rows, channels=rows.channels))


def enlarged(rows: Rows, size: tuple[int, int]) -> Rows:
    """`F.interpolate(…, mode="bilinear")` to (H', W')."""
    height, width = size
    ratio = rows.height / height

    def read(a: int, b: int) -> Tensor:
        place = ((torch.arange(a, b) + 0.5) * ratio - 0.5).clamp(min=0)  # between rows, from 0 on
        above = place.long().clamp(max=rows.height - 1)
        below = (above + 1).clamp(max=rows.height - 1)
        first = int(above[0])
        strip = rows.read(first, int(below[-1]) + 1)  # (1, C, h, W)
        wide = F.interpolate(strip, (strip.shape[2], width), mode="bilinear")  # (1, C, h, W')
        share = (place - above).to(wide)[:, None]  # (b − a, 1)
        return torch.lerp(wide[:, :, above - first], wide[:, :, below - first], share)  # (1, C, b − a, W')

    return Rows(rows.channels, height, width, read)
