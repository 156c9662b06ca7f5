"""The first weights of a network, in one place.

The published code of ATME draws them for all three networks, G, D and W, as pix2pix does (Isola et al. 2017,
arXiv 1611.07004, §3.3): weights of convolutions and linear layers N(0, 0.02²), the scale of batch norm N(1, 0.02²),
biases and shifts 0. The scales of other norms stay 1, learned frequencies stay as they were drawn. What begins with
weights from elsewhere keeps them (networks/pretrained.py).
"""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import nn

from atme import require

Scheme = Literal["normal", "xavier", "kaiming", "orthogonal", "default"]

WEIGHTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def initialize(
    module: nn.Module,
    *,
    scheme: Scheme = "normal",
    gain: float = 0.02,
    generator: torch.Generator | None = None,
) -> None:
    """Draw the weights of a network anew, in place.

    Args:
        module: the network.
        scheme: law of the weights of convolutions and linear layers: `normal` N(0, gain²); `xavier` (Glorot and
            Bengio 2010) and `orthogonal` (Saxe et al. 2014) with that gain; `kaiming` (He et al. 2015) for ReLU,
            without it; `default` leaves every weight as PyTorch drew it.
        gain: standard deviation of `normal`, and of the scale of batch norm about 1 under every scheme; factor of
            `xavier` and `orthogonal`.
        generator: source of the draws; PyTorch's global one if left out.
    """
    require.kind("module", module, of=nn.Module)
    require.choice("scheme", scheme, Scheme)
    require.number("gain", gain, least=0)
    if scheme == "default":
        return
    with torch.no_grad():
        for layer in _drawn(module):
            if isinstance(layer, WEIGHTED):
                draw(layer.weight, scheme=scheme, gain=gain, generator=generator)
            elif isinstance(layer, nn.BatchNorm2d):
                layer.weight.normal_(1.0, gain, generator=generator)
            else:
                continue
            if layer.bias is not None:
                layer.bias.zero_()


def _drawn(module: nn.Module) -> Iterator[nn.Module]:
    """A module and all below it, in PyTorch's order, without what keeps its weights."""
    seen: set[nn.Module] = set()
    todo = [module]
    while todo:
        layer = todo.pop()
        if layer in seen or getattr(layer, "keeps_weights", False):
            continue
        seen.add(layer)
        yield layer
        todo += reversed(list(layer.children()))


def draw(weight: torch.Tensor, *, scheme: Scheme, gain: float, generator: torch.Generator | None) -> None:
    """Fill a weight (out, in, ...) in place."""
    match scheme:
        case "normal":
            nn.init.normal_(weight, 0.0, gain, generator=generator)
        case "xavier":
            nn.init.xavier_normal_(weight, gain, generator=generator)
        case "kaiming":
            nn.init.kaiming_normal_(weight, generator=generator)
        case "orthogonal":
            nn.init.orthogonal_(weight, gain, generator=generator)
