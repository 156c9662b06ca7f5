"""A translation with what the generator read for it: W and x·(1 + W), which a translation by itself does not show."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from atme.data.shapes import Size
from atme.data.sizes import resize
from atme.images import Pixels, to_array
from atme.models.knowledge import Knowledge
from atme.noise import Corrupted


@dataclass(frozen=True)
class Inside:
    """One translation, and what it was made from; all of the picture's own size."""

    translation: Pixels
    """(H, W, C') uint8 or uint16."""
    noise: NDArray[np.float32] | None
    """(H, W) in (-1, 1): the map W of x·(1 + W); None where the game has none."""
    read: Pixels | None
    """(H, W, C) uint8 or uint16, as the run's sources: what the generator read last, clipped to their range (the
    color of the strongest class, where it reads one-hot labels); None where it read the picture itself."""


def inside(translation: Pixels, corrupted: Corrupted, *, size: Size, knows: Knowledge) -> Inside:
    """What was found on the way to a translation.

    Args:
        translation: (H, W, C').
        corrupted: what the generator read, a batch of one, at the size that was worked at.
        size: (height, width) of the picture.
        knows: of the run.
    """
    if corrupted.map is None:
        return Inside(translation, None, None)
    read = to_array(knows.kinds.shown(corrupted.image[0]), bits=knows.source_bits)
    return Inside(translation, _at(corrupted.map[0, 0], size), resize(read, size, how=knows.source_interpolation))


def _at(field: Tensor, size: Size) -> NDArray[np.float32]:
    """A map (h, w) at another size, without what bicubic interpolation adds beyond its range."""
    values = field.detach().float().cpu().numpy()
    height, width = size
    shrinks = height <= values.shape[0] and width <= values.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(values, (width, height), interpolation=how), np.float32)
