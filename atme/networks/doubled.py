"""A map at twice the size and a convolution after it, as one transposed convolution."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TAPS = ((0, 0, 1), (0, 1, 1), (1, 1, 0), (1, 0, 0))
"""Along one axis, the three taps of a convolution after each pixel was doubled, seen from the four taps of a
transposed convolution of stride 2 that reads the pixel once."""


def doubled(image: Tensor, convolution: nn.Conv2d) -> Tensor:
    """Nearest-neighbor enlargement to twice the size, then a 3×3 convolution, in 4/9 of the multiplications.

    Args:
        image: (B, C, H, W).
        convolution: C to C' channels, 3×3, border of 1.

    Returns:
        (B, C', 2H, 2W).
    """
    weight = convolution.weight  # (C', C, 3, 3)
    taps = weight.new_tensor(TAPS)  # (4, 3)
    weight = (weight.flatten(2) @ torch.kron(taps, taps).T).unflatten(2, (4, 4))  # (C', C, 4, 4)
    return F.conv_transpose2d(image, weight.transpose(0, 1), convolution.bias, stride=2, padding=1)
