"""Does a half of labels hold what its classes say?

Training takes every pixel of colors for the class whose color is nearest, however far that is, and refuses an id that
no class has (`atme.images.labels`). So a class that nobody named, or a photograph among labels, is learned as something
else without a word. Here a pixel is *far* beyond the distance within which `atme data palette` takes colors for one.
JPEG leaves edges in colors of no class: what is far counts inside of areas, or where it is much of the picture.
"""

import numpy as np
from numpy.typing import NDArray

from atme.images import Pixels
from atme.images.labels import Labels
from atme.prepare.palette import APART, EXPLAINED, flat_pixels

Classes = tuple[Labels | None, Labels | None]
"""The classes of A and B; None: a picture."""

PICTURES: Classes = (None, None)
"""Both halves are pictures."""

INSIDE = 0.01
"""Share of a picture's pixels that are far, inside of areas, from which on a class is missing."""


def strange(picture: Pixels, labels: Labels) -> str | None:
    """What a label picture (H, W, C) holds that no class has, in words; None if nothing."""
    try:
        labels.require_files(channels=picture.shape[2], bits=8 * picture.itemsize, name="")
        if labels.ids is not None:
            labels.read(picture, name="")
            return None
    except ValueError as error:
        return str(error).removeprefix(": ").partition(";")[0]
    far = far_from(picture, labels)
    inside = far & flat_pixels(picture)
    if inside.mean() < INSIDE and far.mean() <= 1 - EXPLAINED:
        return None
    colors, counts = np.unique(picture[inside if inside.any() else far], axis=0, return_counts=True)
    commonest = colors[counts.argmax()].tolist()
    return f"{far.mean():.1%} of the pixels are near to no class, most often {commonest}"


def far_from(picture: Pixels, labels: Labels) -> NDArray[np.bool_]:
    """(H, W): which pixels of a picture (H, W, 3) are far from the color of every class."""
    return np.asarray(labels.apart(picture) > APART)
