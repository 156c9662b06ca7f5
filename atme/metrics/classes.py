"""How well classes are told apart, where targets are labels: scores of sets, pooled over the pixels of all pictures.

Every pixel of a translation, which is a picture, is of the class whose color is nearest, among those that are not
ignored; pixels whose target is ignored count nowhere. With M the confusion matrix of all pictures, truth by rows,

    accuracy = Σ_c M_cc / Σ M,    IoU_c = M_cc / (Σ_k M_ck + Σ_k M_kc − M_cc),

and the mean of IoU is over the classes that the targets have. A line that is a pixel off has hardly an IoU, so thin
classes are scored within r pixels as well: *precision* is the share of translated pixels of the class with a true one
in the window of 2r + 1 pixels around it, *recall* the share of true ones with a translated one there, F1 their harmonic
mean. What is never translated has precision 0.

Beside them stand two answers that know nothing: all pixels of the class (of the one that does best, for accuracy and
the mean), and dots of it on a grid of 2r + 1 pixels, of which every pixel has one within r: both have recall 1, the
dots where none of them lies on an ignored pixel.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import nan
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from atme.images import to_array
from atme.images.labels import Labels

ONE_CLASS, DOTS = "one_class", "dot_grid"
"""The predictors that know nothing."""

Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]


def names(labels: Labels) -> tuple[str, ...]:
    """The scores of classes that targets of these labels have."""
    counted = [labels.names[at] for at in labels.counted]
    thin = [name for name in labels.thin if name in counted]
    lines = [f"{what}_{name}" for name in thin for what in ("precision", "recall", "f1")]
    return ("accuracy", "iou", *(f"iou_{name}" for name in counted), *lines)


def refuses(name: str, labels: Labels | None) -> str | None:
    """Why targets have no such score of classes; None if they can have it."""
    if labels is None:
        return "the targets are pictures, not labels (data.target_kind)"
    if name in names(labels):
        return None
    of = name.partition("_")[2]
    if of in labels.names and of not in labels.ignored:
        return f"{of} is not among the thin classes (data.thin)"
    return f"the labels have no class {of} that is scored"


@dataclass
class Truth:
    """The classes of one target."""

    at: Counts
    """(H, W): places among the classes that count; −1 where it is ignored."""
    near: dict[str, Mask]
    """Thin class -> (H, W): within r pixels of it."""


@dataclass
class Classes:
    """Counts of all pictures, by predictor.

    Args:
        labels: of the targets.
        radius: r, in pixels.
    """

    labels: Labels
    radius: int = 2
    confusion: dict[str, list[Counts]] = field(default_factory=dict)
    """Predictor -> for each picture (K, K): truth by rows."""
    lines: dict[str, list[Counts]] = field(default_factory=dict)
    """Predictor -> for each picture (thin, 4): translated, those near a true one; true, those near a translated one."""
    shares: dict[str, list[Counts]] = field(default_factory=dict)
    """Predictor that knows nothing -> for each picture (K, 3): its pixels of a class, the true ones, and both."""

    @property
    def counted(self) -> list[str]:
        """The classes that count."""
        return [self.labels.names[at] for at in self.labels.counted]

    @property
    def thin(self) -> list[str]:
        """Those among them that are lines."""
        return [name for name in self.labels.thin if name in self.counted]

    def truth(self, target: Tensor) -> Truth:
        """The classes of a target (C, H, W) in [-1, 1]; the predictors that know nothing answer it."""
        rank = np.full(len(self.labels.names), -1, np.int64)
        rank[list(self.labels.counted)] = np.arange(len(self.labels.counted))
        at = rank[self.labels.nearest(to_array(target))[..., 0]]
        truth = Truth(at, {name: self._around(at == self.counted.index(name)) for name in self.thin})
        dots = np.zeros(at.shape, bool)
        step = 2 * self.radius + 1
        down, across = (np.minimum(np.arange(self.radius, side + self.radius, step), side - 1) for side in at.shape)
        dots[np.ix_(down, across)] = True
        for predictor, mask in ((ONE_CLASS, np.ones_like(dots)), (DOTS, dots)):
            said = [self._line(truth, name, mask) for name in self.thin]
            self.lines.setdefault(predictor, []).append(np.array(said, np.int64).reshape(len(said), 4))
            valid = mask & (at >= 0)
            true = [at == place for place in range(len(self.counted))]
            both = [(valid.sum(), each.sum(), (each & valid).sum()) for each in true]
            self.shares.setdefault(predictor, []).append(np.array(both, np.int64))
        return truth

    def add(self, predictor: str, prediction: Tensor, truth: Truth) -> None:
        """What a predictor made of a target: (C, H, W) in [-1, 1]."""
        rank = np.zeros(len(self.labels.names), np.int64)
        rank[list(self.labels.counted)] = np.arange(len(self.labels.counted))
        found = rank[self.labels.nearest(to_array(prediction), among=self.labels.counted)[..., 0]]
        count, known = len(self.counted), truth.at >= 0
        pairs = np.bincount(truth.at[known] * count + found[known], minlength=count * count)
        self.confusion.setdefault(predictor, []).append(pairs.reshape(count, count))
        said = [self._line(truth, name, found == self.counted.index(name)) for name in self.thin]
        self.lines.setdefault(predictor, []).append(np.array(said, np.int64).reshape(len(said), 4))

    def absent(self, name: str) -> str | None:
        """Why the targets have no such score: none of them has the class."""
        of = name.partition("_")[2]
        total = _pooled(self.shares[ONE_CLASS], None)[:, 1]
        if of and not total[self.counted.index(of)]:
            return f"no target has a pixel of {of}"
        return None if np.any(total) else "all pixels of the targets are ignored"

    def floors(self, name: str) -> Iterator[str]:
        """The predictors that know nothing and have such a score."""
        yield ONE_CLASS
        if "_" in name:
            yield DOTS

    def score(self, name: str, predictor: str, kept: NDArray[np.bool_] | None = None) -> float:
        """A score of a predictor over all pictures, or over those that are kept; NaN where these have none."""
        kind, _, of = name.partition("_")
        if kind in ("precision", "recall", "f1"):
            return _line_score(kind, _pooled(self.lines[predictor], kept)[self.thin.index(of)])
        if predictor in self.confusion:
            matrix = _pooled(self.confusion[predictor], kept)
            true, made, both = matrix.sum(axis=1), matrix.sum(axis=0), np.diagonal(matrix)
        else:
            made, true, both = _pooled(self.shares[predictor], kept).T
        if not np.any(true):
            return nan
        if predictor == ONE_CLASS and not of:  # the class that does best
            best = float(np.max(both / made))
            return best if kind == "accuracy" else best / float(np.count_nonzero(true))
        if kind == "accuracy":
            return float(both.sum() / true.sum())
        with np.errstate(invalid="ignore"):
            iou = np.where(true > 0, both / (true + made - both), np.nan)
        return float(iou[self.counted.index(of)]) if of else float(np.nanmean(iou))

    def _around(self, mask: Mask) -> Mask:
        """Within r pixels of a mask, each way."""
        window = np.ones((2 * self.radius + 1,) * 2, np.uint8)
        return np.asarray(cv2.dilate(mask.astype(np.uint8), window)) > 0

    def _line(self, truth: Truth, name: str, made: Mask) -> tuple[int, int, int, int]:
        true, made = truth.at == self.counted.index(name), made & (truth.at >= 0)
        near = (made & truth.near[name]).sum(), (true & self._around(made)).sum()
        return int(made.sum()), int(near[0]), int(true.sum()), int(near[1])


def _line_score(kind: str, counts: Counts) -> float:
    made, right, true, found = (float(each) for each in counts)
    if not true:
        return nan
    precision, recall = right / made if made else 0.0, found / true
    if kind == "f1":
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return precision if kind == "precision" else recall


def _pooled(each: Sequence[Counts], kept: NDArray[np.bool_] | None) -> Any:
    every = np.stack(each)
    return (every if kept is None else every[kept]).sum(axis=0)


def in_words(labels: Labels, *, radius: int) -> dict[str, str]:
    """How scores of classes are computed, for protocols."""
    of = "color, by the Euclidean distance in RGB" if labels.ids is None else "gray that an id is painted as"
    words = {"classes": f"each pixel of target and translation: of the class of the nearest {of}; pooled over pictures"}
    if labels.thin:
        side = 2 * radius + 1
        words["thin"] = f"precision, recall and F1 within {radius} pixels: a window of {side}×{side}"
    return words
