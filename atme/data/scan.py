"""Which files of a split are pairs, and what is wrong with the others, told from their names alone.

One listing for all: a check reports everything that is wrong in it, a run refuses it and names all that is.

Halves in two folders are paired by their names without ending, and without ``_A`` and ``_B`` where all names of the
two sides end so (1_A.jpg with 1_B.png). Names that look the same are the same, in whatever form of Unicode; names that
differ in the case of their letters are paired where there is one on each side, and that is said. What is no picture is
left alone (`atme.images.folder`), and that is said, too.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from os.path import commonpath
from pathlib import Path

from atme.complaints import several
from atme.data.layout import Layout, find_layout, split_names
from atme.data.recipes import LayoutChoice
from atme.images.folder import Found, find_images, find_some_images, in_words, together
from atme.names import composed, loosely, partners

IN_NO_SPLIT = "in no split"
"""Reason why a picture of a dataset is left alone."""

_Side = dict[str, list[Path]]  # files by the name that they give their pair


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


@dataclass(frozen=True)
class PairFiles:
    """The files of a split all of which are pairs, sorted by name."""

    names: tuple[str, ...]
    """Of the pairs: unique, without ending."""
    paths: tuple[tuple[Path, ...], ...]
    """For each pair the path of A | B, or the path of A and that of B."""
    remarks: tuple[str, ...] = ()
    """What a user should know of them: one line each."""


@dataclass(frozen=True)
class Listing:
    """What the folders of a split hold."""

    layout: Layout
    entries: tuple[Entry, ...]
    """Sorted by name."""
    left: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    """What is no picture, by the reason why it is left alone."""
    in_case: tuple[Entry, ...] = ()
    """Those of the pairs whose halves have names that differ in the case of their letters."""

    def complete(self) -> PairFiles:
        """The same, if every file is part of a pair.

        Raises:
            ValueError: naming all files of one name, and all that have no partner.
        """
        wrong = [f"{entry.paths[-1]}: {entry.trouble}; {_remedy(entry)}" for entry in self.entries if entry.trouble]
        if wrong:
            left = f" ({in_words(self.left)})" if self.left else ""
            raise ValueError(several(wrong, what="files") + left)
        return PairFiles(
            tuple(entry.name for entry in self.entries), tuple(entry.paths for entry in self.entries), self.remarks
        )

    @property
    def loosely(self) -> str:
        """That pairs were made of names that are not quite the same; empty if none was."""
        return loosely([(entry.paths[0].name, entry.paths[-1].name) for entry in self.in_case])

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was matched loosely, and what was left alone and why: a line each."""
        return tuple(line for line in (self.loosely, in_words(self.left)) if line)


def scan(root: Path, *, layout: LayoutChoice = "auto") -> dict[str, list[Entry]]:
    """The pairs of each split below ``root``, sorted by name, also where something is wrong with them.

    Raises:
        ValueError: as `list_splits`.
    """
    return {split: list(listing.entries) for split, listing in list_splits(root, layout=layout).items()}


def list_splits(root: Path, *, layout: LayoutChoice = "auto") -> dict[str, Listing]:
    """The listing of each split below ``root``; one that holds no picture is none.

    Args:
        root: the dataset's folder.
        layout: which layouts come into question.

    Raises:
        ValueError: no such folder, no pictures in it, or splits in two layouts: all of them are named.
    """
    found, refused = {}, []
    for split in split_names(root):
        try:
            found[split] = list_split(find_layout(root, split=split, layout=layout), split)
        except ValueError as error:
            refused.append(str(error))
    if refused:
        raise ValueError(several(refused, what="splits"))
    if not any(listing.entries for listing in found.values()):
        find_some_images(root)
        raise ValueError(f"{root}: no pairs in it; put A|B pictures there, or make A and B with the halves")
    return {split: listing for split, listing in found.items() if listing.entries}


def list_split(layout: Layout, split: str) -> Listing:
    """Every pair of one split, or what is there of it.

    Raises:
        ValueError: a folder that cannot be looked into.
    """
    found = [find_images(folder) if folder.is_dir() else Found(()) for folder in layout.folders]
    sides = [_by_name(each.images) for each in found]
    renamed: dict[str, str] = {}
    if len(sides) == 2:
        sides = _without_endings(sides[0], sides[1])
        of_b = {b: a for a, b in partners(sides[0], sides[1]).items()}
        renamed = {a: b for b, a in of_b.items() if a != b}
        sides[1] = {of_b.get(name, name): paths for name, paths in sides[1].items()}
    names = sorted(set().union(*sides))
    entries = {name: _entry(split, name, [side.get(name, []) for side in sides], layout) for name in names}
    return Listing(layout, tuple(entries.values()), together(found), tuple(entries[name] for name in sorted(renamed)))


def list_pairs(layout: Layout) -> PairFiles:
    """The pairs of a split all of whose files are pairs.

    Raises:
        ValueError: a missing or empty folder; or naming all files of one name, and all that have no partner.
    """
    for folder in layout.folders:
        if not folder.is_dir():
            raise ValueError(f"{folder}: no such folder; it would hold the partners of its neighbor's images")
        find_some_images(folder)
    return list_split(layout, split="").complete()


def in_no_split(
    root: Path, listings: Iterable[Listing], *, known: Collection[Path] = ()
) -> dict[str, tuple[Path, ...]]:
    """What lies below a dataset's folder and belongs to none of these splits, by the reason why it is left alone.

    Args:
        root: the dataset's folder.
        listings: of its splits.
        known: files that need not be told.
    """
    everything = find_images(root, below=True)
    used = {path for listing in listings for entry in listing.entries for path in entry.paths}
    left = everything.left | {IN_NO_SPLIT: tuple(path for path in everything.images if path not in used)}
    told = {reason: tuple(path for path in paths if path not in known) for reason, paths in left.items()}
    return {reason: paths for reason, paths in told.items() if paths}


def _entry(split: str, name: str, files: list[list[Path]], layout: Layout) -> Entry:
    trouble = None
    if not all(files):
        missing = layout.folders[0 if not files[0] else 1]
        trouble = f"has no partner in {missing.relative_to(commonpath(layout.folders))}"
    twice = [path for side in files if len(side) > 1 for path in side]
    if twice:
        forms = "" if len({path.stem for path in twice}) == 1 else " in two forms of Unicode"
        trouble = f"{' and '.join(path.name for path in twice)} have the same name{forms}"
    return Entry(split, name, tuple(path for side in files for path in side), trouble)


def _by_name(images: Iterable[Path]) -> _Side:
    found: _Side = defaultdict(list)
    for path in images:
        found[composed(path.stem)].append(path)
    return dict(found)


def _without_endings(a: _Side, b: _Side) -> list[_Side]:
    """Both sides by names without _A and _B, if all names of A end in _A and all of B in _B."""
    if not all(name.endswith("_A") for name in a) or not all(name.endswith("_B") for name in b):
        return [a, b]
    return [{name[:-2]: paths for name, paths in side.items()} for side in (a, b)]


def _remedy(entry: Entry) -> str:
    return "rename one of them" if len(entry.paths) > 1 else "add it, or move this one away"
