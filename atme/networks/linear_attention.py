"""Linear attention as one step with its own derivative, for maps on a CPU.

With X the N pixels of an image, N(·) the normalization of each over its channels, and Ŷ = N(X) γ₁,

    A = Ŷ W_qᵀ,   K = Ŷ W_kᵀ,   q = softmax of A over the features of a head,   e = exp(K − max_n K),   s = Σ_n e,
    T = eᵀ Ŷ / s,   M = the matrix that attention.py makes of T, W_v and W_o,   Z = q M + b,   result = X + N(Z) γ₂.

The derivative, with a bar over what it belongs to:

    q̄ = Z̄ Mᵀ,   M̄ = qᵀ Z̄,   T̄ from M̄,   Ā = q (q̄ − Σ_d q q̄),   K̄ = e (Ŷ T̄ᵀ − Σ_c T T̄) / s,
    Y̅ = Ā W_q + K̄ W_k + e T̄ / s,   W̄_q = Āᵀ Ŷ,   W̄_k = K̄ᵀ Ŷ;

the sum over pixels in a softmax's derivative, Σ_n k k̄, is Σ_c T T̄: no pass over the pixels. Ŷ, q and Z are made again.

`AttendByTiles` takes a few pixels at a time, whose A, K and so on never lie in memory as maps: at 256 pixels and 64
channels 61 ms forward and back in bfloat16, and 102 in float32, where `LinearAttend`, pass after pass, takes 80 and 154
(one core of an AMD EPYC); with a matrix unit (AMX) 77 for 94 in bfloat16. That one is for float64 and channels that
fill no whole vectors; it keeps e, too.

Its products that add up over pixels, such as eᵀ Ŷ, are PyTorch's in places, and taken in pieces where there are few
images: the library's bfloat16 product of two tall matrices took 20 ms in one piece and 2.5 ms in 64 (65,536 pixels, 64
and 128 features).
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from atme.networks import attention_passes, passes, products, winograd
from atme.networks.kernels import precise

PIECE = 1024
"""Pixels of a piece, about."""


def by_tiles(x: Tensor, features: int) -> bool:
    """Whether `AttendByTiles` is for these pixels, (B, H, W, C), here: channels and features in whole vectors."""
    whole = x.shape[-1] % winograd.lanes() == features % winograd.lanes() == 0
    return x.dtype in (torch.float32, torch.bfloat16) and whole


class AttendByTiles(torch.autograd.Function):
    """The step of the file's head in two passes over the pixels, and two back; where `by_tiles`.

    M = U W_o of each head, with U = T W_vᵀ d^-½ / N. Kept are X and what has no pixels.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        scale: Tensor,
        to_q: Tensor,
        to_k: Tensor,
        to_v: Tensor,
        to_out: Tensor,
        bias: Tensor,
        out_scale: Tensor,
        heads: int,
        eps: float,
    ) -> Tensor:
        """Pixels (B, H, W, C), γ₁ (C,), W_q, W_k and W_v (h·d, C), W_o (C, h·d), b, γ₂ (C,), to (B, H, W, C)."""
        numbers = [each.float().contiguous() for each in (scale, to_q, to_k, bias, out_scale)]
        scale, to_q, to_k, bias, out_scale = numbers
        value, out = by_head(to_v.float(), to_out.float(), heads)  # (h, d, C) each
        factor = value.shape[1] ** -0.5 / (x.shape[1] * x.shape[2])
        most, s, T = attention_passes.keys(x, scale, to_k, eps=eps)  # (B, h·d) twice, (B, h·d, C)
        T = (T / s[:, :, None]).unflatten(1, (heads, -1))  # (B, h, d, C)
        U = T @ value.transpose(1, 2) * factor  # (B, h, d, d)
        M = (U @ out).flatten(1, 2)  # (B, h·d, C)
        ctx.save_for_backward(x, *numbers, value, out, most, s, T, U, M)
        ctx.factor, ctx.eps = factor, eps
        return attention_passes.attended(x, scale, to_q, M, bias, out_scale, head=value.shape[1], eps=eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """As in the file's head."""
        x, scale, to_q, to_k, bias, out_scale, value, out, most, s, T, U, M = ctx.saved_tensors
        gradient, head, eps = gradient.contiguous(), value.shape[1], ctx.eps
        of_y, of_M, of_to_q, of_bias, of_out_scale = attention_passes.queries_slope(
            gradient, x, scale, to_q, M, bias, out_scale, head=head, eps=eps
        )
        of_M = of_M.unflatten(1, (-1, head))  # (B, h, d, C)
        of_out = (U.transpose(2, 3) @ of_M).sum(0)  # (h, d, C)
        of_U = of_M @ out.transpose(1, 2) * ctx.factor  # (B, h, d, d)
        of_value = (of_U.transpose(2, 3) @ T).sum(0)  # (h, d, C)
        of_T = (of_U @ value).flatten(1, 2) / s[:, :, None]  # (B, h·d, C): T̄ / s
        same = (T.flatten(1, 2) * of_T).sum(2)  # (B, h·d)
        of_x, of_to_k, of_scale = attention_passes.keys_slope(gradient, x, scale, to_k, most, of_T, same, of_y, eps=eps)
        of_weights = of_to_q, of_to_k, of_value.flatten(0, 1), of_out.flatten(0, 1).T
        return of_x, of_scale, *of_weights, of_bias, of_out_scale, None, None


def by_head(to_v: Tensor, to_out: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    """W_v (h·d, C) and W_o (C, h·d) of each head, (h, d, C) both."""
    return to_v.unflatten(0, (heads, -1)), to_out.T.unflatten(0, (heads, -1))


class LinearAttend(torch.autograd.Function):
    """The step of the file's head; to be called only where kernels are available."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        scale: Tensor,
        to_q: Tensor,
        to_k: Tensor,
        value: Tensor,
        bias: Tensor,
        out_scale: Tensor,
        heads: int,
        eps: float,
    ) -> Tensor:
        """Pixels (B, H, W, C), γ₁ (C,), W_q and W_k (h·d, C), V (h, C, C) so that M = T V, b, γ₂, to (B, H, W, C)."""
        kind = x.dtype
        y = passes.normalized(x, scale, eps=eps)  # (B, H, W, C)
        q = passes.softmax_(products.times(y, to_q.to(kind).T), len(to_q) // heads)  # (B, H, W, h·d)
        e = products.times(y, to_k.to(kind).T)  # (B, H, W, h·d): K
        s = passes.exponentials_(e)[:, :, None]  # (B, h·d, 1)
        T = over_pixels(e, y) / s  # (B, h·d, C)
        M = (T.unflatten(1, (heads, -1)) @ value).flatten(1, 2)  # (B, h·d, C)
        z = products.times(q, M.to(kind))  # (B, H, W, C), without b
        ctx.save_for_backward(x, scale, to_q, to_k, value, bias, out_scale, e, s, T, M)
        ctx.heads, ctx.eps = heads, eps
        return passes.normalized(z, out_scale, start=bias, residual=x, eps=eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """As in the file's head."""
        x, scale, to_q, to_k, value, bias, out_scale, e, s, T, M = ctx.saved_tensors
        kind, per_head = x.dtype, (ctx.heads, -1)
        y = passes.normalized(x, scale, eps=ctx.eps)  # (B, H, W, C), again
        q = passes.softmax_(products.times(y, to_q.to(kind).T), len(to_q) // ctx.heads)  # (B, H, W, h·d), again
        z = products.times(q, M.to(kind))  # (B, H, W, C), again
        of_z, of_bias, of_out_scale = passes.normalized_slope(gradient, z, out_scale, start=bias, eps=ctx.eps)
        del z
        of_q = products.times(of_z, M.to(kind).transpose(1, 2))  # (B, H, W, h·d)
        of_M = over_pixels(q, of_z)  # (B, h·d, C)
        of_A = passes.softmax_slope_(of_q, q, q.shape[3] // ctx.heads)  # (B, H, W, h·d)
        of_to_q = over_pixels(of_A, y).sum(0)  # (h·d, C)
        of_y = products.times(of_A, to_q.to(kind))  # (B, H, W, C)
        del q, of_q, of_A, of_z  # before as much is taken for the keys
        of_T = (of_M.unflatten(1, per_head) @ value.transpose(1, 2)).flatten(1, 2) / s  # (B, h·d, C): T̄ / s
        of_value = (T.unflatten(1, per_head).transpose(2, 3) @ of_M.unflatten(1, per_head)).sum(0)  # (h, C, C)
        of_k = products.times(y, of_T.to(kind).transpose(1, 2))  # (B, H, W, h·d)
        of_K = passes.centered_(of_k, e, (T * of_T).sum(2))  # (B, H, W, h·d)
        products.add_times_(of_y, e, of_T.to(kind))
        products.add_times_(of_y, of_K, to_k.to(kind))
        of_to_k = over_pixels(of_K, y).sum(0)  # (h·d, C)
        del of_k, of_K, y
        of_x, _, of_scale = passes.normalized_slope(of_y, x, scale, more=gradient, eps=ctx.eps)  # (B, H, W, C), (C,)
        of_parameters = of_scale, of_to_q, of_to_k, of_value, of_bias, of_out_scale
        return of_x, *of_parameters, None, None


def over_pixels(a: Tensor, b: Tensor) -> Tensor:
    """Σ over the pixels of an image of a bᵀ: (B, H, W, F) and (B, H, W, C) to (B, F, C), in float32 at least."""
    if products.over_pixels_pays(a, b):
        return products.over_pixels(a, b)
    batch, height, width = a.shape[:3]
    rows = max(r for r in range(1, height + 1) if height % r == 0 and (r == 1 or r * width <= PIECE))
    if a.dtype != torch.bfloat16 or batch >= 8:
        rows = height
    a, b = (each.reshape(-1, rows * width, each.shape[3]) for each in (a, b))  # (B·P, N/P, F) and (B·P, N/P, C)
    pieces = precise(a.transpose(1, 2) @ b)  # (B·P, F, C)
    total: Tensor = pieces.unflatten(0, (batch, -1)).sum(1)
    return total
