"""A game's own `translate`, handed networks that read and write pictures in strips.

`Pix2Pix.translate` and `Regression.translate` pass pictures from network to network and never look inside, so that they
do not notice. A `DenoisingGAN`, or a model of anybody's, may compute with whole pictures: it gets tensors, and its
generator alone works in strips. W is always that of the whole picture.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any, cast

import torch
from torch import Tensor, nn

from atme.data import Pair
from atme.inference.strips.networks import judged, w_map
from atme.inference.strips.rows import Rows, held, through
from atme.inference.strips.shelf import Shelf
from atme.inference.strips.statistics import Moments
from atme.losses import Maps
from atme.models import Networks, Pix2Pix, Regression, TranslationModel
from atme.models.roles import CRITIC
from atme.networks import PatchGAN
from atme.noise import Brownian, Corrupted, DecisionMemory, Injection

Generate = Callable[[Rows, Tensor, Tensor | None], Rows]
"""From a picture, its level (1,) and a latent (1, L) or None to the translation."""


def play(
    model: TranslationModel,
    networks: Networks,
    source: Rows,
    *,
    generate: Generate,
    shelf: Shelf,
    seed: int,
    calls: int | None = None,
) -> Rows:
    """Translate a picture whose sides are multiples of the generator's stride.

    Args:
        model: the game.
        networks: in evaluation mode.
        source: in [-1, 1].
        generate: how the generator is called.
        shelf: where maps are kept.
        seed: of what the model draws.
        calls: of the generator; None for as many as the game is played with.
    """
    played: dict[str, Any] = {
        **networks,
        "generator": Generator(networks.generator, generate),
        "scheme": Scheme(networks.scheme, shelf),
    }
    critic = networks.get(CRITIC)
    in_strips = Networks(**played | {CRITIC: None if critic is None else Discriminator(critic, shelf)})
    read: Any = source if isinstance(model, Pix2Pix | Regression) else source.whole()
    view = torch.eye(2, 3, device=shelf.device)[None]
    rng = torch.Generator().manual_seed(seed)
    _, fake = model.translate(in_strips, Pair(read, None, None, view, ("",)), rng=rng, calls=calls)
    return _rows(fake)


@dataclass(frozen=True)
class Generator:
    """Called as the generator is, with pictures of either kind; the answer is of the same kind."""

    network: nn.Module
    generate: Generate

    def __call__(self, image: Rows | Tensor, level: Tensor, latent: Tensor | None = None) -> Rows | Tensor:
        made = self.generate(_rows(image), level, latent)
        return made if isinstance(image, Rows) else made.whole()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.network, name)


@dataclass(frozen=True)
class Discriminator:
    """Called as the discriminator is; the verdict is a tensor."""

    network: nn.Module
    shelf: Shelf

    def __call__(self, source: Rows, image: Rows, level: None = None) -> Tensor | Maps:
        if type(self.network) is PatchGAN:
            return judged(self.network, source, image, self.shelf)
        verdict: Tensor | Maps = self.network(source.whole(), image.whole(), level)
        return verdict


@dataclass(frozen=True)
class Scheme:
    """Called as the scheme is."""

    scheme: Injection
    shelf: Shelf

    def __call__(self, pair: Pair, verdict: Tensor | None = None) -> Corrupted:
        return corrupted(self.scheme, pair, verdict, self.shelf)

    @property
    def passes(self) -> int:
        """As often as the scheme asks."""
        return self.scheme.passes


@singledispatch
def corrupted(scheme: Injection, pair: Pair, verdict: Tensor | None, shelf: Shelf) -> Corrupted:
    """What the generator reads; a scheme that is not known here reads the picture as a whole."""
    source: Any = pair.source
    if type(scheme).before_generator is Injection.before_generator or isinstance(scheme, Brownian):
        return Corrupted(source, torch.zeros(1, device=shelf.device))
    seen: Corrupted = scheme(replace(pair, source=source.whole()), verdict)
    return replace(seen, image=cast(Any, held(seen.image)))


@corrupted.register
def _remembered(scheme: DecisionMemory, pair: Pair, verdict: Tensor | None, shelf: Shelf) -> Corrupted:
    source: Any = pair.source
    size = source.height, source.width
    decision = scheme.unseen(size) if verdict is None else verdict  # (1, 1, h, w)
    moments = Moments()
    with scheme._precision(shelf.device.type):
        w = shelf.store(w_map(scheme.network, held(decision.float()), size=size, shelf=shelf), moments.see)
    image: Any = through(lambda x, w: x * (1 + w), source, w, channels=source.channels)
    return Corrupted(image, moments.mean[:, 0].float() * scheme.level_scale, cast(Any, w))


def _rows(picture: Rows | Tensor) -> Rows:
    return picture if isinstance(picture, Rows) else held(picture)
