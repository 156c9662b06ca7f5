"""Paired translation by a denoising diffusion GAN: noise becomes the target in a few large steps.

Xiao et al., ICLR 2022, arXiv 2112.07804, conditioned on a source x. The target y = y_0 is diffused in K steps
(2 to 8); t = 0 … K − 1 counts the step that is undone, from y_{t+1} to y_t. The generator guesses the clean target,

    ŷ_0 = G(y_{t+1} ⊕ x, t, z),   z ~ N(0, I),       fake y_t ~ q(y_t | y_{t+1}, ŷ_0),

and the discriminator D(y_t, t, y_{t+1}, x) tells it from the real y_t ~ q(y_t | y_0), y_{t+1} ~ q(y_{t+1} | y_t):

    D: softplus(−D(real)) + softplus(D(fake)) + γ/2 ‖∇_{y_t} D(real)‖²  (the last on every n-th step alone)
    G: softplus(−D(fake)) + λ ‖y − ŷ_0‖₁

with fresh t, noise and z in each of the two updates. Translating starts at y_K ~ N(0, I) and calls G K times.

Decisions, and departures from the published code:

- The penalty's ‖·‖² is that of the sum over D's patches, per image; the published D has one verdict an image.
- The L1 term is not the paper's, which has no pairs, but that of its paired descendants; λ = 0 leaves it out.
- The chain's own t runs from 1 to K: the paper's t plus 1.
"""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from atme.data import Pair
from atme.losses import ADVERSARIAL, gradient_norm
from atme.models.moves import frozen, readings, verdicts_on
from atme.models.translation import Arena, Networks, Step
from atme.noise import Corrupted, Identity
from atme.noise.schedules import forward_chain


@dataclass(frozen=True)
class Draws:
    """All that one translation draws, standard normal."""

    noises: Tensor
    """(1 + K, C', H, W): y_K, and the noise of each step, the first one first."""
    latents: Tensor
    """(K, latent): z of each step, the first one first."""


