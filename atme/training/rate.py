"""The learning rate over a run: constant, then falling.

A pure function of the epoch, so that nothing has to be saved for a resumed run to go on exactly.
"""

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Rate:
    """Constant for ``epochs``, then falling during ``decay_epochs``.

    Args:
        epochs: epochs at the full learning rate.
        decay_epochs: epochs during which it falls; 0 for none.
        decay: ``linear`` and ``cosine`` fall to ``last`` at the run's end; ``step`` multiplies by ``decay_factor``
            after ``epochs``, if there are any, and then every ``decay_every`` epochs. Where ``epochs`` is 0 or
            ``decay_every``, that is torch's ``StepLR(decay_every)``.
        decay_every: epochs between the steps of ``decay: step``.
        decay_factor: factor of each step of ``decay: step``.
        last: share of the full rate, from 0 to 1, at which ``linear`` and ``cosine`` end.

    Raises:
        ValueError: if there is no epoch to train.
    """

    epochs: int = 100
    decay_epochs: int = 100
    decay: Literal["linear", "cosine", "step"] = "linear"
    decay_every: int = 50
    decay_factor: float = 0.1
    last: float = 0.0

    def __post_init__(self) -> None:
        if min(self.epochs, self.decay_epochs) < 0 or self.total == 0:
            raise ValueError(
                f"rate: epochs {self.epochs} and decay_epochs {self.decay_epochs} leave nothing to train; "
                "give at least one epoch"
            )
        if self.decay_every < 1:
            raise ValueError(f"rate.decay_every: {self.decay_every} is not a number of epochs; give 1 or more")
        if not 0 <= self.last <= 1:
            raise ValueError(f"rate.last: {self.last} is no share of the full rate; give a number from 0 to 1")

    @property
    def total(self) -> int:
        """Epochs of the whole run."""
        return self.epochs + self.decay_epochs

    def __call__(self, epoch: float) -> float:
        """The factor of the learning rate at a moment of the run, 0 ≤ epoch < total."""
        falling = epoch - self.epochs
        if falling < 0:
            return 1.0
        if self.decay == "step":
            first = 1 if self.epochs else 0
            return self.decay_factor ** (first + math.floor(falling / self.decay_every))
        if not falling:
            return 1.0
        share = falling / self.decay_epochs
        left = 1 - share if self.decay == "linear" else (1 + math.cos(math.pi * share)) / 2
        return self.last + (1 - self.last) * left
