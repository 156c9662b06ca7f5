"""Which files of a folder are pictures: one rule for every verb, and none left out in silence.

A picture is a file, or a link to one, whose name ends as an image's does. Left alone, each with its reason: what is
hidden (its name begins with a dot, as that of macOS's ``._0.jpg``), what file managers and NAS systems keep beside
pictures (``@eaDir``, ``__MACOSX``, …), folders, whatever they are called, and files of other endings. A link that
leads nowhere counts as a picture: reading it fails by its name, where leaving it out would be silent.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from atme.images.headers import is_image_name

KEPT_BY_SYSTEMS = frozenset(
    {"@eadir", "__macosx", "#recycle", "$recycle.bin", "lost+found", "system volume information"}
)
"""Folders, in lower case, in which a NAS or a file manager keeps thumbnails and what was thrown away."""

HIDDEN, SYSTEM, BELOW, OTHER, SPECIAL = (
    "hidden",
    "kept by a file manager",
    "in subfolders",
    "of other endings",
    "no regular files",
)
"""Reasons why something is left alone."""

_SHOWN = 3


@dataclass(frozen=True)
class Found:
    """What a folder holds."""

    images: tuple[Path, ...]
    """Sorted by their place below the folder; paths begin with the folder's own."""
    left: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    """What is left alone, by its reason."""

    def left_in_words(self) -> str:
        """ "left alone: 2 hidden (._0.jpg, ._1.jpg), 1 of other endings (notes.txt)"; empty if nothing is."""
        return in_words(self.left)


def find_images(folder: Path, *, below: bool = False) -> Found:
    """The pictures of a folder.

    Args:
        folder: a folder.
        below: also those of its subfolders; links to folders are followed, each folder once. Else pictures in
            subfolders are among what is left alone.

    Raises:
        ValueError: no such folder, or one that cannot be read.
    """
    images: list[Path] = []
    left: dict[str, list[Path]] = defaultdict(list)
    for path, reason in _walk(folder, below=below, seen=set()):
        if reason is None:
            images.append(path)
        else:
            left[reason].append(path)
    return Found(tuple(sorted(images)), {reason: tuple(sorted(paths)) for reason, paths in left.items()})


def in_words(left: dict[str, tuple[Path, ...]]) -> str:
    """What was left alone and why, in one line; empty if nothing was."""
    kinds = [f"{len(paths):,} {reason} ({_some(paths)})" for reason, paths in left.items() if paths]
    return f"left alone: {', '.join(kinds)}" if kinds else ""


def together(found: Iterable[Found]) -> dict[str, tuple[Path, ...]]:
    """What was left alone in several folders."""
    left: dict[str, tuple[Path, ...]] = {}
    for each in found:
        for reason, paths in each.left.items():
            left[reason] = left.get(reason, ()) + paths
    return left


def _walk(folder: Path, *, below: bool, seen: set[tuple[int, int]]) -> Iterator[tuple[Path, str | None]]:
    """Every entry below a folder, with the reason for which it is left alone, None for a picture."""
    try:
        status = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise ValueError(f"{folder}: cannot be looked into ({(error.strerror or str(error)).lower()})") from error
    if (status.st_dev, status.st_ino) in seen:  # a link back to a folder above
        return
    seen.add((status.st_dev, status.st_ino))
    for entry in entries:
        path = folder / entry.name
        if entry.name.startswith("."):
            yield path, HIDDEN
        elif entry.is_dir():
            if entry.name.lower() in KEPT_BY_SYSTEMS:
                yield path, SYSTEM
            elif below:
                yield from _walk(path, below=True, seen=seen)
            else:
                yield from ((each, BELOW) for each, reason in _walk(path, below=True, seen=seen) if reason is None)
        elif not is_image_name(path):
            yield path, OTHER
        elif entry.is_file() or entry.is_symlink():
            yield path, None
        else:
            yield path, SPECIAL


def _some(paths: tuple[Path, ...]) -> str:
    more = ", …" if len(paths) > _SHOWN else ""
    return ", ".join(path.name for path in paths[:_SHOWN]) + more
