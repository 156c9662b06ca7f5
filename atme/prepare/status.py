"""What is already here of a dataset, told from names and sizes alone, so that a list of all comes at once."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from atme.data.recipes import is_here
from atme.prepare.manifest import missing_files, read_manifest
from atme.prepare.whole_folder import arrived_in, hidden_beside

SET_ASIDE = ".set_aside"
"""Ending of the folder beside a dataset's own that holds the files which a check moved away."""


@dataclass(frozen=True)
class Presence:
    """What is here of a dataset."""

    state: Literal["absent", "arriving", "complete", "damaged", "unknown"]
    words: str
    """For a person."""


def presence(folder: Path) -> Presence:
    """What is here of the dataset whose own folder is `folder`."""
    try:
        return _seen(folder)
    except (OSError, ValueError) as error:  # of rights, or of a link that leads to itself
        return Presence("damaged", f"cannot be looked at: {error}")


def set_aside_folder(folder: Path) -> Path:
    """Where the files of `folder` go that a check moves away: beside it, so that nothing reads them."""
    named = folder if folder.name not in ("", "..") else folder.resolve()  # "." and ".." have no name of their own
    return named.with_name(named.name + SET_ASIDE)


def is_set_aside(folder: Path, name: str) -> bool:
    """Whether a file of `folder` was moved away by a check; a link counts as well, though it may lead nowhere there."""
    return os.path.lexists(set_aside_folder(folder) / name)


def _seen(folder: Path) -> Presence:
    if folder.is_file():
        return Presence("damaged", "a file stands in its place")
    if not is_here(folder):
        return _arriving(folder)
    try:
        manifest = read_manifest(folder)
    except ValueError as error:
        return Presence("damaged", f"here, but {error}")
    if manifest is None:
        return Presence("unknown", "here, made by hand (without a manifest)")
    missing = missing_files(folder, manifest)
    aside = [name for name in missing if is_set_aside(folder, name)]
    if len(missing) > len(aside):
        count = len(missing) - len(aside)
        return Presence("damaged", f"here, but {count:,} of {len(manifest.files):,} files are missing or cut")
    return Presence("complete", "here, complete" + (f", {len(aside):,} files set aside" if aside else ""))


def _arriving(folder: Path) -> Presence:
    size = arrived_in(hidden_beside(folder))
    if not size:
        return Presence("absent", "not here")
    return Presence("arriving", f"not here; {size / 1e6:,.1f} MB of its archive have arrived")
