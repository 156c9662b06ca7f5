"""Scores of a translator on a split of its data, beside two trivial predictors, under a protocol that is written down.

A translation is scored as it would be written: rounded to the bits that the run's targets had, so that scores of files
and of this evaluation agree, also where the pairs that are scored have others.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atme.complaints import several
from atme.data import Pair, PairedImages
from atme.images import to_array, to_tensor
from atme.inference.translator import Translator
from atme.metrics import DATA_RANGE, UNITS, median_color, scores
from atme.models.knowledge import KINDS

Scores = dict[str, list[float]]


@dataclass(frozen=True)
class Evaluation:
    """Scores of one translator on one split."""

    names: list[str]
    """The pairs."""
    scores: Scores
    """For each metric, a number per pair."""
    baselines: dict[str, Scores]
    """The same for each trivial predictor that can be made of the data."""
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
    train: PairedImages | None,
    *,
    progress: Callable[[range], Iterable[int]] = iter,
) -> Evaluation:
    """Score a translator on every pair of a split.

    Args:
        translator: of a run.
        test: the pairs to score, under their test view.
        train: the pairs that the median color is taken from, under their test view; None leaves it out.
        progress: wraps the iteration over the pairs, to show it.

    Raises:
        ValueError: naming all pairs that cannot be read or scored: scores of the others would not be those of the
            split. Or pairs that the translator was not made for.
    """
    _require_fit(translator, test)
    if train is not None:
        _require_fit(translator, train)
    bits = translator.knows.target_bits
    color = None if train is None else _median_color(train, levels=2**bits)
    names, ours, copied, constant = [], _none(), _none(), _none()
    bad: list[str] = []
    for index in progress(range(len(test))):
        try:
            pair, target = _read(test, index)
            translated = to_array(translator.tensor(pair.source[None])[0], bits=bits)
            _add(ours, to_tensor(translated)[None], target)
        except ValueError as error:
            bad.append(_named(test.names[index], error))
            continue
        if color is not None:
            _add(constant, color.expand_as(target[0])[None], target)
        if pair.source.shape == target[0].shape:
            _add(copied, pair.source[None], target)
        names.append(pair.name[0])
    _refuse(bad)
    predictors = {"median_color": constant, "copy": copied}
    baselines = {name: each for name, each in predictors.items() if each["l1"]}
    return Evaluation(names, ours, baselines, protocol(translator, test))


def means(values: Scores) -> dict[str, float]:
    """The mean over images of each metric."""
    return {name: float(np.mean(each)) for name, each in values.items()}


def _require_fit(translator: Translator, pairs: PairedImages) -> None:
    """Whether the pairs are of the kind that the translator was made for."""
    knows = translator.knows
    expected = {"source": knows.source_channels, "target": knows.target_channels}
    for side, here in (("source", pairs.source_channels), ("target", pairs.target_channels)):
        if here != expected[side]:
            raise ValueError(
                f"{pairs.root}, split {pairs.split}: its {side}s have {here} channels ({KINDS.get(here)}), and the run "
                f"was trained on {expected[side]} ({KINDS.get(expected[side])}); convert them"
            )


def _median_color(train: PairedImages, *, levels: int) -> Tensor:
    """The training targets' median color, read one by one."""
    bad: list[str] = []

    def targets() -> Iterator[Tensor]:
        for index, name in enumerate(train.names):
            try:
                yield _read(train, index)[1][0]
            except ValueError as error:
                bad.append(_named(name, error))

    try:
        return median_color(targets(), levels=levels)
    finally:
        _refuse(bad)


def _read(pairs: PairedImages, index: int) -> tuple[Pair, Tensor]:
    """A pair, and its target (1, C', H, W)."""
    pair = pairs[index]
    assert pair.target is not None
    return pair, pair.target[None]


def _named(name: str, error: ValueError) -> str:
    return str(error) if name in str(error) else f"{name}: {error}"


def _refuse(bad: Sequence[str]) -> None:
    if bad:
        raise ValueError(several(bad, what="pairs"))


def _none() -> Scores:
    return {name: [] for name in UNITS}


def _add(to: Scores, translation: Tensor, target: Tensor) -> None:
    for name, values in scores(translation, target).items():
        to[name] += values


def protocol(translator: Translator, test: PairedImages) -> dict[str, Any]:
    """All that the scores of a translator on these pairs depend on, beside its weights."""
    return {
        "data": str(test.root.resolve()),
        "split": test.split,
        "pairs": len(test),
        "direction": test.direction,
        "view": test.view_in_words,
        "transparent_colors": "cleared" if test.clear_transparent else "as they are",
        "rounded_to_bits": translator.knows.target_bits,
        "data_range": DATA_RANGE,
        "mean_over": "images",
        "units": UNITS,
        "step": translator.source.step,
        "weights": translator.source.weights,
        "precision": translator.precision,
        "as_trained": translator.as_trained,
        "seed": None if translator.one_answer else 0,
        "noise": translator.options["noise"],
        "torchmetrics": version("torchmetrics"),
        "torch": torch.__version__,
    }
