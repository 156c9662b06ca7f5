"""Paired translation by a conditional GAN with an L1 term: pix2pix, and with a noise scheme, its kin.

Isola et al., CVPR 2017, arXiv 1611.07004, equation 4:

    G* = arg min_G max_D  L_GAN(G, D) + λ E ‖y − G(x)‖₁,

with the order of updates of the published code: the discriminator first, on the detached translation, then
the generator together with the noise scheme's own weights. With ``Identity`` it is pix2pix, with
``DecisionMemory`` it is ATME.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from atme.data import Pair
from atme.losses import ADVERSARIAL, gradient_penalty
from atme.models.moves import frozen, readings, verdicts_on
from atme.models.translation import Arena, Networks, Step
from atme.noise import Corrupted, Judged


class Pix2Pix:
    """Conditional adversarial training with L1.

    Args:
        adversarial: the adversarial game.
        lambda_l1: weight λ of the L1 term beside the adversarial one.
        d_loss_factor: factor of the discriminator's loss; 0.5 slows it down relative to the generator.
        gradient_penalty: weight of WGAN-GP's penalty; read with ``adversarial: wgan_gp`` only.

    Raises:
        ValueError: for a negative weight.
    """

    def __init__(
        self,
        *,
        adversarial: Literal["vanilla", "least_squares", "hinge", "wgan_gp"] = "vanilla",
        lambda_l1: float = 100.0,
        d_loss_factor: float = 0.5,
        gradient_penalty: float = 10.0,
    ) -> None:
        weights = {
            "lambda_l1": lambda_l1,
            "d_loss_factor": d_loss_factor,
            "gradient_penalty": gradient_penalty,
        }
        for name, weight in weights.items():
            if weight < 0:
                raise ValueError(f"model.{name}: {weight} is negative; give a weight of 0 or more")
        self.terms = ADVERSARIAL[adversarial]
        self.lambda_l1, self.d_loss_factor = lambda_l1, d_loss_factor
        self.gradient_penalty = gradient_penalty if adversarial == "wgan_gp" else 0.0

    one_answer = True

    def generator_channels(self, source: int, target: int) -> tuple[int, int]:
        """The generator turns the source into the target."""
        return source, target

    def discriminator_channels(self, source: int, target: int) -> tuple[int, int]:
        """The discriminator judges the target, or its translation, beside the source."""
        return source, target

    def require(self, networks: Networks) -> None:
        """Refuse a generator that wants a latent: this game has none."""
        latent = getattr(networks.generator, "latent", 0)
        if latent:
            raise ValueError(f"generator.latent: {latent}, and Pix2Pix draws no latent; set it to 0")

    def step(self, arena: Arena, pair: Pair) -> Step:
        """One update of the discriminator, then one of the generator and the scheme; then the scheme remembers."""
        assert pair.target is not None
        scheme = arena.bare.scheme
        corrupted = arena.scheme(pair)
        fake = arena.generator(corrupted.image, corrupted.level)  # (B, C', H, W)

        judged = scheme.before_discriminator(pair.source, fake.detach(), pair.target, rng=arena.rng)
        d_fake, d_real = (_verdict(arena.discriminator, each) for each in judged)  # (B, 1, h, w)
        d_loss = self.terms.real(d_real) + self.terms.fake(d_fake) + self._penalty(arena, *judged)
        arena.update("discriminator", self.d_loss_factor * d_loss)

        (seen,) = scheme.before_discriminator(pair.source, fake, rng=arena.rng)
        with frozen(arena.bare.discriminator) as discriminator:
            g_fake = _verdict(discriminator, seen)  # (B, 1, h, w)
            g_gan, g_l1 = self.terms.generator(g_fake), (fake - pair.target).abs().mean()
            arena.update("generator", g_gan + self.lambda_l1 * g_l1)

        verdicts = verdicts_on(pair, real=d_real, fake=g_fake)
        scheme.remember(arena.gather(verdicts))
        losses = readings(d_real, d_fake) | {
            "d_loss": d_loss.detach(),
            "g_gan": g_gan.detach(),
            "g_l1": g_l1.detach(),
        }
        return Step(losses | _noise(corrupted), corrupted, fake.detach(), verdicts)

    @torch.no_grad()
    def translate(
        self, networks: Networks, pair: Pair, *, rng: torch.Generator | None = None
    ) -> tuple[Corrupted, Tensor]:
        """Translate as often as the scheme asks; each further pass reads the verdict on the one before.

        ``rng`` is not drawn from: a picture has one translation.
        """
        corrupted = networks.scheme(pair)
        fake = networks.generator(corrupted.image, corrupted.level)
        for _ in range(1, networks.scheme.passes):
            corrupted = networks.scheme(pair, networks.discriminator(pair.source, fake))
            fake = networks.generator(corrupted.image, corrupted.level)
        return corrupted, fake

    def _penalty(self, arena: Arena, fake: Judged, real: Judged) -> Tensor:
        if not self.gradient_penalty:
            return real.image.new_zeros(())
        share = torch.rand((len(real.image), 1, 1, 1), generator=arena.rng, device=real.image.device)
        slope = gradient_penalty(
            lambda image: _verdict(arena.discriminator, Judged(real.source, image, real.level)),
            real.image,
            fake.image,
            share=share,
        )
        return self.gradient_penalty * slope


def _verdict(discriminator: nn.Module, judged: Judged) -> Tensor:
    logits: Tensor = discriminator(judged.source, judged.image, judged.level)
    return logits


def _noise(corrupted: Corrupted) -> dict[str, Tensor]:
    """How strong the multiplicative noise was: mean of W, and its spread within an image."""
    if corrupted.map is None:
        return {}
    w = corrupted.map.detach()
    return {"w_mean": w.mean(), "w_std": w.std(dim=(1, 2, 3)).mean()}
