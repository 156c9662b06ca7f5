"""What a discriminator sees of an image before it judges it."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Features:
    """What a discriminator makes of its images before it judges them: maps at several levels, the finest first."""

    image: tuple[Tensor, ...]
    """Of the image that is judged, each (B, C_l, h_l, w_l)."""
    source: tuple[Tensor, ...] = ()
    """Of the condition, at the same levels; none where the condition is not looked at that way."""
