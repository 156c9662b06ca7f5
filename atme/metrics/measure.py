"""Scores of one or several predictors over a split, gathered in a stream.

Of a picture that was scored, numbers and features are kept, never its pixels.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from atme.images.labels import Labels
from atme.metrics import inception, intervals, sliced
from atme.metrics.catalog import WITHOUT_WEIGHTS, Kind, chosen, metric
from atme.metrics.classes import DOTS, ONE_CLASS, Classes, refuses
from atme.metrics.feature_weights import Network
from atme.metrics.intervals import Interval
from atme.metrics.scores import PAIRWISE, check

OURS = "translation"
"""The predictor that is scored, beside trivial ones."""

Numbers = NDArray[Any]

_TARGET = "target"

_FEWEST = 2
"""Pictures of a set; without a group of them, as many must be left."""


@dataclass(frozen=True)
class Answer:
    """What each predictor made of one pair."""

    name: str
    """The pair's."""
    target: Tensor
    """(C, H, W) in [-1, 1]."""
    predictions: Mapping[str, Tensor]
    """Predictor -> (C, H, W) in [-1, 1]."""


@dataclass(frozen=True)
class Score:
    """One metric of one predictor."""

    value: float
    """Mean over the pictures, or the distance of the sets."""
    interval: Interval | None
    """Where it would lie, in 95 of 100 cases, on other pictures of the same kind and number."""
    each: tuple[float, ...] | None = None
    """For each picture; None for a distance of sets."""
    levels: tuple[float, ...] | None = None
    """Of SWD: at each level, from full size down."""


@dataclass(frozen=True)
class Measured:
    """Scores of a split."""

    names: tuple[str, ...]
    """The pairs."""
    sizes: tuple[tuple[int, int], ...]
    """Height and width of each."""
    scores: dict[str, dict[str, Score]]
    """Predictor -> metric -> score. A predictor that had no answer to some pair is left out."""
    left_out: dict[str, str]
    """Metric -> why the split has no such score."""

    @property
    def ours(self) -> dict[str, Score]:
        """Of the predictor `OURS`."""
        return self.scores[OURS]


def measure(
    answers: Iterable[Answer],
    *,
    pairs: int,
    metrics: Sequence[str] = WITHOUT_WEIGHTS,
    networks: Mapping[Kind, Network] | None = None,
    seed: int = 0,
    with_intervals: bool = True,
    labels: Labels | None = None,
    radius: int = 2,
) -> Measured:
    """Score predictors.

    Args:
        answers: to each pair, one after the other.
        pairs: how many there will be; tells how many pieces SWD cuts from each.
        metrics: names of `METRICS`. What pictures of these sizes and channels cannot have is left out, and said.
        networks: of those metrics that need one; without it they are left out.
        seed: of SWD's pieces and directions, and of the bootstrap.
        with_intervals: False leaves them out, and the time that they take.
        labels: the classes that targets are made of; None: they are pictures, and have no scores of classes.
        radius: pixels within which thin classes are scored.

    Raises:
        ValueError: for a metric that is none, or images that are no pair in [-1, 1].
    """
    classes = None if labels is None else Classes(labels, radius)
    gathered = _Gathered(chosen(metrics), dict(networks or {}), pairs, seed, with_intervals, classes)
    for answer in answers:
        gathered.add(answer)
    return gathered.result()


