"""Who plays: the networks of a game by their roles, and what a game may ask of each.

Every game has a generator, and a noise scheme beside it, which may do nothing. Most have a discriminator. A game may
name further roles, such as an encoder: each is a section below ``networks`` in a preset, a side that moves by itself,
and a file of every checkpoint.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, cast

from torch import Tensor, nn

from atme.losses import Maps
from atme.noise import Features, Injection

Side = str
"""Who moves: the role of a network. The noise scheme's weights move with the generator's."""

CRITIC = "discriminator"
"""The one role that no translation is made with, but for a scheme that translates in several passes."""


class Networks(Mapping[str, nn.Module]):
    """The modules of a game by their roles: a mapping from names, in the order in which they are built.

    Args:
        generator: of every game.
        discriminator: None in a game without.
        scheme: the noise, `Identity` in a game without.
        further: the networks of further roles.
    """

    def __init__(
        self, generator: nn.Module, discriminator: nn.Module | None, scheme: Injection, **further: nn.Module
    ) -> None:
        critic = {} if discriminator is None else {CRITIC: discriminator}
        self._modules = {"generator": generator, **critic, **further, "scheme": scheme}

    def __getitem__(self, role: str) -> nn.Module:
        return self._modules[role]

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)

    @property
    def generator(self) -> nn.Module:
        """It translates."""
        return self["generator"]

    @property
    def discriminator(self) -> nn.Module:
        """It judges; in a game without one, asking for it is the caller's mistake."""
        return self[CRITIC]

    @property
    def scheme(self) -> Injection:
        """What is corrupted and remembered."""
        return cast(Injection, self["scheme"])


class Generator(Protocol):
    """What this package asks of a generator: an ``nn.Module``, made with the channels that it reads and writes."""

    stride: int
    """Sides of images must be multiples of it, in pixels."""

    def __call__(self, image: Tensor, level: Tensor) -> Tensor:
        """Translate: (B, C, H, W) in [-1, 1], and a level (B,), to (B, C', H, W) in [-1, 1]."""


class Discriminator(Protocol):
    """What this package asks of a discriminator: an ``nn.Module``, made with the channels of source and target."""

    verdict_stride: int
    """Pixels from one cell of its map to the next; of several maps, of the first and finest."""

    def verdict_shape(self, height: int, width: int) -> tuple[int, int]:
        """(h, w) of that map for an image of a height and a width.

        Raises:
            ValueError: if the image is too small.
        """

    def __call__(self, source: Tensor, image: Tensor, level: Tensor | None) -> Tensor | Maps:
        """Judge: logits (B, 1, h, w), positive for "real"; or a tuple of such maps, the finest first."""


class Observer(Discriminator, Protocol):
    """A discriminator that lets a scheme act on what it sees: it looks, and then judges what it saw.

    Its forward takes a further argument: ``forward(source, image, level, on_features)`` is ``judge(look(source, image),
    level)``, with ``on_features`` in between where it is not None. Calls go through forward, so that gradients are
    averaged over processes.
    """

    def look(self, source: Tensor, image: Tensor) -> Features:
        """Features of both, at several levels."""

    def judge(self, features: Features, level: Tensor | None) -> Tensor | Maps:
        """Logits, made of features alone."""


def can_look(discriminator: Any) -> bool:
    """Whether a discriminator is an `Observer`."""
    return hasattr(discriminator, "look") and hasattr(discriminator, "judge")
