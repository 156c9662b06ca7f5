"""By what a run knows its pairs again: a memory of verdicts is of these pictures, in this order, and of no others."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LOOKED_AT = 16
"""Pairs whose files are read; the names of all are compared."""


def fingerprint(names: Sequence[str], paths: Sequence[tuple[Path, ...]], *, direction: str) -> dict[str, Any]:
    """What a checkpoint keeps of the pairs that it was trained on.

    Args:
        names: of the pairs, in their order.
        paths: the files of each.
        direction: which half is the source.

    Returns:
        ``names``, a digest of all of them and of the direction; ``files``, one of the bytes of a few pairs.
    """
    count = min(LOOKED_AT, len(names))
    looked_at = [at * (len(names) - 1) // max(count - 1, 1) for at in range(count)]
    return {
        "names": _digest("\0".join([direction, *names]).encode("utf-8", "surrogatepass")),
        "files": {names[index]: _digest(*(path.read_bytes() for path in paths[index])) for index in looked_at},
    }


def differ(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """In words, in what two fingerprints are of other pairs; None if they are of the same.

    A few pictures may have been repaired since: other pairs are those of which more than half differ.
    """
    if before["names"] != now["names"]:
        return "names or direction"
    changed = [name for name, digest in before["files"].items() if now["files"].get(name) != digest]
    if 2 * len(changed) > len(before["files"]):
        return f"pictures ({len(changed)} of the {len(before['files'])} that were compared, such as {changed[0]})"
    return None


def _digest(*parts: bytes) -> str:
    whole = hashlib.blake2b(digest_size=16)
    for part in parts:
        whole.update(part)
    return whole.hexdigest()
