"""Maps at twice the size, each pixel where it belongs.

A strided convolution looks, for its first answer, at what lies around its input's first pixel where it pads on both
sides, and around the second one where it pads at the end alone, as TensorFlow does. Doubling pixels puts both in
between, a quarter of the small map's pixel off; here every second pixel is the small map's own, and those between are
means.
"""

import torch
from torch import Tensor

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
