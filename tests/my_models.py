"""A stranger's file: a model, a scheme, a discriminator and a generator of their own, as docs/extend.md explains them.

Nothing of atme names it. Tests train with it, kill, resume, translate and compare, as they do with games of the house.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from atme.data import Pair
from atme.losses import ADVERSARIAL
from atme.models import Arena, Networks, Step
from atme.models.moves import frozen, judge, readings, verdicts_on
from atme.networks import pretrained
from atme.noise import Corrupted, Features, Game, Injection, Judged


class Small(nn.Module):
    """A generator: one hidden layer."""

    stride = 1

    def __init__(self, in_channels: int, out_channels: int, *, dim: int = 4) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, dim, 3, padding=1), nn.ReLU(), nn.Conv2d(dim, out_channels, 3, padding=1)
        )

    def forward(self, image: Tensor, level: Tensor) -> Tensor:
        return torch.tanh(self.layers(image))


class TwoScales(nn.Module):
    """A discriminator that looks with frozen features, mixes them at random, and judges at two scales."""

    verdict_stride = 2
    asked_for_weights = 0
    """How often any of them fetched its weights."""

    def __init__(self, source_channels: int, target_channels: int, *, seed: int = 0, dim: int = 4) -> None:
        super().__init__()
        self.eyes = nn.ModuleList(
            [nn.Conv2d(each, dim, 3, 2, padding=1) for each in (source_channels, target_channels)]
        )
        self.eyes.requires_grad_(False).keeps_weights = True  # type: ignore[assignment]
        if pretrained.wanted():
            TwoScales.asked_for_weights += 1
            for number, eye in enumerate(self.eyes):
                nn.init.constant_(eye.weight, 0.1 + number)
        mixing = torch.randn(dim, dim, 1, 1, generator=torch.Generator().manual_seed(seed))
        self.register_buffer("mixing", mixing, persistent=False)
        self.heads = nn.ModuleList([nn.Conv2d(2 * dim, 1, 1) for _ in range(2)])

    def verdict_shape(self, height: int, width: int) -> tuple[int, int]:
        return -(-height // 2), -(-width // 2)

    def look(self, source: Tensor, image: Tensor) -> Features:
        x, y = (torch.relu(eye(each)) for eye, each in zip(self.eyes, (source, image), strict=True))
        return Features((y, F.avg_pool2d(y, 2)), (x, F.avg_pool2d(x, 2)))

    def judge(self, features: Features, level: Tensor | None) -> tuple[Tensor, ...]:
        levels = zip(self.heads, features.image, features.source, strict=True)
        return tuple(head(torch.cat([F.conv2d(y, self.mixing), x], dim=1)) for head, y, x in levels)

    def forward(self, source: Tensor, image: Tensor, level: Tensor | None, on_features=None) -> tuple[Tensor, ...]:
        features = self.look(source, image)
        return self.judge(features if on_features is None else on_features(features), level)


class FeatureNoise(Injection):
    """A scheme that acts on features: noise on those of the judged image, at every level."""

    on_features = True

    def __init__(self, game: Game, *, sigma: float = 0.5) -> None:
        super().__init__()
        self.sigma = sigma

    def before_discriminator(self, source: Tensor, *images: Tensor, rng: torch.Generator) -> tuple[Judged, ...]:
        def noisy(features: Features) -> Features:
            drawn = [torch.randn(y.shape, generator=rng, device=y.device) for y in features.image]
            added = zip(features.image, drawn, strict=True)
            return Features(tuple(y + self.sigma * noise for y, noise in added), features.source)

        return tuple(Judged(source, image, on_features=noisy) for image in images)


class Encoded:
    """A model with a role of its own: an encoder of the target shares the discriminator's way, and calls can be chosen.

    Args:
        weight: of the encoder's term.
    """

    roles, one_answer, calls = ("generator", "discriminator", "encoder"), True, range(1, 4)

    def __init__(self, *, weight: float = 1.0) -> None:
        self.weight = weight

    def channels(self, role: str, *, source: int, target: int) -> tuple[int, int]:
        return (target, source) if role == "encoder" else (source, target)

    def require(self, networks: Networks) -> None:
        """Any will do."""

    def step(self, arena: Arena, pair: Pair) -> Step:
        corrupted = arena.scheme(pair)
        fake = arena.generator(corrupted.image, corrupted.level)
        back = arena.role("encoder")(pair.target, corrupted.level)
        arena.update("encoder", self.weight * (back - pair.source).abs().mean())

        scheme = arena.bare.scheme
        judged = scheme.before_discriminator(pair.source, fake.detach(), pair.target, rng=arena.rng)
        d_fake, d_real = (judge(arena.discriminator, each) for each in judged)
        arena.update("discriminator", ADVERSARIAL["hinge"].discriminator(d_real, d_fake))

        (seen,) = scheme.before_discriminator(pair.source, fake, rng=arena.rng)
        with frozen(arena.bare.discriminator) as discriminator:
            g_fake = judge(discriminator, seen)
            g_l1 = (fake - pair.target).abs().mean()
            arena.update("generator", 10 * g_l1 - g_fake[0].mean())
        verdicts = verdicts_on(pair, real=d_real, fake=g_fake)
        scheme.remember(arena.gather(verdicts))
        return Step(readings(d_real, d_fake) | {"g_l1": g_l1.detach()}, corrupted, fake.detach(), verdicts)

    @torch.no_grad()
    def translate(
        self, networks: Networks, pair: Pair, *, rng: torch.Generator | None = None, calls: int | None = None
    ) -> tuple[Corrupted, Tensor]:
        """One call translates; each further one is the mean with the translation of what the encoder makes of it."""
        corrupted = networks.scheme(pair)
        fake = networks.generator(corrupted.image, corrupted.level)
        for _ in range(1, calls or 1):
            back = networks["encoder"](fake, corrupted.level)
            fake = (fake + networks.generator(back, corrupted.level)) / 2
        return Corrupted(corrupted.image, corrupted.level), fake
