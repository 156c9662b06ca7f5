"""The package's networks on pictures in strips: the same layers in the same order as in their own `forward`."""

from functools import singledispatch

import torch
from torch import Tensor, nn

from atme.inference.strips.layers import block, enlarged, layered
from atme.inference.strips.rows import Rows, beside, through
from atme.inference.strips.shelf import Shelf
from atme.networks import PatchGAN, Pix2PixResNet, Pix2PixUNet, UNet, WNet
from atme.networks.embedding import told
from atme.networks.kernels import precise
from atme.networks.pix2pix import ReflectedBlock
from atme.networks.size import shrunk
from atme.networks.unet import Down, ResidualBlock, Up
from atme.networks.wnet import SHRINK


@singledispatch
def generated(generator: nn.Module, image: Rows, level: Tensor, latent: Tensor | None, shelf: Shelf) -> Rows:
    """A generator's answer to a picture, whose sides are multiples of its stride.

    Raises:
        ValueError: for a generator that is not the package's own.
    """
    require_known(generator)
    raise AssertionError("a generator that is known has a function of its own")


@generated.register
def _unet(generator: UNet, image: Rows, level: Tensor, latent: Tensor | None, shelf: Shelf) -> Rows:
    embedded = generator._embedded(level, latent)  # (1, level_width)
    stem = shelf.store(layered(generator.stem, image, shelf))  # (init_dim, H, W)
    hidden, seen = stem, []
    for down in generator.down:
        assert isinstance(down, Down)
        first = residual_block(down.first, hidden, embedded=embedded, shelf=shelf)  # (C, H', W')
        second = residual_block(down.second, first, embedded=embedded, shelf=shelf)  # (C, H', W')
        second = shelf.store(layered(down.attention, second, shelf))  # (C, H', W')
        seen.append((first, second))
        hidden = shelf.store(layered(down.resize, second, shelf))  # (C', H'/2, W'/2)
    hidden = residual_block(generator.middle_first, hidden, embedded=embedded, shelf=shelf)
    hidden = layered(generator.middle_attention, hidden, shelf)
    hidden = residual_block(generator.middle_second, hidden, embedded=embedded, shelf=shelf)
    for up in generator.up:
        assert isinstance(up, Up)
        first, second = seen.pop()
        hidden = residual_block(up.first, hidden, second, embedded=embedded, shelf=shelf)  # (C, H', W')
        hidden = residual_block(up.second, hidden, first, embedded=embedded, shelf=shelf)  # (C, H', W')
        del first, second
        hidden = shelf.store(resized(up, layered(up.attention, hidden, shelf), shelf))  # (C', 2H', 2W')
    hidden = residual_block(generator.join, hidden, stem, embedded=embedded, shelf=shelf)  # (dim, H, W)
    if isinstance(generator.head, nn.Conv2d):
        return layered(generator.head, hidden, shelf)
    assert isinstance(generator.head, nn.Sequential)
    hidden = residual_block(generator.head[0], hidden, embedded=None, shelf=shelf)  # (dim, H, W)
    return layered(generator.head[1:], hidden, shelf)  # (out_channels, H, W)


def require_known(generator: nn.Module) -> None:
    """Whether a generator works in strips; what was derived from one that does may do anything.

    Raises:
        ValueError: it does not.
    """
    if type(generator) in generated.registry:
        return
    known = ", ".join(kind.__name__ for kind in generated.registry if kind is not object)
    raise ValueError(f"exact: knows {known}, and not {type(generator).__name__}; leave --exact out")


def resized(up: Up, rows: Rows, shelf: Shelf) -> Rows:
    """The last layer of a level of the way up."""
    if not up.doubles:
        return layered(up.resize, rows, shelf)
    return through(up.resized, rows, channels=up.resize.out_channels, reach=1, up=2)


