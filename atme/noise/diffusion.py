"""Diffusion-GAN's noise: the discriminator reads diffused images, through a chain as long as it needs.

Wang et al., ICLR 2023, arXiv 2206.02262. Real and fake are diffused to y_t = √ᾱ_t y + √(1 − ᾱ_t) σ ε before
they are judged, half of them with t = 0 (clean); gradients reach the generator through the chain. Its length
T follows how sure the discriminator is of real images: every few updates

    r_d = mean sign(D(y_t, t)) on real images,
    p ← clip(p + sign(r_d − d_target) · images / (1000 ada_kimg), 0, 1),
    T = clip(⌊T_min + round(p (T_max − T_min))⌋, T_min, T_max);

then β is laid out anew over the new T, and a list of 64 times is drawn, 32 zeros and 32 from p_π over 1…T,
from which each image takes its t uniformly until the next adaptation.

Decisions, and departures from the published code:

- *Priority* is ∝ t, as in the paper. The published code weighs by 0…T − 1, so that t = 1 never occurs.
- *T_min* is 5, as in the paper; the published code has 10.
- *"Every 4 updates"* is counted in images: the chain adapts once ``interval · game.batch`` of them have been
  judged, so that verdicts may arrive in pieces (accumulated gradients) and count the same. p moves by the
  images that were judged, and the state holds it as a whole number of images: it never drifts.
- *The first list* is drawn at once, for T_min; the published code judges clean images until it first adapts.
- *Every list* is a function of (seed, adaptations so far): equal on all processes, exact on resume.
- *The source*, where it is diffused as well, is diffused once per call: the images of one call are judged
  beside the same condition.
"""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from atme import require
from atme.noise.injection import Game, Injection, Judged, Verdicts
from atme.noise.schedules import Chain, Schedule, forward_chain


