"""The conditional discriminator: it judges patches, not the whole image, and returns a map of logits.

PatchGAN of Isola et al. 2017 (arXiv 1611.07004, §3.2 and appendix 6.1.2); with `layers=0` their pixel
discriminator. Told the diffusion timestep t of the image it judges, it projects (Miyato and Koyama 2018,
arXiv 1802.05637): logits(h) = ψ(h) + ⟨φ(h), e(t)⟩ / √C, with h the last features, ψ and φ convolutions of the same
shape, to 1 and to C channels, and e(t) a sinusoidal embedding and an MLP. Without, it is the plug-in mode of
Diffusion-GAN (arXiv 2206.02262).

Departure: with `norm="none"` the convolutions have biases; published, they have them with instance norm only.
"""

import math

import torch
from torch import Tensor, nn

from atme import require
from atme.networks.convolution import Conv2d
from atme.networks.embedding import LevelEmbedding
from atme.networks.norm import Norm, make_norm
from atme.networks.size import require_judged
from atme.networks.strided import STRIDE, StridedConv2d

WIDEST = 8
"""The widest layer in multiples of `dim`."""


class PatchGAN(nn.Module):
    """Patch discriminator, called as `discriminator(source, image, level)`.

    Args:
        source_channels: channels of the image that conditions the verdict.
        target_channels: channels of the image that is judged.
        layers: layers of stride 2, 1 to 5; 3 sees patches of 70×70; 0 judges each pixel alone.
        dim: width of the first layer.
        norm: of every layer but the first and the last.
        timestep_aware: whether the verdict depends on the diffusion timestep of the judged image.

    Raises:
        ValueError: if `layers` is not between 0 and 5.
    """

    def __init__(
        self,
        source_channels: int = 3,
        target_channels: int = 3,
        *,
        layers: int = 3,
        dim: int = 64,
        norm: Norm = "instance",
        timestep_aware: bool = False,
    ) -> None:
        super().__init__()
        require.whole("layers", layers, most=5)
        require.wholes(1, source_channels=source_channels, target_channels=target_channels, dim=dim)
        require.choice("norm", norm, Norm)
        self.source_channels, self.target_channels = source_channels, target_channels
        channels, widths = source_channels + target_channels, layer_widths(layers, dim)
        self.features = nn.Sequential(*make_features(channels, widths, layers=layers, norm=norm))
        self.verdict = make_convolution(widths[-1], 1, layers=layers)
        self.timestep_aware = timestep_aware
        self.project: nn.Conv2d | None = None
        self.embed: LevelEmbedding | None = None
        if timestep_aware:
            self.project = make_convolution(widths[-1], dim, layers=layers)
            self.embed = LevelEmbedding("fixed", waves=dim, width=dim)

    def forward(self, source: Tensor, image: Tensor, level: Tensor | None = None) -> Tensor:
        """Judge a batch of images beside their sources.

        Args:
            source: (B, source_channels, H, W) in [-1, 1].
            image: (B, target_channels, H, W), the real or the generated target, perhaps diffused.
            level: (B,) diffusion timestep of `image`, from 0 on; None is 0, a clean image. It is read only if
                `timestep_aware`.

        Returns:
            (B, 1, h, w) logits, positive for "real"; (h, w) is `verdict_shape(H, W)`.

        Raises:
            ValueError: if the image is too small for the layers.
        """
        require_judged(source, image, level, channels=(self.source_channels, self.target_channels))
        self.verdict_shape(*image.shape[-2:])
        features = self.features(torch.cat([source, image], dim=1))  # (B, C, h', w')
        logits: Tensor = self.verdict(features)  # (B, 1, h, w)
        if self.project is None or self.embed is None:
            return logits
        level = torch.zeros(image.shape[0], device=image.device) if level is None else level
        embedded = self.embed(level)[:, :, None, None]  # (B, C, 1, 1)
        projected: Tensor = self.project(features) * embedded  # (B, C, h, w)
        logits = logits + projected.sum(1, keepdim=True) / embedded.shape[1] ** 0.5  # (B, 1, h, w)
        return logits

    def path(self) -> list[nn.Module]:
        """The layers between an image and its verdict, in their order."""
        return [*self.features, self.verdict]

    def convolutions(self) -> list[nn.Conv2d]:
        """Those of `path` that change the size."""
        return [layer for layer in self.path() if isinstance(layer, nn.Conv2d)]

    @property
    def receptive_field(self) -> int:
        """Side of the square of pixels that one logit depends on through the convolutions.

        (Instance norm lets every pixel of the image move the mean and the spread of all of them a little.)
        """
        side = 1
        for layer in reversed(self.convolutions()):
            side = (side - 1) * layer.stride[0] + layer.kernel_size[0]
        return side

    @property
    def verdict_stride(self) -> int:
        """Pixels from one logit to the next."""
        return math.prod(layer.stride[0] for layer in self.convolutions())

    @property
    def verdict_start(self) -> float:
        """Pixels from the upper and the left edge of an image to the middle of what its first logit looks at.

        Where a layer halves an odd side, the last pixel is left out, and the map no longer lies in the middle.
        """
        middle = 0.0  # of the first logit, counted from the middle of the first pixel
        for layer in reversed(self.convolutions()):
            middle = middle * layer.stride[0] - int(layer.padding[0]) + (layer.kernel_size[0] - 1) / 2
        return middle + 0.5

    def verdict_shape(self, height: int, width: int) -> tuple[int, int]:
        """(h, w) of the logits for an image of height H and width W.

        Raises:
            ValueError: if the image is too small for the layers.
        """
        require.size("image", (height, width))
        shape = (height, width)
        for layer in self.path():
            if isinstance(layer, nn.Conv2d):
                shape = convolved(shape, layer)
            too_small = isinstance(layer, nn.InstanceNorm2d) and shape == (1, 1)  # it has no spread to divide by
            if shape[0] < 1 or shape[1] < 1 or too_small:
                raise ValueError(
                    f"an image of height {height} and width {width}: too small for a PatchGAN whose"
                    f" {len(self.convolutions())} convolutions see {self.receptive_field} pixels;"
                    " choose fewer layers or a larger crop"
                )
        return shape


