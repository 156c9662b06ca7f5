"""Random projections of a frozen network's maps, across channels and across scales: they learn nothing.

Sauer et al., NeurIPS 2021 (Projected GAN), arXiv 2111.01007, §3.2. A discriminator that reads pretrained features as
they are attends to the few channels that give a translation away; random mixing spreads what is in them. With m maps
f_0 … f_{m−1}, the finest first, and C random 1×1 convolutions:

    across channels:  c_l = C(f_l),                     into dim · 2^l channels
    across scales:    s_{m−1} = up(C(c_{m−1})),   s_l = up(C(s_{l+1} + c_l)),
                      into dim · 2^(l−1) channels, dim of the finest

up: bilinear, corners upon corners, to the size of the next finer map; of the finest, to twice its size. The paper
speaks of 3×3 residual blocks, its published code has these 1×1 convolutions alone. It enlarges before it convolves,
which is the same, and four times the work. Where a side is odd, twice a map is a cell more than the next finer one.
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Mixing = Literal["none", "channels", "scales"]


class RandomProjection(nn.Module):
    """A 1×1 convolution whose weights and biases are U(−1/√in, 1/√in), as PyTorch draws them; in no checkpoint.

    Args:
        before: channels that it reads.
        after: channels that it writes.
        rng: source of the draws, on the CPU.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, before: int, after: int, *, rng: torch.Generator) -> None:
        super().__init__()
        bound = 1 / math.sqrt(before)
        for name, shape in {"weight": (after, before, 1, 1), "bias": (after,)}.items():
            self.register_buffer(name, (2 * torch.rand(shape, generator=rng) - 1) * bound, persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, before, h, w) to (B, after, h, w)."""
        return F.conv2d(maps, self.weight, self.bias)


class FeatureMixing(nn.Module):
    """Mixes maps of several scales at random; which way is a constant of the seed.

    Args:
        channels: of the maps, the finest first.
        kind: ``none`` hands them on, ``channels`` mixes each by itself, ``scales`` also the coarser into the finer.
        dim: width of the finest.
        seed: of the projections.

    Attributes:
        channels: of what it makes, the finest first.
    """

    def __init__(self, channels: tuple[int, ...], *, kind: Mixing, dim: int, seed: int) -> None:
        super().__init__()
        self.kind, rng = kind, torch.Generator().manual_seed(seed)
        wide = [dim * 2**level for level in range(len(channels))]
        narrow = [dim, *wide][: len(channels)]
        across = zip(channels, wide, strict=True) if kind != "none" else ()
        up = zip(wide, narrow, strict=True) if kind == "scales" else ()
        self.across = nn.ModuleList(RandomProjection(*each, rng=rng) for each in across)
        self.up = nn.ModuleList(RandomProjection(*each, rng=rng) for each in up)
        self.channels = {"none": channels, "channels": tuple(wide), "scales": tuple(narrow)}[kind]

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Each (B, channels, h, w), to as many of `sizes`, the finest first."""
        if self.kind == "none":
            return maps
        mixed = [project(each) for project, each in zip(self.across, maps, strict=True)]  # (B, dim·2^l, h, w)
        if self.kind == "channels":
            return tuple(mixed)
        sizes, found = self.sizes([(each.shape[-2], each.shape[-1]) for each in maps]), list[Tensor]()
        for level in reversed(range(len(mixed))):
            here = mixed[level] + found[-1] if found else mixed[level]
            found.append(
                F.interpolate(self.up[level](here), size=sizes[level], mode="bilinear", align_corners=True)
            )  # (B, dim·2^(l−1), h', w')
        return tuple(reversed(found))

    def sizes(self, sizes: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Heights and widths of what it makes of maps of such sizes."""
        if self.kind != "scales":
            return sizes
        height, width = sizes[0]
        return [(2 * height, 2 * width), *sizes[:-1]]