def residual_block(layer: nn.Module, *maps: Rows, embedded: Tensor | None, shelf: Shelf) -> Rows:
    """`networks.unet.ResidualBlock` on one or two maps."""
    assert isinstance(layer, ResidualBlock)
    scale_shift = None
    if layer.listen is not None and embedded is not None:
        scale_shift = told(layer.listen, embedded)  # (1, 2 C')
    both = maps[0] if len(maps) == 1 else beside(*maps)
    hidden = block(layer.first, both, scale_shift=scale_shift, residual=None, shelf=shelf)
    residual = both if layer.shortcut is None else layered(layer.shortcut, both, shelf)
    return shelf.store(block(layer.second, hidden, scale_shift=None, residual=residual, shelf=shelf))


@generated.register
def _pix2pix_unet(generator: Pix2PixUNet, image: Rows, level: Tensor, latent: Tensor | None, shelf: Shelf) -> Rows:
    seen = [image]
    for down in generator.down:
        seen.append(shelf.store(layered(down, seen[-1], shelf)))  # (C, H/2, W/2) after the first, and so on
    hidden = seen.pop()  # (C, H/stride, W/stride)
    for up in reversed(generator.up[1:]):
        hidden = shelf.store(beside(seen.pop(), layered(up, hidden, shelf)))  # (2C, 2H', 2W')
    return layered(generator.up[0], hidden, shelf)  # (out_channels, H, W)


@generated.register
def _pix2pix_resnet(generator: Pix2PixResNet, image: Rows, level: Tensor, latent: Tensor | None, shelf: Shelf) -> Rows:
    hidden = layered(generator.down, layered(generator.stem, image, shelf), shelf)  # (4·ngf, H/4, W/4)
    for each in generator.blocks:
        hidden = shelf.store(layered(each, hidden, shelf))
    hidden = layered(generator.last, layered(generator.up, hidden, shelf), shelf)  # (out_channels, H, W)
    return through(torch.tanh, hidden, channels=hidden.channels)


@layered.register
def _reflected_block(layer: ReflectedBlock, rows: Rows, shelf: Shelf) -> Rows:
    hidden = layered(layer.dropout, layered(layer.first, rows, shelf), shelf)
    return through(torch.add, rows, layered(layer.second, hidden, shelf), channels=rows.channels)


def judged(discriminator: PatchGAN, source: Rows, image: Rows, shelf: Shelf) -> Tensor:
    """A discriminator's verdict on a clean image: (1, 1, h, w) logits, in memory."""
    features = layered(discriminator.features, beside(source, image), shelf)
    if discriminator.project is not None:
        features = shelf.store(features)
    logits = _in_memory(layered(discriminator.verdict, features, shelf), shelf)
    if discriminator.project is None or discriminator.embed is None:
        return logits
    embedded = discriminator.embed(torch.zeros(1, device=shelf.device))[:, :, None, None]  # (1, C, 1, 1)
    projected = through(
        lambda strip: (strip * embedded).sum(1, keepdim=True),
        layered(discriminator.project, features, shelf),
        channels=1,
    )
    logits += _in_memory(projected, shelf) / embedded.shape[1] ** 0.5
    return logits


def w_map(network: WNet, verdict: Rows, *, size: tuple[int, int], shelf: Shelf) -> Rows:
    """W of a verdict, (1, H, W)."""
    hidden = verdict
    for shrink, each in zip(SHRINK, network.blocks, strict=True):
        height, width = (shrunk(side, shrink) for side in size)
        hidden = enlarged(hidden, (height, width))  # (C, H/shrink, W/shrink)
        hidden = block(each, hidden, scale_shift=None, residual=None, shelf=shelf)  # type: ignore[arg-type]

    def last(strip: Tensor) -> Tensor:
        with torch.autocast(strip.device.type, enabled=False):
            return torch.tanh(network.last(precise(strip)))

    return through(last, hidden, channels=1)


def _in_memory(rows: Rows, shelf: Shelf) -> Tensor:
    strips: list[Tensor] = []
    shelf.sweep(rows, lambda top, strip: strips.append(strip))
    return torch.cat(strips, dim=2)
