"""Results as JSON and CSV that every reader understands."""

import csv
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_UNNAMED = "backslashreplace"
"""A byte of a file's name that is no UTF-8 becomes \\udc80 … \\udcff: what JSON, and Python, write for it."""


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write results; numbers that are not finite as null, which JSON has no other word for.

    Raises:
        OSError: If the file cannot be written.
    """
    text = json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    path.write_bytes(text.encode("utf-8", _UNNAMED))


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]], *, columns: Iterable[str] | None = None) -> None:
    """Write a table, a row a mapping; what a row does not hold stays empty.

    Args:
        path: Where.
        rows: The same keys each.
        columns: The keys in their order; those of the first row by default.

    Raises:
        OSError: If the file cannot be written.
    """
    every = list(rows)
    names = list(columns) if columns is not None else list(every[0]) if every else []
    with path.open("w", newline="", encoding="utf-8", errors=_UNNAMED) as file:
        writer = csv.DictWriter(file, fieldnames=names)
        writer.writeheader()
        writer.writerows(every)


def _plain(value: Any) -> Any:
    """Mappings and sequences as JSON knows them; what is not finite as null."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
