"""Pictures to begin with: some of the test split that a run was made for, with the true translations."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from atme.data import PairedImages
from atme.data.options import read_data_options
from atme.data.recipes import find_root, recipe_paths
from atme.images import to_array, write_image
from atme.inference import Translator
from atme.shipped import is_model

COUNT = 8
"""Examples on the page."""


@dataclass(frozen=True)
class Example:
    """A pair of the test split, in files."""

    source: Path
    """PNG: what is translated, at its own size."""
    target: Path
    """PNG: what it should become."""


def write_examples(translator: Translator, folder: Path, *, megapixels: float) -> list[Example]:
    """Write examples of a run's test split, from its first pair to its last; none where its data is not known.

    Args:
        translator: of the run.
        folder: for the files; made if it is missing.
        megapixels: million pixels that an example may have.

    Raises:
        ValueError: if the data is there and cannot be read.
        OSError: if the files cannot be written.
    """
    root = translator.knows.root or _shipped_root(translator)
    if root is None:
        return []
    pairs = _whole_pairs(translator, root)
    if pairs.source_channels != translator.knows.source_channels:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    spread = sorted({int(index) for index in np.linspace(0, len(pairs) - 1, COUNT)})
    made = (_written(pairs, index, folder, megapixels=megapixels) for index in spread)
    return [example for example in made if example is not None]


def _shipped_root(translator: Translator) -> Path | None:
    """The data of a model that comes along is that of the recipe that is called like it."""
    folder = translator.source.folder
    return find_root(folder.name) if is_model(folder) and folder.name in recipe_paths() else None


def _whole_pairs(translator: Translator, root: Path) -> PairedImages:
    """The test split, each picture as it is on disk."""
    section = translator.options.get("data", {}) | {"test_size": None, "test_view": "whole"}
    return read_data_options(None, **section, root=str(root)).open_test()


def _written(pairs: PairedImages, index: int, folder: Path, *, megapixels: float) -> Example | None:
    pair, name = pairs[index], f"{index + 1:04d}"
    assert pair.target is not None
    if pair.source[0].numel() > megapixels * 1e6:
        return None
    places = folder / f"test_{name}.png", folder / f"test_{name}_true.png"
    source, target = pairs.kinds.files(pairs.shown(pair.source), pair.target)
    write_image(places[0], to_array(pair.source, bits=pairs.source_bits) if source is None else source)
    write_image(places[1], to_array(pair.target, bits=pairs.target_bits) if target is None else target)
    return Example(*places)
