"""Have pictures an upright? Whether a small classifier tells turned pairs from upright ones, on pairs held out.

The question is put as a choice: of a pair and the same pair turned, which is as it came? f are colors in small and
the directions of edges in each part of the picture, of both halves; a linear w is to make w·(f(x) − f(Tx)) positive,
by kernel ridge regression, on four fifths of the pairs, and is asked about the others, fold by fold. Where nothing is
upright, it is right half of the time.

Directions of edges: histograms of oriented gradients, Dalal and Triggs, CVPR 2005, signed, without their blocks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from atme.images import Pixels
from atme.planning.pictures import gray

Float = NDArray[np.float32]

FEWEST = 20
"""Pairs without which nothing can be told."""
_SIDE, _COLORS, _CELLS, _BINS, _FOLDS = 64, 8, 4, 8, 5
_RIDGE = 0.3  # share of the mean squared length of a difference


@dataclass(frozen=True)
class Upright:
    """How often a classifier is right on pairs that it did not learn from; 0.5 is chance."""

    turned: float
    """Of a pair, and it turned by 90°, 180° or 270°."""
    mirrored: float
    """Of a pair, and it mirrored left to right."""
    pairs: int
    """That were asked about."""


def upright_of(sources: Sequence[Pixels], targets: Sequence[Pixels], *, seed: int = 0) -> Upright | None:
    """Whether pairs are upright; None: too few to tell.

    Args:
        sources: (H, W, C) uint8 or uint16.
        targets: the other halves.
        seed: of the folds.
    """
    if len(sources) < FEWEST:
        return None
    small = [tuple(map(_small, pair)) for pair in zip(sources, targets, strict=True)]
    as_it_is = _features(small, lambda picture: picture)
    turns: list[Callable[[Float], Float]] = [lambda p, k=k: np.rot90(p, k) for k in (1, 2, 3)]  # type: ignore[misc]
    turned = np.stack([as_it_is - _features(small, turn) for turn in turns], axis=1)  # (N, 3, features)
    mirrored = (as_it_is - _features(small, lambda picture: picture[:, ::-1]))[:, None]
    folds = np.random.default_rng(seed).permutation(len(small)) % _FOLDS
    return Upright(_right(turned, folds), _right(mirrored, folds), len(small))


def _right(differences: Float, folds: NDArray[np.int64]) -> float:
    """The share of differences (N, turns, features) that are told the right way round."""
    right = [_told(differences[folds != fold], differences[folds == fold]) for fold in range(_FOLDS)]
    return float(np.concatenate(right).mean())


def _told(known: Float, asked: Float) -> NDArray[np.float64]:
    """For each difference that is asked about, 1 where it is told rightly, ½ where there is none."""
    seen, unseen = (each.reshape(-1, each.shape[-1]).astype(np.float64) for each in (known, asked))
    kernel = seen @ seen.T
    weights = np.linalg.solve(kernel + (_RIDGE * np.trace(kernel) / len(kernel) + 1e-9) * np.eye(len(kernel)),
                              np.ones(len(kernel)))  # fmt: skip
    return np.asarray((np.sign((unseen @ seen.T) @ weights) + 1) / 2)


def _small(picture: Pixels) -> Float:
    """Gray (64, 64) in [-1, 1], whatever shape the picture has."""
    return np.asarray(cv2.resize(gray(picture), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.float32)


def _features(pairs: Sequence[tuple[Float, ...]], turn: Callable[[Float], Float]) -> Float:
    """(N, features)"""
    return np.stack([np.concatenate([_of(np.ascontiguousarray(turn(half))) for half in pair]) for pair in pairs])


def _of(picture: Float) -> Float:
    """Grays in small, and in each cell how much edge runs each way, of unit length each."""
    grays = cv2.resize(picture, (_COLORS, _COLORS), interpolation=cv2.INTER_AREA).reshape(-1)
    dx, dy = cv2.Sobel(picture, cv2.CV_32F, 1, 0), cv2.Sobel(picture, cv2.CV_32F, 0, 1)
    way = np.floor(np.arctan2(dy, dx) / (2 * np.pi) * _BINS).astype(int) % _BINS
    cell = np.arange(_SIDE) // (_SIDE // _CELLS)
    place = (cell[:, None] * _CELLS + cell) * _BINS + way
    edges = np.bincount(place.reshape(-1), weights=cv2.magnitude(dx, dy).reshape(-1), minlength=_CELLS**2 * _BINS)
    return np.concatenate([_unit(grays - grays.mean()), _unit(edges)]).astype(np.float32)


def _unit(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(values / (np.linalg.norm(values) + 1e-6))
