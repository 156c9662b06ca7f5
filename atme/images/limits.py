"""How many pixels a picture may have: one limit for every verb, asked before memory is taken.

A header may claim any size, and a few hundred bytes can unfold into gigabytes. The limit stands far above what
cameras take (200 million); the environment raises it for scans of 20,000 × 20,000 pixels: ``ATME_MAX_PIXELS=4e8``.
"""

import os
from pathlib import Path

from PIL import Image

from atme.images.refusals import Refusal

MAX_PIXELS = 2**28
"""Of one picture, unless the environment says otherwise: 268 million, as of 16,384 × 16,384."""

VARIABLE = "ATME_MAX_PIXELS"
"""The environment's variable that holds another limit, for the processes that read ahead, too."""


def max_pixels() -> int:
    """The limit in force.

    Raises:
        ValueError: the environment's is no number of pixels.
    """
    text = os.environ.get(VARIABLE, "")
    if not text:
        return MAX_PIXELS
    try:
        limit = int(float(text))
    except (ValueError, OverflowError):
        limit = 0
    if limit < 1:
        raise Refusal(f"{VARIABLE}: {text!r} is no number of pixels; give one such as 4e8, or unset it")
    return limit


def check_size(path: str | Path, width: int, height: int) -> None:
    """Whether a picture of this size is read.

    Raises:
        ValueError: it has no pixels, or more than the limit.
    """
    if width < 1 or height < 1:
        raise Refusal(f"{path}: has {width}×{height} pixels, so there is nothing to see; move it away")
    limit = max_pixels()
    if width * height > limit:
        size = f"claims {width:,}×{height:,} pixels, {width * height / 1e6:,.0f} million"
        remedy = f"cut it into tiles, or set {VARIABLE}={width * height} if you trust it"
        raise Refusal(f"{path}: {size}, and {limit / 1e6:,.0f} million are read; {remedy}")


def raise_pillows_limit() -> None:
    """Pillow has a limit of its own for the whole process: raise it to ours where it is lower, never lower it."""
    theirs = Image.MAX_IMAGE_PIXELS
    if theirs is not None and theirs < max_pixels():
        Image.MAX_IMAGE_PIXELS = max_pixels()
