"""How good the translations are, and under which protocol."""

from atme.metrics.baselines import median_color
from atme.metrics.catalog import DATA_RANGE, METRICS, UNITS, WITHOUT_WEIGHTS, Kind, Metric, chosen, metric, unit_of
from atme.metrics.feature_weights import Network, networks
from atme.metrics.measure import OURS, Answer, Measured, Score, measure
from atme.metrics.scores import scores

__all__ = [
    "DATA_RANGE",
    "METRICS",
    "OURS",
    "UNITS",
    "WITHOUT_WEIGHTS",
    "Answer",
    "Kind",
    "Measured",
    "Metric",
    "Network",
    "Score",
    "chosen",
    "measure",
    "median_color",
    "metric",
    "networks",
    "scores",
    "unit_of",
]
