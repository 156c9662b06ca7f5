"""Which checkpoint is the best so far, by the scores of a validation split, and for how long there was no better one.

A part of the training state: it is saved with the weights, so that a run that goes on ends with the same best
checkpoint, and stops where it would have stopped.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

KEY = "val_"
"""Before the names of scores in the log, whatever the split is called."""


def in_words(scores: Mapping[str, float]) -> str:
    """Scores by name as the terminal shows them."""
    return "  ".join(f"{name} {value:.4f}" for name, value in scores.items())


@dataclass(frozen=True)
class Aim:
    """What is sought: the best score of this kind on these pairs."""

    metric: str
    """A name of `atme.metrics.METRICS`."""
    lower_is_better: bool
    """By the same table."""
    split: str
    """Of the data."""
    pairs: str
    """By what the pairs that are scored are known again."""

    def reaches(self, score: float) -> bool:
        """Whether a score can be a best one: a number, and not infinitely bad, as of a training that diverged."""
        return not math.isnan(score) and score != (math.inf if self.lower_is_better else -math.inf)

    def is_better(self, score: float, than: float | None, *, by: float = 0.0) -> bool:
        """Whether a score is better than another one, by more than so much; any is better than None."""
        if not self.reaches(score):
            return False
        if than is None:
            return True
        return score < than - by if self.lower_is_better else score > than + by


@dataclass(frozen=True)
class Best:
    """The best look."""

    score: float
    step: int
    """Updates of the weights before it: the checkpoint's."""


@dataclass(frozen=True)
class Search:
    """What is known after a number of looks."""

    looked: int = 0
    """Updates of the weights before the last look."""
    aim: Aim | None = None
    """None where no best checkpoint is sought."""
    best: Best | None = None
    """None before the first score that can be one."""
    to_beat: float | None = None
    """The score that is to be beaten by the least gain."""
    without: int = 0
    """Looks since then that did not beat it."""

    def after(self, step: int, score: float | None, *, least_gain: float = 0.0) -> "Search":
        """What is known after one more look.

        Args:
            step: updates of the weights before it.
            score: of the metric that is aimed at; None where there is no aim.
            least_gain: by how much a score must be better to count as a gain.
        """
        if self.aim is None or score is None:
            return replace(self, looked=step)
        before = None if self.best is None else self.best.score
        best = Best(score, step) if self.aim.is_better(score, before) else self.best
        if self.aim.is_better(score, self.to_beat, by=least_gain):
            return Search(step, self.aim, best, to_beat=score, without=0)
        return Search(step, self.aim, best, self.to_beat, self.without + 1)

    def towards(self, aim: Aim | None, *, is_there: Callable[[int], bool]) -> tuple["Search", list[str]]:
        """The search of a run that goes on, and what the user is told where it begins anew.

        Args:
            aim: of the options now; None leaves the best checkpoint as it is.
            is_there: whether there is a checkpoint of a step.
        """
        if aim is None:
            return self, []
        anew = Search(self.looked, aim)
        if self.aim is None:
            return anew, []
        if self.aim != aim:
            others = (self.aim.metric, self.aim.split) == (aim.metric, aim.split)
            now = f"{aim.metric} of {'other pairs of ' if others else ''}split {aim.split}"
            return anew, [f"the best checkpoint is sought anew: by {now}"]
        if self.best and not is_there(self.best.step):
            return anew, [f"the best checkpoint is sought anew: that of step {self.best.step} is not there any more"]
        return self, []

    def as_dict(self) -> dict[str, Any]:
        """For a checkpoint's ``state.json``."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """What `as_dict` made.

        Raises:
            TypeError: if it is of another kind.
        """
        aim, best = values.get("aim"), values.get("best")
        return cls(**values | {"aim": aim and Aim(**aim), "best": best and Best(**best)})
