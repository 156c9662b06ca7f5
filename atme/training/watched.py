"""What somebody who watches a run is told of it, now and then; no bit of the training depends on it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from atme.training.search import Search


@dataclass(frozen=True)
class Moment:
    """A run as it stands; its log and its sample grids lie in its folder."""

    run: Path
    """Its folder."""
    step: int
    """Updates of the weights that were done."""
    steps: int
    """Of the whole run."""
    seconds: float
    """Spent on training so far, over all its parts."""
    search: Search
    """The best checkpoint, where one is sought."""
    told: tuple[str, ...]
    """What the run said when it began."""
    ended: str | None = None
    """How it ended, in words; None while it runs."""

    @property
    def left(self) -> float | None:
        """Seconds to go, at the mean speed so far; None where nothing is known of that."""
        return (self.steps - self.step) * self.seconds / self.step if self.step else None


Watcher = Callable[[Moment], None]
"""Called by the main process: when a run begins, after each log line, and when it has ended."""
