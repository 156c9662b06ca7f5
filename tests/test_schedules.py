"""Forward chains: the laws of Gaussian diffusion, the papers' numbers, and parity with diffusers."""

import math
from typing import get_args

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from atme.noise.schedules import Chain, Schedule, forward_chain

SCHEDULES = get_args(Schedule)
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def times(count: int, t: int) -> Tensor:
    return torch.full((count,), t)


def assert_moments(y: Tensor, *, mean: float, variance: float) -> None:
    """Mean and variance of independent normal draws, each within five standard errors."""
    n = y.numel()
    assert abs(float(y.mean()) - mean) < 5 * math.sqrt(variance / n)
    assert abs(float(y.var()) - variance) < 5 * variance * math.sqrt(2 / n)


def scheduler(schedule: str) -> DDPMScheduler:
    return DDPMScheduler(100, beta_schedule=schedule, prediction_type="sample", clip_sample=False)


@pytest.mark.parametrize("schedule", SCHEDULES)
@settings(deadline=None)
@given(steps=st.integers(1, 2000))
def test_alpha_bar_falls_from_one(schedule: Schedule, steps: int) -> None:
    chain = forward_chain(schedule, steps=steps)
    assert chain.steps == steps
    assert chain.alpha_bar.dtype == np.float64
    assert chain.alpha_bar.shape == (steps + 1,)
    assert chain.alpha_bar[0] == 1
    assert (np.diff(chain.alpha_bar) < 0).all()
    assert chain.alpha_bar[-1] >= 0