class Diffusion(Injection):
    """Diffusion of what the discriminator judges, through a chain that adapts its length.

    The first door is left alone, so translating costs nothing. All state is buffers: T, p (in images), the
    list of times, and the votes since the last adaptation.

    Args:
        game: the number of images per update, over all processes.
        schedule: how β runs over the chain: ``linear``, ``quadratic``, ``sigmoid``, ``constant``, ``cosine``,
            ``jsd`` or ``vp``.
        betas: first and last β (``vp``: rates); null leaves the schedule's published values.
        sigma: standard deviation of the noise; 0.05 is meant for pixels in [-1, 1].
        explore: how t is drawn from 1…T: ``priority`` (∝ t, the published recipes) or ``uniform``.
        diffuse: what is diffused: the judged image (``target``), or the source as well (``both``).
        d_target: mean sign of D on real images, in [-1, 1], above which the chain grows.
        ada_kimg: thousands of images in which p goes from 0 to 1 at the fastest.
        interval: updates of the weights from one adaptation to the next.
        t_min: shortest chain.
        t_max: longest chain; null is 500 for ``uniform`` and 1000 for ``priority``.
        entries: length of the list of times.
        clean: how many of them are 0.
        fade_in: whether noise comes with p alone: of the list, round(p · entries) are noisy, until ``clean`` are left;
            if not, all but ``clean`` are from the start.
        seed: seed of the lists.

    Raises:
        ValueError: if a number is out of its range.
    """

    length: Tensor
    risen: Tensor
    times: Tensor
    adaptations: Tensor
    judged: Tensor
    signs: Tensor
    votes: Tensor
    r_d: Tensor

    def __init__(
        self,
        game: Game,
        *,
        schedule: Schedule = "linear",
        betas: tuple[float, float] | None = None,
        sigma: float = 0.05,
        explore: Literal["priority", "uniform"] = "priority",
        diffuse: Literal["target", "both"] = "target",
        d_target: float = 0.6,
        ada_kimg: float = 100.0,
        interval: int = 4,
        t_min: int = 5,
        t_max: int | None = None,
        entries: int = 64,
        clean: int = 32,
        fade_in: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        require.kind("game", game, of=Game)
        require.choice("explore", explore, ("priority", "uniform"))
        require.choice("diffuse", diffuse, ("target", "both"))
        t_max = {"priority": 1000, "uniform": 500}[explore] if t_max is None else t_max
        require.wholes(0, interval=interval, t_min=t_min, t_max=t_max, entries=entries, clean=clean, seed=seed)
        require.number("d_target", d_target)
        require.number("ada_kimg", ada_kimg)
        _require(1 <= t_min <= t_max, f"t_min {t_min}, t_max {t_max}", "choose 1 ≤ t_min ≤ t_max")
        _require(-1 <= d_target <= 1, f"d_target {d_target}", "a mean of signs lies in [-1, 1]")
        _require(round(1000 * ada_kimg) >= 1, f"ada_kimg {ada_kimg}", "choose at least 0.001, one image")
        _require(interval >= 1, f"interval {interval}", "choose at least 1 update")
        _require(0 <= clean < entries, f"clean {clean} of {entries} entries", "choose 0 ≤ clean < entries")
        forward_chain(schedule, steps=t_max, sigma=sigma, betas=betas)  # complains now if ever
        self.schedule, self.betas, self.sigma = schedule, betas, sigma
        self.explore, self.diffuse, self.seed = explore, diffuse, seed
        self.clean, self.fade_in = clean, fade_in
        self.d_target, self.t_min, self.t_max = d_target, t_min, t_max
        self.images_to_top, self.images_to_adapt = round(1000 * ada_kimg), interval * game.batch
        self.register_buffer("length", torch.tensor(t_min))  # T
        for counter in ("risen", "adaptations", "judged", "signs", "votes"):  # p = risen / images_to_top
            self.register_buffer(counter, torch.tensor(0))
        self.register_buffer("r_d", torch.tensor(0.0))
        self.register_buffer("times", self._draw(entries))

    @property
    def p(self) -> float:
        """How far T has gone from T_min to T_max, in [0, 1]."""
        return int(self.risen) / self.images_to_top

    @property
    def chain(self) -> Chain:
        """The chain of the current T."""
        return forward_chain(self.schedule, steps=int(self.length), sigma=self.sigma, betas=self.betas)

    def before_discriminator(self, source: Tensor, *images: Tensor, rng: torch.Generator) -> tuple[Judged, ...]:
        """Diffuse each image to its time t, drawn from the list; the level of ``Judged`` is t, (B,) int64."""
        chain, t = self.chain, self.choose((len(source),), rng)
        if self.diffuse == "both":
            source = chain.sample(source, t, _normal(source, rng))
        return tuple(Judged(source, chain.sample(image, t, _normal(image, rng)), t) for image in images)

    @torch.no_grad()
    def remember(self, verdicts: Verdicts) -> None:
        """Count the votes on real images; adapt the chain once enough images have been judged."""
        self.judged += len(verdicts.index)
        for real in verdicts.real:  # every patch of every map has a vote
            self.signs += (real > 0).sum() - (real < 0).sum()
            self.votes += real.numel()
        if int(self.judged) >= self.images_to_adapt:
            self._adapt()

    def readings(self) -> dict[str, float]:
        """T; r_d of the last adaptation (0 before the first); p; the expected share of clean images."""
        clean_share = float((self.times == 0).float().mean())
        return {
            "diffusion.T": float(self.length),
            "diffusion.r_d": float(self.r_d),
            "diffusion.p": self.p,
            "diffusion.clean_share": clean_share,
        }

    def _adapt(self) -> None:
        """Move p and T by the votes since the last time, draw a new list, and start counting anew."""
        r_d = int(self.signs) / int(self.votes)
        direction = (r_d > self.d_target) - (r_d < self.d_target)
        self.risen += direction * self.judged
        self.risen.clamp_(0, self.images_to_top)
        self.length.fill_(self.t_min + round(self.p * (self.t_max - self.t_min)))
        self.r_d.fill_(r_d)
        self.adaptations += 1
        self.times.copy_(self._draw(len(self.times)))
        for counter in (self.judged, self.signs, self.votes):
            counter.zero_()

    def _draw(self, entries: int) -> Tensor:
        """A list of times, (entries,) int64: zeros, then draws from p_π over 1…T."""
        clean = max(self.clean, entries - round(self.p * entries)) if self.fade_in else self.clean
        t = np.arange(1, int(self.length) + 1)
        weights = t if self.explore == "priority" else np.ones_like(t)
        rng = np.random.default_rng((self.seed, int(self.adaptations)))
        drawn = rng.choice(t, size=entries - clean, p=weights / weights.sum())
        return torch.from_numpy(np.concatenate([np.zeros(clean, dtype=np.int64), drawn]))

    def choose(self, shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
        """Times of a shape, uniformly from the list: int64."""
        return self.times[torch.randint(len(self.times), shape, generator=rng, device=self.times.device)]


def _normal(like: Tensor, rng: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=rng, device=like.device, dtype=like.dtype)


def _require(holds: bool, culprit: str, remedy: str) -> None:
    if not holds:
        raise ValueError(f"{culprit}: out of range; {remedy}")
