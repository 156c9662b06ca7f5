"""The validation split, opened and tried before the training: a run shall fail before it starts."""

from collections.abc import Mapping, Sequence
from operator import itemgetter

import numpy as np
import torch
from jsonargparse import Namespace

from atme.data import DataOptions, PairedImages
from atme.data.layout import has_split, split_names
from atme.data.shapes import compare_shapes
from atme.metrics import OURS, WITHOUT_WEIGHTS, Answer, chosen, measure, metric
from atme.metrics.classes import refuses
from atme.metrics.own import take_in
from atme.models import TranslationModel
from atme.names import as_word
from atme.training.options import TrainingOptions
from atme.training.state import State
from atme.training.validation import Validation
from atme.training.waiting import Waiting

_MADE = "val"
"""What atme data split calls such a split; it makes no second one."""


def open_validation(
    options: Namespace, model: TranslationModel, state: State, *, train: PairedImages, epoch: int
) -> tuple[Validation, list[str]]:
    """Open the validation split and try what can be tried before the training; every process must call it.

    Args:
        options: all sections, instantiated.
        model: how a translation is made.
        state: of the training.
        train: training pairs, whose kind those of the validation split must be of.
        epoch: updates of the weights an epoch.

    Returns:
        What looks, and what the user is told.

    Raises:
        ValueError: naming what does not fit.
    """
    pairs = _open(options.data)
    noted = compare_shapes(train.shapes, pairs.shapes)
    asked: TrainingOptions = options.training
    metrics = _metrics(asked)
    indices = _sample(len(pairs), asked.evaluate_images, seed=state.seed)
    _refuse_missing(_left_out_of(pairs, indices, metrics))
    validation = Validation(
        model,
        pairs,
        asked,
        epoch=epoch,
        metrics=metrics,
        bits=train.target_bits,
        indices=indices,
        waiting=Waiting(state.accelerator),
    )
    if state.accelerator.is_main_process:
        validation.try_smallest(state)
    by = f", and the best by {asked.keep_best} is kept" if asked.keep_best else ""
    said = [f"looks at {validation.in_words} every {_epochs(asked.evaluate_every)}{by}"]
    if asked.keep_best and pairs.split == options.data.test_split:
        said.append(
            f"the best is chosen by split {pairs.split}: its scores there will be better than on pictures unseen"
        )
    if pairs.split == train.split:
        said.append(f"split {pairs.split} is trained on: its scores do not tell how good translations of others are")
    return validation, [*noted, *said]


def _epochs(number: int) -> str:
    return "epoch" if number == 1 else f"{number} epochs"


def _open(data: DataOptions) -> PairedImages:
    """The pairs to look at.

    Raises:
        ValueError: if there are none, with ways to get some; or naming the file that does not fit.
    """
    root, split = data.folder, data.validation_split
    if has_split(root, split):
        return data.open_test(split)
    there = list(split_names(root))
    made = (
        f"make one of training pairs by atme data split {as_word(root)} NEW --split {as_word(data.train_split)} "
        f"--test 0, and give --data.root NEW{'' if split == _MADE else f' --data.validation_split {_MADE}'}, or "
    )
    raise ValueError(
        f"data.validation_split: {root} has no split {split!r}; {'' if _MADE in there else made}name another split "
        f"({', '.join(there)})"
    )


def _left_out_of(pairs: PairedImages, indices: Sequence[int], metrics: Sequence[str]) -> dict[str, str]:
    """Scores that these pairs cannot have, and why: tried on blank pictures of the least and the greatest sides."""
    view = pairs.augment.sizes
    sizes = [view.crop_size or view.load_size or pairs.shapes.sizes[index] for index in indices]
    extremes = {pick(sizes, key=key) for pick in (min, max) for key in (min, itemgetter(0), itemgetter(1))}
    tried = sorted(extremes) if len(extremes) > 1 else sizes[:2]
    blanks = [torch.zeros(pairs.target_channels, *size) for size in tried]
    answers = (
        Answer(f"a picture of {width}×{height} pixels", blank, {OURS: blank})
        for blank, (height, width) in zip(blanks, tried, strict=True)
    )
    others = [name for name in metrics if not metric(name).of_labels]
    left_out = measure(answers, pairs=len(sizes), metrics=others, with_intervals=False).left_out if others else {}
    of_labels = {name: refuses(name, pairs.kinds.target) for name in metrics if metric(name).of_labels}
    return left_out | {name: why for name, why in of_labels.items() if why is not None}


def _metrics(asked: TrainingOptions) -> tuple[str, ...]:
    """What is scored.

    Raises:
        ValueError: if one is no score, or needs a file of weights.
    """
    names = [name.strip() for name in asked.evaluate_scores.split(",") if name.strip()]
    options = {"evaluate_scores": names, "keep_best": [asked.keep_best] if asked.keep_best else names}
    for option, named in options.items():
        try:
            take_in(named)
            heavy = [name for name in chosen(named) if metric(name).network is not None]
        except ValueError as error:
            raise ValueError(f"training.{option}: {str(error).removeprefix('scores: ')}") from error
        if heavy:
            raise ValueError(
                f"training.{option}: {heavy[0]} needs a file of weights, and is for atme evaluate; use some of "
                f"{', '.join(WITHOUT_WEIGHTS)}"
            )
    return chosen([name for named in options.values() for name in named])


def _refuse_missing(left_out: Mapping[str, str]) -> None:
    for name, why in left_out.items():
        raise ValueError(
            f"training.evaluate_scores: the validation split has no {metric(name).title} ({why}); leave {name} out, "
            "also of training.keep_best"
        )


def _sample(count: int, most: int | None, *, seed: int) -> list[int]:
    """At most so many indices, drawn once."""
    if most is None or most >= count:
        return list(range(count))
    drawn: list[int] = np.sort(np.random.default_rng(seed).choice(count, most, replace=False)).tolist()
    return drawn
