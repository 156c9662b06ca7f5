"""Depthwise convolutions on a CPU, whose derivative oneDNN has in quick and in slow ways.

y_c = w_c ∗ x_c, each channel by itself. By oneDNN's kernels for AVX-512 (one core; 16 maps of 672 channels and
8×8 pixels, kernels of 5×5), y and the gradient of x take 0.5 and 1 ms, and the gradient of w 9 ms in float32 and 35 ms
in bfloat16: it is quick for kernels up to three pixels wide alone. So wider ones are cut into such: of

    ∂w[i, j] = Σ g[p, q] x[s p + i, s q + j]    (s the stride)

columns j that lie beside each other are the gradient of a narrower kernel, over x moved by the first of them. They
are slow as well where a kernel is higher than the image, so x gets its border before. And with a stride, the gradient
of x takes 26 ms in bfloat16 and 0.4 in float32, and is taken in the latter.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Two = tuple[int, ...]

WIDEST = 3
"""Columns of a kernel whose gradient is quick."""


def depthwise(
    image: Tensor, weight: Tensor, bias: Tensor | None, *, stride: Two, padding: Two, dilation: Two
) -> Tensor:
    """What `conv2d` makes with as many groups as channels, with a quicker derivative.

    Args:
        image: (B, C, H, W) on a CPU.
        weight: (C, 1, k, l).
        bias: (C,), or None.
        stride: in both directions.
        padding: likewise.
        dilation: likewise.

    Returns:
        (B, C, H', W').
    """
    if torch.is_autocast_enabled("cpu"):
        kind = torch.get_autocast_dtype("cpu")
        image, weight, bias = image.to(kind), weight.to(kind), None if bias is None else bias.to(kind)
    result: Tensor = Depthwise.apply(image, weight, bias, stride, padding, dilation)
    return result


class Depthwise(torch.autograd.Function):
    """The convolution, and its derivative as the file's head says; the latter has one, too."""

    @staticmethod
    def forward(
        ctx: Any, image: Tensor, weight: Tensor, bias: Tensor | None, stride: Two, padding: Two, dilation: Two
    ) -> Tensor:
        """(B, C, H, W), (C, 1, k, l) and (C,) to (B, C, H', W')."""
        ctx.save_for_backward(image, weight)
        ctx.how = stride, padding, dilation
        return F.conv2d(image, weight, bias, stride, padding, dilation, len(weight))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Of image, weight and bias."""
        image, weight = ctx.saved_tensors
        asked = ctx.needs_input_grad
        with torch.autocast("cpu", enabled=False):
            to_image = _to_image(gradient, image, weight, *ctx.how) if asked[0] else None
            to_weight = _to_weight(gradient, image, weight, *ctx.how) if asked[1] else None
            to_bias = gradient.sum((0, 2, 3)) if asked[2] else None
        return to_image, to_weight, to_bias, None, None, None


def _to_image(gradient: Tensor, image: Tensor, weight: Tensor, stride: Two, padding: Two, dilation: Two) -> Tensor:
    """(B, C, H, W)."""
    kind = image.dtype if max(stride) == 1 else torch.promote_types(image.dtype, torch.float32)
    made = _derived(gradient.to(kind), image.to(kind), weight.to(kind), stride, padding, dilation, of_image=True)
    return made.to(image.dtype)


def _to_weight(gradient: Tensor, image: Tensor, weight: Tensor, stride: Two, padding: Two, dilation: Two) -> Tensor:
    """(C, 1, k, l), from groups of columns of the kernel."""
    width, (step, apart) = weight.shape[3], (stride[1], dilation[1])
    if width <= WIDEST:
        return _derived(gradient, image, weight, stride, padding, dilation, of_image=False)
    whole = F.pad(image, (padding[1], padding[1], padding[0], padding[0]))
    parts = []
    for first in range(0, width, WIDEST):
        narrow = weight[..., first : first + WIDEST]
        seen = (gradient.shape[3] - 1) * step + (narrow.shape[3] - 1) * apart + 1  # columns of x that it meets
        moved = whole.narrow(3, first * apart, seen).contiguous(memory_format=torch.channels_last)
        parts.append(_derived(gradient, moved, narrow, stride, (0, 0), dilation, of_image=False))
    return torch.cat(parts, dim=3)


def _derived(
    gradient: Tensor, image: Tensor, weight: Tensor, stride: Two, padding: Two, dilation: Two, *, of_image: bool
) -> Tensor:
    """The gradient of the image, or that of the weights."""
    found: tuple[Tensor, ...] = torch.ops.aten.convolution_backward(
        gradient,
        image,
        weight,
        None,
        stride,
        padding,
        dilation,
        False,
        (0, 0),
        len(weight),
        (of_image, not of_image, False),
    )
    return found[0] if of_image else found[1]
