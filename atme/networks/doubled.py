"""A map at twice the size and a convolution after it, as one convolution of the map as it is.

Along one axis, with each pixel doubled, three taps w₀, w₁, w₂ see two pixels: the first of a doubled pixel sees the one
before it, by w₀, and itself, by w₁ + w₂; the second one itself, by w₀ + w₁, and the one after it, by w₂. So between two
pixels, and beyond the first and the last, lie two results of the same two pixels, with weights (w₀ + w₁, w₂) and
(w₀, w₁ + w₂): a convolution of two taps with a border of 1 makes both, as channels, and the outermost are cut off.
"""

import torch
from torch import Tensor, nn

from atme.networks.convolution import convolve


def doubled(image: Tensor, convolution: nn.Conv2d) -> Tensor:
    """Nearest-neighbor enlargement to twice the size, then a 3×3 convolution, in 4/9 of the multiplications.

    Args:
        image: (B, C, H, W).
        convolution: C to C' channels, 3×3, border of 1.

    Returns:
        (B, C', 2H, 2W).
    """
    weight, bias = _between(convolution.weight), convolution.bias  # (2·2·C', C, 2, 2)
    result = convolve(image, weight, None if bias is None else bias.repeat(4), border=1)  # (B, 2·2·C', H+1, W+1)
    pixels = result.permute(0, 2, 3, 1).unflatten(3, (2, 2, -1)).transpose(2, 3)  # (B, H+1, 2, W+1, 2, C')
    whole: Tensor = pixels.flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)  # (B, C', 2H+2, 2W+2)
    return whole[:, :, 1:-1, 1:-1].contiguous(memory_format=torch.channels_last)


def _between(weight: Tensor) -> Tensor:
    """(C', C, 3, 3) to (2·2·C', C, 2, 2): for each of four results between pixels its weights."""
    rows = weight.permute(0, 2, 3, 1)  # (C', 3, 3, C)
    for axis in (1, 2):
        first, middle, last = rows.unbind(axis)
        rows = torch.stack([first + middle, last, first, middle + last], axis)  # (C', 2·2, 2·2, C) in the end
    results: Tensor = rows.unflatten(2, (2, 2)).unflatten(1, (2, 2)).permute(1, 3, 0, 2, 4, 5)  # (2, 2, C', 2, 2, C)
    return results.flatten(0, 2).permute(0, 3, 1, 2)
