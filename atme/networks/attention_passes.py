"""Passes of both attentions in C++ (cpp/linear_attention.cpp, cpp/full_attention.cpp), by tiles of pixels.

As in passes.py: for maps on a CPU, without gradients; linear_attention.py and full_attention.py have the derivatives.
"""

import torch
from torch import Tensor

from atme.networks.passes import call


def keys(x: Tensor, scale: Tensor, to_k: Tensor, *, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Of the keys K = N(x) γ W_kᵀ of linear attention: their maxima over pixels and, of e = exp(K − max K), sums.

    Args:
        x: pixels, (B, H, W, C).
        scale: γ (C,), in float32, as all else.
        to_k: W_k, (F, C).
        eps: of the norm.

    Returns:
        max K and Σ e, (B, F) each, and Σ e N(x) γ, (B, F, C), in float32.
    """
    most, total = (torch.empty(len(x), len(to_k)) for _ in range(2))
    context = torch.empty(len(x), *to_k.shape)
    call("keys", [x.dtype], x, scale, to_k, most, total, context, *_sizes(x, to_k), float(eps))
    return most, total, context


def attended(
    x: Tensor, scale: Tensor, to_q: Tensor, matrix: Tensor, bias: Tensor, out_scale: Tensor, *, head: int, eps: float
) -> Tensor:
    """x + N(q M + b) γ₂, with q the softmaxes, `head` features each, of N(x) γ W_qᵀ.

    Args:
        x: pixels, (B, H, W, C).
        scale: γ (C,), and `bias` and `out_scale` likewise, in float32, as all else.
        to_q: W_q, (F, C).
        matrix: M, (B, F, C).
        bias: b.
        out_scale: γ₂.
        head: features of a head.
        eps: of both norms.

    Returns:
        (B, H, W, C).
    """
    result = torch.empty_like(x)
    sizes = *_sizes(x, to_q), head, float(eps)
    call("attended", [x.dtype], x, scale, to_q, matrix, bias, out_scale, result, *sizes)
    return result


def queries_slope(
    gradient: Tensor,
    x: Tensor,
    scale: Tensor,
    to_q: Tensor,
    matrix: Tensor,
    bias: Tensor,
    out_scale: Tensor,
    *,
    head: int,
    eps: float,
) -> tuple[Tensor, ...]:
    """From the gradient of `attended` to what N(x) γ has of it by queries, (B, H, W, C), and to M, W_q, b, γ₂."""
    of_y = torch.empty_like(x)
    others = tuple(torch.empty_like(each) for each in (matrix, to_q, bias, out_scale))
    sizes = *_sizes(x, to_q), head, float(eps)
    call("queries_slope", [x.dtype], gradient, x, scale, to_q, matrix, bias, out_scale, of_y, *others, *sizes)
    return of_y, *others


def keys_slope(
    gradient: Tensor,
    x: Tensor,
    scale: Tensor,
    to_k: Tensor,
    most: Tensor,
    of_context: Tensor,
    same: Tensor,
    of_y: Tensor,
    *,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """From the gradient of `attended` to those of x, W_k and γ.

    Args:
        gradient: (B, H, W, C).
        x: pixels, as in `keys`, with `scale`, `to_k` and eps.
        scale: γ.
        to_k: W_k.
        most: max K, as `keys` says.
        of_context: the derivative of Σ e N(x) γ, (B, F, C).
        same: Σ over channels of that, times what a softmax makes of the sums, (B, F).
        of_y: what `queries_slope` says, which is overwritten.
        eps: as there.
    """
    of_to_k, of_scale = torch.empty_like(to_k), torch.empty_like(scale)
    sizes = *_sizes(x, to_k), float(eps)
    given = gradient, x, scale, to_k, most, of_context, same
    call("keys_slope", [x.dtype], *given, of_y, of_to_k, of_scale, *sizes)
    return of_y, of_to_k, of_scale


def fully_attended(qkv: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    """Attention of every pixel to every pixel, softmax(q kᵀ d^-½) v of each head.

    Args:
        qkv: queries, keys and values of pixels, one after the other, (B, N, 3·h·d).
        heads: h.

    Returns:
        (B, N, h·d), and the logarithms of the softmaxes' sums, (B, h, N), in float32.
    """
    batch, count, width = len(qkv), qkv.shape[1], qkv.shape[2] // 3
    result, logs = qkv.new_empty(batch, count, width), torch.empty(batch, heads, count)
    call("fully_attended", [qkv.dtype], qkv, result, logs, batch, count, heads, width // heads)
    return result, logs


def fully_attended_slope(gradient: Tensor, qkv: Tensor, result: Tensor, logs: Tensor) -> Tensor:
    """From the gradient of `fully_attended`, (B, N, h·d), to that of queries, keys and values, (B, N, 3·h·d)."""
    of_qkv, heads = torch.empty_like(qkv), logs.shape[1]
    sizes = len(qkv), qkv.shape[1], heads, result.shape[2] // heads
    call("fully_attended_slope", [qkv.dtype], gradient, qkv, result, logs, of_qkv, *sizes)
    return of_qkv


def _sizes(x: Tensor, weight: Tensor) -> tuple[int, ...]:
    """Images, pixels, channels, features."""
    return len(x), x[0, ..., 0].numel(), x.shape[-1], len(weight)
