"""Sliced Wasserstein distance of Laplacian pyramids (Karras et al. 2018, Progressive Growing of GANs, section 5).

Each picture is taken apart into levels: details at full size, at half of it, and so on, down to what is left at 16 to
31 pixels. From each level 7×7 pixels are cut at random places. Two sets of such pieces, each with mean 0 and
deviation 1 per channel, are compared by the distance of their projections on 512 random directions, sorted: 1,000
times the mean over directions and pieces, at each level; the score is the mean over levels. It needs no network.

Where this differs from the authors' code:

- the pyramid is kornia's (`pyrdown`, `pyrup`): it halves by the mean of 2×2 blurred pixels, theirs by every second one;
- both sets are cut at the same places, so that a translation that equals its target has distance 0, and fewer
  pictures do;
- at most 16,384 pieces a level (they take two million of 16,384 pictures), so that memory does not grow with the
  pictures;
- sides that are no multiple of the lowest level's step are cut at the right and lower edge.
"""

from collections.abc import Sequence

import numpy as np
import torch
from kornia.geometry.transform import pyrdown, pyrup
from numpy.typing import NDArray
from torch import Tensor

PIECES, PER_PICTURE = 16384, 128
SIDE, LOWEST, DIRECTIONS = 7, 16, 512
_FOR_INTERVALS = 64
"""Directions that tell how much the score varies over pictures: so few differ in their mean, hardly in that."""

Pieces = Sequence[NDArray[np.float32]]
"""For each level, the pieces (P, C, 7, 7) of one picture, or (n, P, C, 7, 7) of several."""


def levels(height: int, width: int) -> int:
    """How many levels a picture has: the last has 16 to 31 pixels on its shorter side."""
    return int(np.log2(min(height, width) // LOWEST)) + 1


def per_picture(pairs: int) -> int:
    """How many pieces are cut from each level of a picture, of so many pictures."""
    return min(PER_PICTURE, max(1, PIECES // pairs))


def pyramid(image: Tensor) -> list[Tensor]:
    """The Laplacian pyramid of (1, C, H, W): details from fine to coarse, and what is left."""
    count = levels(image.shape[-2], image.shape[-1])
    step = 2 ** (count - 1)
    height, width = (side // step * step for side in image.shape[-2:])
    found, rest = [], image[..., :height, :width].float()
    for _ in range(count - 1):
        lower = pyrdown(rest)
        found.append(rest - pyrup(lower))
        rest = lower
    return [*found, rest]


def pieces(image: Tensor, *, count: int, rng: np.random.Generator) -> Pieces:
    """Pieces of each level.

    Args:
        image: (1, C, H, W) in [-1, 1].
        count: of each level.
        rng: of their places; the same state cuts at the same places.
    """
    return [_cut(level[0], count, rng) for level in pyramid(image)]


def _cut(level: Tensor, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """(P, C, 7, 7) of (C, H, W)."""
    windows = level.unfold(1, SIDE, 1).unfold(2, SIDE, 1)  # (C, H', W', 7, 7), a view
    rows, columns = (torch.from_numpy(rng.integers(0, side, count)) for side in windows.shape[1:3])
    return np.ascontiguousarray(windows[:, rows, columns].transpose(0, 1).numpy())


def distance(translations: NDArray[np.float32], targets: NDArray[np.float32], directions: NDArray[np.float32]) -> float:
    """1,000 times the sliced Wasserstein distance of two sets of pieces of a level.

    Args:
        translations: (N, C, 7, 7).
        targets: (N, C, 7, 7).
        directions: (K, C·49), each of length 1.
    """
    one, other = (np.sort(directions @ _standardized(each).T, axis=1) for each in (translations, targets))  # (K, N)
    return 1000 * float(np.abs(one - other).mean(dtype=np.float64))


def _standardized(found: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, C·49) with mean 0 and deviation 1 per channel; what does not vary becomes 0."""
    mean = found.mean(axis=(0, 2, 3), keepdims=True, dtype=np.float64)
    deviation = found.std(axis=(0, 2, 3), keepdims=True, dtype=np.float64)
    return np.asarray((found - mean) / np.maximum(deviation, 1e-8), np.float32).reshape(len(found), -1)


def directions(channels: int, *, seed: int) -> NDArray[np.float32]:
    """Random directions (512, C·49) of length 1."""
    drawn = np.random.default_rng(seed).standard_normal((DIRECTIONS, channels * SIDE**2))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), np.float32)


def swd(translations: Pieces, targets: Pieces, *, seed: int = 0) -> list[float]:
    """The distance at each level, from fine to coarse, of two sets of pictures; its mean is the score.

    Args:
        translations: for each level (n, P, C, 7, 7).
        targets: the same.
        seed: of the directions.
    """
    return [
        distance(_flat(one), _flat(other), directions(one.shape[2], seed=seed))
        for one, other in zip(translations, targets, strict=True)
    ]


def swd_without(translations: Pieces, targets: Pieces, group: NDArray[np.intp], *, seed: int = 0) -> list[float]:
    """The score without each group of pairs in turn, by fewer directions: for an interval only."""
    found = np.zeros(int(group.max()) + 1)
    for one, other in zip(translations, targets, strict=True):
        some = directions(one.shape[2], seed=seed)[:_FOR_INTERVALS]
        found += [distance(_flat(one[group != g]), _flat(other[group != g]), some) for g in range(len(found))]
    return [float(each) for each in found / len(translations)]


def _flat(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, P, C, 7, 7) -> (n·P, C, 7, 7)."""
    return pictures.reshape(-1, *pictures.shape[2:])
