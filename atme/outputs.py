"""Where results may be written: never onto what is read, and over what is there only where the user says so.

Every verb asks here before its first write, and is told of all places at once. Places are compared after links are
resolved, and as files too: a hard link, or a name in other letters where the file system takes both for one, is the
same file.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

_SHOWN = 10


def require_free(places: Iterable[str | Path], *, reads: Iterable[str | Path] = (), overwrite: bool = False) -> None:
    """Refuse to write to these places if anything would be lost.

    Args:
        places: files that are about to be written; their folders may be missing.
        reads: files and folders that the results are made from: no place may be one of these files, whatever
            ``overwrite`` says, nor one of these folders.
        overwrite: whether other files that are there may be replaced.

    Raises:
        ValueError: naming the first ten of all places that are taken, that lie below a file, or that cannot be
            written to.
    """
    wanted = [Path(place) for place in places]
    read = _Known(Path(each) for each in reads)
    _refuse([place for place in wanted if place in read], "would be written over, and is what is read")
    folders = {place.parent for place in wanted}
    _refuse([folder for folder in folders if not _above(folder).is_dir()], "lies below a file, or is one")
    _refuse([folder for folder in folders if not os.access(_above(folder), os.W_OK)], "cannot be written to")
    _refuse([place for place in wanted if place.is_dir()], "is a folder")
    if not overwrite:
        there = [place for place in wanted if os.path.lexists(place)]
        _refuse(there, "exists already", remedy="choose another place, or allow it with --overwrite")


def some(names: Sequence[object], *, most: int = _SHOWN) -> str:
    """The first names, and how many more there are: "a, b and 3 more"."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(str, names[:most])) + more


def listed(lines: Sequence[object], *, most: int = _SHOWN) -> str:
    """The first lines, indented, and how many more there are."""
    shown = [f"  {' '.join(str(line).splitlines())}" for line in lines[:most]]
    more = [f"  and {len(lines) - most:,} more"] if len(lines) > most else []
    return "\n".join(shown + more)


class _Known:
    """Files and folders, found again under whatever name.

    Args:
        paths: of them.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._folders: dict[Path, Path] = {}
        self._places: set[Path] = set()
        self._files: set[tuple[int, int]] = set()
        for path in paths:
            self._places.add(self._resolved(path))
            self._files |= _identity(path)

    def __contains__(self, path: Path) -> bool:
        return self._resolved(path) in self._places or not self._files.isdisjoint(_identity(path))

    def _resolved(self, path: Path) -> Path:
        """A place without links; that of a folder is looked up once."""
        if path.is_symlink() or path.name in ("", ".."):
            return path.resolve()
        if path.parent not in self._folders:
            self._folders[path.parent] = path.parent.resolve()
        return self._folders[path.parent] / path.name


def _identity(path: Path) -> set[tuple[int, int]]:
    try:
        status = path.stat()
    except OSError:
        return set()
    return {(status.st_dev, status.st_ino)}


def existing(place: Path) -> Path:
    """The nearest folder at or above a place that is there."""
    return next(each for each in (place, *place.absolute().parents) if each.is_dir())


def _above(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(each for each in (folder, *folder.absolute().parents) if os.path.lexists(each))


def _refuse(culprits: Sequence[Path], why: str, *, remedy: str = "choose another place") -> None:
    if culprits:
        raise ValueError(f"{some(sorted(culprits))}: {why}; {remedy}")
