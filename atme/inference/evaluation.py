"""Scores of a translator on a split of its data, beside two trivial predictors, under a protocol that is written down.

A translation is scored as it would be written: rounded to the target's bit depth, so that scores of files and
of this evaluation agree.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atme.data import PairedImages
from atme.images import to_array, to_tensor
from atme.inference.translator import Translator
from atme.metrics import UNITS, median_color, scores

Scores = dict[str, list[float]]


@dataclass(frozen=True)
class Evaluation:
    """Scores of one translator on one split."""

    names: list[str]
    """The pairs."""
    scores: Scores
    """For each metric, a number per pair."""
    baselines: dict[str, Scores]
    """The same for each trivial predictor."""
    protocol: dict[str, Any]
    """All that the scores depend on, beside the weights."""

    def summary(self) -> dict[str, Any]:
        """What ``evaluation/test.json`` holds: means over the pairs."""
        return {
            **means(self.scores),
            "baselines": {name: means(each) for name, each in self.baselines.items()},
            "protocol": self.protocol,
        }

    def table(self) -> list[dict[str, Any]]:
        """One row a pair, for a CSV file."""
        return [
            {"name": name, **{metric: values[i] for metric, values in self.scores.items()}}
            for i, name in enumerate(self.names)
        ]


def evaluate(
    translator: Translator,
    test: PairedImages,
    train: PairedImages,
    *,
    progress: Callable[[range], Iterable[int]] = iter,
) -> Evaluation:
    """Score a translator on every pair of a split.

    Args:
        translator: of a run.
        test: the pairs to score, under their test view.
        train: the pairs that the median color is taken from, under their test view.
        progress: wraps the iteration over the pairs, to show it.

    Raises:
        ValueError: naming a pair that cannot be read.
    """
    levels = 2**test.target_bits
    color = median_color((_target(train, index) for index in range(len(train))), levels=levels)
    names, ours, copied, constant = [], _none(), _none(), _none()
    for index in progress(range(len(test))):
        pair = test[index]
        assert pair.target is not None
        target = pair.target[None]
        translated = to_array(translator.tensor(pair.source[None])[0], bits=test.target_bits)
        _add(ours, to_tensor(translated)[None], target)
        _add(constant, color.expand_as(pair.target)[None], target)
        if pair.source.shape == pair.target.shape:
            _add(copied, pair.source[None], target)
        names.append(pair.name[0])
    baselines = {"median_color": constant} | ({"copy": copied} if copied["l1"] else {})
    return Evaluation(names, ours, baselines, protocol(translator, test))


def means(values: Scores) -> dict[str, float]:
    """The mean over images of each metric."""
    return {name: float(np.mean(each)) for name, each in values.items()}


def _target(pairs: PairedImages, index: int) -> Tensor:
    target = pairs[index].target
    assert target is not None
    return target


def _none() -> Scores:
    return {name: [] for name in UNITS}


def _add(to: Scores, translation: Tensor, target: Tensor) -> None:
    for name, values in scores(translation, target).items():
        to[name] += values


def protocol(translator: Translator, test: PairedImages) -> dict[str, Any]:
    """All that the scores of a translator on these pairs depend on, beside its weights."""
    return {
        "split": test.split,
        "pairs": len(test),
        "direction": test.direction,
        "view": test.view_in_words,
        "rounded_to_bits": test.target_bits,
        "data_range": [-1, 1],
        "mean_over": "images",
        "units": UNITS,
        "step": translator.source.step,
        "weights": translator.source.weights,
        "precision": translator.precision,
        "seed": None if translator.one_answer else 0,
        "noise": translator.options["noise"],
        "torchmetrics": version("torchmetrics"),
        "torch": torch.__version__,
    }
