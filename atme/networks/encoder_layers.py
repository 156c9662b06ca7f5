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


class TrainedConv2d(nn.Conv2d):
    """A convolution that was trained elsewhere: with TensorFlow's padding perhaps, and depthwise ones in float32.

    TensorFlow pads as much as ⌈H / stride⌉ answers need, an odd pixel at the end. What timm's has beyond it is a
    rounded quotient, which no graph of unknown sizes holds.

    Of an update in bfloat16 on a CPU (`PretrainedUNet`, 16 images of 128×128, one core with AMX), depthwise
    convolutions in float32 take 0.79 of 0.92 s, and 0.54 of 0.70 s where the stem and three stages are frozen; all of
    it in float32 takes 1.02 and 0.88 s. It is the backward passes of those in bfloat16 that are slow.

    Args:
        convolution: whose weights are taken.
        same: whether it pads as TensorFlow does, in place of its own padding.
    """

    def __init__(self, convolution: nn.Conv2d, *, same: bool) -> None:
        kernel, stride, padding, dilation = (
            cast(Any, each)
            for each in (convolution.kernel_size, convolution.stride, convolution.padding, convolution.dilation)
        )
        with torch.device("meta"):  # nothing is drawn
            super().__init__(
                convolution.in_channels,
                convolution.out_channels,
                kernel,
                stride,
                padding,
                dilation,
                convolution.groups,
                convolution.bias is not None,
            )
        self.weight, self.bias, self.same = convolution.weight, convolution.bias, same

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', ⌈H / stride⌉, ⌈W / stride⌉), or less with padding of its own."""
        if self.groups > 1 and image.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            with torch.autocast("cpu", enabled=False):
                return self._convolved(image.to(self.weight.dtype))
        return self._convolved(image)

    def _convolved(self, image: Tensor) -> Tensor:
        if not self.same:
            return super().forward(image)
        sides = zip(image.shape[-2:], self.kernel_size, self.stride, self.dilation, strict=True)
        down, right = (missing(side, kernel=d * (k - 1) + 1, stride=s) for side, k, s, d in sides)
        padded = F.pad(image, (right // 2, right - right // 2, down // 2, down - down // 2))
        return F.conv2d(padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def missing(side: int, *, kernel: int, stride: int) -> int:
    """Pixels that ⌈side / stride⌉ windows of a kernel need beyond a side."""
    last = side % stride or stride  # pixels of the side that the last window begins with
    return max(kernel - last, 0)


def as_trained(layer: nn.Module) -> nn.Module:
    """A layer, and all below it, with batch norms at rest and convolutions as they were trained."""
    from timm.layers.conv2d_same import Conv2dSame

    if isinstance(layer, nn.BatchNorm2d):
        return FrozenNorm(layer)
    if type(layer) is Conv2dSame or (type(layer) is nn.Conv2d and layer.groups > 1):  # others compute otherwise
        return TrainedConv2d(layer, same=type(layer) is Conv2dSame)
    for name, child in layer.named_children():
        setattr(layer, name, as_trained(child))
    return layer


def offset(layer: nn.Module) -> float:
    """Pixels of its input from the first one to the middle of what a layer's first answer looks at.

    With TensorFlow's padding, of sides that are multiples of the stride.
    """
    kernel, stride = first(layer.kernel_size), first(layer.stride)
    padding = (kernel - stride) // 2 if isinstance(layer, TrainedConv2d) and layer.same else first(layer.padding)
    return (kernel - 1) / 2 - padding


def first(value: Any) -> int:
    """The first of a pair, or the number itself; 0 for nothing."""
    number: int = value[0] if isinstance(value, tuple) else value or 0
    return number
