"""The gradient of a convolution's weights as one product of matrices, for maps of few pixels and many channels.

With the windows of the map, k × k pixels times C channels each, as rows of a matrix X, and the gradient's pixels as
rows of G, it is Gᵀ X, with channels last in memory, as weights lie. The library's own way writes it in an order of its
own, which is then put right in two passes: more than the sums take where there are more weights than pixels. It is
for what does not go by winograd.py: fewer than four tiles without AMX, channels in no whole vectors, no C++ compiler.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

PIXELS = 512
"""Of a batch, up to which the product is faster, in bfloat16: 512 to 512 channels, 3×3, 256 pixels 4.7 → 3.0 ms."""


def are_few(image: Tensor) -> bool:
    """Whether this is the way for a map, (B, C, H, W)."""
    return image.dtype == torch.bfloat16 and image.numel() <= PIXELS * image.shape[1]


def weights_slope(gradient: Tensor, image: Tensor, side: int) -> Tensor:
    """From the gradient (B, C', H, W) of a convolution of (B, C, H, W) that keeps the size: (C', C, side, side)."""
    border = side // 2
    padded = F.pad(image.permute(0, 2, 3, 1), (0, 0, *4 * (border,)))  # (B, H + 2 border, W + 2 border, C)
    windows = padded.unfold(1, side, 1).unfold(2, side, 1)  # (B, H, W, C, side, side)
    rows = windows.permute(0, 1, 2, 4, 5, 3).flatten(3).flatten(0, 2)  # (B·H·W, side·side·C)
    product = gradient.permute(0, 2, 3, 1).flatten(0, 2).T @ rows  # (C', side·side·C)
    return product.view(len(product), side, side, -1).permute(0, 3, 1, 2)
