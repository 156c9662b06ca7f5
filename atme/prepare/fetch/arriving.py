"""A file that is arriving: the bytes so far, their running SHA-256, and which version of the file they are.

The bytes lie in ``FILE.part``; ``FILE.part.json`` holds address, version (ETag or date) and whole length. The
order of writing is such that a kill at any moment leaves a true prefix of one version of the file, or nothing
that would be continued.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atme.prepare.disk import guarded

CHUNK = 1 << 18  # bytes read, hashed and written at a time


@dataclass(frozen=True)
class Arrived:
    """A file that is here, whole."""

    path: Path
    size: int
    """Bytes."""
    sha256: str
    """Of the whole file, in hexadecimal."""


class Part:
    """The arriving file behind `path`, opened for appending; use it in a ``with`` block.

    Args:
        path: Where the whole file will appear.
        url: Its address; a part that came from another address is not continued.

    Raises:
        DiskError: The folder cannot be written.
    """

    def __init__(self, path: Path, *, url: str) -> None:
        self.path = path
        self.url = url
        self._part, self._note = _names(path)
        self._file = guarded(self._part, lambda: open(self._part, "ab", buffering=0))  # noqa: SIM115
        note = _read_note(self._note)
        known = note.get("url") == url
        self.validator: str | None = note.get("validator") if known else None
        self.size, self._hash = _hash_of(self._part)
        self.whole = known and self.size > 0 and self.size == note.get("total")

    def __enter__(self) -> "Part":
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the file; nothing is left of one of which nothing came."""
        self._file.close()
        if not self.size:
            self._part.unlink(missing_ok=True)
            self._note.unlink(missing_ok=True)

    def restart(self, *, validator: str | None, total: int | None) -> None:
        """Drops the bytes. They go before the note is rewritten: a kill in between must not mix versions."""
        guarded(self._part, lambda: self._file.truncate(0))
        self.size, self._hash, self.validator = 0, hashlib.sha256(), validator
        note = json.dumps({"url": self.url, "validator": validator, "total": total})
        guarded(self._note, lambda: self._note.write_text(note))

    def append(self, chunk: bytes) -> None:
        """Adds bytes at the end."""
        rest = chunk
        while rest:  # an unbuffered write may take fewer bytes than it is given
            written = guarded(self._part, lambda: self._file.write(rest))  # noqa: B023 (called at once)
            self._hash.update(rest[:written])
            self.size += written
            rest = rest[written:]

    def finish(self) -> Arrived:
        """Gives the file its name."""
        self._file.close()
        self._part.replace(self.path)
        self._note.unlink()
        return Arrived(path=self.path, size=self.size, sha256=self._hash.hexdigest())


def arrived_before(path: Path) -> Arrived | None:
    """The whole file, if an earlier process brought it; it is read to be hashed."""
    if not path.exists():
        return None
    size, digest = _hash_of(path)
    return Arrived(path=path, size=size, sha256=digest.hexdigest())


def part_on_disk(path: Path) -> tuple[int, int | None]:
    """Bytes here of a file that is still arriving, and bytes in all if known; (0, None): none was begun."""
    part, note = _names(path)
    return (part.stat().st_size if part.exists() else 0), _read_note(note).get("total")


def _names(path: Path) -> tuple[Path, Path]:
    return path.with_name(path.name + ".part"), path.with_name(path.name + ".part.json")


def _read_note(path: Path) -> dict[str, Any]:
    try:
        note = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):  # none yet, or cut by a kill: the part starts over
        return {}
    return note if isinstance(note, dict) else {}


def _hash_of(path: Path) -> tuple[int, "hashlib._Hash"]:
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return size, digest
