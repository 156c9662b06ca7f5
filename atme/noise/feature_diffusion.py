"""Diffusion-GAN on features: what is diffused is not the image, but what a frozen network makes of it.

Diffusion-ProjectedGAN of Wang et al., ICLR 2023, arXiv 2206.02262: every raw feature map f of the judged image, at
every level, before any mixing, becomes √ᾱ_t f + √(1 − ᾱ_t) σ ε with σ = 0.5, on real and fake alike. t is drawn for
each image *and channel*, independently at each level. The chain and how its length follows the verdicts are those of
`Diffusion`, β from 1e-4 to 0.01 and T from 5 to 500; of its list of 64 times round(64 p), at most 48, are noisy, so
that a game that needs no noise has none. The discriminator is not told t, which is another one in every channel.

Decisions, beside those of `Diffusion` (priority ∝ t, r_d over all patches):

- *Real and fake* of one update share their times, as the paper has it for images, and have noise of their own.
- *Features of the source* are left alone: they are the condition.
- *σ* is in the features' own unit, which no normalization makes alike: noise of 0.5 is another share of each level.
- *All state* (T, p, the list, the votes) is in the checkpoint; the published code forgets its list.
"""

from typing import Literal

import torch
from torch import Tensor

from atme.networks.features import Features
from atme.noise.diffusion import Diffusion
from atme.noise.injection import Game, Injection, Judged, Verdicts
from atme.noise.schedules import Chain, Schedule


class FeatureDiffusion(Injection):
    """Diffusion of what the discriminator sees of an image; for discriminators with features (`Observer`).

    The first door is left alone, so translating costs nothing.

    Args:
        game: the number of images per update, over all processes.
        schedule: how β runs over the chain, as for `Diffusion`.
        betas: first and last β (``vp``: rates); null leaves the schedule's published values.
        sigma: standard deviation of the noise, in the unit of the features.
        explore: how t is drawn from 1…T: ``priority`` (∝ t) or ``uniform``.
        d_target: mean sign of D on real images, in [-1, 1], above which the chain grows.
        ada_kimg: thousands of images in which p goes from 0 to 1 at the fastest.
        interval: updates of the weights from one adaptation to the next.
        t_min: shortest chain.
        t_max: longest chain.
        entries: length of the list of times.
        clean: how many of them are 0 at least.
        fade_in: whether noise comes with p alone; if not, all entries but ``clean`` are noisy from the start.
        seed: seed of the lists.

    Raises:
        ValueError: if a number is out of its range.
    """

    on_features = True

    def __init__(
        self,
        game: Game,
        *,
        schedule: Schedule = "linear",
        betas: tuple[float, float] | None = (1e-4, 0.01),
        sigma: float = 0.5,
        explore: Literal["priority", "uniform"] = "priority",
        d_target: float = 0.6,
        ada_kimg: float = 100.0,
        interval: int = 4,
        t_min: int = 5,
        t_max: int = 500,
        entries: int = 64,
        clean: int = 16,
        fade_in: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.diffusion = Diffusion(
            game,
            schedule=schedule,
            betas=betas,
            sigma=sigma,
            explore=explore,
            d_target=d_target,
            ada_kimg=ada_kimg,
            interval=interval,
            t_min=t_min,
            t_max=t_max,
            entries=entries,
            clean=clean,
            fade_in=fade_in,
            seed=seed,
        )

    def before_discriminator(self, source: Tensor, *images: Tensor, rng: torch.Generator) -> tuple[Judged, ...]:
        """Leave the images as they are, and diffuse what is seen of each; their times are those of the first one."""
        chain, times = self.diffusion.chain, list[Tensor]()

        def diffused(features: Features) -> Features:
            if not times:
                times.extend(self.diffusion.choose((len(f), f.shape[1]), rng) for f in features.image)
            levels = zip(features.image, times, strict=True)
            return Features(tuple(by_channel(chain, f, t, rng) for f, t in levels), features.source)

        return tuple(Judged(source, image, on_features=diffused) for image in images)

    @torch.no_grad()
    def remember(self, verdicts: Verdicts) -> None:
        """Count the votes on real images; adapt the chain once enough images have been judged."""
        self.diffusion.remember(verdicts)

    def readings(self) -> dict[str, float]:
        """As `Diffusion`: T; r_d of the last adaptation; p; the expected share of clean channels."""
        return self.diffusion.readings()


def by_channel(chain: Chain, f: Tensor, t: Tensor, rng: torch.Generator) -> Tensor:
    """Maps (B, C, h, w) diffused to a time of each image and channel, (B, C) int64."""
    noise = torch.randn(f.shape, generator=rng, device=f.device, dtype=f.dtype)
    each = chain.sample(f.flatten(0, 1), t.flatten(), noise.flatten(0, 1))  # (B·C, h, w)
    return each.view(f.shape)
