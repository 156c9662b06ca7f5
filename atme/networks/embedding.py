"""How strongly an image was corrupted, told to a network: a number per image becomes a vector.

Sines and cosines of the level at many frequencies, then a small MLP. The frequencies are

- fixed: geometric from 1 down to 1/10000 (Vaswani et al. 2017, arXiv 1706.03762, §3.5, and
  Ho et al. 2020, arXiv 2006.11239, appendix B), made for integer timesteps 0…1000;
- learned or random: normal draws, trained or not (Tancik et al. 2020, arXiv 2006.10739); the level itself
  is passed on as well.

And what a generator may choose freely, a latent z ~ N(0, I), through the mapping network of Karras et al. 2019
(arXiv 1812.04948, §2): as in the denoising diffusion GAN, Xiao et al. 2022, arXiv 2112.07804, appendix C.
"""

import math
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from atme import require
from atme.networks.kernels import in_one_step

Embedding = Literal["fixed", "learned", "random"]

LONGEST_PERIOD = 10_000


class FixedWaves(nn.Module):
    """sin(ω_k l), cos(ω_k l) with ω_k = 10000^(−k/(K−1)), k = 0…K−1, K = features / 2.

    Args:
        features: length of the result, even, at least 4.

    Raises:
        ValueError: if `features` is odd or less than 4.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        if features < 4 or features % 2:
            raise ValueError(
                f"dim {features}: the fixed embedding has as many sines as cosines, at least two of each;"
                " choose an even number from 4 on, or embedding learned or random"
            )
        self.features = features

    def forward(self, level: Tensor) -> Tensor:
        """(B,) levels, any unit, to (B, features) in [-1, 1]."""
        count = self.features // 2
        k = torch.arange(count, dtype=level.dtype, device=level.device)
        frequencies = torch.exp(-math.log(LONGEST_PERIOD) / (count - 1) * k)  # (K,) radians per unit
        phase = level[:, None] * frequencies  # (B, K)
        return torch.cat([phase.sin(), phase.cos()], dim=1)  # (B, 2K)


class NormalWaves(nn.Module):
    """l, sin(2π ω_k l), cos(2π ω_k l) with ω_k ~ N(0, 1), k = 1…K, K = waves / 2.

    Args:
        waves: number of sines and cosines together, even.
        learned: whether the frequencies are trained.

    Raises:
        ValueError: if `waves` is odd or not positive.
    """

    frequencies: Tensor

    def __init__(self, waves: int, *, learned: bool) -> None:
        super().__init__()
        if waves < 2 or waves % 2:
            raise ValueError(
                f"learned_sinusoidal_dim {waves}: there are as many sines as cosines; choose an even number"
            )
        self.features = waves + 1
        draws = torch.randn(waves // 2)
        if learned:
            self.frequencies = nn.Parameter(draws)
        else:
            self.register_buffer("frequencies", draws)

    def forward(self, level: Tensor) -> Tensor:
        """(B,) levels, any unit, to (B, 1 + waves)."""
        phase = level[:, None] * self.frequencies * (2 * math.pi)  # (B, K) radians
        return torch.cat([level[:, None], phase.sin(), phase.cos()], dim=1)  # (B, 1 + 2K)


class LevelEmbedding(nn.Module):
    """Waves of the level, then linear, GELU, linear.

    Args:
        kind: at fixed, learned or random frequencies.
        waves: number of sines and cosines together, even.
        width: length of the embedding.
    """

    def __init__(self, kind: Embedding, *, waves: int, width: int) -> None:
        super().__init__()
        fixed = kind == "fixed"
        self.waves = FixedWaves(waves) if fixed else NormalWaves(waves, learned=kind == "learned")
        self.widen = nn.Linear(self.waves.features, width)
        self.mix = nn.Linear(width, width)

    def forward(self, level: Tensor) -> Tensor:
        """(B,) levels, any unit, integers too, to (B, width)."""
        # Half precision would merge neighboring timesteps: the waves are never made in it.
        precise = torch.promote_types(self.widen.weight.dtype, torch.float32)
        waves = self.waves(level.to(precise))  # (B, F)
        hidden = nn.functional.gelu(self.widen(waves.to(self.widen.weight.dtype)))  # (B, width)
        mixed: Tensor = self.mix(hidden)  # (B, width)
        return mixed


class LatentMapping(nn.Module):
    """z / √(mean z² + ε), then linear and SiLU, three times.

    Args:
        latent: length of z.
        width: length of the result.
    """

    def __init__(self, latent: int, *, width: int) -> None:
        super().__init__()
        self.length = latent
        lengths = [latent, width, width, width]
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(lengths))

    def forward(self, latent: Tensor) -> Tensor:
        """(B, latent), standard normal, to (B, width)."""
        hidden = latent * (latent.square().mean(1, keepdim=True) + 1e-8).rsqrt()  # (B, latent)
        for layer in self.layers:
            hidden = nn.functional.silu(layer(hidden))  # (B, width)
        return hidden


def heard(embed: LevelEmbedding, map_latent: LatentMapping | None, level: Tensor, latent: Tensor | None) -> Tensor:
    """What the blocks of a U-Net listen to: the level, and the latent where there is one.

    Args:
        embed: of the level.
        map_latent: of the latent; None for a network without.
        level: (B,).
        latent: (B, latent), or None.

    Returns:
        (B, width), twice that with a latent.

    Raises:
        ValueError: if there is a latent too many, or one is missing, or for other shapes.
    """
    require.tensor("level", level, ("B",), floating=False)
    embedded: Tensor = embed(level)
    length = map_latent.length if map_latent else 0
    if (latent is None) != (map_latent is None):
        raise ValueError(f"latent: this U-Net was built for a z of length {length}; give it just that")
    if map_latent is None or latent is None:
        return embedded
    require.tensor("latent", latent, (level.shape[0], length))
    return torch.cat([embedded, map_latent(latent)], dim=1)


def told(listen: nn.Linear, embedded: Tensor) -> Tensor:
    """What a block hears: (B, width) through SiLU and a layer to (B, C).

    On a CPU in the weights' precision, not autocast's: of few rows, casts of the weights would take longer.
    """
    active = F.silu(embedded)
    if in_one_step(active) and torch.is_autocast_enabled("cpu"):
        with torch.autocast("cpu", enabled=False):
            precise: Tensor = listen(active.to(listen.weight.dtype))
        return precise
    result: Tensor = listen(active)
    return result
