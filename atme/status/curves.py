"""What a run logged, as curves, and whether a curve still falls.

A trend is Theil and Sen's: the median of the slopes between all pairs of points, with the interval of 95 % that
Kendall's rank correlation gives it (Sen 1968). It asks for no normal law, and one odd look does not move it. It takes
points for independent of one another, as means over different updates nearly are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import theilslopes

Array = NDArray[np.float64]

WINDOW = 1 / 3
"""Of the updates so far: what "lately" means."""
FEWEST = 6
"""Points that a trend needs."""
POINTS = 60
"""Of a curve, beyond which neighbors are averaged: pairs of points grow with their square."""


@dataclass(frozen=True)
class Trend:
    """How a curve moves over the last part of a training."""

    level: float
    """Its median there."""
    change: float
    """From the beginning of that part to the end."""
    low: float
    """Of the change, with 95 % confidence."""
    high: float

    @property
    def moves(self) -> int:
        """-1 where it falls, 1 where it rises, 0 where neither is certain."""
        return -1 if self.high < 0 else int(self.low > 0)

    @property
    def in_percent(self) -> tuple[float, float]:
        """The change, and half of its interval, as percents of the level."""
        if not self.level:
            return 0.0, 0.0
        return 100 * self.change / abs(self.level), 50 * (self.high - self.low) / abs(self.level)


@dataclass(frozen=True)
class Curves:
    """What a run logged so far."""

    lines: Sequence[Mapping[str, Any]]
    """Of the log, in their order."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """By dotted keys; what is not known is left out."""

    @property
    def steps(self) -> int:
        """Updates of the whole run, as far as its log says; else those that were done."""
        return int(self.lines[-1].get("steps", self.lines[-1]["step"])) if self.lines else 0

    @property
    def done(self) -> float:
        """The share of the run's updates that are done."""
        return float(self.lines[-1]["step"]) / self.steps if self.lines else 0.0

    def curve(self, key: str) -> tuple[Array, Array]:
        """(n,) updates and (n,) values of what is logged under a key: finite ones."""
        found = [(line["step"], line[key]) for line in self.lines if is_number(line.get(key))]
        steps, values = np.array(found, dtype=np.float64).reshape(-1, 2).T
        return steps, values

    def late(self, key: str) -> Array:
        """(n,) values of the last part, one at least where there is any."""
        steps, values = self.curve(key)
        return values[_is_late(steps)]

    def settled(self, key: str) -> float | None:
        """The median of the last part; None if it was not logged."""
        values = self.late(key)
        return float(np.median(values)) if len(values) else None

    def last(self, key: str) -> float | None:
        """The last value; None if it was not logged."""
        _, values = self.curve(key)
        return float(values[-1]) if len(values) else None

    def trend(self, key: str) -> Trend | None:
        """How the last part moves: of `FEWEST` points at least, which may reach farther back; None of too few."""
        steps, values = self.curve(key)
        if len(steps) < FEWEST:
            return None
        count = max(int(_is_late(steps).sum()), FEWEST)
        parts = min(count, POINTS)
        x, y = (np.array([part.mean() for part in np.array_split(each[-count:], parts)]) for each in (steps, values))
        slope, _, low, high = theilslopes(y, x, alpha=0.95)
        span = float(x[-1] - x[0])
        return Trend(float(np.median(y)), float(slope) * span, float(low) * span, float(high) * span)


def is_number(value: object) -> bool:
    """Whether a value of a log is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def _is_late(steps: Array) -> NDArray[np.bool_]:
    if not len(steps):
        return np.zeros(0, dtype=np.bool_)
    late: NDArray[np.bool_] = steps > (1 - WINDOW) * steps[-1]
    return late
