"""Two predictors that learn nothing to speak of: what every trained translator has to beat."""

from collections.abc import Iterable

import torch
from torch import Tensor


def median_color(targets: Iterable[Tensor], *, levels: int) -> Tensor:
    """The median of each channel over all pixels of all images: the constant that minimizes L1.

    Args:
        targets: images (C, H, W) in [-1, 1], all of as many channels.
        levels: number of values that a pixel of these images can take: 256 or 65536.

    Returns:
        (C, 1, 1) in [-1, 1].

    Raises:
        ValueError: if there is no image, one has another shape or range, or there are fewer than two levels.
    """
    if levels < 2:
        raise ValueError(f"median color: {levels} levels; give 256 for images of 8 bits, 65536 for 16")
    counts: Tensor | None = None
    for number, target in enumerate(targets):
        _check(number, target, channels=None if counts is None else len(counts))
        steps = ((target.double() + 1) / 2 * (levels - 1)).round().long().flatten(1)  # (C, H·W)
        here = torch.stack([torch.bincount(channel, minlength=levels) for channel in steps])  # (C, levels)
        counts = here if counts is None else counts + here
    if counts is None:
        raise ValueError("median color: no image to take it from; the training split is empty")
    half = (counts.sum(dim=1, keepdim=True) + 1) // 2
    median = (counts.cumsum(dim=1) < half).sum(dim=1)  # (C,): the first value that reaches the half
    return (median.float() / (levels - 1) * 2 - 1)[:, None, None]


def _check(number: int, target: Tensor, *, channels: int | None) -> None:
    """Raises ValueError unless pixels of this image can be counted with the others'."""
    if target.ndim != 3 or not target.numel():
        raise ValueError(f"median color: image {number} has the shape {tuple(target.shape)}; give (C, H, W)")
    if channels is not None and len(target) != channels:
        raise ValueError(f"median color: image {number} has {len(target)} channels, those before it {channels}")
    low, high = (float(value) for value in torch.aminmax(target))
    if not -1 <= low <= high <= 1:
        raise ValueError(f"median color: image {number} holds values from {low:g} to {high:g}; give them in [-1, 1]")
