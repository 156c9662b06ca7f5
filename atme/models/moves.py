"""What the games have in common: a discriminator that holds still, its verdicts, and how even the game is."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from atme.data import Pair
from atme.losses import cross_entropy_fake, cross_entropy_real, entropy
from atme.noise import Verdicts


@contextmanager
def frozen(module: nn.Module) -> Iterator[nn.Module]:
    """Let gradients pass through a module without collecting any for its own weights."""
    wanted = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in wanted:
        parameter.requires_grad_(False)
    try:
        yield module
    finally:
        for parameter in wanted:
            parameter.requires_grad_(True)


def verdicts_on(pair: Pair, *, real: Tensor, fake: Tensor) -> Verdicts:
    """The logits of one update, detached, with what says of which pairs they are."""
    assert pair.index is not None
    return Verdicts(real.detach().float(), fake.detach().float(), pair.index, pair.view)


def readings(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """How even the game is: cross-entropies, their sum (log 4 at equilibrium), and entropy (log 2), in nats."""
    real, fake = real.detach(), fake.detach()
    d_real, d_fake = cross_entropy_real(real), cross_entropy_fake(fake)
    return {
        "d_real": d_real,
        "d_fake": d_fake,
        "objective": d_real + d_fake,
        "entropy": (entropy(real) + entropy(fake)) / 2,
    }
