"""Folders that appear whole or not at all: made in a hidden place beside their own, then renamed at once."""

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from atme.prepare.disk import guarded, locked

_LOCK = "lock"


@contextmanager
def appearing(out: Path) -> Iterator[Path]:
    """Yields a hidden folder to fill; it becomes `out` if the block ends well, and vanishes if not.

    Args:
        out: A folder that does not exist yet, or is empty.

    Raises:
        ValueError: `out` holds something or cannot be made, or another process is making it.
    """
    refuse_existing(out)
    with workshop(out) as hidden:
        made = hidden / "made"
        shutil.rmtree(made, ignore_errors=True)  # left by a process that was killed
        guarded(made, made.mkdir)
        try:
            yield made
            settle(made, out)
        finally:
            shutil.rmtree(made, ignore_errors=True)


@contextmanager
def workshop(out: Path) -> Iterator[Path]:
    """Yields the hidden folder beside `out` in which `out` is made, held by this process alone.

    It stands on the same disk, so that renaming is one step; what is left in it stays for the next process.

    Raises:
        ValueError: Another process holds it, or has made `out` meanwhile; or the disk refuses.
    """
    hidden = hidden_beside(out)
    with _held(hidden, out):
        try:
            refuse_existing(out)
            yield hidden
        finally:
            if {path.name for path in hidden.glob("*")} <= {_LOCK}:
                shutil.rmtree(hidden, ignore_errors=True)


def settle(made: Path, out: Path) -> None:
    """Gives a folder that is made its own place, in one step.

    Raises:
        DiskError: Something came there meanwhile, or the disk refuses.
    """
    place = _place(out)
    guarded(out, lambda: os.rename(made, place))


def clear(hidden: Path) -> None:
    """Empties a workshop."""
    for path in hidden.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != _LOCK:
            path.unlink()


def arrived_in(hidden: Path) -> int:
    """Bytes of the files in a workshop, for which nothing is read."""
    return sum(path.stat().st_size for path in hidden.glob("*") if path.name != _LOCK and path.is_file())


def hidden_beside(out: Path) -> Path:
    """The hidden folder in which `out` is made: beside the place that it leads to, if it is a link."""
    place = _place(out)
    return place.with_name(f".{place.name}.partial")


def refuse_existing(out: Path) -> None:
    """Raises ValueError if a folder cannot appear at `out`, before anything is done for it."""
    place = _place(out)
    if place.exists() and (not place.is_dir() or guarded(out, lambda: any(place.iterdir()))):
        raise ValueError(f"{out}: exists already; choose another place or move it away")
    if place == Path.cwd():
        raise ValueError(f"{out}: is the folder that you work in; what is made appears at once, so name a new folder")
    if os.path.ismount(place):
        raise ValueError(f"{out}: is where a disk is mounted; name a folder on that disk")
    lost = next((link for link in out.absolute().parents if link.is_symlink() and not link.exists()), None)
    if out.is_symlink() and not place.parent.is_dir():
        lost = out
    if lost is not None:
        raise ValueError(f"{lost}: leads to {lost.readlink()}, which is not there; mount its disk, or replace the link")


def _held(hidden: Path, out: Path) -> AbstractContextManager[None]:
    guarded(hidden, lambda: hidden.mkdir(parents=True, exist_ok=True))
    return locked(hidden / _LOCK, of=out, patience=0, busy="another process is making it; wait until it ends")


def _place(out: Path) -> Path:
    """Where `out` is when links are followed."""
    try:
        return out.resolve()
    except (RuntimeError, OSError) as error:
        raise ValueError(f"{out}: a link that leads to itself; replace it") from error
