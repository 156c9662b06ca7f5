"""How many updates fit into a time: planned once, before the first one, by updates of throw-away copies.

The clock is asked here alone. What comes out is a number of updates, which the run's `options.yaml` keeps: the learning
rate, ramps and starts go by it from the first update on, and a run that goes on, or is repeated from its options, has
the same bits whatever the clock says then.

A game may cost more from some share of the training on (`start`, ramps): the copies play at several shares of it.
"""

import sys
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil

import torch
from accelerate import Accelerator
from jsonargparse import Namespace

from atme.data import Pair, PairedImages, loader
from atme.data.device import Uncut
from atme.models import TranslationModel
from atme.models.build import Measured, build
from atme.training.options import TrainingOptions
from atme.training.origin import Origin
from atme.training.palette import palette_of
from atme.training.parts import batches_of, state_of, validation_of
from atme.training.samples import Samples
from atme.training.state import State
from atme.training.update import played

TRIAL = 1000
"""Updates that the copies take themselves to have, by which they tell how far they are."""
SHARES = (0.125, 0.375, 0.625, 0.875)
"""Of the training, at which updates are timed."""
SPENT = 0.02
"""Of the time: what the timing may take, if that is more than the fewest updates take."""
FEWEST, MOST = 2, 250
"""Updates at each share. Beside other work some take twice as long as others, and few of them tell little."""

Between = Sequence[tuple[int, Callable[[], object]]]
"""What is done after so many updates each, and at the end: grids of samples, looks at the validation split."""


@dataclass(frozen=True)
class Trial:
    """What is timed."""

    model: TranslationModel
    state: State
    """Of networks that nothing else is done with."""
    pairs: Iterator[Pair | Uncut]
    """Micro-batches, from the start of the training on."""
    accumulate: int
    channels_last: bool
    between: Between


def updates_within(seconds: float, trial: Trial, *, clock: Callable[[], float] = time.perf_counter) -> int:
    """How many updates fit into a time, the timing itself included; every process must call it.

    Args:
        seconds: the time.
        trial: what is timed.
        clock: seconds since any moment.

    Raises:
        ValueError: if none fits.
    """
    began = clock()
    each = seconds_an_update(seconds, trial, clock=clock)
    between = [(every, _timed(work, clock)) for every, work in trial.between]
    left = seconds - (clock() - began)
    steps = int(trial.state.of_main(most_within(left, each, between)))
    if steps < 1:
        end = sum(spent for _, spent in between)
        besides = f"what is done at the end {end:.2g} s, " if end else ""
        raise ValueError(
            f"training.max_time: an update takes {each:.2g} s, {besides}"
            f"and finding that out took {seconds - left:.2g} s, so that none fits into {seconds:g} s; give more"
        )
    return steps


def most_within(seconds: float, each: float, between: Sequence[tuple[int, float]]) -> int:
    """The most updates that fit into some seconds, with what is done after every so many and at the end.

    Args:
        seconds: that there are; with fewer than 0 the answer is -1.
        each: seconds of an update.
        between: after how many updates something is done, and the seconds that it takes.
    """

    def spent(steps: int) -> float:
        return steps * each + sum(once * ceil(steps / every) for every, once in between)

    return bisect_right(range(max(0, int(seconds / each)) + 1), seconds, key=spent) - 1


def seconds_an_update(seconds: float, trial: Trial, *, clock: Callable[[], float] = time.perf_counter) -> float:
    """How long an update takes, alone; every process must call it.

    Args:
        seconds: that are planned: the timing takes a small share of them, and some updates at least.
        trial: what is timed.
        clock: seconds since any moment.
    """
    began = clock()
    for share in (0.0, SHARES[-1], 0.0, *SHARES[::2]):  # memory is laid out, kernels are compiled
        update(trial, at=share)
    before, rounds, spent = clock(), 0, 0.0
    while rounds < FEWEST or (rounds < MOST and trial.state.of_main(spent) < SPENT * seconds):
        for share in SHARES:
            update(trial, at=share)
        rounds, spent = rounds + 1, clock() - began
    return (clock() - before) / (len(SHARES) * rounds)


def _timed(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """The seconds that something takes."""
    before = clock()
    work()
    return clock() - before


def planned(
    options: Namespace,
    origin: Origin,
    processes: Accelerator,
    *,
    train: PairedImages,
    test: PairedImages,
    measured: Measured,
) -> int:
    """The updates that fit into the time that was given.

    Args:
        options: all sections, instantiated.
        origin: where the run begins.
        processes: device, precision and processes.
        train: training pairs.
        test: those of sample grids.
        measured: sizes that the networks are built with.

    Raises:
        ValueError: if none fits, or if the run is under way and was begun without a plan.
    """
    training: TrainingOptions = options.training
    assert training.seconds is not None
    if origin.checkpoint is not None:
        raise ValueError(
            f"training.max_time: plans a run from its start, and this one goes on from {origin.checkpoint}; leave it "
            "out and say how many updates the whole run has, with --training.steps, or take weights alone, with "
            "--training.start_from in place of --training.resume"
        )
    trial, between = make_trial(options, processes, train=train, test=test, measured=measured, images=len(train))
    steps = updates_within(training.seconds, replace(trial, between=between))
    processes.free_memory()
    return steps


def make_trial(
    options: Namespace,
    processes: Accelerator,
    *,
    train: PairedImages,
    test: PairedImages,
    measured: Measured,
    images: int,
) -> tuple[Trial, Between]:
    """A trial of updates, and what such a run does between updates.

    Args:
        options: all sections, instantiated.
        processes: device, precision and processes.
        train: training pairs.
        test: those of sample grids.
        measured: sizes that the networks are built with.
        images: so many training pairs, the first ones, are read.

    Raises:
        ValueError: if the networks cannot be built, or the validation split cannot be looked at.
    """
    training: TrainingOptions = options.training
    torch.manual_seed(options.run.seed)
    model, networks = build(options, measured)
    state = state_of(options, networks, processes, steps=TRIAL, palette=palette_of(model, train))
    batches = batches_of(replace(training, steps=sys.maxsize), processes, images=images, seed=options.run.seed)
    epoch = batches_of(training, processes, images=len(train), seed=options.run.seed).steps_per_epoch
    between: list[tuple[int, Callable[[], object]]] = []
    if training.sample_every and processes.is_main_process:
        samples = Samples(model, train=train, test=test)
        between.append((training.sample_every * epoch, partial(samples.draw, state)))
    validation, _ = validation_of(options, model, state, train=train, epoch=epoch)
    if validation:
        look = partial(validation.look, state, given_up=lambda: False)
        between.append((training.evaluate_every * epoch, look))
    read = iter(loader(train, batches, workers=options.data.workers, pin_memory=processes.device.type == "cuda"))
    return Trial(model, state, read, training.accumulate, training.channels_last, ()), between


def update(trial: Trial, *, at: float) -> None:
    """One update of the copies, at a share of the training from 0 to below 1."""
    state = trial.state
    state.step = int(at * TRIAL)
    state.begin_step(1.0)
    parts = [next(trial.pairs) for _ in range(trial.accumulate)]
    for _ in played(trial.model, state, parts, weights=[1.0] * len(parts), channels_last=trial.channels_last):
        pass
    state.finish_step()