class DenoisingGAN:
    """Translation in a few denoising steps, each one a conditional GAN.

    It needs a generator with a latent, a discriminator that is told the timestep, and no noise scheme.

    Args:
        steps: K, of the chain and of a translation.
        lambda_l1: weight λ of the L1 term beside the adversarial one.
        r1: weight γ of the gradient penalty on real images.
        r1_every: updates from one that bears the penalty to the next; it is not scaled up in turn.
        betas: first and last rate of the variance-preserving chain.

    Raises:
        ValueError: for a number out of its range.
    """

    one_answer = False

    def __init__(
        self,
        *,
        steps: int = 4,
        lambda_l1: float = 0.0,
        r1: float = 1.0,
        r1_every: int = 10,
        betas: tuple[float, float] = (0.1, 20.0),
    ) -> None:
        for name, weight in {"lambda_l1": lambda_l1, "r1": r1}.items():
            if weight < 0:
                raise ValueError(f"model.{name}: {weight} is negative; give a weight of 0 or more")
        if r1_every < 1:
            raise ValueError(f"model.r1_every: {r1_every} is no number of updates; give 1 or more")
        self.steps, self.lambda_l1, self.r1, self.r1_every = steps, lambda_l1, r1, r1_every
        self.chain = forward_chain("vp", steps=steps, betas=betas)
        self.terms = ADVERSARIAL["vanilla"]

    def generator_channels(self, source: int, target: int) -> tuple[int, int]:
        """The generator turns the diffused target, beside the source, into the clean target."""
        return source + target, target

    def discriminator_channels(self, source: int, target: int) -> tuple[int, int]:
        """The discriminator judges y_t, beside the source and y_{t+1}."""
        return source + target, target

    def require(self, networks: Networks) -> None:
        """Refuse networks without what this game needs, and noise that it has no place for."""
        if not getattr(networks.generator, "latent", 0):
            raise ValueError("generator.latent: DenoisingGAN draws a latent; use atme.UNet with latent: 100")
        if not getattr(networks.discriminator, "timestep_aware", False):
            raise ValueError(
                "discriminator.timestep_aware: DenoisingGAN's discriminator is told the timestep; set it to true"
            )
        if not isinstance(networks.scheme, Identity):
            raise ValueError(
                f"noise: DenoisingGAN has its own, and no place for {type(networks.scheme).__name__}; "
                "set noise.class_path to atme.Identity"
            )

    def step(self, arena: Arena, pair: Pair) -> Step:
        """One update of the discriminator, then one of the generator."""
        assert pair.target is not None
        now, after, t = self._diffuse(pair.target, arena.rng)
        with torch.no_grad():
            fake = self._undo(arena, pair, after, t)[0]
        d_fake = self._judge(arena.discriminator, pair, fake, after, t)  # (B, 1, h, w)
        now.requires_grad_(arena.step % self.r1_every == 0 and self.r1 > 0)
        d_real = self._judge(arena.discriminator, pair, now, after, t)
        penalty = self._penalty(d_real, now)
        d_loss = self.terms.real(d_real) + self.terms.fake(d_fake) + penalty
        arena.update("discriminator", d_loss)

        _, after, t = self._diffuse(pair.target, arena.rng)
        fake, clean = self._undo(arena, pair, after, t)
        with frozen(arena.bare.discriminator) as discriminator:
            g_fake = self._judge(discriminator, pair, fake, after, t)
            g_gan, g_l1 = self.terms.generator(g_fake), (clean - pair.target).abs().mean()
            arena.update("generator", g_gan + self.lambda_l1 * g_l1)

        parts = {"d_loss": d_loss, "d_r1": penalty, "g_gan": g_gan, "g_l1": g_l1}
        losses = readings(d_real, d_fake) | {name: part.detach() for name, part in parts.items()}
        corrupted = Corrupted(after, t.to(after.dtype))
        return Step(losses, corrupted, clean.detach(), verdicts_on(pair, real=d_real, fake=g_fake))

    @torch.no_grad()
    def translate(
        self, networks: Networks, pair: Pair, *, rng: torch.Generator | None = None
    ) -> tuple[Corrupted, Tensor]:
        """From noise to the target in K steps; ``Corrupted`` holds the sources, which are left as they are."""
        rng = torch.Generator().manual_seed(0) if rng is None else rng
        source, generator = pair.source, cast(Any, networks.generator)
        size = source.shape[-2], source.shape[-1]
        draws = self.draws(generator.out_channels, generator.latent, size=size, rng=rng)
        return Corrupted(source, source.new_zeros(len(source))), self.denoise(generator, source, draws)

    def draws(self, channels: int, latent: int, *, size: tuple[int, int], rng: torch.Generator) -> Draws:
        """What one translation into C' channels of a size draws, on the CPU."""
        start = torch.randn((channels, *size), generator=rng)
        steps = [
            (torch.randn(latent, generator=rng), torch.randn((channels, *size), generator=rng))
            for _ in range(self.steps)
        ]
        latents, noises = zip(*steps, strict=True)
        return Draws(torch.stack([start, *noises]), torch.stack(latents))

    def denoise(self, generator: torch.nn.Module, source: Tensor, draws: Draws) -> Tensor:
        """From these draws to translations (B, C', H, W) of sources (B, C, H, W); each gets the same draws."""
        batch = source.shape[0]
        noises, latents = draws.noises.to(source), draws.latents.to(source)
        y = noises[0].expand(batch, -1, -1, -1)  # (B, C', H, W)
        for i, step in enumerate(reversed(range(self.steps))):
            t = torch.full((batch,), step, device=source.device)
            clean = generator(torch.cat([y, source], dim=1), t, latents[i].expand(batch, -1)).to(source.dtype)
            y = self.chain.reverse(clean, y, t + 1, noises[i + 1].expand(batch, -1, -1, -1))
        return y

    def _diffuse(self, target: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """y_t, y_{t+1} and t (B,) of targets, with t drawn uniformly from 0 … K − 1."""
        t = torch.randint(self.steps, (len(target),), generator=rng, device=target.device)
        now = self.chain.sample(target, t, _normal(target.shape, target, rng))
        return now, self.chain.step(now, t + 1, _normal(target.shape, target, rng)), t

    def _undo(self, arena: Arena, pair: Pair, after: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """A fake y_t, and the ŷ_0 that it was made with, from y_{t+1}."""
        latent = cast(Any, arena.bare.generator).latent
        z = _normal((len(after), latent), after, arena.rng)  # (B, latent)
        clean = arena.generator(torch.cat([after, pair.source], dim=1), t, z)
        return self.chain.reverse(clean, after, t + 1, _normal(after.shape, after, arena.rng)), clean

    def _judge(self, discriminator: torch.nn.Module, pair: Pair, now: Tensor, after: Tensor, t: Tensor) -> Tensor:
        logits: Tensor = discriminator(torch.cat([pair.source, after], dim=1), now, t)
        return logits

    def _penalty(self, logits: Tensor, real: Tensor) -> Tensor:
        """R1 (Mescheder et al. 2018, arXiv 1801.04406), if the real images ask for a gradient."""
        if not real.requires_grad:
            return logits.new_zeros(())
        return self.r1 / 2 * gradient_norm(logits, real).square().mean()


def _normal(shape: tuple[int, ...], like: Tensor, rng: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=rng, device=like.device, dtype=like.dtype)
