"""Paired translation by a conditional GAN with an L1 term: pix2pix, and with a noise scheme, its kin.

Isola et al., CVPR 2017, arXiv 1611.07004, equation 4:

    G* = arg min_G max_D  L_GAN(G, D) + λ E ‖y − G(x)‖₁,

with the order of updates of the published code: the discriminator first, on the detached translation, then
the generator together with the noise scheme's own weights. With ``Identity`` it is pix2pix, with
``DecisionMemory`` it is ATME. Weights may move with the training (`Ramp`), and the discriminator may rest at first:
the published code has neither.
"""

from typing import Literal

import torch
from torch import Tensor

from atme import require
from atme.data import Pair
from atme.losses import ADVERSARIAL
from atme.models.moves import (
    frozen,
    judge,
    noise_readings,
    palette_term,
    penalty_term,
    readings,
    refuse_latent,
    verdicts_on,
)
from atme.models.roles import Networks
from atme.models.translation import Arena, Step
from atme.noise import Corrupted, Judged
from atme.ramp import Weight, now, require_weights


class Pix2Pix:
    """Conditional adversarial training with L1.

    Args:
        adversarial: the adversarial game.
        lambda_l1: weight λ of the L1 term beside the adversarial one.
        lambda_gan: weight of the adversarial one.
        d_loss_factor: factor of the discriminator's loss; 0.5 slows it down relative to the generator.
        gradient_penalty: weight of WGAN-GP's penalty; read with ``adversarial: wgan_gp`` only.
        r1_gamma: weight γ of the penalty γ/2 E ‖∇_y D(x, y)‖² on targets, the sum over patches in D's place.
        r1_interval: updates from one that bears it to the next; it is not scaled up in turn.
        start: share of the training, from 0 to below 1, during which the generator learns by L1 (and palette) alone:
            the discriminator is neither asked nor trained.
        palette: weight of the palette loss, for targets that are labels (`atme.losses.palette_loss`).

    Raises:
        ValueError: for a negative weight, or a share out of its range.
    """

    roles, one_answer, calls = ("generator", "discriminator"), True, ()

    def __init__(
        self,
        *,
        adversarial: Literal["vanilla", "least_squares", "hinge", "wgan_gp", "relativistic"] = "vanilla",
        lambda_l1: Weight = 100.0,
        lambda_gan: Weight = 1.0,
        d_loss_factor: Weight = 0.5,
        gradient_penalty: Weight = 10.0,
        r1_gamma: Weight = 0.0,
        r1_interval: int = 10,
        start: float = 0.0,
        palette: Weight = 0.0,
    ) -> None:
        weights = {"lambda_l1": lambda_l1, "lambda_gan": lambda_gan, "d_loss_factor": d_loss_factor, "palette": palette}
        require_weights(**weights, gradient_penalty=gradient_penalty, r1_gamma=r1_gamma)
        require.whole("model.r1_interval", r1_interval, least=1)
        if not 0 <= start < 1:
            raise ValueError(f"model.start: {start} is no share of the training; give a number from 0 to below 1")
        if start and not any(now(weight, at) for weight in (lambda_l1, palette) for at in (0.0, start)):
            raise ValueError(f"model.start: {start}, and lambda_l1 is 0: nothing is learned before; set lambda_l1")
        self.terms = ADVERSARIAL[adversarial]
        self.lambda_l1, self.lambda_gan, self.d_loss_factor = lambda_l1, lambda_gan, d_loss_factor
        self.gradient_penalty = gradient_penalty if adversarial == "wgan_gp" else 0.0
        self.r1_gamma, self.r1_interval, self.start, self.palette = r1_gamma, r1_interval, start, palette

    def channels(self, role: str, *, source: int, target: int) -> tuple[int, int]:
        """The generator turns the source into the target; the discriminator judges a target beside the source."""
        return source, target

    def require(self, networks: Networks) -> None:
        """Refuse a generator that wants a latent, and second passes that read what a relativistic game has not."""
        refuse_latent(networks, "Pix2Pix")
        if self.terms.relativistic and networks.scheme.passes > 1:
            raise ValueError(
                "noise.translate_with: refine reads the verdict on a translation alone, and a relativistic game "
                "compares it with the target's; use equilibrium"
            )

    def step(self, arena: Arena, pair: Pair) -> Step:
        """One update of the discriminator, then one of the generator and the scheme; then the scheme remembers."""
        assert pair.target is not None
        scheme, at = arena.bare.scheme, arena.progress
        corrupted = arena.scheme(pair)
        fake = arena.generator(corrupted.image, corrupted.level)  # (B, C', H, W)
        if at < self.start:
            return self._alone(arena, pair.target, corrupted, fake)

        judged = scheme.before_discriminator(pair.source, fake.detach(), pair.target, rng=arena.rng)
        d_fake, d_real = (judge(arena.discriminator, each) for each in judged)  # maps (B, 1, h, w)
        lines, r1 = self.gradient_penalty, self.r1_gamma
        penalty, slopes = penalty_term(arena, *judged, lines=lines, r1=r1, every=self.r1_interval)
        d_loss = self.terms.discriminator(d_real, d_fake) + penalty
        arena.update("discriminator", now(self.d_loss_factor, at) * d_loss)

        beside = (pair.target,) if self.terms.relativistic else ()
        seen = scheme.before_discriminator(pair.source, fake, *beside, rng=arena.rng)
        with frozen(arena.bare.discriminator) as discriminator:
            g_fake, *others = (judge(discriminator, each) for each in seen)  # maps (B, 1, h, w)
            g_real = others[0] if others else None
            g_gan = self.terms.generator(g_real, g_fake)
            g_l1 = (fake - pair.target).abs().mean()
            term, said = palette_term(arena, self.palette, fake=fake, target=pair.target)
            arena.update("generator", now(self.lambda_gan, at) * g_gan + now(self.lambda_l1, at) * g_l1 + term)

        relative = self.terms.relative
        verdicts = verdicts_on(pair, real=relative(d_real, d_fake), fake=relative(g_fake, g_real))
        scheme.remember(arena.gather(verdicts))
        losses = readings(relative(d_real, d_fake), relative(d_fake, d_real)) | {
            "d_loss": d_loss.detach(),
            "g_gan": g_gan.detach(),
            "g_l1": g_l1.detach(),
        }
        return Step(losses | slopes | said | noise_readings(corrupted), corrupted, fake.detach(), verdicts)

    def _alone(self, arena: Arena, target: Tensor, corrupted: Corrupted, fake: Tensor) -> Step:
        """One update of the generator and the scheme, while the discriminator rests."""
        g_l1 = (fake - target).abs().mean()
        term, said = palette_term(arena, self.palette, fake=fake, target=target)
        arena.update("generator", now(self.lambda_l1, arena.progress) * g_l1 + term)
        return Step({"g_l1": g_l1.detach()} | said | noise_readings(corrupted), corrupted, fake.detach())

    @torch.no_grad()
    def translate(
        self, networks: Networks, pair: Pair, *, rng: torch.Generator | None = None, calls: int | None = None
    ) -> tuple[Corrupted, Tensor]:
        """Translate as often as the scheme asks, each further pass reading the verdict before; ``rng`` stays."""
        corrupted = networks.scheme(pair)
        fake = networks.generator(corrupted.image, corrupted.level)
        for _ in range(1, networks.scheme.passes):
            verdict = judge(networks.discriminator, Judged(pair.source, fake))[0]
            corrupted = networks.scheme(pair, verdict)
            fake = networks.generator(corrupted.image, corrupted.level)
        return corrupted, fake
