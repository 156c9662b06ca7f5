"""Where a run stands, in words, now and then while it trains, and read from its folder at any time."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from atme.run_folder import read_log, read_options, run_of
from atme.status import Curves, line, troubles
from atme.training.changes import flatten

LOOKS = 40
"""How often a run is looked at, at most: each look reads all lines of the log."""
TOLD = 10
"""How often the user is told, at most, if nothing new is wrong."""


class Standing:
    """Says where a run stands when there is something to say.

    Args:
        lines: of its log so far.
        options: by dotted keys.
    """

    def __init__(self, lines: list[dict[str, Any]], options: Mapping[str, Any]) -> None:
        self._lines, self._options = lines, options
        self._look = self._tell = 0.0
        self._known: tuple[str, ...] = ()

    def after(self, entry: dict[str, Any]) -> str | None:
        """Take in a line of the log; what is to be said now, if anything."""
        self._lines.append(entry)
        step, steps = entry["step"], entry["steps"]
        if step < min(self._look, steps):
            return None
        self._look = step + steps / LOOKS
        curves = Curves(self._lines, self._options)
        kinds = tuple(each.kind for each in troubles(curves))
        if set(kinds) <= set(self._known) and step < min(self._tell, steps):
            return None
        self._known, self._tell = kinds, step + steps / TOLD
        return line(curves)


def curves_of(run: Path) -> Curves:
    """What a run logged, read from its folder.

    Args:
        run: its folder, or that of one of its checkpoints.

    Raises:
        ValueError: if its log or its options are missing or damaged.
    """
    folder = run_of(run)
    return Curves(read_log(folder), flatten(read_options(folder)))
