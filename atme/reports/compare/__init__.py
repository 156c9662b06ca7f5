"""``atme compare``: several runs on one page."""

from atme.reports.compare.command import Asked, compare_runs

__all__ = ["Asked", "compare_runs"]
