"""Where the two halves of each pair lie on disk, and whether their files fit together.

Four ways to lay out a folder ROOT with splits (train, test, ...) are known:

    side_by_side    ROOT/train/NAME.jpg                            A | B in one file (pix2pix)
    two_folders     ROOT/train/A/NAME.jpg   ROOT/train/B/NAME.jpg
    two_folders     ROOT/A/train/NAME.jpg   ROOT/B/train/NAME.jpg
    two_folders     ROOT/trainA/NAME.jpg    ROOT/trainB/NAME.jpg   (CycleGAN)

Halves in two folders are paired by their names without ending, and without `_A` and `_B` where all names of
the two sides end so (1_A.jpg with 1_B.png). Files not named as images are left alone, and so are hidden ones.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from atme.data.recipes import LayoutName
from atme.images import is_image_name

Direction = Literal["AtoB", "BtoA"]
"""Which half is the source: A (left) or B (right)."""


@dataclass(frozen=True)
class Layout:
    """Where a split was found."""

    name: LayoutName
    """Both halves in one file, or each in its own folder."""
    folders: tuple[Path, ...]
    """The folder of the A | B files, or that of the A and that of the B halves."""

    def __str__(self) -> str:
        return f"{self.name} in {' and '.join(map(str, self.folders))}"


@dataclass(frozen=True)
class PairFiles:
    """The files of a split, sorted by name."""

    names: tuple[str, ...]
    """Of the pairs: unique, without ending."""
    paths: tuple[tuple[Path, ...], ...]
    """For each pair the path of A | B, or the path of A and that of B."""


def find_layout(
    root: Path, *, split: str = "train", layout: Literal["auto", "side_by_side", "two_folders"] = "auto"
) -> Layout:
    """Find a split below ``root``.

    Args:
        root: the dataset's folder.
        split: the split's name, a part of its folders' names.
        layout: which layouts come into question; ``auto``: all of them.

    Raises:
        ValueError: no such folder or split (the splits that exist are named), or more than one that fits.
    """
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder; give the folder that holds the splits (train, test, ...)")
    known = [found for found in _candidates(root, split) if layout in ("auto", found.name)]
    fits = [found for found in known if _is_there(found)]
    if not fits:
        raise ValueError(f"{root}: no split {split!r} in layout {layout}; {_remedy(root)}")
    if len(fits) > 1:
        both = " and ".join(map(str, fits))
        raise ValueError(f"{root}: two splits {split!r}: {both}; choose a layout, or move one away")
    return fits[0]


def has_split(root: Path, split: str) -> bool:
    """Whether a dataset's folder holds a split, in whatever layout."""
    return any(_is_there(layout) for layout in _candidates(root, split))


def list_pairs(layout: Layout) -> PairFiles:
    """The pairs of a split, from the names of its files alone.

    Raises:
        ValueError: an empty folder, two files of one name, or a partner that is missing.
    """
    sides = [_images_by_stem(folder) for folder in layout.folders]
    if len(sides) == 2:
        sides = _without_endings(sides)
        _check_partners(sides, layout.folders)
    names = tuple(sorted(sides[0]))
    return PairFiles(names, tuple(tuple(side[name] for side in sides) for name in names))


def _candidates(root: Path, split: str) -> list[Layout]:
    return [
        Layout("side_by_side", (root / split,)),
        Layout("two_folders", (root / split / "A", root / split / "B")),
        Layout("two_folders", (root / "A" / split, root / "B" / split)),
        Layout("two_folders", (root / f"{split}A", root / f"{split}B")),
    ]


def _is_there(layout: Layout) -> bool:
    """Whether the folders, or one of two, exist: what is then missing is an error, not another layout."""
    if layout.name == "two_folders":
        return any(folder.is_dir() for folder in layout.folders)
    folder = layout.folders[0]
    return folder.is_dir() and (bool(_images(folder)) or not _halves(folder))


def _halves(folder: Path) -> list[Path]:
    return [folder / half for half in "AB" if (folder / half).is_dir()]


def _images(folder: Path) -> list[Path]:
    """The images directly in a folder, sorted by name."""
    return sorted(p for p in folder.iterdir() if is_image_name(p) and not p.name.startswith("."))


def _remedy(root: Path) -> str:
    splits = _splits(root)
    if splits:
        return f"there are: {', '.join(splits)}"
    return "make ROOT/train with A|B images, or ROOT/train/A and ROOT/train/B with the two halves"


def _splits(root: Path) -> list[str]:
    """Names of the splits below a folder, in any layout."""
    folders = [p for p in root.iterdir() if p.is_dir()]
    names = {p.name for p in folders if p.name not in ("A", "B") and (_images(p) or _halves(p))}
    names |= {p.name[:-1] for p in folders if p.name[-1] in "AB" and len(p.name) > 1 and _images(p)}
    names |= {p.name for half in _halves(root) for p in half.iterdir() if p.is_dir()}
    return sorted(name for name in names if not (name[-1] in "AB" and name[:-1] in names))


def _images_by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; it would hold the partners of its neighbor's images")
    images = _images(folder)
    if not images:
        raise ValueError(f"{folder}: no images in this folder; put the split's images there")
    by_stem: dict[str, Path] = {}
    for path in images:
        if path.stem in by_stem:
            raise ValueError(f"{path}: {by_stem[path.stem].name} has the same name; rename one of them")
        by_stem[path.stem] = path
    return by_stem


def _without_endings(sides: list[dict[str, Path]]) -> list[dict[str, Path]]:
    """Both sides under names without _A and _B, if all names of A end in _A and all of B in _B."""
    endings = ("_A", "_B")
    if not all(name.endswith(e) for side, e in zip(sides, endings, strict=True) for name in side):
        return sides
    return [{name[:-2]: path for name, path in side.items()} for side in sides]


def _check_partners(sides: list[dict[str, Path]], folders: tuple[Path, ...]) -> None:
    for side, other, folder in ((sides[0], sides[1], folders[1]), (sides[1], sides[0], folders[0])):
        alone = sorted(side.keys() - other.keys())
        if alone:
            more = f" (and {len(alone) - 1} more are alone)" if len(alone) > 1 else ""
            raise ValueError(f"{side[alone[0]]}: no partner in {folder}{more}; add it, or move this one away")
