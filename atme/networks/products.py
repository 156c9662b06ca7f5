"""Products of tall matrices, the pixels of maps by few channels, on a CPU (cpp/products.cpp): in float32, and
sums over pixels in bfloat16, too, where the processor has no matrix unit for it.

PyTorch's are MKL's, which processors other than Intel's run at less than half of what they can do: 65,536 pixels of 64
channels to 128 take 25 ms by it and 6.5 ms here, 1,024 pixels of 512 channels 1.3 and 0.6 (AMD EPYC, Zen 5).
All others are PyTorch's.
"""

import torch
from torch import Tensor

from atme.networks import kernels, passes, winograd


def pay(pixels: Tensor, columns: int) -> bool:
    """Whether a product of these with a matrix of so many columns is for the passes in C++, here."""
    return pixels.dtype == torch.float32 and kernels.take(pixels) and columns % winograd.lanes() == 0


def over_pixels_pays(a: Tensor, b: Tensor) -> bool:
    """Whether a sum over pixels of the products of these is for the passes in C++, here.

    In bfloat16, too, but where the processor has a matrix unit for it: PyTorch knows that.
    """
    by_pairs = b.dtype == torch.bfloat16 and kernels.take(b) and not winograd.matrix_unit()
    return a.dtype == b.dtype and (by_pairs or pay(b, winograd.lanes())) and b.shape[-1] % winograd.lanes() == 0


def times(pixels: Tensor, matrix: Tensor, start: Tensor | None = None, *, out: Tensor | None = None) -> Tensor:
    """a b + start.

    Args:
        pixels: a, (B, …, K).
        matrix: b, (K, M), or (B, K, M): one for each image.
        start: (M,), or None.
        out: (B, …, M) for the result, where `pay` says so; None for a new one.

    Returns:
        (B, …, M).
    """
    if pay(pixels, matrix.shape[-1]):
        out = pixels.new_empty(*pixels.shape[:-1], matrix.shape[-1]) if out is None else out
        return _product(pixels, matrix, start, out, more=False)
    flat = pixels.flatten(1, -2) if matrix.dim() == 3 else pixels
    result = flat @ matrix if start is None else flat @ matrix + start
    return result.view(*pixels.shape[:-1], -1)


def add_times_(total: Tensor, pixels: Tensor, matrix: Tensor) -> Tensor:
    """Add a b to a total, (B, …, M) that lies in memory in this order; the rest is as in `times`."""
    if pay(pixels, matrix.shape[-1]):
        return _product(pixels, matrix, None, total, more=True)
    if matrix.dim() == 3:
        total.flatten(1, -2).baddbmm_(pixels.flatten(1, -2), matrix)
    else:
        total.flatten(0, -2).addmm_(pixels.flatten(0, -2), matrix)
    return total


def over_pixels(a: Tensor, b: Tensor) -> Tensor:
    """Σ over the pixels of an image of a bᵀ, where `over_pixels_pays`: (B, …, F), (B, …, C) to (B, F, C), float32."""
    a, b = a.contiguous(), b.contiguous()
    rows, result = a[0, ..., 0].numel(), torch.empty(len(a), a.shape[-1], b.shape[-1])
    passes.call("product_over", [a.dtype], a, b, result, len(a), rows, a.shape[-1], b.shape[-1])
    return result


def _product(pixels: Tensor, matrix: Tensor, start: Tensor | None, result: Tensor, *, more: bool) -> Tensor:
    pixels, matrix = pixels.contiguous(), matrix.to(pixels.dtype).contiguous()
    start = None if start is None else start.to(pixels.dtype)
    sizes = len(pixels), pixels[0, ..., 0].numel(), *matrix.shape[-2:]
    own = matrix.dim() == 3
    passes.call("product", [pixels.dtype], pixels, matrix, start, result, *sizes, int(own), int(more))
    return result