@pytest.mark.parametrize("schedule", SCHEDULES)
@settings(deadline=None)
@given(steps=st.integers(1, 300))
def test_posterior_is_the_product_of_two_normals(schedule: Schedule, steps: int) -> None:
    """Bayes: precisions add, and means are weighed by them; independent of the closed form."""
    chain = forward_chain(schedule, steps=steps)
    alpha, before = 1 - chain.beta, chain.alpha_bar[:-1]
    with np.errstate(divide="ignore"):
        likelihood, prior = alpha / chain.beta, 1 / (1 - before)  # precisions; the prior's is infinite at t = 1
    c, k, v = chain.posterior
    np.testing.assert_allclose(v, 1 / (likelihood + prior), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(k, v * np.sqrt(alpha) / chain.beta, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(c[1:], (v[1:] * np.sqrt(before[1:]) * prior[1:]), rtol=1e-7, atol=1e-7)
    assert c[0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("steps", "beta", "c", "k", "v"),
    [
        (2, [0.92132, 0.99945], [1, 0.28035], [0, 0.02159], [0, 0.92086]),
        (
            4,
            [0.47826, 0.84921, 0.95642, 0.98740],
            [1, 0.66578, 0.26919, 0.05782],
            [0, 0.20158, 0.19300, 0.11185],
            [0, 0.44082, 0.88420, 0.98406],
        ),
    ],
)
def test_denoising_gan_has_its_published_numbers(
    steps: int, beta: list[float], c: list[float], k: list[float], v: list[float]
) -> None:
    chain = forward_chain("vp", steps=steps)
    for got, wanted in zip((chain.beta, *chain.posterior), (beta, c, k, v), strict=True):
        np.testing.assert_allclose(got, wanted, atol=5e-6, rtol=0)


def test_straight_lines() -> None:
    assert forward_chain("jsd", steps=10).alpha_bar.tolist() == pytest.approx([1 - i / 10 for i in range(11)])
    assert forward_chain("linear", steps=3).beta.tolist() == pytest.approx([1e-4, 0.01005, 0.02])
    assert np.diff(np.sqrt(forward_chain("quadratic", steps=3).beta), n=2).item() == pytest.approx(0)
    assert forward_chain("constant", steps=3, betas=(0.1, 0.1)).beta.tolist() == pytest.approx([0.1] * 3)
    assert forward_chain("sigmoid", steps=3).beta[1] == pytest.approx(0.01005)
    assert forward_chain("cosine", steps=2).alpha_bar[1] == pytest.approx(0.49384, abs=5e-6)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_sample_has_its_mean_and_variance(schedule: Schedule) -> None:
    chain, count = forward_chain(schedule, steps=20, sigma=0.5), 200_000
    for t in (1, 7, 20):
        y = chain.sample(torch.full((count,), 3.0).double(), times(count, t), normal(count))
        alpha_bar = float(chain.alpha_bar[t])
        assert_moments(y, mean=3 * math.sqrt(alpha_bar), variance=(1 - alpha_bar) * 0.25)


def test_the_check_of_moments_sees_a_wrong_sigma() -> None:
    y = forward_chain("linear", steps=20, sigma=0.505).sample(
        torch.zeros(200_000).double(), times(200_000, 20), normal(200_000)
    )
    with pytest.raises(AssertionError):
        assert_moments(y, mean=0, variance=float(1 - forward_chain("linear", steps=20).alpha_bar[20]) * 0.25)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_steps_compose_to_the_closed_form(schedule: Schedule) -> None:
    chain, count = forward_chain(schedule, steps=12, sigma=0.5), 200_000
    y = torch.full((count,), 3.0).double()
    for t in range(1, 8):
        y = chain.step(y, times(count, t), normal(count, seed=t))
    alpha_bar = float(chain.alpha_bar[7])
    assert_moments(y, mean=3 * math.sqrt(alpha_bar), variance=(1 - alpha_bar) * 0.25)


def test_a_step_too_few_does_not_compose() -> None:
    chain, y = forward_chain("linear", steps=12), torch.full((200_000,), 3.0).double()
    for t in range(1, 7):
        y = chain.step(y, times(len(y), t), normal(len(y), seed=t))
    alpha_bar = float(chain.alpha_bar[7])
    with pytest.raises(AssertionError):
        assert_moments(y, mean=3 * math.sqrt(alpha_bar), variance=1 - alpha_bar)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_backward_undoes_forward_in_law(schedule: Schedule) -> None:
    chain, count = forward_chain(schedule, steps=12, sigma=0.5), 200_000
    y0, t = torch.full((count,), 3.0).double(), times(count, 7)
    y = chain.reverse(y0, chain.sample(y0, t, normal(count)), t, normal(count, seed=1))
    alpha_bar = float(chain.alpha_bar[6])
    assert_moments(y, mean=3 * math.sqrt(alpha_bar), variance=(1 - alpha_bar) * 0.25)


def test_the_last_step_back_is_clean() -> None:
    y0 = normal(5, 3)
    chain = forward_chain("vp", steps=4)
    y = chain.reverse(y0, normal(5, 3, seed=1), times(5, 1), normal(5, 3, seed=2))
    torch.testing.assert_close(y, y0, atol=0, rtol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@settings(deadline=None)
@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_time_zero_leaves_bits_unchanged(dtype: torch.dtype, shape: list[int], seed: int) -> None:
    y0 = normal(*shape, seed=seed, dtype=dtype)
    y0.view(-1)[0] = -0.0
    chain = forward_chain("linear", steps=9)
    y = chain.sample(y0, times(len(y0), 0), normal(*shape, seed=seed + 1, dtype=dtype))
    assert y.dtype == dtype
    assert torch.equal(y.view(torch.uint8), y0.view(torch.uint8))


def test_each_element_has_its_own_time() -> None:
    chain, y0, noise = forward_chain("cosine", steps=9), normal(4, 3, 5, 2), normal(4, 3, 5, 2, seed=1)
    t = torch.tensor([0, 3, 9, 1])
    together = chain.sample(y0, t, noise)
    for i in range(4):
        alone = chain.sample(y0[i : i + 1], t[i : i + 1], noise[i : i + 1])
        assert torch.equal(together[i : i + 1], alone)


def test_half_precision_gets_its_coefficients_from_float64() -> None:
    """In float32, 1 − ᾱ_1 of a β of 1e-8 would be 0."""
    chain = forward_chain("linear", steps=2, betas=(1e-8, 1e-8))
    y = chain.sample(torch.zeros(1, dtype=torch.bfloat16), times(1, 1), torch.ones(1, dtype=torch.bfloat16))
    assert float(y) == pytest.approx(1e-4, rel=1e-2)


def test_gradients_pass_every_door() -> None:
    chain = forward_chain("sigmoid", steps=6, sigma=0.3)
    t, noise = torch.tensor([0, 1, 6]), normal(3, 2, seed=1)
    y0, yt = normal(3, 2).requires_grad_(), normal(3, 2, seed=2).requires_grad_()
    later = t.clamp(min=1)
    assert torch.autograd.gradcheck(lambda y: chain.sample(y, t, noise), (y0,))
    assert torch.autograd.gradcheck(lambda y: chain.step(y, later, noise), (y0,))
    assert torch.autograd.gradcheck(lambda y, z: chain.reverse(y, z, later, noise), (y0, yt))


@pytest.mark.parametrize("t", [-1, 7])
def test_times_outside_the_chain_are_refused(t: int) -> None:
    chain, y = forward_chain("linear", steps=6), normal(2, 3)
    with pytest.raises(IndexError):
        chain.sample(y, times(2, t), y)
    with pytest.raises(IndexError):
        chain.reverse(y, y, times(2, 0), y)
    with pytest.raises(IndexError):
        chain.step(y, times(2, 0), y)


@pytest.mark.parametrize(
    ("schedule", "options", "culprit"),
    [
        ("linear", {"steps": 0}, "steps: 0 "),
        ("linear", {"steps": 5, "sigma": 0.0}, "sigma: 0.0 "),
        ("linear", {"steps": 5, "betas": (0.0, 0.02)}, "above 0"),
        ("linear", {"steps": 5, "betas": (0.1, 1.5)}, "more than all"),
        ("constant", {"steps": 5, "betas": (0.1, 0.2)}, "one value"),
        ("cosine", {"steps": 5, "betas": (0.1, 0.2)}, "no ends"),
        ("vpp", {"steps": 5}, "choose from linear"),
    ],
)
def test_what_cannot_be_is_refused(schedule: Schedule, options: dict[str, float], culprit: str) -> None:
    with pytest.raises(ValueError, match=culprit):
        forward_chain(schedule, **options)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("linear", "linear"),
        ("quadratic", "scaled_linear"),
        ("sigmoid", "sigmoid"),
        ("cosine", "squaredcos_cap_v2"),
    ],
)
def test_parity_with_diffusers(ours: Schedule, theirs: str) -> None:
    """β as they make it, in float32; from our β in float64, y_t and one step back. Their t is one less."""
    chain, y0, noise = forward_chain(ours, steps=100), normal(6, 3, 5, 7), normal(6, 3, 5, 7, seed=1)
    reference = scheduler(theirs)
    beta = torch.from_numpy(chain.beta)
    torch.testing.assert_close(beta.float(), reference.betas, atol=0, rtol=5e-4)
    reference.betas, reference.alphas = beta, 1 - beta
    reference.alphas_cumprod = reference.alphas.cumprod(0)
    t = torch.tensor([1, 2, 50, 77, 99, 100])
    yt = chain.sample(y0, t, noise)
    torch.testing.assert_close(yt, reference.add_noise(y0, noise, t - 1))
    for i, one in enumerate(t.split(1)):
        rng, part = torch.Generator().manual_seed(i), slice(i, i + 1)
        wanted = reference.step(y0[part], int(one) - 1, yt[part], generator=rng).prev_sample
        got = chain.reverse(y0[part], yt[part], one, normal(1, 3, 5, 7, seed=i))
        torch.testing.assert_close(got, wanted)


def test_a_wrong_chain_fails_the_parity() -> None:
    reference = scheduler("linear")
    y0, noise, t = normal(2, 3), normal(2, 3, seed=1), times(2, 50)
    wrong = Chain(forward_chain("linear", steps=101).beta).sample(y0, t, noise)
    assert (wrong - reference.add_noise(y0, noise, t - 1)).abs().max() > 2e-4
