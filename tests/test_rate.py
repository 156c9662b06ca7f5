"""The learning rate: full at first, nothing at the end, never rising."""

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, MultiStepLR, StepLR

from atme.training.rate import Rate


@given(
    epochs=st.integers(0, 50),
    decay_epochs=st.integers(1, 50),
    decay=st.sampled_from(["linear", "cosine", "step"]),
)
def test_it_starts_full_and_never_rises(epochs: int, decay_epochs: int, decay: str) -> None:
    rate = Rate(epochs=epochs, decay_epochs=decay_epochs, decay=decay)  # type: ignore[arg-type]
    moments = [rate.total * i / 200 for i in range(201)]
    factors = [rate(moment) for moment in moments]
    assert factors[0] == 1.0
    assert all(later <= earlier for earlier, later in pairwise(factors))
    assert all(rate(moment) == 1.0 for moment in moments if moment < epochs)


@pytest.mark.parametrize("decay", ["linear", "cosine"])
def test_it_ends_at_nothing_and_is_half_halfway(decay: str) -> None:
    rate = Rate(epochs=10, decay_epochs=20, decay=decay)  # type: ignore[arg-type]
    assert rate(30) == pytest.approx(0)
    assert rate(20) == pytest.approx(0.5)


@pytest.mark.parametrize("decay", ["linear", "cosine"])
def test_it_ends_where_it_is_told(decay: str) -> None:
    rate = Rate(epochs=10, decay_epochs=20, decay=decay, last=0.25)  # type: ignore[arg-type]
    assert rate(30) == pytest.approx(0.25)
    assert rate(20) == pytest.approx(0.625)


def test_steps_by_hand() -> None:
    rate = Rate(epochs=10, decay_epochs=20, decay="step", decay_every=8, decay_factor=0.5)
    assert [rate(epoch) for epoch in (9.9, 10, 17.9, 18, 26)] == [1.0, 0.5, 0.5, 0.25, 0.125]


@pytest.mark.parametrize("epochs", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("every", [1, 2, 3])
def test_steps_are_those_of_torch(epochs: int, every: int) -> None:
    """Live parity: StepLR where the first fall is one of its own, MultiStepLR everywhere."""
    total = epochs + 7
    rate = Rate(epochs=epochs, decay_epochs=7, decay="step", decay_every=every, decay_factor=0.5)
    ours = [rate(epoch) for epoch in range(total)]
    falls = [epoch for epoch in range(epochs, total, every) if epoch > 0]
    assert ours == scheduled(lambda optimizer: MultiStepLR(optimizer, falls, gamma=0.5), total)
    if epochs in (0, every):
        assert ours == scheduled(lambda optimizer: StepLR(optimizer, every, gamma=0.5), total)


def scheduled(make: Callable[[Optimizer], LRScheduler], epochs: int) -> list[float]:
    """The rates of a scheduler of torch, epoch by epoch, from 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, seen = make(optimizer), []
    for _ in range(epochs):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


def test_a_run_of_no_epochs_is_refused() -> None:
    with pytest.raises(ValueError, match="give at least one epoch"):
        Rate(epochs=0, decay_epochs=0)
    with pytest.raises(ValueError, match="decay_every"):
        Rate(decay_every=0)
    with pytest.raises(ValueError, match=r"rate\.last"):
        Rate(last=1.5)
