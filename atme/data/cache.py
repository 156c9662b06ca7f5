"""Decoded pairs that are kept for the epochs to come: in memory, or in a file that is mapped into memory.

All pixels stand in one row of bytes, so that workers share them: forked ones see the pages of their parent,
and a file's pages are the system's. Pairs are decoded when the cache is made, in threads, so that a file that
cannot be read ends the run before it starts.
"""

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from atme import __version__
from atme.data.scan import PairFiles
from atme.images import Pixels
from atme.machine import cores, free_memory, free_room

Both = tuple[Pixels, Pixels]
Read = Callable[[int], Both]

_ALIGNMENT = 64  # bytes: a line of the processor's cache
_AHEAD = 64  # pairs that are decoded at a time


@dataclass(frozen=True)
class Place:
    """Where an image lies in the row of bytes."""

    start: int
    """Its first byte."""
    shape: tuple[int, int, int]
    """(H, W, C)."""
    dtype: str
    """uint8 or uint16."""

    @property
    def end(self) -> int:
        """The byte after its last one."""
        return self.start + int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize

    def look(self, content: NDArray[np.uint8]) -> Pixels:
        """The image, not to be written to."""
        return content[self.start : self.end].view(self.dtype).reshape(self.shape)


class Decoded:
    """Pairs that need no decoding: ``decoded(index)`` is what ``read(index)`` was.

    Args:
        content: the row of bytes.
        places: for each pair those of its halves.
        path: the file that holds ``content``; None if it is in memory only.
    """

    def __init__(
        self, content: NDArray[np.uint8], places: list[tuple[Place, Place]], *, path: Path | None = None
    ) -> None:
        self._content, self._places, self._path = content, places, path
        self._content.flags.writeable = False

    def __len__(self) -> int:
        return len(self._places)

    def __call__(self, index: int) -> Both:
        a, b = self._places[index]
        return a.look(self._content), b.look(self._content)

    def __reduce__(self) -> tuple[Any, ...]:
        """To processes that are not forked a file goes by its name, not by its content."""
        if self._path is not None:
            return _open, (self._path,)
        return Decoded, (self._content, self._places)


def keep(
    where: Literal["none", "ram", "disk"],
    read: Read,
    files: PairFiles,
    *,
    size: int,
    folder: str | Path | None,
    made: str,
) -> Read:
    """A way to read pairs that decodes them once.

    Args:
        where: decoded pairs are kept; ``none`` gives back ``read``.
        read: decodes a pair; called from several threads.
        files: that are read.
        size: bytes of all pixels, at most.
        folder: where a file goes; it is made if it is missing.
        made: in words, what ``read`` makes of the files.

    Raises:
        ValueError: there is not enough memory or room, no folder, or a pair cannot be read.
        OSError: the file cannot be written; nothing is left behind.
    """
    if where == "none":
        return read
    size += 2 * len(files.names) * _ALIGNMENT
    if where == "ram":
        return _keep_in_ram(read, len(files.names), size=size)
    if folder is None:
        raise ValueError("cache_dir: cache disk needs a folder; give one, or use ram or none")
    path = Path(folder) / f"{_key(files, made)}.pixels"
    if not (path.exists() and _table(path).exists()):
        _require_room(path.parent, size)
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(_read_all(read, len(files.names)), path)
    return _open(path)


def _keep_in_ram(read: Read, count: int, *, size: int) -> Decoded:
    free = free_memory()
    if size > free:
        need = f"ram takes {_in_words(size)} of memory, and {_in_words(free)} are free"
        raise ValueError(f"cache: {need}; use disk or none, or a smaller load_size")
    content, places, end = np.empty(size, np.uint8), list[tuple[Place, Place]](), 0
    for both in _read_all(read, count):
        places.append(_places(both, end))
        for place, image in zip(places[-1], both, strict=True):
            content[place.start : place.end] = image.reshape(-1).view(np.uint8)
        end = places[-1][1].end
    return Decoded(content, places)


def _require_room(folder: Path, size: int) -> None:
    room = free_room(folder)
    if size > room:
        need = f"disk takes {_in_words(size)} in {folder}, and {_in_words(room)} are free there"
        raise ValueError(f"cache: {need}; choose another cache_dir, or use none, or a smaller load_size")


def _in_words(size: int) -> str:
    """A number of bytes as a person reads it."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 / 10 else f"{size / 2**20:.1f} MiB"


def _key(files: PairFiles, made: str) -> str:
    """A name that is another one as soon as a file has changed, or something else is made of them."""
    stats = [(str(path.resolve()), path.stat()) for paths in files.paths for path in paths]
    known = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
    return sha256(repr((known, made, __version__)).encode()).hexdigest()[:24]


def _write(pairs: Iterator[Both], path: Path) -> None:
    """Write pixels and places under temporary names; the pixels' final name says that both are whole."""
    part, table = path.with_name(f".{path.name}.{os.getpid()}.part"), _table(path)
    table_part = part.with_suffix(".places")
    try:
        places = []
        with open(part, "wb") as stream:
            for both in pairs:
                places.append(_places(both, stream.tell()))
                for place, image in zip(places[-1], both, strict=True):
                    stream.write(bytes(place.start - stream.tell()))
                    stream.write(np.ascontiguousarray(image).data)
        table_part.write_text(json.dumps([[asdict(place) for place in both] for both in places]))
        table_part.replace(table)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
        table_part.unlink(missing_ok=True)


def _open(path: Path) -> Decoded:
    table = json.loads(_table(path).read_text())
    places = [(_place(a), _place(b)) for a, b in table]
    return Decoded(np.memmap(path, np.uint8, mode="r"), places, path=path)


def _table(path: Path) -> Path:
    return path.with_suffix(".json")


def _place(fields: dict[str, Any]) -> Place:
    return Place(fields["start"], tuple(fields["shape"]), fields["dtype"])


def _places(both: Both, end: int) -> tuple[Place, Place]:
    """Where the halves of a pair go, after what ends at ``end``."""
    a = _next(both[0], end)
    return a, _next(both[1], a.end)


def _next(image: Pixels, end: int) -> Place:
    height, width, channels = image.shape
    return Place(-(-end // _ALIGNMENT) * _ALIGNMENT, (height, width, channels), image.dtype.name)


def _read_all(read: Read, count: int) -> Iterator[Both]:
    """All pairs in order, some of them decoded ahead in threads."""
    todo = iter(range(count))
    with ThreadPoolExecutor(cores()) as threads:
        while some := list(islice(todo, _AHEAD)):
            yield from threads.map(read, some)
