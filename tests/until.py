"""Waiting for what another process does, without taking one of its cores away: a loop that only asks would do that."""

import time
from collections.abc import Callable


def until(holds: Callable[[], bool]) -> None:
    """Ask a hundred times a second, for as long as it takes."""
    while not holds():
        time.sleep(0.01)
