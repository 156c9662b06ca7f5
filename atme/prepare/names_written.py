"""Names that a dataset may be written under: on any file system, each its own file, and none hidden."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from atme.complaints import several
from atme.images.folder import KEPT_BY_SYSTEMS
from atme.names import folded, shown

_LONGEST = 255  # bytes of a name that file systems take


@dataclass(frozen=True)
class Place:
    """Where a file is to be written."""

    folder: str
    name: str
    """Of which there shall be one in its folder."""
    ending: str
    """What is added to it."""
    source: Path
    """What is written there."""


def require_apart(places: Iterable[Place]) -> None:
    """Whether all names can stand beside one another, also where case is ignored.

    Raises:
        ValueError: naming all files whose name is empty, too long or taken.
    """
    met: dict[tuple[str, str], Path] = {}
    wrong = []
    for place in places:
        key = place.folder, folded(place.name)
        if not place.name:
            wrong.append(f"{place.source}: no name would be left of it; match it by another --by")
        elif len(os.fsencode(place.name + place.ending)) > _LONGEST:
            wrong.append(f"{place.source}: {shown(place.name)[:40]}… would be too long a name; shorten it")
        elif met.setdefault(key, place.source) != place.source:
            twice = f"{shown(place.name)} would be written twice, for {met[key]} too"
            wrong.append(f"{place.source}: {twice}; rename one of them")
    if wrong:
        raise ValueError(several(wrong, what="names"))


def require_split_name(split: str) -> None:
    """Whether folders can be called after a split, and are found by it again.

    Raises:
        ValueError: they cannot.
    """
    is_left_alone = split.startswith(".") or split.lower() in KEPT_BY_SYSTEMS
    if is_left_alone or "/" in split or split in ("", "A", "B") or split.endswith("_"):
        raise ValueError(f"--split {split!r}: no name of a split; write one such as train, val or test")
