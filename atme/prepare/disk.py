"""What the local disk refuses, or another process holds, becomes one line that names the place and the remedy."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

_T = TypeVar("_T")

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


class DiskError(ValueError):
    """The local disk refuses to read or write; no other address would help."""


def guarded(path: Path, write: Callable[[], _T]) -> _T:
    """What `write` returns; an OSError becomes a DiskError that names `path` and the remedy."""
    try:
        return write()
    except OSError as error:
        raise DiskError(f"{path}: {error.strerror or error}; {_remedy(error)}") from error


@contextmanager
def locked(lock: Path, *, of: Path, patience: float, busy: str) -> Iterator[None]:
    """Within, this process alone holds a lock.

    Args:
        lock: File of the lock.
        of: What it stands for, which complaints name.
        patience: Seconds that another process is waited for.
        busy: What to say if it still holds it then.

    Raises:
        ValueError: Another process holds it, or (DiskError) the disk knows no locks.
    """
    held = FileLock(lock, timeout=patience)
    try:
        held.acquire()
    except Timeout as error:
        raise ValueError(f"{of}: {busy}") from error
    except (OSError, NotImplementedError) as error:
        raise DiskError(f"{of}: cannot be locked ({error}); choose a folder on another disk") from error
    try:
        yield
    finally:
        held.release()


def _remedy(error: OSError) -> str:
    if error.errno in _FULL:
        return "make room or choose another folder and run it again: what has arrived is kept"
    if error.errno in _FORBIDDEN:
        return "choose a folder that you may write to"
    return "choose another folder"
