"""Diffusion on features: times by image, channel and level; the controller is that on images."""

import math
from typing import Any

import pytest
import torch
from my_models import TwoScales
from torch import Tensor

from atme.cli import main
from atme.models.moves import judge
from atme.noise import Diffusion, FeatureDiffusion, Features, Game, Judged, Verdicts

GAME = Game(images=20, size=(16, 16), batch=5, verdict_shape=lambda h, w: (h // 8, w // 8), verdict_stride=8)
IMAGE = torch.zeros(6, 3, 16, 16)


def votes(value: float) -> Verdicts:
    real = torch.full((5, 1, 2, 2), value)
    return Verdicts((real, real[:, :, :1]), (-real, -real[:, :, :1]), torch.arange(5), torch.eye(2, 3).repeat(5, 1, 1))


def seen(batch: int = 6, channels: tuple[int, ...] = (40, 30), side: int = 8) -> Features:
    """Features of ones, at levels of several widths."""
    maps = [torch.ones(batch, each, side // 2**level, side) for level, each in enumerate(channels)]
    return Features(tuple(maps), tuple(-each for each in maps))


def judged(scheme: FeatureDiffusion, count: int = 1, seed: int = 0) -> tuple[Judged, ...]:
    return scheme.before_discriminator(IMAGE, *[IMAGE] * count, rng=torch.Generator().manual_seed(seed))


def diffused(one: Judged, features: Features) -> Features:
    assert one.on_features is not None
    return one.on_features(features)


def noisy(after: Tensor, before: Tensor) -> Tensor:
    """Which maps of which images were diffused: (B, C)."""
    return (after != before).flatten(2).any(dim=2)


ALWAYS = {"t_min": 400, "fade_in": False, "clean": 32}


# The chain, and the controller


def test_the_chain_is_the_papers() -> None:
    chain = FeatureDiffusion(GAME, t_min=500).diffusion.chain
    assert (chain.steps, chain.sigma) == (500, 0.5)
    assert chain.beta[[0, -1]] == pytest.approx([1e-4, 0.01])
    assert FeatureDiffusion(GAME).diffusion.chain.steps == 5


def test_the_controller_is_that_of_diffusion() -> None:
    """The same verdicts move T, p and the list as they do there."""
    options: dict[str, Any] = {"ada_kimg": 0.1, "t_max": 300, "clean": 10, "fade_in": True, "seed": 3}
    ours, theirs = FeatureDiffusion(GAME, **options), Diffusion(GAME, **options)
    for value in [1.0, 1.0, 1.0, 1.0, 2.0, 1.0, 3.0, 1.0, -1.0]:
        for scheme in (ours, theirs):
            scheme.remember(votes(value))
    assert ours.readings() == theirs.readings()
    assert ours.readings()["diffusion.T"] > 5
    assert torch.equal(ours.diffusion.times, theirs.times)


def test_noise_fades_in_with_p() -> None:
    """Of 64 times round(64 p) are noisy, 48 at most."""
    scheme, counts = FeatureDiffusion(GAME, ada_kimg=0.1, interval=1), []
    for _ in range(20):
        counts.append((scheme.diffusion.p, int((scheme.diffusion.times > 0).sum())))
        scheme.remember(votes(1.0))
    assert [noisy for _, noisy in counts] == [min(round(64 * p), 48) for p, _ in counts]
    assert counts[0] == (0.0, 0)
    assert counts[-1][1] == 48


def test_a_game_that_needs_no_noise_has_none() -> None:
    after = diffused(judged(FeatureDiffusion(GAME))[0], seen())
    assert all(torch.equal(one, other) for one, other in zip(after.image, seen().image, strict=True))


# What is diffused


def test_each_channel_of_each_image_has_a_time_of_its_own_at_each_level() -> None:
    scheme = FeatureDiffusion(GAME, **ALWAYS)
    features = seen(batch=40)
    after = diffused(judged(scheme)[0], features)
    which = [noisy(one, other) for one, other in zip(after.image, features.image, strict=True)]
    for each in which:
        assert float(each.float().mean()) == pytest.approx(0.5, abs=0.06)
        assert len(each.unique(dim=0)) == 40
        assert len(each.unique(dim=1).T) > 20
    assert not torch.equal(which[0][:, :30], which[1])
    assert all(torch.equal(one, other) for one, other in zip(after.source, features.source, strict=True))


def test_it_is_the_closed_form() -> None:
    """In every channel √ᾱ_t f + √(1 − ᾱ_t) 0.5 ε, at one of the listed times."""
    scheme = FeatureDiffusion(GAME, t_min=500, fade_in=False, clean=0, entries=1)
    (t,) = scheme.diffusion.times.tolist()
    (after,) = diffused(judged(scheme)[0], Features((torch.full((4, 5, 60, 50), 2.0),))).image
    alpha_bar = float(scheme.diffusion.chain.alpha_bar[t])
    spread = math.sqrt(1 - alpha_bar) * 0.5
    means, spreads = after.mean(dim=(2, 3)), after.std(dim=(2, 3))
    assert (means - 2 * math.sqrt(alpha_bar)).abs().max() < 5 * spread / math.sqrt(3000)
    assert (spreads - spread).abs().max() < 5 * spread / math.sqrt(6000)


def test_real_and_fake_share_times_and_not_noise() -> None:
    scheme, features = FeatureDiffusion(GAME, **ALWAYS), seen()
    real, fake = (diffused(each, features) for each in judged(scheme, 2))
    for one, other, before in zip(real.image, fake.image, features.image, strict=True):
        assert torch.equal(noisy(one, before), noisy(other, before))
        assert not torch.equal(one, other)


def test_it_draws_from_the_generator_that_it_is_given_alone() -> None:
    scheme, features = FeatureDiffusion(GAME, **ALWAYS), seen()
    before = torch.get_rng_state()
    one, same, other = (diffused(judged(scheme, seed=seed)[0], features).image[0] for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_gradients_pass_and_half_precision_stays_half() -> None:
    scheme = FeatureDiffusion(GAME, t_min=50, fade_in=False, clean=4, entries=8)
    maps = torch.randn(2, 3, 2, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda f: diffused(judged(scheme)[0], Features((f,))).image[0], (maps,))
    half = diffused(judged(scheme)[0], Features((maps.detach().bfloat16(),))).image[0]
    assert half.dtype == torch.bfloat16


def test_a_discriminator_judges_what_was_diffused() -> None:
    torch.manual_seed(0)
    eye, image = TwoScales(3, 3), torch.rand(6, 3, 16, 16)
    (quiet,), (loud,) = (judged(FeatureDiffusion(GAME, **options)) for options in ({}, ALWAYS))
    clean = eye(image, image, None)
    for one, other in zip(judge(eye, Judged(image, image, None, quiet.on_features)), clean, strict=True):
        assert torch.equal(one, other)
    for one, other in zip(judge(eye, Judged(image, image, None, loud.on_features)), clean, strict=True):
        assert one.shape == other.shape
        assert not torch.equal(one, other)


# State


@pytest.mark.parametrize("updates", [0, 3, 4, 10])
def test_a_checkpoint_goes_on_exactly(updates: int) -> None:
    """T, p, the list, and the votes since the last adaptation."""
    straight, before, after = (FeatureDiffusion(GAME, ada_kimg=0.2, clean=8) for _ in range(3))
    for _ in range(updates):
        before.remember(votes(1.0))
    after.load_state_dict(before.state_dict())
    for _ in range(20 - updates):
        after.remember(votes(1.0))
    for _ in range(20):
        straight.remember(votes(1.0))
    assert after.readings() == straight.readings()
    mine, theirs = (diffused(judged(each)[0], seen()).image for each in (after, straight))
    assert all(torch.equal(one, other) for one, other in zip(mine, theirs, strict=True))
    assert noisy(mine[0], seen().image[0]).any()


# Refusals


def test_beside_a_discriminator_without_features_it_is_refused(
    preset: Any, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    file = preset(noise={"class_path": "atme.FeatureDiffusion"})
    assert main(["train", "--config", str(file), "--run.dir", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err.strip()
    assert "noise: it acts on a discriminator's features, and PatchGAN offers none" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "culprit"),
    [({"t_max": 4}, "t_max 4"), ({"clean": 64}, "clean 64 of 64"), ({"sigma": 0.0}, "sigma: 0.0 ")],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], culprit: str) -> None:
    with pytest.raises(ValueError, match=culprit):
        FeatureDiffusion(GAME, **options)
