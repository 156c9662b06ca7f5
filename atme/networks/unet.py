"""The diffusion U-Net that listens to a level: ATME's generator.

The network of Ho et al. 2020 (arXiv 2006.11239) in the form of `denoising-diffusion-pytorch` 1.0.2, with the
changes of ATME (arXiv 2304.09024): the width of the embedding is an option, and the head is one more residual
block, a 1×1 convolution and tanh. With `head="ddpm"` it computes what that package computes.

Departures, none of which changes a value beyond rounding:

- ε of the standardizations is one number. The package takes 1e-5 in float32 and 1e-3 in every other precision,
  so that a net trained in bfloat16 is another function in float32. Ours is one function in all of them.
- Space to depth and a 1×1 convolution are one 2×2 convolution of stride 2.
- Maps keep their channels beside each other in memory (channels_last); see attention.py and block.py.
- `init_dim` may differ from `dim`; the package fails there.

With `latent` it is the generator of a denoising diffusion GAN (arXiv 2112.07804): z, through a mapping network,
scales and shifts the same normalizations as the level does. (The paper's network is NCSN++, with a second such
normalization in each residual block, and the time added to the features.)
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from atme import require
from atme.networks.attention import Attention, LinearAttention
from atme.networks.block import Block
from atme.networks.convolution import Conv2d, convolve
from atme.networks.doubled import doubled
from atme.networks.embedding import Embedding, LatentMapping, LevelEmbedding, heard, told
from atme.networks.kept import Kept
from atme.networks.kernels import in_one_step
from atme.networks.size import require_size

MakeBlock = Callable[..., "ResidualBlock"]


class ResidualBlock(nn.Module):
    """Two blocks beside a shortcut; the level scales and shifts the first one.

    Args:
        in_channels: C.
        out_channels: C', a multiple of `groups`.
        beside: channels of a second map that it reads as well.
        level_width: length of the level's embedding; None: the block does not listen to it.
        groups: of GroupNorm.
        eps: of the weights' standardization.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        beside: int = 0,
        level_width: int | None,
        groups: int,
        eps: float,
    ) -> None:
        super().__init__()
        self.listen = None if level_width is None else nn.Linear(level_width, 2 * out_channels)
        self.first = Block(in_channels + beside, out_channels, groups=groups, eps=eps)
        self.second = Block(out_channels, out_channels, groups=groups, eps=eps)
        changes = beside > 0 or in_channels != out_channels
        self.shortcut = nn.Conv2d(in_channels + beside, out_channels, 1) if changes else None

    def forward(self, image: Tensor, embedded: Tensor | None = None, *, beside: Tensor | None = None) -> Tensor:
        """(B, C, H, W), the level's embedding (B, level_width), and a second map, to (B, C', H, W)."""
        scale_shift = None
        if self.listen is not None and embedded is not None:
            scale_shift = told(self.listen, embedded)  # (B, 2 C')
        if in_one_step(image) and torch.is_grad_enabled():
            hidden, image, beside = self.first.convolved(image, beside)  # (B, C', H, W); as they are
            around = self._around(image, beside)  # (B, C', H, W)
            return self.second.after(self.first, hidden, scale_shift, residual=around)  # (B, C', H, W)
        hidden = self.first(image, scale_shift, beside=beside)  # (B, C', H, W)
        result: Tensor = self.second(hidden, residual=self._around(image, beside))  # (B, C', H, W)
        return result

    def _around(self, image: Tensor, beside: Tensor | None) -> Tensor:
        last = self.shortcut
        return image if last is None else convolve(image, last.weight, last.bias, border=0, beside=beside)


