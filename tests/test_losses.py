"""The terms of the game: values worked out by hand, derivatives, and the equilibrium they share."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from atme.losses import (
    ADVERSARIAL,
    cross_entropy_fake,
    cross_entropy_real,
    entropy,
    gradient_penalty,
    zero_centered_penalty,
)

LOGITS = torch.tensor([[[[-2.0, 0.0], [0.5, 3.0]]]], dtype=torch.float64)


def test_cross_entropies_are_those_of_torch() -> None:
    bce = torch.nn.BCEWithLogitsLoss()
    torch.testing.assert_close(cross_entropy_real(LOGITS), bce(LOGITS, torch.ones_like(LOGITS)))
    torch.testing.assert_close(cross_entropy_fake(LOGITS), bce(LOGITS, torch.zeros_like(LOGITS)))


def test_an_undecided_discriminator_is_at_log_4_and_log_2() -> None:
    undecided = torch.zeros(2, 1, 3, 3)
    assert float(cross_entropy_real(undecided) + cross_entropy_fake(undecided)) == pytest.approx(math.log(4))
    assert float(entropy(undecided)) == pytest.approx(math.log(2))


@given(st.floats(-30, 30))
def test_entropy_is_its_definition_and_at_most_log_2(logit: float) -> None:
    p = 1 / (1 + math.exp(-logit))
    expected = sum(-q * math.log(q) for q in (p, 1 - p) if q > 0)
    found = float(entropy(torch.tensor([logit], dtype=torch.float64)))
    assert found == pytest.approx(expected, abs=1e-7)
    assert found <= math.log(2) + 1e-12


@pytest.mark.parametrize(
    ("name", "real", "fake", "generator"),
    [
        # logits -2, 0, 0.5, 3
        ("least_squares", (9 + 1 + 0.25 + 4) / 4, (4 + 0 + 0.25 + 9) / 4, (9 + 1 + 0.25 + 4) / 4),
        ("hinge", (3 + 1 + 0.5 + 0) / 4, (0 + 1 + 1.5 + 4) / 4, -1.5 / 4),
        ("wgan_gp", -1.5 / 4, 1.5 / 4, -1.5 / 4),
    ],
)
def test_terms_by_hand(name: str, real: float, fake: float, generator: float) -> None:
    terms = ADVERSARIAL[name]
    assert float(terms.discriminator((LOGITS,), (LOGITS,))) == pytest.approx(real + fake)
    assert float(terms.generator(None, (LOGITS,))) == pytest.approx(generator)


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_sides_pull_in_opposite_directions(name: str) -> None:
    """A generator gains where the discriminator loses: slopes of opposite sign on the translations."""
    logits = torch.tensor([[[[0.3]]]], requires_grad=True)
    beside = (torch.tensor([[[[0.1]]]]),)
    (up,) = torch.autograd.grad(ADVERSARIAL[name].generator(beside, (logits,)), logits)
    (down,) = torch.autograd.grad(ADVERSARIAL[name].discriminator(beside, (logits,)), logits)
    assert float(up) < 0 < float(down)


def test_zero_centered_penalty_of_a_quadratic_critic_is_known() -> None:
    real = torch.randn((3, 2, 4, 4), generator=torch.Generator().manual_seed(0))
    penalty = zero_centered_penalty(lambda y: y.square().sum(dim=(1, 2, 3)), real)  # ∇ = 2y
    torch.testing.assert_close(penalty, 4 * real.square().sum(dim=(1, 2, 3)).mean())
    assert not real.requires_grad


def test_gradient_penalty_of_a_linear_critic_is_known() -> None:
    """D(x) = a·Σx has a gradient of norm |a|·√(C·H·W) everywhere."""
    real, fake = torch.zeros(3, 2, 4, 4), torch.ones(3, 2, 4, 4)
    share = torch.rand(3, 1, 1, 1, generator=torch.Generator().manual_seed(0))
    slope = torch.tensor(0.5, requires_grad=True)
    penalty = gradient_penalty(lambda x: slope * x.sum(dim=(1, 2, 3)), real, fake, share=share)
    norm = 0.5 * math.sqrt(32)
    assert float(penalty.detach()) == pytest.approx((norm - 1) ** 2)
    penalty.backward()
    assert float(slope.grad) == pytest.approx(2 * (norm - 1) * math.sqrt(32))  # type: ignore[arg-type]
