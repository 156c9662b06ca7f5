"""Checksums that nobody published: the first good fetch of an address records it, later ones must match."""

import json
from pathlib import Path

NAME = "checksums.json"


def recorded(folder: Path, url: str) -> str | None:
    """The SHA-256 that `folder`'s record holds for `url`, if any.

    Raises:
        ValueError: The record is damaged.
    """
    return _read(folder / NAME).get(url)


def record(folder: Path, url: str, sha256: str) -> None:
    """Writes the SHA-256 of what `url` delivered into `folder`'s record, all or nothing."""
    known = _read(folder / NAME) | {url: sha256}
    beside = folder / f".{NAME}.new"
    beside.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")
    beside.replace(folder / NAME)


def _read(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        known = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path}: damaged; repair it, or move it away to record anew") from error
    if not isinstance(known, dict):
        raise ValueError(f"{path}: not a table of addresses; repair it, or move it away to record anew")
    return known
