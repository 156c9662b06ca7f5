"""Maps at twice the size, each pixel where it belongs.

A strided convolution looks, for its first answer, at what lies around its input's first pixel where it pads on both
sides, and around the second one where it pads at the end alone, as TensorFlow does. Doubling pixels puts both in
between, a quarter of the small map's pixel off; here every second pixel is the small map's own, and those between are
means.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

PLACES = (0, 1)
"""Where the first pixel may belong."""


def enlarged(image: Tensor, *, place: int) -> Tensor:
    """Twice the size, on straight lines between pixels; a border is continued.

    Args:
        image: (B, C, H, W).
        place: pixel of the large map at which the first pixel belongs, along both sides: one of `PLACES`.

    Returns:
        (B, C, 2H, 2W).
    """
    for dim in (2, 3):
        side = image.shape[dim]
        edge = image.narrow(dim, 0, 1) if place else image.narrow(dim, side - 1, 1)
        image = torch.cat([edge, image] if place else [image, edge], dim=dim)
    means = F.avg_pool2d(F.interpolate(image, scale_factor=2.0, mode="nearest"), 2, stride=1)  # (B, C, 2H + 1, 2W + 1)
    return means[..., 1:, 1:] if place else means[..., :-1, :-1]
