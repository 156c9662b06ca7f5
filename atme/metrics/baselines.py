"""Two predictors that learn nothing to speak of: what every trained translator has to beat."""

from collections.abc import Iterable

import torch
from torch import Tensor


def median_color(targets: Iterable[Tensor], *, levels: int) -> Tensor:
    """The median of each channel over all pixels of all images: the constant that minimizes L1.

    Args:
        targets: images (C, H, W) in [-1, 1].
        levels: number of values that a pixel of these images can take: 256 or 65536.

    Returns:
        (C, 1, 1) in [-1, 1].

    Raises:
        ValueError: if there is no image.
    """
    counts: Tensor | None = None
    for target in targets:
        steps = ((target.double() + 1) / 2 * (levels - 1)).round().long().flatten(1)  # (C, H·W)
        here = torch.stack([torch.bincount(channel, minlength=levels) for channel in steps])  # (C, levels)
        counts = here if counts is None else counts + here
    if counts is None:
        raise ValueError("median color: no image to take it from; the training split is empty")
    half = (counts.sum(dim=1, keepdim=True) + 1) // 2
    median = (counts.cumsum(dim=1) < half).sum(dim=1)  # (C,): the first value that reaches the half
    return (median.float() / (levels - 1) * 2 - 1)[:, None, None]
