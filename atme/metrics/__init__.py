"""How good the translations are, and under which protocol."""

from atme.metrics.baselines import median_color
from atme.metrics.scores import DATA_RANGE, UNITS, scores

__all__ = ["DATA_RANGE", "UNITS", "median_color", "scores"]
