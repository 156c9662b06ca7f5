"""Where the two halves of each pair lie on disk: one table, for every verb.

A folder ROOT with splits (train, test, ...) may be laid out in these ways:

    side_by_side    ROOT/train/NAME.jpg                              A | B in one file (pix2pix)
    trainA          ROOT/trainA/NAME.jpg     ROOT/trainB/NAME.jpg    (CycleGAN)
    train_A         ROOT/train_A/NAME.jpg    ROOT/train_B/NAME.jpg   (pix2pixHD)
    train/A         ROOT/train/A/NAME.jpg    ROOT/train/B/NAME.jpg
    A/train         ROOT/A/train/NAME.jpg    ROOT/B/train/NAME.jpg   (what pix2pix combines)
    A/trainA        ROOT/A/trainA/NAME.jpg   ROOT/B/trainB/NAME.jpg
    A/train_A       ROOT/A/train_A/NAME.jpg  ROOT/B/train_B/NAME.jpg

all but the first of which are ``two_folders``. A folder that is not divided has one split, named ``.``: its pictures,
or those of A and B in it. `atme.data.scan` says which files are pairs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from atme.data.recipes import LayoutChoice, LayoutName
from atme.images.folder import holds_images, subfolders
from atme.names import as_word, composed

Direction = Literal["AtoB", "BtoA"]
"""Which half is the source: A (left) or B (right)."""

WHOLE = "."
"""Name of the only split of a folder that is not divided into splits."""

USUAL_SPLITS = frozenset(
    {"train", "training", "trainval", "val", "valid", "validation", "dev", "test", "testing", "eval", "holdout"}
)
"""What splits are called, in lower case: ``trainA`` alone is half of a split, ``USA`` is a split."""

_FORMS: dict[LayoutChoice, tuple[str, ...]] = {
    "side_by_side": ("{split}",),
    "trainA": ("{split}A", "{split}B"),
    "train_A": ("{split}_A", "{split}_B"),
    "train/A": ("{split}/A", "{split}/B"),
    "A/train": ("A/{split}", "B/{split}"),
    "A/trainA": ("A/{split}A", "B/{split}B"),
    "A/train_A": ("A/{split}_A", "B/{split}_B"),
}


@dataclass(frozen=True)
class Layout:
    """Where a split was found."""

    name: LayoutName
    """Both halves in one file, or each in its own folder."""
    folders: tuple[Path, ...]
    """The folder of the A | B files, or that of the A and that of the B halves."""
    form: LayoutChoice = "auto"
    """The row of the table; ``auto`` for folders that were not found by it."""

    def __str__(self) -> str:
        return f"{self.name} in {' and '.join(map(str, self.folders))}"


def find_layout(root: Path, *, split: str = "train", layout: LayoutChoice = "auto") -> Layout:
    """Find a split below ``root``.

    Args:
        root: the dataset's folder.
        split: the split's name, a part of its folders' names; ``.`` for the pairs of a folder that has no splits.
        layout: which layouts come into question; ``auto``: all of them.

    Raises:
        ValueError: no such folder or split (the splits that exist are named), or more than one that fits.
    """
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder; give the folder that holds the splits (train, test, ...)")
    there = [found for found in _candidates(root, split) if layout in ("auto", found.name, found.form)]
    fits = [found for found in there if any(map(holds_images, found.folders))] or there
    if not fits:
        raise ValueError(f"{root}: no split {split!r} in layout {layout}; {_remedy(root, split)}")
    if len(fits) > 1:
        where, forms = " and ".join(map(str, fits)), " or ".join(found.form for found in fits)
        raise ValueError(
            f"{root}: {len(fits)} splits {split!r}: {where}; say which with layout {forms} "
            "(--data.layout of a run, --layout of atme data), or move the others away"
        )
    return fits[0]


def has_split(root: Path, split: str) -> bool:
    """Whether a dataset's folder holds a split, in whatever layout."""
    return any(True for _ in _candidates(root, split))


def split_names(root: Path) -> list[str]:
    """Names of the splits below a folder, in any layout, sorted; `WHOLE` if there is none.

    Raises:
        ValueError: no such folder.
    """
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder; give the folder that holds the splits (train, test, ...)")
    top = set(subfolders(root))
    below = {half: set(subfolders(root / half)) if half in top else set() for half in "AB"}
    names = {_split_of(name, half, below[_other(half)]) for half in "AB" for name in below[half]}
    for name in top - {"A", "B"}:
        if holds_images(root / name):
            names |= {_split_of(name, name[-1], top)} if name[-1] in "AB" else {name}
        elif {"A", "B"} & set(subfolders(root / name)):
            names.add(name)
    return sorted(names) or [WHOLE]


def split_of_folder(name: str, half: str) -> str | None:
    """The split whose half this folder holds by its name alone, in lower case; None for a name that is unusual.

    Args:
        name: such as ``train``, or for A also ``trainA`` or ``train_A``.
        half: ``A`` or ``B``.
    """
    stem = name.removesuffix(half).removesuffix("_").lower()
    return stem if stem in USUAL_SPLITS else None


def _candidates(root: Path, split: str) -> Iterator[Layout]:
    """Every layout of which a folder exists: what is then missing is an error, not another layout."""
    met = set()
    for form, patterns in _FORMS.items():
        folders = tuple(_there(root, pattern.format(split=split)) for pattern in patterns)
        if folders in met or (split == WHOLE and form not in ("side_by_side", "train/A")):
            continue
        met.add(folders)
        name: LayoutName = "side_by_side" if len(folders) == 1 else "two_folders"
        if any(folder.is_dir() for folder in folders) and not _holds_halves_only(folders):
            yield Layout(name, folders, form)


def _holds_halves_only(folders: tuple[Path, ...]) -> bool:
    """Whether this is the folder above A and B, and not one of pairs A|B."""
    if len(folders) > 1 or holds_images(folders[0]):
        return False
    return bool({"A", "B"} & set(subfolders(folders[0])))


def _there(root: Path, name: str) -> Path:
    """A folder below another one, also if its name is there in another form of Unicode."""
    place = root
    for part in Path(name).parts:
        if not (place / part).is_dir():
            part = next((each for each in subfolders(place) if composed(each) == composed(part)), part)
        place = place / part
    return place


def _split_of(name: str, half: str, others: set[str]) -> str:
    """The split of a folder that may hold one half of it, beside those that may hold the other half."""
    for ending in (f"_{half}", half):
        stem = name.removesuffix(ending)
        if stem not in ("", name):
            is_half = stem + ending.replace(half, _other(half)) in others or stem.lower() in USUAL_SPLITS
            return stem if is_half else name
    return name


def _other(half: str) -> str:
    return "B" if half == "A" else "A"


def _remedy(root: Path, split: str) -> str:
    splits = split_names(root)
    if splits != [WHOLE]:
        return f"there are: {', '.join(splits)}"
    if root.name == split and holds_images(root):
        return f"give the folder above it, {root.parent}"
    if has_split(root, WHOLE) and (holds_images(root) or any(holds_images(root / half) for half in "AB")):
        return f"its pairs are not divided; run: atme data split {as_word(root)} NEW, and give NEW"
    return "make ROOT/train with A|B images, or ROOT/train/A and ROOT/train/B with the two halves"
