"""Diffusion-GAN's scheme: how the chain adapts, what its list holds, and what the discriminator reads."""

import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from atme.data import Pair
from atme.noise import Game, Judged, Verdicts
from atme.noise.diffusion import Diffusion


def scheme(*, batch: int = 5, **options: Any) -> Diffusion:
    game = Game(images=20, size=(16, 16), batch=batch, verdict_shape=lambda h, w: (h // 8, w // 8), verdict_stride=8)
    return Diffusion(game, **options)


def votes(*values: float, images: int = 5) -> Verdicts:
    """Verdicts on a batch whose every map of real logits holds these values."""
    real = torch.tensor(values).repeat(images, 1)[:, None, None, :]  # (B, 1, 1, n)
    return Verdicts((real,), (-real,), torch.arange(images), torch.eye(2, 3).repeat(images, 1, 1))


def judge(diffusion: Diffusion, *images: Tensor, source: Tensor | None = None, seed: int = 0) -> tuple[Judged, ...]:
    rng = torch.Generator().manual_seed(seed)
    return diffusion.before_discriminator(images[0] if source is None else source, *images, rng=rng)


def equal(one: Diffusion, other: Diffusion) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


# How the chain adapts


def test_one_adaptation_by_hand() -> None:
    """20 of 100 images: p = 0.2, T = 5 + round(0.2 · 995) = 204, after the fourth update and not before."""
    diffusion = scheme(ada_kimg=0.1)
    for _ in range(3):
        diffusion.remember(votes(1.0))
    assert diffusion.readings()["diffusion.T"] == 5
    diffusion.remember(votes(1.0))
    assert diffusion.readings() == {
        "diffusion.T": 204,
        "diffusion.r_d": 1,
        "diffusion.p": 0.2,
        "diffusion.clean_share": 0.5,
    }


def test_r_d_is_the_mean_sign_over_all_images_and_cells() -> None:
    diffusion = scheme(interval=2)
    diffusion.remember(votes(0.1, 9.0, -0.3, 0.0))
    diffusion.remember(votes(-5.0, 2.0, 2.0, 2.0))
    assert diffusion.readings()["diffusion.r_d"] == pytest.approx((1 + 2) / 8)


@given(
    real=st.lists(st.lists(st.floats(-3, 3, width=32), min_size=3, max_size=3), min_size=1, max_size=40),
    bounds=st.tuples(st.integers(1, 30), st.integers(0, 30)),
    ada_kimg=st.sampled_from([0.001, 0.01, 0.1]),
    d_target=st.floats(-1, 1),
)
@settings(deadline=None)
def test_the_chain_stays_within_its_bounds(
    real: list[list[float]], bounds: tuple[int, int], ada_kimg: float, d_target: float
) -> None:
    t_min, t_max = bounds[0], sum(bounds)
    diffusion = scheme(t_min=t_min, t_max=t_max, ada_kimg=ada_kimg, d_target=d_target, interval=1)
    for values in real:
        diffusion.remember(votes(*values))
        assert t_min <= diffusion.length <= t_max
        assert 0 <= diffusion.p <= 1
        assert diffusion.times.min() >= 0
        assert diffusion.times.max() <= diffusion.length
        assert diffusion.chain.steps == diffusion.length


def lengths(diffusion: Diffusion, real: Tensor, *, updates: int) -> list[int]:
    """T after each adaptation, with the same real logits at every update."""
    found = []
    for _ in range(updates):
        diffusion.remember(votes(*real.tolist()))
        found.append(int(diffusion.length))
    return found[3::4]


def test_above_any_target_the_chain_grows_to_its_longest_and_below_it_shrinks_to_its_shortest() -> None:
    mixed = torch.tensor([1.0, -1.0, 2.0])  # r_d = 1/3
    diffusion = scheme(d_target=-1.0, ada_kimg=0.1, t_max=100)
    assert lengths(diffusion, mixed, updates=24) == [24, 43, 62, 81, 100, 100]
    diffusion.d_target = 0.6
    assert lengths(diffusion, mixed, updates=24) == [81, 62, 43, 24, 5, 5]


def test_at_its_target_the_chain_rests() -> None:
    diffusion = scheme(d_target=1 / 3, ada_kimg=0.1)
    assert lengths(diffusion, torch.tensor([1.0, -1.0, 2.0]), updates=8) == [5, 5]


def test_the_longest_chain_follows_the_exploration() -> None:
    assert scheme(explore="priority").t_max == 1000
    assert scheme(explore="uniform").t_max == 500


def test_each_new_length_has_its_own_beta() -> None:
    diffusion = scheme(ada_kimg=0.1, sigma=0.3)
    for _ in range(2):
        beta = diffusion.chain.beta
        assert beta[0] == pytest.approx(1e-4)
        assert beta[-1] == pytest.approx(0.02)
        for _ in range(4):
            diffusion.remember(votes(1.0))
    assert diffusion.chain.steps == 403
    assert diffusion.chain.sigma == 0.3


def test_an_update_is_as_large_as_the_game_says() -> None:
    """Batches of 5 in a game of 20 images per update: 4 updates of 4 pieces, and p moves by 80 images."""
    diffusion = scheme(batch=20, ada_kimg=0.1)
    for _ in range(15):
        diffusion.remember(votes(1.0))
    assert diffusion.p == 0
    diffusion.remember(votes(1.0))
    assert diffusion.p == 0.8


def test_verdicts_in_pieces_count_as_whole() -> None:
    """One call for all images of an update, or one for each: the same state."""
    whole, pieces = scheme(ada_kimg=0.1), scheme(ada_kimg=0.1)
    for _ in range(9):
        whole.remember(votes(1.0, -1.0, 0.5))
        for _ in range(5):
            pieces.remember(votes(1.0, -1.0, 0.5, images=1))
    assert equal(whole, pieces)
    assert whole.adaptations == 2


# What its list holds


def assert_proportional(times: Tensor, weights: list[float]) -> None:
    """Shares of t = 1, 2, … within five standard errors of the weights."""
    for t, weight in enumerate(weights, start=1):
        share, expected = float((times == t).float().mean()), weight / sum(weights)
        assert abs(share - expected) < 5 * math.sqrt(expected * (1 - expected) / len(times))


def test_priority_gives_every_time_its_weight_and_the_first_too() -> None:
    times = scheme(entries=100_000, clean=0).times
    assert_proportional(times, [1, 2, 3, 4, 5])
    with pytest.raises(AssertionError):  # as published: 0 … T − 1
        assert_proportional(times, [1e-9, 1, 2, 3, 4])


def test_uniform_gives_all_the_same() -> None:
    times = scheme(entries=100_000, clean=0, explore="uniform").times
    assert_proportional(times, [1, 1, 1, 1, 1])


def test_half_the_list_is_clean() -> None:
    diffusion = scheme()
    assert diffusion.times.shape == (64,)
    assert diffusion.times.dtype == torch.int64
    assert (diffusion.times == 0).sum() == 32
    assert scheme(entries=10, clean=1).readings()["diffusion.clean_share"] == pytest.approx(0.1)


def test_a_new_list_at_each_adaptation_and_only_then() -> None:
    diffusion = scheme(t_min=500, t_max=500)
    lists = [diffusion.times.clone()]
    for _ in range(12):
        diffusion.remember(votes(1.0))
        lists.append(diffusion.times.clone())
    changed = [not torch.equal(old, new) for old, new in itertools.pairwise(lists)]
    assert changed == [False, False, False, True] * 3


def test_lists_follow_the_seed_alone() -> None:
    torch.manual_seed(1)
    one = scheme(t_min=500, seed=3)
    torch.manual_seed(2)
    assert equal(one, scheme(t_min=500, seed=3))
    assert not equal(one, scheme(t_min=500, seed=4))


# Checkpoints


@pytest.mark.parametrize("updates", [0, 3, 4, 10])
def test_a_checkpoint_goes_on_exactly(updates: int) -> None:
    options = {"ada_kimg": 0.2, "seed": 5, "explore": "uniform"}
    straight, before, after = scheme(**options), scheme(**options), scheme(**options)
    logits = torch.randn(20, 7, generator=torch.Generator().manual_seed(0)) + 1
    for real in logits[:updates]:
        before.remember(votes(*real.tolist()))
    after.load_state_dict(before.state_dict())
    for real in logits[updates:]:
        after.remember(votes(*real.tolist()))
    for real in logits:
        straight.remember(votes(*real.tolist()))
    assert equal(after, straight)
    assert after.readings() == straight.readings()
    assert straight.length > 5
    for mine, theirs in zip(judge(after, torch.ones(4, 2)), judge(straight, torch.ones(4, 2)), strict=True):
        assert torch.equal(mine.image, theirs.image)


def test_the_checkpoint_holds_length_p_and_list() -> None:
    old, new = scheme(ada_kimg=0.1), scheme(ada_kimg=0.1)
    for _ in range(5):
        old.remember(votes(1.0))
    new.load_state_dict(old.state_dict())
    assert (new.length, new.p, new.chain.steps) == (204, 0.2, 204)
    assert torch.equal(new.times, old.times)
    assert new.readings() == old.readings()


# What the discriminator reads


@pytest.mark.parametrize("shape", [(6, 3, 5, 7), (6, 2), (6, 4, 1)])
def test_images_of_one_call_share_times_but_not_noise(shape: tuple[int, ...]) -> None:
    diffusion = scheme(t_min=9, clean=0)
    one, other = judge(diffusion, torch.zeros(shape), torch.zeros(shape))
    assert one.image.shape == other.image.shape == shape
    assert one.level is not None
    assert torch.equal(one.level, other.level)
    assert len(set(one.level.tolist())) > 1
    assert not torch.equal(one.image, other.image)


def test_the_second_door_is_the_closed_form() -> None:
    diffusion, image = scheme(t_min=40, sigma=0.5, clean=8), torch.full((30_000, 1), 2.0)
    (judged,) = judge(diffusion, image)
    assert judged.level is not None
    for t in diffusion.times.unique().tolist():
        y, alpha_bar = judged.image[judged.level == t], float(diffusion.chain.alpha_bar[t])
        spread = math.sqrt(1 - alpha_bar) * 0.5
        assert abs(float(y.mean()) - 2 * math.sqrt(alpha_bar)) <= 5 * spread / math.sqrt(len(y))
        assert float(y.std()) == pytest.approx(spread, rel=5 / math.sqrt(2 * len(y)))


def test_times_come_uniformly_from_the_list() -> None:
    diffusion = scheme(t_min=5)
    (judged,) = judge(diffusion, torch.zeros(100_000, 1))
    assert judged.level is not None
    listed = torch.bincount(diffusion.times, minlength=6) / 64
    drawn = torch.bincount(judged.level, minlength=6) / 100_000
    torch.testing.assert_close(drawn, listed, atol=0.01, rtol=0)


def test_clean_images_keep_their_bits_and_half_are_clean() -> None:
    diffusion, image = scheme(), torch.randn(2000, 3, generator=torch.Generator().manual_seed(4))
    (judged,) = judge(diffusion, image)
    assert judged.level is not None
    clean = judged.level == 0
    assert torch.equal(judged.image[clean], image[clean])
    assert (judged.image[~clean] != image[~clean]).any(dim=1).all()
    assert float(clean.float().mean()) == pytest.approx(0.5, abs=0.05)


def test_target_leaves_the_source_alone_and_both_does_not() -> None:
    source, image = torch.ones(8, 3, 4, 5), torch.zeros(8, 1, 4, 5)
    (target,) = judge(scheme(clean=0), image, source=source)
    assert target.source is source
    real, fake = judge(scheme(clean=0, diffuse="both"), image, image, source=source)
    assert (real.source != source).flatten(1).any(dim=1).all()
    assert real.source is fake.source


def test_the_same_randomness_gives_the_same_images() -> None:
    diffusion, image = scheme(clean=0), torch.zeros(4, 3, 4, 5)
    (one,), (same,), (other,) = (judge(diffusion, image, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one.image, same.image)
    assert not torch.equal(one.image, other.image)


def test_gradients_pass_to_the_image() -> None:
    diffusion = scheme(clean=16, t_min=50)
    image = torch.randn(7, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda y: judge(diffusion, y)[0].image, (image,))
    (judged,) = judge(diffusion, image)
    (slope,) = torch.autograd.grad(judged.image.sum(), image)
    assert judged.level is not None
    torch.testing.assert_close(slope[:, 0], torch.from_numpy(diffusion.chain.alpha_bar)[judged.level].sqrt())


def test_half_precision_stays_half() -> None:
    (judged,) = judge(scheme(), torch.zeros(4, 3, 4, 5, dtype=torch.bfloat16))
    assert judged.image.dtype == torch.bfloat16


def test_the_first_door_costs_nothing() -> None:
    source = torch.ones(2, 3, 4, 5)
    pair = Pair(source, None, None, torch.eye(2, 3).repeat(2, 1, 1), ("a", "b"))
    diffusion = scheme()
    corrupted = diffusion.before_generator(pair)
    assert corrupted.image is source
    assert corrupted.map is None
    assert diffusion.passes == 1
    assert list(diffusion.parameters()) == []


@pytest.mark.parametrize(
    ("options", "culprit"),
    [
        ({"t_min": 0}, "t_min 0"),
        ({"t_min": 600, "explore": "uniform"}, "t_max 500"),
        ({"d_target": 1.5}, "d_target 1.5"),
        ({"ada_kimg": 0.0}, "ada_kimg 0.0"),
        ({"interval": 0}, "interval 0"),
        ({"clean": 64}, "clean 64 of 64"),
        ({"seed": -1}, "seed: -1 "),
        ({"sigma": 0.0}, "sigma: 0.0 "),
        ({"schedule": "cosine", "betas": (0.1, 0.2)}, "no ends"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], culprit: str) -> None:
    with pytest.raises(ValueError, match=culprit):
        scheme(**options)
