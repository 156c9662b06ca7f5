"""Layers of networks that were trained elsewhere, as they were trained: batch norm at rest, TensorFlow's padding."""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FrozenNorm(nn.Module):
    """Batch norm by the statistics that it came with; scale and shift may be trained.

    It is no batch norm of PyTorch, so that nothing that is done to these reaches it.

    Args:
        norm: whose weights and statistics are taken, and what timm lets follow it.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        assert norm.running_mean is not None
        assert norm.running_var is not None
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps
        self.register_buffer("running_mean", norm.running_mean)
        self.register_buffer("running_var", norm.running_var)
        self.drop = getattr(norm, "drop", nn.Identity())
        self.act = getattr(norm, "act", nn.Identity())

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        statistics = self.running_mean, self.running_var
        image = F.batch_norm(image, *statistics, self.weight, self.bias, training=False, eps=self.eps)
        result: Tensor = self.act(self.drop(image))
        return result


class SameConv2d(nn.Conv2d):
    """A convolution that pads as TensorFlow does: as much as ⌈H / stride⌉ answers need, an odd pixel at the end.

    What timm's has beyond it is a rounded quotient, which no graph of unknown sizes holds.

    Args:
        convolution: whose weights are taken; without padding of its own.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        channels, kernel, stride = convolution.in_channels, convolution.kernel_size, convolution.stride
        with torch.device("meta"):  # nothing is drawn
            super().__init__(channels, convolution.out_channels, cast(Any, kernel), cast(Any, stride))
        self.groups, self.dilation = convolution.groups, convolution.dilation
        self.weight, self.bias = convolution.weight, convolution.bias

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', ⌈H / stride⌉, ⌈W / stride⌉)."""
        sides = zip(image.shape[-2:], self.kernel_size, self.stride, self.dilation, strict=True)
        down, right = (missing(side, kernel=d * (k - 1) + 1, stride=s) for side, k, s, d in sides)
        padded = F.pad(image, (right // 2, right - right // 2, down // 2, down - down // 2))
        return F.conv2d(padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def missing(side: int, *, kernel: int, stride: int) -> int:
    """Pixels that ⌈side / stride⌉ windows of a kernel need beyond a side."""
    last = side % stride or stride  # pixels of the side that the last window begins with
    return max(kernel - last, 0)


def as_trained(layer: nn.Module) -> nn.Module:
    """A layer, and all below it, with batch norms at rest, and the padding of those trained in TensorFlow."""
    from timm.layers.conv2d_same import Conv2dSame

    if isinstance(layer, nn.BatchNorm2d):
        return FrozenNorm(layer)
    if isinstance(layer, Conv2dSame):
        return SameConv2d(layer)
    for name, child in layer.named_children():
        setattr(layer, name, as_trained(child))
    return layer


def offset(layer: nn.Module) -> float:
    """Pixels of its input from the first one to the middle of what a layer's first answer looks at.

    With TensorFlow's padding, of sides that are multiples of the stride.
    """
    kernel, stride = first(layer.kernel_size), first(layer.stride)
    padding = (kernel - stride) // 2 if isinstance(layer, SameConv2d) else first(layer.padding)
    return (kernel - 1) / 2 - padding


def first(value: Any) -> int:
    """The first of a pair, or the number itself; 0 for nothing."""
    number: int = value[0] if isinstance(value, tuple) else value or 0
    return number
