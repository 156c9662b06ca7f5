"""Numbers that move while a run trains: weights of losses, amplitudes of noise.

They are functions of how far the training is, 0 at its first update and 1 at its end, so that nothing has to be saved
for a run to go on exactly.
"""

from dataclasses import dataclass

from atme import require


@dataclass(frozen=True)
class Ramp:
    """From one value to another on a straight line, while the training is between two shares of its updates.

    Args:
        start: the value before.
        end: the value afterwards.
        at: the two shares, from 0 to 1; equal ones make a step.

    Raises:
        ValueError: for a share out of its range, or in the wrong order.
    """

    start: float
    end: float
    at: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        require.number("ramp.start", self.start)
        require.number("ramp.end", self.end)
        require.numbers("ramp.at", self.at, count=2)
        if not 0 <= self.at[0] <= self.at[1] <= 1:
            raise ValueError(f"ramp.at: {list(self.at)} are no shares of a training; give two from 0 to 1, in order")

    def __call__(self, progress: float) -> float:
        """The value at a share of the training."""
        first, last = self.at
        if progress >= last:
            return self.end
        if progress <= first:
            return self.start
        return self.start + (self.end - self.start) * (progress - first) / (last - first)

    def __str__(self) -> str:
        return f"{self.start:g} to {self.end:g}"


Weight = float | Ramp
"""A number of a game: one for the whole training, or one that moves."""


def now(weight: Weight, progress: float) -> float:
    """The value of a number at a share of the training."""
    return weight(progress) if isinstance(weight, Ramp) else weight


def least(weight: Weight) -> float:
    """The smallest value that a number has in a training."""
    return min(weight.start, weight.end) if isinstance(weight, Ramp) else weight


def require_weights(**weights: Weight) -> None:
    """Refuse weights of losses below 0.

    Raises:
        ValueError: naming the option of the model.
    """
    for name, weight in weights.items():
        if least(weight) < 0:
            raise ValueError(f"model.{name}: {weight} is negative; give a weight of 0 or more")
