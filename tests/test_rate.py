"""The learning rate: full at first, nothing at the end, never rising."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    assert [rate(epoch) for epoch in (10, 10.1, 17.9, 18, 26)] == [1.0, 0.5, 0.5, 0.25, 0.125]


def test_a_run_of_no_epochs_is_refused() -> None:
    with pytest.raises(ValueError, match="give at least one epoch"):
        Rate(epochs=0, decay_epochs=0)
    with pytest.raises(ValueError, match="decay_every"):
        Rate(decay_every=0)
    with pytest.raises(ValueError, match=r"rate\.last"):
        Rate(last=1.5)
