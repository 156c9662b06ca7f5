"""A small head that judges maps of features, patch by patch: as many as a projected discriminator has scales.

Convolutions of 4×4 with stride 2 and spectral norm (Miyato et al. 2018, arXiv 1802.05957), each with group norm or none
and a leaky ReLU, as in Projected GAN (arXiv 2111.01007), which has batch norm; then 1×1. Heads begin as PyTorch draws
them, as there, whatever ``initialization`` says: spectral norm undoes a scale.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from atme.networks.embedding import LevelEmbedding
from atme.networks.strided import StridedConv2d

GROUPS = 8
"""Of the group norm."""

HeadNorm = Literal["group", "none"]


class Head(nn.Module):
    """Judges the mixed maps of one scale: layers of stride 2, then a logit for each of their cells.

    Told the timestep, it projects, as `PatchGAN` does.

    Args:
        channels: that it reads.
        width: of its layers.
        layers: of stride 2.
        norm: after each of them.
        timestep_aware: whether it is told the timestep.
    """

    keeps_weights = True

    def __init__(self, channels: int, *, width: int, layers: int, norm: HeadNorm, timestep_aware: bool) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for before in [channels, *[width] * (layers - 1)]:
            parts.append(spectral_norm(StridedConv2d(before, width)))
            parts.extend([nn.GroupNorm(GROUPS, width)] if norm == "group" else [])
            parts.append(nn.LeakyReLU(0.2))
        self.layers = nn.Sequential(*parts)
        self.verdict = spectral_norm(nn.Conv2d(width, 1, 1, bias=False))
        self.project = spectral_norm(nn.Conv2d(width, width, 1, bias=False)) if timestep_aware else None
        self.embed = LevelEmbedding("fixed", waves=width, width=width) if timestep_aware else None

    def forward(self, maps: Tensor, level: Tensor | None) -> Tensor:
        """(B, channels, h, w) to logits (B, 1, h // 2^layers, w // 2^layers)."""
        hidden = self.layers(maps)  # (B, width, h', w')
        logits: Tensor = self.verdict(hidden)  # (B, 1, h', w')
        if self.project is None or self.embed is None:
            return logits
        level = torch.zeros(len(maps), device=maps.device) if level is None else level
        embedded = self.embed(level)[:, :, None, None]  # (B, width, 1, 1)
        projected: Tensor = self.project(hidden) * embedded  # (B, width, h', w')
        logits = logits + projected.sum(1, keepdim=True) / embedded.shape[1] ** 0.5
        return logits