def convolved(shape: tuple[int, int], layer: nn.Conv2d) -> tuple[int, int]:
    """Height and width after a convolution."""
    kernel, stride, padding = layer.kernel_size[0], layer.stride[0], int(layer.padding[0])
    height, width = ((side + 2 * padding - kernel) // stride + 1 for side in shape)
    return height, width


def layer_widths(layers: int, dim: int) -> list[int]:
    """Channels after each convolution but the last: doubled until `WIDEST`."""
    return [dim * min(2**i, WIDEST) for i in range(max(layers, 1) + 1)]


def make_features(channels: int, widths: list[int], *, layers: int, norm: Norm) -> list[nn.Module]:
    """All layers but the last: convolution, norm (none after the first), leaky ReLU."""
    before = [channels, *widths[:-1]]
    strides = [2] * layers + [1] if layers else [1, 1]
    features: list[nn.Module] = []
    for i, (narrow, wide, stride) in enumerate(zip(before, widths, strides, strict=True)):
        bias = i == 0 or norm != "batch"  # batch norm has a shift of its own
        features.append(make_convolution(narrow, wide, layers=layers, stride=stride, bias=bias))
        features.extend([] if i == 0 else [make_norm(norm, wide)])
        features.append(nn.LeakyReLU(0.2))
    return features


def make_convolution(before: int, after: int, *, layers: int, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    """4×4 with a border of 1, or 1×1 where each pixel is judged alone."""
    if stride == STRIDE:
        return StridedConv2d(before, after, bias=bias)
    kernel, padding = (4, 1) if layers else (1, 0)
    return Conv2d(before, after, kernel, stride, padding, bias=bias)
