"""What training will see: whole pairs, and some of the views that are drawn of them."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from atme.data.options import DataOptions
from atme.data.pair import Pair
from atme.data.pairs import PairedImages
from atme.images import Pixels, grid


@dataclass(frozen=True)
class Preview:
    """What is shown."""

    picture: Pixels
    """A grid (H, W, 3) uint8: a pair a row, first whole, then as training sees it in its first epochs."""
    pairs: int
    """Rows."""
    remarks: tuple[str, ...]
    """What a user should know of the files: a line each."""


def draw_preview(options: DataOptions, *, pairs: int, views: int) -> Preview:
    """Draw what training will see.

    Args:
        options: which pairs, and how views are drawn.
        pairs: rows, at most as many as there are.
        views: epochs shown.

    Raises:
        ValueError: fewer than one row or view, or data that does not fit.
    """
    if min(pairs, views) < 1:
        raise ValueError("--pairs and --views: there is nothing to show; give 1 or more")
    train, whole = options.open_train(seed=0), options.open_fixed(whole=True)
    rows = sorted({int(index) for index in np.linspace(0, len(train) - 1, pairs)})
    titles = ["x, whole", "y, whole"] + [f"{half}, epoch {epoch + 1}" for epoch in range(views) for half in "xy"]
    picture = grid(
        [_row(train, whole, index, views=views) for index in rows],
        columns=titles,
        row_titles=[train.names[index] for index in rows],
    )
    return Preview(picture, len(rows), train.remarks)


def _row(train: PairedImages, whole: PairedImages, index: int, *, views: int) -> list[Tensor]:
    pairs = (whole[index], *(train[epoch, index] for epoch in range(views)))
    return [image for pair in pairs for image in _both(train, pair)]


def _both(train: PairedImages, pair: Pair) -> tuple[Tensor, Tensor]:
    assert pair.target is not None
    return train.shown(pair.source), pair.target
