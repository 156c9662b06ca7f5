"""A discriminator that looks with frozen, pretrained eyes: Projected GAN, conditional, for pairs.

Sauer et al., NeurIPS 2021, arXiv 2111.01007. A network that was trained on other pictures, and learns nothing here,
makes maps of an image at several strides; they are mixed at random (mixing.py), and a small head judges each scale:

    D_l(x, y) = head_l(mix(F(x))_l ⊕ mix(F(y))_l),       F frozen, head_l convolutions with spectral norm.

Departures, since it judges pairs, patch by patch, in small batches:

- *It is conditional*: x goes through the same network and the same mixing, and stands beside y in every head. The
  paper's discriminator never sees a condition; ``conditional: false`` is as blind.
- *Heads* keep maps of patches: layers of stride 2 (4×4), then 1×1. The paper's go down to one verdict or a few for the
  whole image, at 256 pixels; it names more patches as an option, and its authors advise it for translation.
- *Group norm or none*, never batch norm: that is another normalization where a batch is one image.
- *Images keep their size.* The paper enlarges data sets below 224 pixels to 224. ``enlarge`` does so by a whole factor.
- *Channels.* The network sees three. A gray picture is shown three times over; of others, every three channels are one
  picture, and each that is left over a gray one: four are a color picture and its alpha.
- *Noise on images* comes with its level t, which the heads listen to if ``timestep_aware``, as PatchGAN does.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from atme import require
from atme.networks.encoder import DEFAULT, Encoder
from atme.networks.encoder_weights import origin
from atme.networks.features import Features
from atme.networks.head import GROUPS, Head, HeadNorm
from atme.networks.mixing import FeatureMixing, Mixing
from atme.networks.size import require_judged, shrunk

STRIDES = (4, 8, 16, 32)
"""Of the maps that are looked at."""


class ProjectedDiscriminator(nn.Module):
    """Judges by what a frozen network sees, called as `discriminator(source, image, level, on_features)`.

    Its answer is a map of each scale, the finest first, which is the one that a memory keeps; those of `beside` stand
    behind them, or before, where they are finer.

    Args:
        source_channels: channels of the image that conditions the verdict.
        target_channels: channels of the image that is judged.
        scales: how many of the network's maps are looked at, of strides 4, 8, 16, 32, the finest first; what is
            above the last one is left out.
        mixing: of the maps, at random: none, across ``channels``, or across channels and ``scales``.
        dim: width of the finest mixed map; each coarser one is wider.
        head_width: of the heads' layers.
        head_layers: of stride 2, in each head.
        norm: of those layers, in ``group``s of channels, or ``none``.
        conditional: whether the source is looked at beside the image.
        timestep_aware: whether the verdict depends on the diffusion timestep of the judged image.
        enlarge: images are shown so many times as large, 1, 2 or 4; the verdict's stride is as much smaller.
        network: the frozen one, by its name in timm.
        weights: its own: ``wheel``, ``hub``, ``none`` or a file.
        beside: a discriminator that judges the same images in its own way, such as `PatchGAN`; it takes no part in what
            a scheme does to features.
        seed: of the mixing.

    Attributes:
        origin: where the frozen network's weights come from; None if they are drawn.

    Raises:
        ValueError: if a number is out of its range, or the network or its weights are not there.
    """

    def __init__(
        self,
        source_channels: int = 3,
        target_channels: int = 3,
        *,
        scales: int = 4,
        mixing: Mixing = "scales",
        dim: int = 64,
        head_width: int = 128,
        head_layers: int = 1,
        norm: HeadNorm = "group",
        conditional: bool = True,
        timestep_aware: bool = False,
        enlarge: int = 1,
        network: str = DEFAULT,
        weights: str = "wheel",
        beside: Callable[[int, int], nn.Module] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        require.whole("scales", scales, least=1, most=len(STRIDES))
        require.wholes(1, source_channels=source_channels, target_channels=target_channels, dim=dim)
        require.wholes(1, head_width=head_width, head_layers=head_layers)
        require.choice("mixing", mixing, Mixing)
        require.choice("norm", norm, HeadNorm)
        require.whole("seed", seed)
        if norm == "group" and (head_width % GROUPS or head_width == GROUPS):
            raise ValueError(
                f"head_width: {head_width} channels do not make {GROUPS} groups of two or more; give a multiple of"
                f" {GROUPS}, {2 * GROUPS} or more, or norm none"
            )
        if not isinstance(enlarge, int) or isinstance(enlarge, bool) or enlarge not in (1, 2, 4):
            raise ValueError(f"enlarge: {require.shown(enlarge)} is no factor here; give 1, 2 or 4")
        self.source_channels, self.target_channels = source_channels, target_channels
        self.conditional, self.enlarge, self.head_layers = conditional, enlarge, head_layers
        self.timestep_aware, self.origin = timestep_aware, origin(network, weights)
        self.eye = Encoder(network, strides=STRIDES[:scales], weights=weights).requires_grad_(False)
        self.mixing = FeatureMixing(self.eye.channels, kind=mixing, dim=dim, seed=seed)
        looked_at = pictures(target_channels) + (pictures(source_channels) if conditional else 0)
        self.heads = nn.ModuleList(
            Head(looked_at * channels, width=head_width, layers=head_layers, norm=norm, timestep_aware=timestep_aware)
            for channels in self.mixing.channels
        )
        self.beside: Any = None if beside is None else beside(source_channels, target_channels)
        if beside is not None and not (
            hasattr(self.beside, "verdict_shape") and hasattr(self.beside, "verdict_stride")
        ):
            raise ValueError(
                f"beside: {type(self.beside).__name__} is no discriminator; give one, such as atme.PatchGAN"
            )

    def look(self, source: Tensor, image: Tensor) -> Features:
        """What the frozen network makes of both, before any mixing, at strides 4, 8, …

        Args:
            source: (B, source_channels, H, W) in [-1, 1].
            image: (B, target_channels, H, W) in [-1, 1], perhaps diffused.

        Returns:
            (B, C_l, h_l, w_l) each; of images that are several pictures (of the other numbers of channels than 1 and
            3), those of the first picture, then those of the next.
        """
        return Features(self._seen(image), self._seen(source) if self.conditional else ())

    def judge(self, features: Features, level: Tensor | None = None) -> tuple[Tensor, ...]:
        """(B, 1, h, w) logits of each scale, positive for "real", the finest first; without those of `beside`."""
        mixed = [self._mixed(maps) for maps in (features.image, features.source) if maps]
        scales = (torch.cat(maps, dim=1) for maps in zip(*mixed, strict=True))
        return tuple(head(maps, level) for head, maps in zip(self.heads, scales, strict=True))

    def forward(
        self,
        source: Tensor,
        image: Tensor,
        level: Tensor | None = None,
        on_features: Callable[[Features], Features] | None = None,
    ) -> tuple[Tensor, ...]:
        """Judge a batch of images beside their sources.

        Args:
            source: (B, source_channels, H, W) in [-1, 1].
            image: (B, target_channels, H, W), the real or the generated target, perhaps diffused.
            level: (B,) diffusion timestep of `image`; None is 0, a clean image. It is read only if `timestep_aware`.
            on_features: what is done to what is seen, before it is mixed and judged.

        Returns:
            (B, 1, h, w) logits of each scale, positive for "real", the finest first: (h, w) is `verdict_shape(H, W)`.

        Raises:
            ValueError: if the image is too small for the scales.
        """
        require_judged(source, image, level, channels=(self.source_channels, self.target_channels))
        self.verdict_shape(*image.shape[-2:])
        features = self.look(source, image)
        maps = self.judge(features if on_features is None else on_features(features), level)
        if self.beside is None:
            return maps
        other = self.beside(source, image, level)
        others = (other,) if isinstance(other, Tensor) else tuple(other)
        return (*others, *maps) if self._beside_is_finer else (*maps, *others)

    @property
    def verdict_stride(self) -> int:
        """Pixels from one logit to the next, of the finest map."""
        stride: int = self.beside.verdict_stride if self._beside_is_finer else self._stride
        return stride

    @property
    def verdict_start(self) -> float | None:
        """Pixels from an image's edges to the middle of what its first logit looks at, to within a pixel.

        Enlarging corners upon corners moves cells by less than that; so do sides that are no multiples of the strides.
        """
        if self._beside_is_finer:
            return getattr(self.beside, "verdict_start", None)
        step = STRIDES[0] / self.enlarge
        start = (self.eye.starts[0] + 0.5) / self.enlarge
        if self.mixing.kind == "scales":
            step, start = step / 2, start - step / 4
        for _ in range(self.head_layers):
            step, start = 2 * step, start + step / 2
        return start

    def verdict_shape(self, height: int, width: int) -> tuple[int, int]:
        """(h, w) of the finest map for an image of height H and width W.

        Raises:
            ValueError: if the image is too small for the scales.
        """
        require.size("image", (height, width))
        high, wide = height * self.enlarge, width * self.enlarge
        seen = [(shrunk(high, stride), shrunk(wide, stride)) for stride in self.eye.strides]
        judged = [(h // 2**self.head_layers, w // 2**self.head_layers) for h, w in self.mixing.sizes(seen)]
        if any(0 in size for size in judged):
            raise ValueError(
                f"an image of height {height} and width {width}: too small for {len(judged)} scales whose heads have"
                f" {self.head_layers} layers of stride 2; choose fewer scales or head_layers, or a larger crop"
            )
        shape: tuple[int, int] = judged[0]
        if self.beside is not None:
            other: tuple[int, int] = self.beside.verdict_shape(height, width)
            shape = other if self._beside_is_finer else shape
        return shape

    @property
    def _stride(self) -> int:
        """Pixels from one logit of the finest head to the next."""
        doubled = 2 if self.mixing.kind == "scales" else 1
        stride: int = STRIDES[0] * 2**self.head_layers // doubled // self.enlarge
        return stride

    @property
    def _beside_is_finer(self) -> bool:
        return self.beside is not None and self.beside.verdict_stride < self._stride

    def _seen(self, image: Tensor) -> tuple[Tensor, ...]:
        """The frozen network's maps of an image (B, C, H, W), each (B, pictures · C_l, h_l, w_l)."""
        batch, image = len(image), in_colors(image)  # (B · pictures, 3, H, W)
        if self.enlarge > 1:
            image = F.interpolate(image, scale_factor=self.enlarge, mode="bilinear", align_corners=False)
        each: tuple[Tensor, ...] = self.eye(image)
        return tuple(maps.reshape(batch, -1, *maps.shape[-2:]) for maps in each)

    def _mixed(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Each picture's maps mixed by themselves, and put together again: (B, pictures · C'_l, h'_l, w'_l)."""
        own = zip(maps, self.eye.channels, strict=True)
        each = self.mixing(tuple(map_.reshape(-1, channels, *map_.shape[-2:]) for map_, channels in own))
        return tuple(mixed.reshape(len(maps[0]), -1, *mixed.shape[-2:]) for mixed in each)


def pictures(channels: int) -> int:
    """How many pictures of three colors an image of so many channels is."""
    return channels // 3 + channels % 3


def in_colors(image: Tensor) -> Tensor:
    """An image (B, C, H, W) as pictures of three colors, (B · pictures, 3, H, W): of three channels, then of one."""
    whole = image.shape[1] // 3
    if image.shape[1] == 3:
        return image
    colors = image[:, : 3 * whole].unflatten(1, (whole, 3))  # (B, C // 3, 3, H, W)
    gray = image[:, 3 * whole :, None].expand(-1, -1, 3, -1, -1)  # (B, C % 3, 3, H, W)
    return torch.cat([colors, gray], dim=1).flatten(0, 1)