class Down(nn.Module):
    """One level of the way down: two residual blocks, attention, half the size.

    Args:
        channels: C.
        out_channels: C'.
        halve: whether the size is halved; the last level keeps it.
        block: makes a residual block from two numbers of channels.
        attend: what follows the blocks, made from a number of channels.
    """

    def __init__(
        self, channels: int, out_channels: int, *, halve: bool, block: MakeBlock, attend: Callable[[int], nn.Module]
    ) -> None:
        super().__init__()
        self.first = block(channels, channels)
        self.second = block(channels, channels)
        self.attention = attend(channels)
        kernel, stride, padding = (2, 2, 0) if halve else (3, 1, 1)
        self.resize = (nn.Conv2d if halve else Conv2d)(channels, out_channels, kernel, stride, padding)

    def forward(self, image: Tensor, embedded: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, C, H, W) to (B, C', H/2, W/2), after the two maps (B, C, H, W) that the way up reads again."""
        first = self.first(image, embedded)  # (B, C, H, W)
        second = self.attention(self.second(first, embedded))  # (B, C, H, W)
        return first, second, self.resize(second)


class Up(nn.Module):
    """One level of the way up: two residual blocks that also read the way down, attention, twice the size.

    Args:
        channels: C.
        out_channels: C', that of the maps from the way down, too.
        double: whether the size is doubled; the last level keeps it.
        block: makes a residual block from two numbers of channels.
        attend: what follows the blocks, made from a number of channels.
    """

    def __init__(
        self, channels: int, out_channels: int, *, double: bool, block: MakeBlock, attend: Callable[[int], nn.Module]
    ) -> None:
        super().__init__()
        self.first = block(channels, channels, beside=out_channels)
        self.second = block(channels, channels, beside=out_channels)
        self.attention = attend(channels)
        self.doubles = double
        self.resize = Conv2d(channels, out_channels, 3, padding=1)
        self._kept = Kept()

    def forward(self, image: Tensor, embedded: Tensor, *, first: Tensor, second: Tensor) -> Tensor:
        """(B, C, H, W), and the two maps (B, C', H, W) of the way down, to (B, C', 2H, 2W)."""
        image = self.first(image, embedded, beside=second)  # (B, C, H, W)
        image = self.second(image, embedded, beside=first)  # (B, C, H, W)
        image = self.attention(image)  # (B, C, H, W)
        return self.resized(image)  # (B, C', 2H, 2W)

    def resized(self, image: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', 2H, 2W), or, at the last level, (B, C', H, W)."""
        resized: Tensor = doubled(image, self.resize, self._kept) if self.doubles else self.resize(image)
        return resized


class UNet(nn.Module):
    """The diffusion U-Net, called as `generator(image, level)`, or as `generator(image, level, z)` with a latent.

    Args:
        in_channels: channels of the image that it reads.
        out_channels: channels of the image that it returns.
        dim: width of the first level.
        dim_mults: width of each level in multiples of `dim`; each level but the last halves the size.
        groups: of GroupNorm; must divide every width.
        init_dim: width after the first convolution; `dim` if left out.
        embedding: how the level becomes waves: at fixed, learned or random frequencies.
        learned_sinusoidal_dim: number of waves at learned or random frequencies.
        time_dim_mult: width of the level's embedding in multiples of `dim`.
        latent: length of z, the generator's own choice among the answers; 0: it has none.
        attention_from: the first level, counted from 0 at full size, whose pixels attend to one another; the levels
            before it do without. The published network has 0. Attention takes most where there are most pixels.
        recompute: keep no maps within a level for the backward pass, but compute them again there: less memory, more
            time, the same bits.
        head: `atme`: a residual block, a 1×1 convolution and tanh; `ddpm`: the 1×1 convolution alone, unbounded.
        eps: of the standardizations of weights and of pixels (GroupNorm's own is 1e-5).

    Attributes:
        stride: height and width of an image must be multiples of it.
        out_channels: as given.
        latent: as given.

    Raises:
        ValueError: if `groups` does not divide a width, or an option is out of its range.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        *,
        dim: int = 64,
        dim_mults: Sequence[int] = (1, 2, 4, 8),
        groups: int = 8,
        init_dim: int | None = None,
        embedding: Embedding = "fixed",
        learned_sinusoidal_dim: int = 16,
        time_dim_mult: int = 4,
        latent: int = 0,
        attention_from: int = 0,
        recompute: bool = False,
        head: Literal["atme", "ddpm"] = "atme",
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        init_dim = dim if init_dim is None else init_dim
        require.wholes(1, in_channels=in_channels, out_channels=out_channels, dim=dim, init_dim=init_dim, groups=groups)
        require.wholes(1, time_dim_mult=time_dim_mult, learned_sinusoidal_dim=learned_sinusoidal_dim)
        require.whole_numbers("dim_mults", dim_mults, least=1)
        require.choice("embedding", embedding, Embedding)
        require.choice("head", head, ("atme", "ddpm"))
        require.number("eps", eps, above=0)
        widths = [init_dim, *(dim * mult for mult in dim_mults)]
        require_widths(widths, dim=dim, groups=groups)
        require.whole("latent", latent)
        require.whole("attention_from", attention_from, most=len(dim_mults))
        self.recompute = recompute
        self.stride = 2 ** (len(dim_mults) - 1)
        self.out_channels, self.latent = out_channels, latent

        level_width = dim * time_dim_mult
        waves = dim if embedding == "fixed" else learned_sinusoidal_dim
        self.embed = LevelEmbedding(embedding, waves=waves, width=level_width)
        self.map_latent = LatentMapping(latent, width=level_width) if latent else None
        heard = 2 * level_width if latent else level_width
        block = partial(ResidualBlock, level_width=heard, groups=groups, eps=eps)
        self.stem = nn.Conv2d(in_channels, init_dim, 7, padding=3)
        levels = list(enumerate(pairwise(widths)))

        def attend(level: int) -> Callable[[int], nn.Module]:
            return partial(LinearAttention, eps=eps) if level >= attention_from else nn.Identity

        last = len(levels) - 1
        self.down = nn.ModuleList(
            Down(narrow, wide, halve=i < last, block=block, attend=attend(i)) for i, (narrow, wide) in levels
        )
        self.middle_first = block(widths[-1], widths[-1])
        self.middle_attention = Attention(widths[-1], eps=eps)
        self.middle_second = block(widths[-1], widths[-1])
        self.up = nn.ModuleList(
            Up(wide, narrow, double=i > 0, block=block, attend=attend(i)) for i, (narrow, wide) in reversed(levels)
        )
        self.join = block(init_dim, dim, beside=init_dim)
        self.head = make_head(head, dim, out_channels, block=partial(block, level_width=None))
        self.to(memory_format=torch.channels_last)

    def forward(self, image: Tensor, level: Tensor, latent: Tensor | None = None) -> Tensor:
        """Translate a batch of images.

        Args:
            image: (B, in_channels, H, W) in [-1, 1], H and W multiples of `stride`.
            level: (B,), how strongly each image was corrupted, in the unit of the noise scheme: ATME's is the
                mean of W, in (-1, 1); a diffusion timestep is an integer from 0 on.
            latent: (B, latent) standard normal; None for a network without.

        Returns:
            (B, out_channels, H, W) in (-1, 1); unbounded with `head="ddpm"`.

        Raises:
            ValueError: if H or W is no multiple of `stride`.
        """
        require_size(image, channels=self.stem.in_channels, stride=self.stride, network="this U-Net")
        embedded = self._embedded(level, latent)  # (B, time_dim_mult·dim), twice that with a latent
        stem = self.stem(image.contiguous(memory_format=torch.channels_last))  # (B, init_dim, H, W)
        hidden, seen = stem, []
        for down in self.down:
            first, second, hidden = self._called(down, hidden, embedded)  # (B, C, H', W') twice, (B, C', H'/2, W'/2)
            seen.append((first, second))
        hidden = self.middle_attention(self.middle_first(hidden, embedded))  # (B, C, H/stride, W/stride)
        hidden = self.middle_second(hidden, embedded)  # (B, C, H/stride, W/stride)
        for up in self.up:
            first, second = seen.pop()
            hidden = self._called(up, hidden, embedded, first=first, second=second)  # (B, C', 2H', 2W')
        hidden = self._called(self.join, hidden, embedded, beside=stem)  # (B, dim, H, W)
        translated: Tensor = self._called(self.head, hidden)  # (B, out_channels, H, W)
        return translated

    def _called(self, part: nn.Module, *maps: Tensor, **beside: Tensor) -> Any:
        """What a part of the network makes of its maps; with `recompute`, what lies between is not kept."""
        if not (self.recompute and torch.is_grad_enabled()):
            return part(*maps, **beside)
        return checkpoint(partial(part, **beside), *maps, use_reentrant=False, preserve_rng_state=False)

    def _embedded(self, level: Tensor, latent: Tensor | None) -> Tensor:
        """What every residual block listens to: the level, and the latent where there is one."""
        return heard(self.embed, self.map_latent, level, latent)


def make_head(kind: Literal["atme", "ddpm"], dim: int, out_channels: int, *, block: MakeBlock) -> nn.Module:
    """From (B, dim, H, W) to the image."""
    to_image = nn.Conv2d(dim, out_channels, 1)
    return to_image if kind == "ddpm" else nn.Sequential(block(dim, dim), to_image, nn.Tanh())


def require_widths(widths: Sequence[int], *, dim: int, groups: int) -> None:
    """Raise ValueError if there is no level, or if `groups` does not divide a width."""
    if len(widths) < 2:
        raise ValueError("dim_mults is empty: a U-Net needs one level at least; 1,2,4,8 is usual")
    for width in [dim, *widths]:
        if width < 1 or groups < 1 or width % groups:
            raise ValueError(
                f"groups {groups}: does not divide the width {width}; choose dim, init_dim and dim_mults"
                " so that it divides each of them times dim"
            )
