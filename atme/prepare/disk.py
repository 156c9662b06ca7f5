"""What the local disk refuses becomes one line that names the place and the remedy."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

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


def _remedy(error: OSError) -> str:
    if error.errno in _FULL:
        return "make room or choose another folder and run it again: what has arrived is kept"
    if error.errno in _FORBIDDEN:
        return "choose a folder that you may write to"
    return "choose another folder"
