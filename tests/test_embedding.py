"""The waves against their formula and against the package; what is trained; what half precision must not merge."""

import math

import pytest
import torch
from denoising_diffusion_pytorch.denoising_diffusion_pytorch import (
    RandomOrLearnedSinusoidalPosEmb,
    SinusoidalPosEmb,
)
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from atme.networks.embedding import FixedWaves, LevelEmbedding, NormalWaves, told
from atme.networks.kernels import plainly

LEVELS = torch.tensor([0.0, -0.3, 0.99, 17.0, 999.0], dtype=torch.float64)


@given(pairs=st.integers(2, 40))
def test_fixed_waves_follow_the_formula(pairs: int) -> None:
    waves = FixedWaves(2 * pairs)(LEVELS)
    for row, level in zip(waves.tolist(), LEVELS.tolist(), strict=True):
        for k in range(pairs):
            phase = level * 10_000 ** (-k / (pairs - 1))
            assert row[k] == pytest.approx(math.sin(phase), abs=1e-9)
            assert row[pairs + k] == pytest.approx(math.cos(phase), abs=1e-9)


@pytest.mark.parametrize("dim", [4, 10, 64])
def test_fixed_waves_are_the_packages(dim: int) -> None:
    levels = LEVELS.float()
    torch.testing.assert_close(FixedWaves(dim)(levels), SinusoidalPosEmb(dim)(levels), rtol=0, atol=2e-4)


@pytest.mark.parametrize("learned", [True, False])
def test_normal_waves_are_the_packages(learned: bool) -> None:
    package = RandomOrLearnedSinusoidalPosEmb(6, is_random=not learned)
    ours = NormalWaves(6, learned=learned)
    ours.load_state_dict({"frequencies": package.weights})
    torch.testing.assert_close(ours(LEVELS.float()), package(LEVELS.float()))


def test_learned_frequencies_are_trained_and_random_ones_are_only_saved() -> None:
    learned, random = (NormalWaves(4, learned=learned) for learned in (True, False))
    assert [name for name, _ in learned.named_parameters()] == ["frequencies"]
    assert list(random.parameters()) == []
    assert list(random.state_dict()) == list(learned.state_dict()) == ["frequencies"]


@pytest.mark.parametrize("kind", ["fixed", "learned", "random"])
def test_integer_timesteps_are_levels(kind: str) -> None:
    embed = LevelEmbedding(kind, waves=8, width=12)
    timesteps = torch.tensor([0, 3, 999])
    assert embed(timesteps).shape == (3, 12)
    torch.testing.assert_close(embed(timesteps), embed(timesteps.float()))


def test_half_precision_tells_neighboring_timesteps_apart() -> None:
    embed = LevelEmbedding("fixed", waves=8, width=12).to(torch.bfloat16)
    timesteps = torch.tensor([998, 999])
    one, other = embed(timesteps)
    assert embed(timesteps).dtype == torch.bfloat16
    assert (one - other).abs().max() > 0.01
    merged = timesteps.to(torch.bfloat16)
    assert merged[0] == merged[1]  # the control: in half precision itself they are the same number


@pytest.mark.parametrize("waves", [-2, 0, 2, 7])
def test_fixed_waves_come_in_pairs_two_at_least(waves: int) -> None:
    with pytest.raises(ValueError, match=f"dim {waves}: .*even"):
        FixedWaves(waves)


@pytest.mark.parametrize("waves", [0, 5])
def test_normal_waves_come_in_pairs(waves: int) -> None:
    with pytest.raises(ValueError, match=f"learned_sinusoidal_dim {waves}: .*even"):
        NormalWaves(waves, learned=True)


def test_what_a_block_hears_is_as_precise_as_its_weights_on_a_cpu() -> None:
    torch.manual_seed(0)
    listen, embedded = nn.Linear(16, 8), torch.randn(3, 16)
    wanted = listen(F.silu(embedded))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(told(listen, embedded), wanted)
        assert told(listen, embedded.bfloat16()).dtype == torch.float32
        with plainly():
            assert told(listen, embedded).dtype == torch.bfloat16
    assert torch.equal(told(listen, embedded), wanted)
