"""How good the translations are, and under which protocol."""

from atme.metrics.baselines import median_color
from atme.metrics.scores import UNITS, scores

__all__ = ["UNITS", "median_color", "scores"]
