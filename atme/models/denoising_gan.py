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
from atme.losses import ADVERSARIAL, Maps, gradient_norm
from atme.models.moves import frozen, judge, palette_term, readings, verdicts_on
from atme.models.roles import Networks
from atme.models.translation import Arena, Step
from atme.noise import Corrupted, Identity, Judged
from atme.noise.schedules import forward_chain
from atme.ramp import Weight, now, require_weights


@dataclass(frozen=True)
class Draws:
    """All that one translation draws, standard normal."""

    noises: Tensor
    """(1 + N, C', H, W): y_K, and the noise of each of N calls (K of them, or fewer), the first one first."""
    latents: Tensor
    """(N, latent): z of each call, the first one first."""


class DenoisingGAN:
    """Translation in a few denoising steps, each one a conditional GAN.

    It needs a generator with a latent, a discriminator that is told the timestep, and no noise scheme.

    Args:
        steps: K, of the chain and of a translation.
        lambda_l1: weight λ of the L1 term beside the adversarial one.
        r1: weight γ of the gradient penalty on real images.
        r1_every: updates from one that bears the penalty to the next; it is not scaled up in turn.
        betas: first and last rate of the variance-preserving chain.
        palette: weight of the palette loss of ŷ_0, for targets that are labels (`atme.losses.palette_loss`).

    Raises:
        ValueError: for a number out of its range.
    """

    roles, one_answer = ("generator", "discriminator"), False

    def __init__(
        self,
        *,
        steps: int = 4,
        lambda_l1: Weight = 0.0,
        r1: Weight = 1.0,
        r1_every: int = 10,
        betas: tuple[float, float] = (0.1, 20.0),
        palette: Weight = 0.0,
    ) -> None:
        require_weights(lambda_l1=lambda_l1, r1=r1, palette=palette)
        if r1_every < 1:
            raise ValueError(f"model.r1_every: {r1_every} is no number of updates; give 1 or more")
        self.steps, self.lambda_l1, self.r1, self.r1_every = steps, lambda_l1, r1, r1_every
        self.palette = palette
        self.chain, self.calls = forward_chain("vp", steps=steps, betas=betas), range(1, steps + 1)
        self.terms = ADVERSARIAL["vanilla"]

    def channels(self, role: str, *, source: int, target: int) -> tuple[int, int]:
        """The diffused target stands beside the source; the generator makes the target of both, D judges y_t."""
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
        real, after, t = self._diffuse(pair.target, arena.rng)
        with torch.no_grad():
            fake = self._undo(arena, pair, after, t)[0]
        d_fake = self._judge(arena.discriminator, pair, fake, after, t)  # maps (B, 1, h, w)
        r1 = now(self.r1, arena.progress)
        real.requires_grad_(arena.step % self.r1_every == 0 and r1 > 0)
        d_real = self._judge(arena.discriminator, pair, real, after, t)
        penalty = r1 / 2 * self._slope(d_real, real)
        d_loss = self.terms.discriminator(d_real, d_fake) + penalty
        arena.update("discriminator", d_loss)

        _, after, t = self._diffuse(pair.target, arena.rng)
        fake, clean = self._undo(arena, pair, after, t)
        with frozen(arena.bare.discriminator) as discriminator:
            g_fake = self._judge(discriminator, pair, fake, after, t)
            g_gan, g_l1 = self.terms.generator(None, g_fake), (clean - pair.target).abs().mean()
            term, said = palette_term(arena, self.palette, fake=clean, target=pair.target)
            arena.update("generator", g_gan + now(self.lambda_l1, arena.progress) * g_l1 + term)

        parts = {"d_loss": d_loss, "d_r1": penalty, "g_gan": g_gan, "g_l1": g_l1}
        losses = readings(d_real, d_fake) | {name: part.detach() for name, part in parts.items()} | said
        corrupted = Corrupted(after, t.to(after.dtype))
        return Step(losses, corrupted, clean.detach(), verdicts_on(pair, real=d_real, fake=g_fake))

    @torch.no_grad()
    def translate(
        self, networks: Networks, pair: Pair, *, rng: torch.Generator | None = None, calls: int | None = None
    ) -> tuple[Corrupted, Tensor]:
        """From noise to the target in K steps; ``Corrupted`` holds the sources, which are left as they are.

        Fewer calls leap over times of the chain, from y_t straight to y_s, as evenly as they can.
        """
        rng = torch.Generator().manual_seed(0) if rng is None else rng
        source, generator = pair.source, cast(Any, networks.generator)
        size = source.shape[-2], source.shape[-1]
        draws = self.draws(generator.out_channels, generator.latent, size=size, rng=rng, calls=calls)
        return Corrupted(source, source.new_zeros(len(source))), self.denoise(generator, source, draws)

    def draws(
        self, channels: int, latent: int, *, size: tuple[int, int], rng: torch.Generator, calls: int | None = None
    ) -> Draws:
        """What one translation into C' channels of a size draws, on the CPU; ``calls`` None is K."""
        start = torch.randn((channels, *size), generator=rng)
        steps = [
            (torch.randn(latent, generator=rng), torch.randn((channels, *size), generator=rng))
            for _ in range(self.steps if calls is None else calls)
        ]
        latents, noises = zip(*steps, strict=True)
        return Draws(torch.stack([start, *noises]), torch.stack(latents))

    def denoise(self, generator: torch.nn.Module, source: Tensor, draws: Draws) -> Tensor:
        """From these draws to translations (B, C', H, W) of sources (B, C, H, W); each gets the same draws."""
        batch = source.shape[0]
        noises, latents = draws.noises.to(source), draws.latents.to(source)
        y = noises[0].expand(batch, -1, -1, -1)  # (B, C', H, W)
        times = self._times(len(latents))
        chain = self.chain.thinned(times)
        for i, arrival in enumerate(range(len(times), 0, -1)):
            t = torch.full((batch,), times[arrival - 1] - 1, device=source.device)
            clean = generator(torch.cat([y, source], dim=1), t, latents[i].expand(batch, -1)).to(source.dtype)
            leaving = torch.full((batch,), arrival, device=source.device)
            y = chain.reverse(clean, y, leaving, noises[i + 1].expand(batch, -1, -1, -1))
        return y

    def _times(self, calls: int) -> tuple[int, ...]:
        """So many of the chain's times 1…K, rising to K."""
        return tuple((self.steps * call + calls // 2) // calls for call in range(1, calls + 1))

    def _diffuse(self, target: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """y_t, y_{t+1} and t (B,) of targets, with t drawn uniformly from 0 … K − 1."""
        t = torch.randint(self.steps, (len(target),), generator=rng, device=target.device)
        before = self.chain.sample(target, t, _normal(target.shape, target, rng))
        return before, self.chain.step(before, t + 1, _normal(target.shape, target, rng)), t

    def _undo(self, arena: Arena, pair: Pair, after: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """A fake y_t, and the ŷ_0 that it was made with, from y_{t+1}."""
        latent = cast(Any, arena.bare.generator).latent
        z = _normal((len(after), latent), after, arena.rng)  # (B, latent)
        clean = arena.generator(torch.cat([after, pair.source], dim=1), t, z)
        return self.chain.reverse(clean, after, t + 1, _normal(after.shape, after, arena.rng)), clean

    def _judge(self, discriminator: torch.nn.Module, pair: Pair, image: Tensor, after: Tensor, t: Tensor) -> Maps:
        return judge(discriminator, Judged(torch.cat([pair.source, after], dim=1), image, t))

    def _slope(self, logits: Maps, real: Tensor) -> Tensor:
        """R1 (Mescheder et al. 2018, arXiv 1801.04406), if the real images ask for a gradient."""
        if not real.requires_grad:
            return real.new_zeros(())
        return gradient_norm(logits, real).square().mean()


def _normal(shape: tuple[int, ...], like: Tensor, rng: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=rng, device=like.device, dtype=like.dtype)
