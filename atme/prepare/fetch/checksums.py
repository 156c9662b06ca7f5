"""Checksums that nobody published: the first good fetch of an address records it, later ones must match."""

import json
from pathlib import Path

from atme.prepare.disk import guarded, locked

NAME = "checksums.json"

_PATIENCE = 60  # seconds that another process may take to write its line


def recorded(folder: Path, url: str) -> str | None:
    """The SHA-256 that `folder`'s record holds for `url`, if any.

    Raises:
        ValueError: The record is damaged.
    """
    return _read(folder / NAME).get(url)


def record(folder: Path, url: str, sha256: str) -> None:
    """Writes the SHA-256 of what `url` delivered into `folder`'s record, all or nothing, one process at a time.

    Raises:
        ValueError: The record is damaged, or cannot be written.
    """
    path, beside = folder / NAME, folder / f".{NAME}.new"
    busy = f"another process holds it for more than {_PATIENCE} s; end that process"
    with locked(folder / f".{NAME}.lock", of=path, patience=_PATIENCE, busy=busy):
        known = guarded(path, lambda: _read(path)) | {url: sha256}
        guarded(beside, lambda: beside.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n"))
        guarded(path, lambda: beside.replace(path))


def _read(path: Path) -> dict[str, str]:
    try:
        known = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ValueError(f"{path}: damaged; repair it, or move it away to record anew") from error
    if not isinstance(known, dict):
        raise ValueError(f"{path}: not a table of addresses; repair it, or move it away to record anew")
    return known
