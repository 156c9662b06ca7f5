"""W: from the discriminator's verdict on an image, one epoch ago, to the map that ATME's generator reads through.

ATME (arXiv 2304.09024): x_t = x (1 + W_t), W_t = W(D_{t-1}) in (-1, 1). The verdict is enlarged in three stages,
to a quarter of the image, half of it, and all of it; after each comes a block (block.py). The published sizes are
literals, 64, 128, 256: here they follow the image, rounded up where it is odd.

The block standardizes the weights and divides by the spatial spread: W sees the shape of a verdict map, hardly its
mean or its scale, and of a constant one the border alone.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from atme import require
from atme.networks.block import Block
from atme.networks.kernels import precise
from atme.networks.size import shrunk

SHRINK = (4, 2, 1)
"""How much smaller than the image the verdict is in each stage."""


class WNet(nn.Module):
    """Called as `wnet(verdict, size=(H, W))`.

    Args:
        widths: channels after each stage, multiples of `groups`.
        groups: of GroupNorm.

    Raises:
        ValueError: if `groups` does not divide a width.
    """

    share_of_rate: float = 1.0
    """Of the learning rate, that its weights move with."""

    def __init__(self, *, widths: tuple[int, int, int] = (32, 64, 32), groups: int = 8) -> None:
        super().__init__()
        require.whole("groups", groups, least=1)
        require.whole_numbers("widths", widths, least=1, count=len(SHRINK))
        for width in widths:
            if width % groups:
                raise ValueError(f"groups {groups}: does not divide the width {width} of W; choose another")
        self.blocks = nn.ModuleList(Block(a, b, groups=groups) for a, b in pairwise([1, *widths]))
        self.last = nn.Conv2d(widths[-1], 1, 1)

    def forward(self, verdict: Tensor, *, size: tuple[int, int]) -> Tensor:
        """Turn verdicts into maps over the image.

        Args:
            verdict: (B, 1, h, w) logits, of any size.
            size: (H, W) of the image, any.

        Returns:
            (B, 1, H, W) in (-1, 1).
        """
        require.tensor("verdict", verdict, ("B", 1, "h", "w"))
        require.size("size", size)
        hidden = verdict.contiguous(memory_format=torch.channels_last)  # (B, 1, h, w)
        for shrink, block in zip(SHRINK, self.blocks, strict=True):
            height, width = (shrunk(side, shrink) for side in size)
            hidden = F.interpolate(hidden, (height, width), mode="bilinear")  # (B, C, H/shrink, W/shrink)
            hidden = block(hidden)  # (B, C', H/shrink, W/shrink)
        with torch.autocast(hidden.device.type, enabled=False):
            return torch.tanh(self.last(precise(hidden)))  # (B, 1, H, W)
