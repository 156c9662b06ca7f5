"""Paired translation without a discriminator: the generator alone, trained on the distance to the target.

    G* = arg min_G  E ‖y − G(x)‖₁    (or the mean square, ‖·‖₂²),

the control of every adversarial game: what the same network reaches in the same time without one. Its answers are the
median (L1) or the mean (L2) of what may stand in a target, and so blurred wherever that is open.
"""

from typing import Literal

import torch
from torch import Tensor

from atme.data import Pair
from atme.models.moves import noise_readings, palette_term, refuse_latent
from atme.models.roles import Networks
from atme.models.translation import Arena, Step
from atme.noise import Corrupted
from atme.ramp import Weight, require_weights


class Regression:
    """The generator's distance to the target, and nothing else.

    Args:
        loss: ``l1``, the mean of |y − ŷ|, or ``l2``, that of its square.
        palette: weight of the palette loss beside it, for targets that are labels (`atme.losses.palette_loss`).
    """

    roles, one_answer, calls = ("generator",), True, ()

    def __init__(self, *, loss: Literal["l1", "l2"] = "l1", palette: Weight = 0.0) -> None:
        require_weights(palette=palette)
        self.loss, self.palette = loss, palette

    def channels(self, role: str, *, source: int, target: int) -> tuple[int, int]:
        """The generator turns the source into the target."""
        return source, target

    def require(self, networks: Networks) -> None:
        """Refuse a generator that wants a latent: this game has none."""
        refuse_latent(networks, "Regression")

    def step(self, arena: Arena, pair: Pair) -> Step:
        """One update of the generator."""
        assert pair.target is not None
        corrupted = arena.scheme(pair)
        fake = arena.generator(corrupted.image, corrupted.level)  # (B, C', H, W)
        apart = fake - pair.target
        loss = apart.abs().mean() if self.loss == "l1" else apart.square().mean()
        term, said = palette_term(arena, self.palette, fake=fake, target=pair.target)
        arena.update("generator", loss + term)
        return Step({f"g_{self.loss}": loss.detach()} | said | noise_readings(corrupted), corrupted, fake.detach())

    @torch.no_grad()
    def translate(
        self, networks: Networks, pair: Pair, *, rng: torch.Generator | None = None, calls: int | None = None
    ) -> tuple[Corrupted, Tensor]:
        """Translate in one call; ``rng`` is not drawn from."""
        corrupted = networks.scheme(pair)
        return corrupted, networks.generator(corrupted.image, corrupted.level)