@dataclass
class _Gathered:
    """All that is kept of the pictures so far."""

    metrics: tuple[str, ...]
    networks: dict[Kind, Network]
    pairs: int
    seed: int
    with_intervals: bool
    classes: Classes | None
    names: list[str] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)
    each: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    features: dict[str, list[Numbers]] = field(default_factory=dict)
    pieces: dict[str, list[Numbers]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    of_labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.metrics:
            network = metric(name).network
            if network is not None and network not in self.networks:
                self.left_out[name] = f"no weights of {network}"
            labels = None if self.classes is None else self.classes.labels
            if metric(name).of_labels and (refusal := refuses(name, labels)):
                self.left_out[name] = refusal
        self.of_labels = tuple(name for name in self.metrics if metric(name).of_labels and self.wants(name))

    def wants(self, name: str) -> bool:
        return name in self.metrics and name not in self.left_out

    @torch.inference_mode()
    def add(self, answer: Answer) -> None:
        target = answer.target[None]
        check(answer.name, target)
        if len(self.names) == self.pairs:
            raise ValueError(f"{answer.name}: is one more than the {self.pairs} pairs that there were to be")
        self._refuse(answer)
        self.names.append(answer.name)
        self.sizes.append((target.shape[-2], target.shape[-1]))
        self._describe(_TARGET, target, len(self.names) - 1)
        truth = self.classes.truth(answer.target) if self.classes and self.of_labels else None
        for predictor, prediction in answer.predictions.items():
            check(f"{predictor} of {answer.name}", prediction[None])
            if prediction.shape != answer.target.shape:
                raise ValueError(f"{answer.name}: {predictor} {tuple(prediction.shape)} and target differ in shape")
            self._compare(predictor, prediction[None], target)
            self._describe(predictor, prediction[None], self.answered[predictor])
            if self.classes and truth:
                self.classes.add(predictor, prediction, truth)
            self.answered[predictor] += 1

    def _refuse(self, answer: Answer) -> None:
        """Leave out, from here on, what a picture like this cannot have: a mean over the others is not the split's."""
        channels, height, width = answer.target.shape
        for name in self.metrics:
            if self.wants(name) and (refusal := metric(name).refuses(channels, height, width)):
                self.left_out[name] = f"{answer.name} {refusal}"
        if self.wants("swd") and self.sizes and sliced.levels(*self.sizes[0]) != sliced.levels(height, width):
            self.left_out["swd"] = f"pictures have other numbers of levels, such as {self.names[0]} and {answer.name}"

    def _compare(self, predictor: str, prediction: Tensor, target: Tensor) -> None:
        to = self.each.setdefault(predictor, {})
        for name in (name for name in self.metrics if self.wants(name) and not metric(name).of_sets):
            network = metric(name).network
            compare = PAIRWISE[name] if network is None else self.networks[network].compute
            to.setdefault(name, []).append(float(compare(prediction, target)))

    def _describe(self, whose: str, image: Tensor, number: int) -> None:
        """Keep what the scores of sets need to know of a picture."""
        if self.wants("fid") or self.wants("kid"):
            found = self.networks["inception"].compute(image)[0].double().cpu().numpy()
            self._keep(self.features, whose, number, [found])
        if self.wants("swd"):
            places = np.random.default_rng([self.seed, len(self.names)])
            cut = sliced.pieces(image.cpu(), count=sliced.per_picture(self.pairs), rng=places)
            self._keep(self.pieces, whose, number, cut)

    def _keep(self, where: dict[str, list[Numbers]], whose: str, number: int, found: Sequence[Numbers]) -> None:
        """Into room that was made for all pictures: small arrays among passing large ones would scatter the heap."""
        if whose not in where:
            where[whose] = [np.empty((self.pairs, *each.shape), each.dtype) for each in found]
        for room, each in zip(where[whose], found, strict=True):
            room[number] = each

    def result(self) -> Measured:
        if len(self.names) < _FEWEST:
            sets = [name for name in self.metrics if metric(name).of_sets and not metric(name).of_labels]
            self.left_out |= {name: "one pair is no set" for name in sets if self.wants(name)}
        for name in self.of_labels:
            if self.names and self.classes and (absent := self.classes.absent(name)):
                self.left_out[name] = absent
        whole = [predictor for predictor, count in self.answered.items() if count == len(self.names)]
        scores = {predictor: self._scores(predictor) for predictor in whole} | self._floors()
        return Measured(tuple(self.names), tuple(self.sizes), scores, self.left_out)

    def _scores(self, predictor: str) -> dict[str, Score]:
        return {name: self._score(name, predictor) for name in self.metrics if self.wants(name)}

    def _floors(self) -> dict[str, dict[str, Score]]:
        """Scores of classes of answers that know nothing."""
        wanted = [name for name in self.of_labels if self.wants(name)] if self.names else []
        if self.classes is None or not wanted:
            return {}
        each = {name: tuple(self.classes.floors(name)) for name in wanted}
        return {
            predictor: {name: self._of_labels(name, predictor) for name in wanted if predictor in each[name]}
            for predictor in (ONE_CLASS, DOTS)
        }

    def _of_labels(self, name: str, predictor: str) -> Score:
        assert self.classes is not None
        group = intervals.groups(len(self.names))
        value = self.classes.score(name, predictor)
        without = [self.classes.score(name, predictor, group != g) for g in self._left(group)]
        return Score(value, intervals.jackknifed(value, without, least=0.0, most=1.0))

    def _score(self, name: str, predictor: str) -> Score:
        if metric(name).of_labels:
            return self._of_labels(name, predictor)
        match name:
            case "fid":
                return self._fid(predictor)
            case "kid":
                return self._kid(predictor)
            case "swd":
                return self._swd(predictor)
        each = self.each[predictor][name]
        interval = intervals.of_mean(each, seed=self.seed) if self.with_intervals else None
        return Score(float(np.mean(each)), interval, tuple(each))

    def _left(self, group: NDArray[np.intp]) -> NDArray[np.intp]:
        """The groups of pairs that are left out in turns, for an interval."""
        return np.unique(group) if self.with_intervals and len(group) > _FEWEST else group[:0]

    def _sets(self, predictor: str) -> tuple[inception.Features, inception.Features]:
        count = len(self.names)
        return self.features[predictor][0][:count], self.features[_TARGET][0][:count]

    def _fid(self, predictor: str) -> Score:
        ones, others = self._sets(predictor)
        group = intervals.groups(len(ones))
        value = inception.fid(ones, others)
        without = [inception.fid(ones[group != g], others[group != g]) for g in self._left(group)]
        return Score(value, intervals.jackknifed(value, without, least=0.0))

    def _kid(self, predictor: str) -> Score:
        ones, others = self._sets(predictor)
        group = intervals.groups(len(ones))
        sums = inception.KernelSums.of(ones, others, group)
        value = sums.kid()
        without = [sums.kid(without=int(g)) for g in self._left(group)]
        return Score(value, intervals.jackknifed(value, without))

    def _swd(self, predictor: str) -> Score:
        count = len(self.names)
        ones, others = ([level[:count] for level in self.pieces[whose]] for whose in (predictor, _TARGET))
        levels = sliced.swd(ones, others, seed=self.seed)
        value = float(np.mean(levels))
        group = intervals.groups(count)
        without = sliced.swd_without(ones, others, group, seed=self.seed) if self.with_intervals else []
        return Score(value, intervals.jackknifed(value, without, least=0.0), levels=tuple(levels))
