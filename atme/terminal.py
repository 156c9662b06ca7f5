"""What the terminal shows: text as it is, so that brackets and colons of a name are never read as markup.

Standard output holds results alone. Remarks and progress go to standard error; progress is silent in a pipe.
"""

from collections.abc import Iterable
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import track

_T = TypeVar("_T")

_AS_IT_IS: dict[str, Any] = {"markup": False, "emoji": False, "highlight": False}


def results() -> Console:
    """Standard output."""
    return Console(**_AS_IT_IS)


def remarks(*, quiet: bool = False) -> Console:
    """Standard error; lines are as long as they are."""
    return Console(stderr=True, soft_wrap=True, quiet=quiet, **_AS_IT_IS)


def counted(items: Iterable[_T], *, total: int, doing: str) -> Iterable[_T]:
    """Yields `items` and shows how many of `total` have passed."""
    console = remarks()
    return track(items, doing, total=total, console=console, disable=not console.is_terminal, transient=True)
