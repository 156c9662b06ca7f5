"""Training: from a preset to a run."""

from atme.training.loop import Outcome, train

__all__ = ["Outcome", "train"]
