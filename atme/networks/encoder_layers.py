"""Layers of networks that were trained elsewhere, as they were trained: batch norm at rest, TensorFlow's padding.

A batch norm at rest is a scale and a shift of each channel. Where one follows a convolution, the weights take the
scale and the bias the shift,

    γ (w ∗ x − μ) / √(v + ε) + β = (f w) ∗ x + (β − f μ),    f = γ / √(v + ε),

so that it costs no pass over maps, and w, γ and β learn as before.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from atme.networks.depthwise import depthwise
from atme.networks.kept import Kept
from atme.networks.kernels import in_one_step

PAIRS = {
    "ConvBnAct": (("conv", "bn1"),),
    "DepthwiseSeparableConv": (("conv_dw", "bn1"), ("conv_pw", "bn2")),
    "EdgeResidual": (("conv_exp", "bn1"), ("conv_pwl", "bn2")),
    "InvertedResidual": (("conv_pw", "bn1"), ("conv_dw", "bn2"), ("conv_pwl", "bn3")),
}
"""Of timm's blocks, by their classes: convolutions, and the batch norms that alone read what these make."""


class FrozenNorm(nn.Module):
    """Batch norm by the statistics that it came with; scale and shift may be trained.

    It is no batch norm of PyTorch, so that nothing that is done to these reaches it.

    Args:
        norm: whose weights and statistics are taken, and what timm lets follow it.

    Attributes:
        done_before: whether the convolution before it scales and shifts in its place.
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
        self.done_before = False

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        if not self.done_before:
            statistics = self.running_mean, self.running_var
            image = F.batch_norm(image, *statistics, self.weight, self.bias, training=False, eps=self.eps)
        result: Tensor = self.act(self.drop(image))
        return result

    def factor_and_shift(self) -> tuple[Tensor, Tensor]:
        """f and β − f μ, (C,) each."""
        factor = self.weight * (self.running_var + self.eps).rsqrt()
        return factor, torch.addcmul(self.bias, factor, self.running_mean, value=-1)


class TrainedConv2d(nn.Conv2d):
    """A convolution that was trained elsewhere: with TensorFlow's padding perhaps, and with the batch norm after it.

    TensorFlow pads as much as ⌈H / stride⌉ answers need, an odd pixel at the end. What timm's has beyond it is a
    rounded quotient, which no graph of unknown sizes holds.

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
        self._norm: tuple[FrozenNorm, ...] = ()  # a tuple, so that its weights are not this layer's, too
        self._kept = Kept()

    def take_in(self, norm: FrozenNorm) -> None:
        """Scale and shift in the place of a batch norm at rest, which alone reads what this layer makes."""
        assert self.bias is None
        self._norm, norm.done_before = (norm,), True

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', ⌈H / stride⌉, ⌈W / stride⌉), or less with padding of its own."""
        weight, bias = self._scaled_and_shifted() if self._norm else (self.weight, self.bias)
        padding = cast(tuple[int, int], self.padding)
        if self.same:
            image, padding = padded(image, self), (0, 0)
        if self.groups == self.in_channels == self.out_channels > 1 and in_one_step(image):
            return depthwise(image, weight, bias, stride=self.stride, padding=padding, dilation=self.dilation)
        return F.conv2d(image, weight, bias, self.stride, padding, self.dilation, self.groups)

    def _scaled_and_shifted(self) -> tuple[Tensor, ...]:
        """f w and β − f μ, in the convolution's precision; made once where neither learns."""
        (norm,) = self._norm
        device = self.weight.device.type
        kind = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else self.weight.dtype

        def make() -> tuple[Tensor, ...]:
            factor, shift = norm.factor_and_shift()
            return (self.weight * factor[:, None, None, None]).to(kind), shift.to(kind)

        parts = self.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var
        learns = torch.is_grad_enabled() and any(each.requires_grad for each in parts)
        if learns:  # a fused optimizer may move them without a word
            self._kept.forget()
            return make()
        return self._kept.of(parts, make, kind)


def padded(image: Tensor, layer: nn.Conv2d) -> Tensor:
    """An image with the border that TensorFlow gives it for this layer."""
    sides = zip(image.shape[-2:], layer.kernel_size, layer.stride, layer.dilation, strict=True)
    down, right = (missing(side, kernel=d * (k - 1) + 1, stride=s) for side, k, s, d in sides)
    return F.pad(image, (right // 2, right - right // 2, down // 2, down - down // 2))


def missing(side: int, *, kernel: int, stride: int) -> int:
    """Pixels that ⌈side / stride⌉ windows of a kernel need beyond a side."""
    last = side % stride or stride  # pixels of the side that the last window begins with
    return max(kernel - last, 0)


def as_trained(layer: nn.Module) -> nn.Module:
    """A layer, and all below it, with batch norms at rest and convolutions as they were trained."""
    from timm.layers.conv2d_same import Conv2dSame

    if isinstance(layer, nn.BatchNorm2d):
        return FrozenNorm(layer)
    if type(layer) is Conv2dSame:
        return TrainedConv2d(layer, same=True)
    if type(layer) is nn.Conv2d and layer.padding_mode == "zeros":  # others compute otherwise
        return TrainedConv2d(layer, same=False)
    for name, child in layer.named_children():
        setattr(layer, name, as_trained(child))
    for name, norm in PAIRS.get(type(layer).__name__, ()):
        join(getattr(layer, name), getattr(layer, norm))
    return layer


def joined(layers: Iterable[nn.Module]) -> nn.Sequential:
    """Layers in a row, whose convolutions take in the batch norms that follow them."""
    row = nn.Sequential(*layers)
    for one, other in pairwise(row):
        join(one, other)
    return row


def join(layer: nn.Module, norm: nn.Module) -> None:
    """Let a convolution take in a batch norm at rest, if they are that."""
    if isinstance(layer, TrainedConv2d) and layer.bias is None and isinstance(norm, FrozenNorm):
        layer.take_in(norm)


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
