"""The generators of pix2pix: a U-Net and a ResNet.

Isola et al. 2017, arXiv 1611.07004, appendix 6.1.1 (U-Net), and Johnson et al. 2016, arXiv 1603.08155 (ResNet), as
published together with CycleGAN: `unet_256` is `num_downs=8`, `unet_128` is `num_downs=7`, `resnet_9blocks` and
`resnet_6blocks` are `blocks=9` and `blocks=6`. They have no embedding: the level is accepted, so that they stand
wherever a generator does, and not read. What noise pix2pix has is the dropout: on in training, and in the paper when it
translates, too; here it is off then, unless a translator is asked for ``as_trained``.
"""

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from atme import require
from atme.networks.norm import make_norm
from atme.networks.size import require_size
from atme.networks.strided import StridedConv2d, StridedConvTranspose2d

WIDEST = 8
"""The widest layer of the U-Net in multiples of `ngf`."""


class Pix2PixUNet(nn.Module):
    """Convolutions halve the size until little is left, transposed ones restore it beside what was seen there.

    Args:
        in_channels: channels of the image that it reads.
        out_channels: channels of the image that it returns.
        num_downs: how often the size is halved, at least 2.
        ngf: width of the first layer; doubled in each of the next three.
        norm: of every layer but the outermost and the innermost.
        dropout: whether half the features are dropped, in training, in the layers 5 to `num_downs` − 1.

    Attributes:
        stride: height and width of an image must be multiples of it.

    Raises:
        ValueError: if `num_downs` is less than 2.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        *,
        num_downs: int = 8,
        ngf: int = 64,
        norm: Literal["batch", "instance"] = "batch",
        dropout: bool = True,
    ) -> None:
        super().__init__()
        require.whole("num_downs", num_downs, least=2)
        _require_options(in_channels, out_channels, ngf, norm)
        self.in_channels = in_channels
        self.stride = 2**num_downs
        bias = norm != "batch"  # batch norm has a shift of its own
        widths = [ngf * min(2**i, WIDEST) for i in range(num_downs)]
        innermost = num_downs - 1

        self.down = nn.ModuleList([nn.Sequential(StridedConv2d(in_channels, ngf, bias=bias))])
        self.up = nn.ModuleList([nn.Sequential(nn.ReLU(), StridedConvTranspose2d(2 * ngf, out_channels), nn.Tanh())])
        for i, (before, after) in enumerate(pairwise(widths), start=1):
            down = [nn.LeakyReLU(0.2), StridedConv2d(before, after, bias=bias)]
            read = after if i == innermost else 2 * after
            up = [nn.ReLU(), StridedConvTranspose2d(read, before, bias=bias), make_norm(norm, before)]
            self.down.append(nn.Sequential(*down, *([] if i == innermost else [make_norm(norm, after)])))
            self.up.append(nn.Sequential(*up, *([nn.Dropout(0.5)] if dropout and 4 <= i < innermost else [])))

    def forward(self, image: Tensor, level: Tensor | None = None) -> Tensor:
        """Translate a batch of images.

        Args:
            image: (B, in_channels, H, W) in [-1, 1], H and W multiples of `stride`.
            level: not read; this network has no embedding.

        Returns:
            (B, out_channels, H, W) in (-1, 1).

        Raises:
            ValueError: if H or W is no multiple of `stride`.
        """
        require_size(image, channels=self.in_channels, stride=self.stride, network="this pix2pix U-Net")
        seen = [image]
        for down in self.down:
            seen.append(down(seen[-1]))  # (B, C, H/2, W/2) after the first, and so on
        hidden = seen.pop()  # (B, C, H/stride, W/stride)
        for up in reversed(self.up[1:]):
            hidden = torch.cat([seen.pop(), heard_as_it_lies(up(hidden))], dim=1)  # (B, 2C, 2H', 2W')
        translated: Tensor = self.up[0](hidden)  # (B, out_channels, H, W)
        return translated


class Pix2PixResNet(nn.Module):
    """Two halvings, residual blocks at a quarter of the size, two doublings; reflected borders.

    Args:
        in_channels: channels of the image that it reads.
        out_channels: channels of the image that it returns.
        blocks: number of residual blocks; 9 suits 256×256, 6 suits 128×128.
        ngf: width of the first layer; the residual blocks have four times as many channels.
        norm: of every layer but the last.
        dropout: whether half the features are dropped, in training, inside each residual block.

    Attributes:
        stride: height and width of an image must be multiples of it (and 8 at least).

    Raises:
        ValueError: if `blocks` is negative.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        *,
        blocks: int = 9,
        ngf: int = 64,
        norm: Literal["batch", "instance"] = "batch",
        dropout: bool = True,
    ) -> None:
        super().__init__()
        require.whole("blocks", blocks)
        _require_options(in_channels, out_channels, ngf, norm)
        self.in_channels = in_channels
        self.stride = 4
        bias = norm != "batch"  # batch norm has a shift of its own

        def normalized(layer: nn.Conv2d | nn.ConvTranspose2d) -> nn.Sequential:
            return nn.Sequential(layer, make_norm(norm, layer.out_channels), nn.ReLU())

        self.stem = normalized(nn.Conv2d(in_channels, ngf, 7, padding=3, padding_mode="reflect", bias=bias))
        self.down = nn.Sequential(*(normalized(nn.Conv2d(c, 2 * c, 3, 2, 1, bias=bias)) for c in (ngf, 2 * ngf)))
        self.blocks = nn.Sequential(*(ReflectedBlock(4 * ngf, norm=norm, dropout=dropout) for _ in range(blocks)))
        self.up = nn.Sequential(
            *(
                normalized(nn.ConvTranspose2d(c, c // 2, 3, 2, 1, output_padding=1, bias=bias))
                for c in (4 * ngf, 2 * ngf)
            )
        )
        self.last = nn.Conv2d(ngf, out_channels, 7, padding=3, padding_mode="reflect")

    def forward(self, image: Tensor, level: Tensor | None = None) -> Tensor:
        """Translate a batch of images.

        Args:
            image: (B, in_channels, H, W) in [-1, 1], H and W multiples of 4 from 8 on.
            level: not read; this network has no embedding.

        Returns:
            (B, out_channels, H, W) in (-1, 1).

        Raises:
            ValueError: if H or W does not fit.
        """
        # A border cannot reflect more than there is: the residual blocks need two pixels each way.
        smallest, network = 2 * self.stride, "this pix2pix ResNet"
        require_size(image, channels=self.in_channels, stride=self.stride, smallest=smallest, network=network)
        hidden = self.down(self.stem(image))  # (B, 4·ngf, H/4, W/4)
        hidden = self.up(self.blocks(hidden))  # (B, ngf, H, W)
        return torch.tanh(self.last(hidden))  # (B, out_channels, H, W)


class ReflectedBlock(nn.Module):
    """x + norm(conv(relu(norm(conv(x))))), with reflected borders.

    Args:
        channels: C.
        norm: after each convolution.
        dropout: whether half the features are dropped between the convolutions, in training.
    """

    def __init__(self, channels: int, *, norm: Literal["batch", "instance"], dropout: bool) -> None:
        super().__init__()
        bias = norm != "batch"
        convolutions = [
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=bias) for _ in range(2)
        ]
        self.first = nn.Sequential(convolutions[0], make_norm(norm, channels), nn.ReLU())
        self.dropout = nn.Dropout(0.5 if dropout else 0.0)
        self.second = nn.Sequential(convolutions[1], make_norm(norm, channels))

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        changed: Tensor = self.second(self.dropout(self.first(image)))  # (B, C, H, W)
        return image + changed


def heard_as_it_lies(image: Tensor) -> Tensor:
    """The same map, whose gradient is laid out as it is.

    Where a map is one part of a wider one, its gradient is a slice, which the derivative of PyTorch's batch norm on a
    CPU takes 4 to 20 times as long for.
    """
    if image.requires_grad and image.device.type == "cpu":
        last = image.is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if last else torch.contiguous_format
        image.register_hook(lambda gradient: gradient.contiguous(memory_format=layout))
    return image


def _require_options(in_channels: int, out_channels: int, ngf: int, norm: str) -> None:
    """What both generators ask of their options."""
    require.wholes(1, in_channels=in_channels, out_channels=out_channels, ngf=ngf)
    require.choice("norm", norm, ("batch", "instance"))
