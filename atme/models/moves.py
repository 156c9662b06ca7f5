"""What the games have in common: a discriminator that holds still, its verdicts, and how even the game is."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from atme.data import Pair
from atme.losses import (
    Maps,
    cross_entropy_fake,
    cross_entropy_real,
    entropy,
    gradient_penalty,
    mean_of,
    palette_loss,
    zero_centered_penalty,
)
from atme.models.roles import Networks
from atme.models.translation import Arena
from atme.noise import Corrupted, Judged, Verdicts
from atme.ramp import Weight, now


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


def judge(discriminator: nn.Module, judged: Judged) -> Maps:
    """The discriminator's logits on what it reads, one map or several."""
    if judged.on_features is None:
        logits: Tensor | Maps = discriminator(judged.source, judged.image, judged.level)
    else:
        logits = discriminator(judged.source, judged.image, judged.level, judged.on_features)
    return (logits,) if isinstance(logits, Tensor) else logits


def verdicts_on(pair: Pair, *, real: Maps, fake: Maps) -> Verdicts:
    """The logits of one update, detached, with what says of which pairs they are."""
    assert pair.index is not None
    on_real, on_fake = (tuple(each.detach().float() for each in side) for side in (real, fake))
    return Verdicts(on_real, on_fake, pair.index, pair.view)


def readings(real: Maps, fake: Maps) -> dict[str, Tensor]:
    """How even the game is: cross-entropies, their sum (log 4 at equilibrium), and entropy (log 2), in nats."""
    d_real = mean_of([cross_entropy_real(each.detach()) for each in real])
    d_fake = mean_of([cross_entropy_fake(each.detach()) for each in fake])
    unsure = [mean_of([entropy(each.detach()) for each in side]) for side in (real, fake)]
    return {
        "d_real": d_real,
        "d_fake": d_fake,
        "objective": d_real + d_fake,
        "entropy": (unsure[0] + unsure[1]) / 2,
    }


def noise_readings(corrupted: Corrupted) -> dict[str, Tensor]:
    """How strong the multiplicative noise was: mean of W, and its spread within an image."""
    if corrupted.map is None:
        return {}
    w = corrupted.map.detach()
    return {"w_mean": w.mean(), "w_std": w.std(dim=(1, 2, 3)).mean()}


def refuse_latent(networks: Networks, game: str) -> None:
    """Refuse a generator that wants a latent, for a game that draws none.

    Raises:
        ValueError: naming the option.
    """
    latent = getattr(networks.generator, "latent", 0)
    if latent:
        raise ValueError(f"generator.latent: {latent}, and {game} draws no latent; set it to 0")


def penalty_term(
    arena: Arena, fake: Judged, real: Judged, *, lines: Weight, r1: Weight, every: int
) -> tuple[Tensor, dict[str, Tensor]]:
    """What a game adds to the discriminator's loss for steep slopes, and its reading; without weights 0.

    Args:
        arena: the update under way.
        fake: what the discriminator read of translations.
        real: what it read of targets.
        lines: weight of WGAN-GP's penalty, on lines between both.
        r1: weight γ of γ/2 times the zero-centered penalty on targets.
        every: updates from one that bears the latter to the next.
    """
    total = real.image.new_zeros(())
    said = {"d_r1": total} if r1 else {}

    def critic(image: Tensor) -> Maps:
        return judge(arena.discriminator, replace(real, image=image))

    if weight := now(lines, arena.progress):
        share = torch.rand((len(real.image), 1, 1, 1), generator=arena.rng, device=real.image.device)
        total = weight * gradient_penalty(critic, real.image, fake.image, share=share)
    if (weight := now(r1, arena.progress)) and arena.step % every == 0:
        slope = weight / 2 * zero_centered_penalty(critic, real.image)
        total, said = total + slope, {"d_r1": slope.detach()}
    return total, said


def palette_term(
    arena: Arena, weight: Weight, *, fake: Tensor, target: Tensor
) -> tuple[Tensor | float, dict[str, Tensor]]:
    """What a game adds to the generator's loss for colors of no class, and its reading; without a weight nothing."""
    if not weight:
        return 0.0, {}
    assert arena.palette is not None, "refused before the training where targets are no labels"
    loss = palette_loss(fake, target, arena.palette)
    return now(weight, arena.progress) * loss, {"g_palette": loss.detach()}
