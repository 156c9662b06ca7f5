"""Every pair of a dataset as it lies on disk, also where something is wrong with it.

`atme.data.layout` says where splits and partners are, and raises at the first thing that does not fit, as a
run must. Here what does not fit is listed, so that a check can report all of it.
"""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from atme.data.layout import Layout, find_layout
from atme.images import is_image_name

WHOLE = "."
"""Name of the only split of a folder that is not divided into splits."""


@dataclass(frozen=True)
class Entry:
    """One pair, or what is there of it."""

    split: str
    name: str
    """Unique in the split, without ending."""
    paths: tuple[Path, ...]
    """The file of A | B, or that of A and that of B; a single half if its partner is missing."""
    trouble: str | None = None
    """Why it cannot be read as a pair, if the names alone tell."""


def scan(root: Path) -> dict[str, list[Entry]]:
    """The pairs of each split below `root`, sorted by name.

    Raises:
        ValueError: No such folder, no images in it, or a split in two layouts.
    """
    found = {split: entries(layout_of(root, split), split) for split in split_names(root)}
    if not any(found.values()):
        raise ValueError(f"{root}: no images in it; put A|B images there, or make A and B with the halves")
    return found


def layout_of(root: Path, split: str) -> Layout:
    """Where a split lies; that of `WHOLE` is the folder itself, or A and B in it."""
    if split != WHOLE:
        return find_layout(root, split=split)
    halves = (root / "A", root / "B")
    if any(half.is_dir() for half in halves):
        return Layout("two_folders", halves)
    return Layout("side_by_side", (root,))


def split_names(root: Path) -> list[str]:
    """Names of the splits below `root` in any layout; `WHOLE` if there is none."""
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder; give the folder that holds the splits (train, test, ...)")
    folders = {path.name: path for path in root.iterdir() if path.is_dir() and path.name[0] != "."}
    nested = {path.name for half in "AB" for path in _folders(folders.get(half))}
    filled = [name for name, folder in folders.items() if _holds_pairs(folder)]
    ended = {name[:-1] for name in filled if len(name) > 1 and name[-1] in "AB"}
    plain = {name for name in filled if name[-1] not in "AB"}
    return sorted(nested | ended | plain) or [WHOLE]


def entries(layout: Layout, split: str) -> list[Entry]:
    """The pairs of one split."""
    sides = [_by_stem(folder) for folder in layout.folders]
    if len(sides) == 2:
        sides = _without_endings(sides[0], sides[1])
    names = sorted(set().union(*sides))
    return [_entry(split, name, [side.get(name, []) for side in sides], layout) for name in names]


def _entry(split: str, name: str, files: list[list[Path]], layout: Layout) -> Entry:
    trouble = None
    if not all(files):
        missing = layout.folders[0 if not files[0] else 1].name
        trouble = f"has no partner in {missing}"
    twice = [path.name for side in files if len(side) > 1 for path in side]
    if twice:
        trouble = f"{' and '.join(twice)} have the same name"
    return Entry(split, name, tuple(path for side in files for path in side), trouble)


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if is_image_name(path) and not path.name.startswith("."):
            found[path.stem].append(path)
    return dict(found)


def _without_endings(a: dict[str, list[Path]], b: dict[str, list[Path]]) -> list[dict[str, list[Path]]]:
    """Both sides by names without _A and _B, if all names of A end in _A and all of B in _B."""
    if not all(name.endswith("_A") for name in a) or not all(name.endswith("_B") for name in b):
        return [a, b]
    return [{name[:-2]: paths for name, paths in side.items()} for side in (a, b)]


def _holds_pairs(folder: Path) -> bool:
    return any(is_image_name(path) or path.name in ("A", "B") for path in folder.iterdir())


def _folders(folder: Path | None) -> list[Path]:
    return [] if folder is None else [path for path in folder.iterdir() if path.is_dir()]
