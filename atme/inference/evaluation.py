"""Scores of a translator on a split of its data, beside two trivial predictors, under a protocol that is written down.

A translation is scored as it would be written: rounded to the bits that the run's targets had, so that scores of files
and of this evaluation agree, also where the pairs that are scored have others. What was learned by heart shows in the
gap: the same scores of training pairs under the view of tests.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from atme import require
from atme.complaints import several
from atme.data import Pair, PairedImages
from atme.images import to_array, to_tensor
from atme.inference.protocol import pinned, protocol
from atme.inference.translator import Translator
from atme.metrics import (
    OURS,
    WITHOUT_WEIGHTS,
    Answer,
    Kind,
    Measured,
    Network,
    Score,
    measure,
    median_color,
)
from atme.metrics.intervals import Interval, of_difference
from atme.models.knowledge import KINDS

Progress = Callable[[range], Iterable[int]]


@dataclass(frozen=True)
class Gap:
    """How much better a translator is on pairs that it was trained on."""

    split: str
    """Of the training pairs."""
    pairs: int
    """How many were drawn."""
    scores: dict[str, Score]
    """Metric -> its mean over them."""
    differences: dict[str, tuple[float, Interval | None]]
    """Metric -> the split's mean less that of the training pairs, and its 95 % interval."""
    left_out: dict[str, str]
    """Metric -> why the training pairs have no such score."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "split": self.split,
            "pairs": self.pairs,
            "scores": {name: score.value for name, score in self.scores.items()},
            "differences": {name: difference for name, (difference, _) in self.differences.items()},
            "intervals": {name: interval for name, (_, interval) in self.differences.items()},
            "left_out": self.left_out,
        }


@dataclass(frozen=True)
class Evaluation:
    """Scores of one translator on one split."""

    measured: Measured
    """Of the translator, as `atme.metrics.OURS`, and of each trivial predictor that can be made of the data."""
    gap: Gap | None
    """Of training pairs, where these were asked for and are there."""
    protocol: dict[str, Any]
    """All that the scores depend on, beside the weights."""

    @property
    def names(self) -> list[str]:
        """The pairs."""
        return list(self.measured.names)

    @property
    def baselines(self) -> dict[str, dict[str, Score]]:
        """Trivial predictor -> metric -> score."""
        return {name: scores for name, scores in self.measured.scores.items() if name != OURS}

    def summary(self) -> dict[str, Any]:
        """What ``evaluation/test.json`` holds: means over the pairs and distances of sets, with 95 % intervals."""
        ours = self.measured.ours
        levels = {name: score.levels for name, score in ours.items() if score.levels is not None}
        return {
            **_values(ours),
            "baselines": {name: _values(each) for name, each in self.baselines.items()},
            **({"levels": levels} if levels else {}),
            "left_out": self.measured.left_out,
            "gap": None if self.gap is None else self.gap.as_dict(),
            "protocol": self.protocol,
        }

    def table(self) -> list[dict[str, Any]]:
        """One row a pair, for a CSV file."""
        each = {name: score.each for name, score in self.measured.ours.items() if score.each is not None}
        return [
            {"name": name, **{metric: values[i] for metric, values in each.items()}}
            for i, name in enumerate(self.names)
        ]


def _values(scores: Mapping[str, Score]) -> dict[str, Any]:
    means: dict[str, Any] = {name: score.value for name, score in scores.items()}
    return means | {"intervals": {name: score.interval for name, score in scores.items()}}


def evaluate(
    translator: Translator,
    test: PairedImages,
    train: PairedImages | None,
    *,
    metrics: Sequence[str] = WITHOUT_WEIGHTS,
    networks: Mapping[Kind, Network] | None = None,
    train_pairs: int = 0,
    radius: int = 2,
    seed: int = 0,
    progress: Progress = iter,
) -> Evaluation:
    """Score a translator on every pair of a split.

    Args:
        translator: of a run.
        test: the pairs to score, under their test view.
        train: the pairs that the median color is taken from, under their test view; None leaves it out.
        metrics: names of `atme.metrics.METRICS`, and scores of classes where targets are labels. ``("l1",)`` costs
            nearly nothing beside the translations.
        networks: of those metrics that need one, from `atme.metrics.networks`; without it they are left out.
        train_pairs: how many training pairs to score too, drawn by the seed; as many as the split has, at most.
        radius: pixels within which thin classes of labels are scored.
        seed: of the training pairs, the bootstrap, and what SWD draws.
        progress: wraps the iteration over the pairs, to show it.

    Raises:
        ValueError: naming all pairs that cannot be read or scored: scores of the others would not be those of the
            split. Or pairs that the translator was not made for, or fewer training pairs than none.
    """
    require.whole("train_pairs", train_pairs)
    require.whole("radius", radius)
    _require_fit(translator, test)
    if train is not None:
        _require_fit(translator, train)
    bits = translator.knows.target_bits
    color = None if train is None else _median_color(train, levels=2**bits)
    every = range(len(test))
    answers = _answers(translator, test, progress(every), color=color, copy=True)
    measured = measure(
        answers,
        pairs=len(every),
        metrics=metrics,
        networks=networks,
        seed=seed,
        labels=test.kinds.target,
        radius=radius,
    )
    found = None
    if train_pairs and train is not None and train.split != test.split:
        count = min(train_pairs, len(test), len(train))
        found = _gap(translator, train, measured, count, networks=networks, seed=seed, progress=progress)
    said = protocol(translator, test, radius=radius)
    said |= pinned(measured, test, networks or {}, seed=seed, radius=radius)
    return Evaluation(measured, found, said)


def _answers(
    translator: Translator, pairs: PairedImages, indices: Iterable[int], *, color: Tensor | None, copy: bool
) -> Iterator[Answer]:
    """What the translator and trivial predictors make of some pairs; in the end, all that cannot be read are named.

    Args:
        translator: of a run.
        pairs: under their test view.
        indices: of those to translate.
        color: (C, 1, 1), of the predictor of one color; None leaves it out.
        copy: whether the source is an answer, where it has the target's shape.
    """
    bad: list[str] = []
    for index in indices:
        try:
            pair, target = _read(pairs, index)
            translated = to_array(translator.tensor(pair.source[None])[0], bits=translator.knows.target_bits)
        except ValueError as error:
            bad.append(_named(pairs.names[index], error))
            continue
        predictions = {OURS: to_tensor(translated)}
        if color is not None:
            predictions["median_color"] = color.expand_as(target)
        if copy and pair.source.shape == target.shape and not pairs.kinds.one_hot:
            predictions["copy"] = pair.source
        yield Answer(pair.name[0], target, predictions)
    _refuse(bad)


def _gap(
    translator: Translator,
    train: PairedImages,
    measured: Measured,
    count: int,
    *,
    networks: Mapping[Kind, Network] | None,
    seed: int,
    progress: Progress,
) -> Gap | None:
    """Scores of single pictures on training pairs, beside those that were measured; None where there are none."""
    ours = {name: score.each for name, score in measured.ours.items() if score.each is not None}
    if not ours:
        return None
    drawn = np.sort(np.random.default_rng(seed).choice(len(train), count, replace=False)).tolist()
    order = (drawn[i] for i in progress(range(count)))
    answers = _answers(translator, train, order, color=None, copy=False)
    found = measure(answers, pairs=count, metrics=tuple(ours), networks=networks, seed=seed)
    both = {name: (ours[name], score.each or ()) for name, score in found.ours.items()}
    differences = {
        name: (measured.ours[name].value - found.ours[name].value, of_difference(*each, seed=seed))
        for name, each in both.items()
    }
    return Gap(train.split, count, found.ours, differences, found.left_out)


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
                yield _read(train, index)[1]
            except ValueError as error:
                bad.append(_named(name, error))

    try:
        return median_color(targets(), levels=levels)
    finally:
        _refuse(bad)


def _read(pairs: PairedImages, index: int) -> tuple[Pair, Tensor]:
    """A pair, and its target (C', H, W)."""
    pair = pairs[index]
    assert pair.target is not None
    return pair, pair.target


def _named(name: str, error: ValueError) -> str:
    return str(error) if name in str(error) else f"{name}: {error}"


def _refuse(bad: Sequence[str]) -> None:
    if bad:
        raise ValueError(several(bad, what="pairs"))
