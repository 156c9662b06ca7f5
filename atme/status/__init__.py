"""Is a training converging? What its log tells, in words: where it stands, what troubles it, what to change first."""

from atme.status.curves import Curves, Trend
from atme.status.troubles import DIAGNOSES, Trouble, troubles
from atme.status.words import account, line

__all__ = ["DIAGNOSES", "Curves", "Trend", "Trouble", "account", "line", "troubles"]
