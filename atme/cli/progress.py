"""How a dataset arrives, on standard error; silent in a pipe."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from atme.prepare.fetch.fetch import Watch
from atme.terminal import remarks


@contextmanager
def watched() -> Iterator[Watch]:
    """A watch that shows how a dataset arrives and is unpacked, in bytes."""
    console = remarks()
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
            say=lambda line: console.print(line),
            arriving=lambda here, total: progress.update(arriving, completed=here, total=total),
            unpacking=lambda count: progress.update(unpacking, advance=count, visible=True),
        )
