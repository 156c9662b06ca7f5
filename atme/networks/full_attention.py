"""Attention of every pixel to every pixel in passes of our own, for maps on a CPU (cpp/full_attention.cpp).

PyTorch's kernel for this multiplies matrices by MKL, which processors other than Intel's run at a fraction of what they
can do.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from atme.networks import attention_passes, kernels, winograd


def in_blocks(qkv: Tensor, head_dim: int) -> bool:
    """Whether `AttendInBlocks` is for these, (B, N, 3·h·d), here: heads in whole vectors."""
    if not (kernels.in_one_step(qkv) and kernels.take(qkv)) or head_dim % winograd.lanes():
        return False
    return qkv.dtype in (torch.float32, torch.bfloat16)


class AttendInBlocks(torch.autograd.Function):
    """softmax(q kᵀ d^-½) v of each head; kept are its arguments, its result, and a number of each query."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, heads: int) -> Tensor:
        """Queries, keys and values, (B, N, 3·h·d), to (B, N, h·d)."""
        qkv = qkv.contiguous()
        result, logs = attention_passes.fully_attended(qkv, heads)
        ctx.save_for_backward(qkv, result, logs)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """The same way back."""
        return attention_passes.fully_attended_slope(gradient.contiguous(), *ctx.saved_tensors), None
