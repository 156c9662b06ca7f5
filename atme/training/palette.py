"""The palette of a game's targets: its colors from the options, its weights from the training pictures."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from atme.data import PairedImages
from atme.images import centered
from atme.losses import Palette
from atme.models import TranslationModel

LOOKED_AT = 500
"""Training targets, at most, whose pixels are counted, evenly over the split."""


def palette_of(model: TranslationModel, train: PairedImages) -> Palette | None:
    """The palette of a game that asks for one; None for others.

    Raises:
        ValueError: if it asks for one, and its targets are no labels, or one of them cannot be read.
    """
    weight: Any = getattr(model, "palette", None)
    if not weight:
        return None
    labels = train.kinds.target
    if labels is None:
        raise ValueError(
            f"model.palette: {weight}, and the targets are pictures; set data.target_kind labels with "
            "data.target_labels, or model.init_args.palette 0"
        )
    count = min(LOOKED_AT, len(train))
    counts = np.sum([train.classes_of(at * (len(train) - 1) // max(count - 1, 1)) for at in range(count)], axis=0)
    colors = _colors(np.asarray(labels.colors, np.uint8))
    kept, left = list(labels.counted), [at for at in range(len(colors)) if at not in labels.counted]
    return Palette.of(colors[kept], torch.as_tensor(counts)[kept], ignored=colors[left])


def _colors(values: NDArray[np.uint8]) -> Tensor:
    """(classes, C) in [-1, 1]."""
    return centered(torch.from_numpy(values))
