"""Recipes: what is known of a dataset, one YAML file each, so that a name can stand for a folder.

Recipes and data are sought in the same places, in this order: the folder that ``ATME_DATA`` names, ``datasets/`` below
the working directory, and what comes with the package. A fetch puts data into the first of them.
"""

import os
from argparse import ArgumentError
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

import yaml

from atme import shipped

ENVIRONMENT = "ATME_DATA"
"""The variable that may name a folder for all datasets."""

# As layout.py knows them; it is not imported, since it loads torch, and a list of names shall come at once.
LayoutName = Literal["side_by_side", "two_folders"]
LayoutChoice = Literal[
    "auto", "side_by_side", "two_folders", "trainA", "train_A", "train/A", "A/train", "A/trainA", "A/train_A"
]
"""Where pairs may lie: anywhere; A|B in one file; in any two folders; or in two of which that of A has this name, in
which ``train`` stands for the name of the split."""


@dataclass(frozen=True)
class Mirror:
    """One archive that holds the dataset. Mirrors may differ in layout and splits: each states its own.

    Args:
        url: its address, http or https.
        size: bytes of the archive, if known exactly; an answer of another length is refused.
        about: bytes of the archive, if they are known roughly only; they decide whether the disk has room.
        sha256: of the archive, in hexadecimal, if published; else the first good fetch records it.
        layout: how the halves lie in it, if not as in the recipe.
        splits: for each split the number of its pairs, if not as in the recipe.
    """

    url: str
    size: int | None = None
    about: int | None = None
    sha256: str | None = None
    layout: LayoutName | None = None
    splits: dict[str, int] | None = None

    def __post_init__(self) -> None:
        if (self.size is None) == (self.about is None):
            raise ValueError(f"{self.url}: give its size or, if that is not known exactly, about")

    @property
    def expected_size(self) -> int:
        """Bytes of the archive, as far as they are known."""
        size = self.size if self.about is None else self.about
        assert size is not None
        return size


@dataclass(frozen=True)
class Recipe:
    """A dataset in words.

    Args:
        name: the YAML file's name, without its ending.
        title: what the pairs show, in one line.
        root: the folder of the files: where they lie now or, if they are nowhere yet, where a fetch puts them.
            (In the YAML file relative to each of the places where data is sought.)
        layout: how the halves lie in it.
        splits: for each split the number of its pairs.
        direction: which half is usually the source.
        license: under which the pairs may be used.
        citation: of the paper or the source that made them.
        source: address where they come from.
        preset: the file below options/, without its ending, to begin with.
        mirrors: archives to fetch it from, the best one first.
        tolerance: share by which an archive's number of pairs may differ from the recipe's; above 0 where
            the number is told by papers, and by nobody who counted the archive.
        by_hand: what to do instead of fetching, where the license lets nobody pass the files on.
    """

    name: str
    title: str
    root: Path
    layout: LayoutName
    splits: dict[str, int]
    direction: Literal["AtoB", "BtoA"]
    license: str
    citation: str
    source: str
    preset: str
    mirrors: tuple[Mirror, ...] = ()
    tolerance: float = 0.0
    by_hand: str | None = None


def find_root(data: str | Path) -> Path:
    """The folder of a dataset, given as a folder or by its recipe's name.

    Raises:
        ValueError: neither; known names are listed. Or the recipe's folder is not there yet.
    """
    if Path(data).is_dir():
        return Path(data)
    recipe = find_recipe(str(data))
    if not is_here(recipe.root):
        remedy = recipe.by_hand or f"run: atme data fetch {recipe.name}"
        raise ValueError(f"{data}: {recipe.root} is not there yet; {remedy}")
    return recipe.root


def find_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        ValueError: there is none; those that there are are listed. Or it cannot be read.
    """
    paths = recipe_paths()
    if name not in paths:
        near = get_close_matches(name, paths, n=1, cutoff=0.6)
        guess = f"did you mean {near[0]}? " if near else ""
        known = ", ".join(paths) or "none (no datasets/*.yaml found)"
        raise ValueError(f"{name}: neither a folder nor a known dataset; {guess}the known ones are: {known}")
    return read_recipe(paths[name])


def recipe_paths() -> dict[str, Path]:
    """The recipes that can be found, by name; of two with one name that in the place that comes first."""
    found = {
        path.stem: path
        for place in reversed(places())
        for path in place.glob("*.yaml")
        if path.is_file() and not path.name.startswith(".")
    }
    return dict(sorted(found.items()))


def read_recipes() -> tuple[list[Recipe], list[str]]:
    """All recipes that can be read, and what is wrong with the others, a line each."""
    recipes, broken = [], []
    for path in recipe_paths().values():
        try:
            recipes.append(read_recipe(path))
        except ValueError as error:
            broken.append(str(error))
    return recipes, broken


def places() -> list[Path]:
    """The folders in which recipes and data are sought, in this order.

    Raises:
        ValueError: ``ATME_DATA`` names no folder.
    """
    chosen = os.environ.get(ENVIRONMENT)
    return [*([_named(chosen)] if chosen else []), Path("datasets"), shipped.folder("datasets")]


def is_here(folder: Path) -> bool:
    """Whether a folder holds anything."""
    try:
        return folder.is_dir() and any(folder.iterdir())
    except PermissionError:
        return True


def read_recipe(path: str | Path) -> Recipe:
    """Read a recipe; its ``root`` becomes a path that can be opened from here.

    Raises:
        ValueError: not YAML, or a key that is unknown, missing or of another type.
    """
    path = Path(path)
    from jsonargparse import ArgumentParser  # a list of names shall come before it could be loaded

    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Recipe, skip={"name"})
    try:
        keys = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(keys, dict):
            raise TypeError("holds no keys with values")
        options = parser.instantiate(parser.parse_object(keys))
    except (OSError, ValueError, yaml.YAMLError, ArgumentError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: {reason}; repair this recipe") from error
    return Recipe(**{**options.as_dict(), "name": path.stem, "root": _place_of(options.root, beside=path.parent)})


def _place_of(root: Path, *, beside: Path) -> Path:
    """Where the data of a recipe lies, or will lie; a recipe from elsewhere has it beside itself."""
    known = places()
    folders = known if beside.resolve() in {place.resolve() for place in known} else [beside]
    return next((place / root for place in folders if is_here(place / root)), folders[0] / root)


def _named(value: str) -> Path:
    try:
        place = Path(value).expanduser()
    except RuntimeError as error:  # ~nobody
        raise ValueError(f"{ENVIRONMENT}={value}: {error}; name a folder, or unset it") from error
    if place.exists() and not place.is_dir():
        raise ValueError(f"{ENVIRONMENT}={value}: is no folder; name one, or unset it")
    return place
