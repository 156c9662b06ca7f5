"""The normalization of a pix2pix network, by its name."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from atme.networks.kernels import in_one_step

Norm = Literal["instance", "batch", "none"]


def make_norm(norm: Norm, channels: int) -> nn.Module:
    """Instance norm without parameters, batch norm with a scale and a shift, or nothing.

    Batch norm of one image is instance norm with that scale and shift, and not this one.
    """
    match norm:
        case "instance":
            return InstanceNorm2d(channels)
        case "batch":
            return nn.BatchNorm2d(channels)
        case "none":
            return nn.Identity()


class InstanceNorm2d(nn.InstanceNorm2d):
    """PyTorch's layer; of bfloat16 maps with channels last, on a CPU, as a batch norm of each image.

    PyTorch's own first puts channels one after the other, and what follows reads them so: three times as slow, forward
    and backward. In float32 it stays: a batch norm of channels last leaves five digits there, where it leaves seven.
    """

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        beside = image.dim() == 4 and image.is_contiguous(memory_format=torch.channels_last)
        taken = beside and image.dtype == torch.bfloat16 and in_one_step(image)
        if not taken or self.track_running_stats:
            return super().forward(image)
        of_each = (
            F.batch_norm(each, None, None, self.weight, self.bias, training=True, eps=self.eps)
            for each in image.split(1)
        )
        return torch.cat(list(of_each))
