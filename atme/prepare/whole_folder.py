"""Folders that appear whole or not at all: made in a hidden place beside their own, then renamed at once."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def appearing(out: Path) -> Iterator[Path]:
    """Yields a hidden folder to fill; it becomes `out` if the block ends well, and vanishes if not.

    Args:
        out: A folder that does not exist yet, or is empty.

    Raises:
        ValueError: `out` holds something, or another process is making it.
    """
    refuse_existing(out)
    with workshop(out) as hidden:
        try:
            made = hidden / "made"
            shutil.rmtree(made, ignore_errors=True)  # left by a process that was killed
            made.mkdir()
            yield made
            os.rename(made, out)
        finally:
            shutil.rmtree(hidden)


@contextmanager
def workshop(out: Path) -> Iterator[Path]:
    """Yields the hidden folder beside `out` in which `out` is made, held by this process alone.

    It stands on the same disk, so that renaming is one step; what is left in it stays for the next process.

    Raises:
        ValueError: Another process holds it.
    """
    hidden = hidden_beside(out)
    hidden.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(hidden / "lock", timeout=0):
            yield hidden
    except Timeout as error:
        raise ValueError(f"{out}: another process is making it; wait until it ends") from error


def hidden_beside(out: Path) -> Path:
    """The hidden folder in which `out` is made."""
    return out.with_name(f".{out.name}.partial")


def refuse_existing(out: Path) -> None:
    """Raises ValueError if `out` is there and is not an empty folder."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out}: exists already; choose another place or move it away")
