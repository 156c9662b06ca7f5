"""The normalization of a pix2pix network, by its name."""

from typing import Literal

from torch import nn

Norm = Literal["instance", "batch", "none"]


def make_norm(norm: Norm, channels: int) -> nn.Module:
    """Instance norm without parameters, batch norm with a scale and a shift, or nothing.

    Batch norm of one image is instance norm with that scale and shift, and not this one.
    """
    match norm:
        case "instance":
            return nn.InstanceNorm2d(channels)
        case "batch":
            return nn.BatchNorm2d(channels)
        case "none":
            return nn.Identity()
