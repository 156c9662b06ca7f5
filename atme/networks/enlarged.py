"""Maps at twice the size, each pixel where it belongs.

A strided convolution looks, for its first answer, at what lies around its input's first pixel where it pads on both
sides, and around the second one where it pads at the end alone, as TensorFlow does. Doubling pixels puts both in
between, a quarter of the small map's pixel off; here every second pixel is the small map's own, and those between are
means.
"""

from typing import Any

import torch
from torch import Tensor

from atme.networks import kernels, passes

PLACES = (0, 1)
"""Where the first pixel may belong."""


def enlarged(image: Tensor, *, place: int) -> Tensor:
    """Twice the size, on straight lines between pixels; a border is continued.

    Args:
        image: (B, C, H, W), quickest where its channels lie beside each other in memory.
        place: pixel of the large map at which the first pixel belongs, along both sides: one of `PLACES`.

    Returns:
        (B, C, 2H, 2W).
    """
    if kernels.in_one_step(image) and kernels.take(image):
        made: Tensor = Enlarged.apply(image, place, False)
        return made
    pixels = image.permute(0, 2, 3, 1)  # (B, H, W, C)
    for dim in (1, 2):
        pixels = _doubled(pixels, dim, place=place)
    return pixels.permute(0, 3, 1, 2)


def _doubled(pixels: Tensor, dim: int, *, place: int) -> Tensor:
    """Twice as many along one side."""
    side = pixels.shape[dim]
    edge = pixels.narrow(dim, 0, 1) if place else pixels.narrow(dim, side - 1, 1)
    longer = torch.cat([edge, pixels] if place else [pixels, edge], dim=dim)
    between = torch.lerp(longer.narrow(dim, 0, side), longer.narrow(dim, 1, side), 0.5)
    return torch.stack([between, pixels] if place else [pixels, between], dim=dim + 1).flatten(dim, dim + 1)


class Enlarged(torch.autograd.Function):
    """`enlarged` in one pass, or its derivative; each is the other's."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, place: int, back: bool) -> Tensor:
        """(B, C, H, W) to (B, C, 2H, 2W), or back."""
        ctx.place, ctx.back = place, back
        return passes.enlarged_slope(image, place=place) if back else passes.enlarged(image, place=place)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """The same the other way round."""
        to_image: Tensor = Enlarged.apply(gradient, ctx.place, not ctx.back)
        return to_image, None, None
