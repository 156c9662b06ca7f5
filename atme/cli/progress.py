"""Progress in the terminal, on standard error: standard output holds results alone. Silent in a pipe."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
    track,
)

from atme.prepare.fetch.fetch import Watch

_T = TypeVar("_T")


def counted(items: Iterable[_T], *, total: int, doing: str) -> Iterable[_T]:
    """Yields `items` and shows how many of `total` have passed."""
    console = Console(stderr=True)
    return track(items, doing, total=total, console=console, disable=not console.is_terminal, transient=True)


@contextmanager
def watched() -> Iterator[Watch]:
    """A watch that shows how a dataset arrives and is unpacked, in bytes."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        arriving = progress.add_task("arriving", total=None)
        unpacking = progress.add_task("unpacking", total=None, visible=False)
        yield Watch(
            say=lambda line: console.print(line, markup=False),
            arriving=lambda here, total: progress.update(arriving, completed=here, total=total),
            unpacking=lambda count: progress.update(unpacking, advance=count, visible=True),
        )
