"""Training, from start to end, in the order in which things happen."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

from jsonargparse import Namespace

from atme.data import loader
from atme.data.workers import workers_in_words
from atme.training.going_on import record_place
from atme.training.interruption import Interrupted, Interruption
from atme.training.recorder import Recorder
from atme.training.search import Search
from atme.training.start import Start, prepare
from atme.training.update import played
from atme.training.waiting import connection
from atme.training.watched import Watcher

_Batch = TypeVar("_Batch")


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    run: Path
    """Its folder."""
    step: int
    """Updates of the weights that were done."""
    signal: int | None
    """The signal that ended it early; None if it is complete."""
    search: Search
    """The best checkpoint, where one was sought."""
    stopped_early: bool
    """Whether looks in a row found nothing better."""


def train(options: Namespace, *, text: str, watcher: Watcher | None = None) -> Outcome:
    """Train as the options say, from the start or from where the run's last checkpoint ends.

    Args:
        options: sections ``run``, ``data``, ``model``, …, instantiated.
        text: the same options as YAML, to be written beside the results.
        watcher: told how the run stands, now and then.

    Raises:
        ValueError: if an option does not fit the data, the networks or the run folder (nothing is written
            then), or if training diverges.
        OSError: if the run folder cannot be written; earlier checkpoints stay whole.
    """
    start = prepare(options, text=text)
    ended_by = None
    if not start.is_over:
        ended_by = _run(start, watcher)
    elif start.state.accelerator.is_main_process:
        record_place(start.run, start.text)
    outcome = Outcome(
        start.run,
        start.state.step,
        None if start.is_over else ended_by,
        search=start.state.search,
        stopped_early=start.stopped_early,
    )
    between = connection(start.state.accelerator)
    start.state.accelerator.end_training()  # others are let go of here, not while Python is being taken down
    del start  # with the networks, which must not be the last to hold what connects processes
    del between
    return outcome


def _run(start: Start, watcher: Watcher | None) -> int | None:
    """Do what is left of a run; the signal that arrived, if one did."""
    state, asked, batches = start.state, start.options, start.batches
    device = state.accelerator.device
    with Interruption(state.accelerator) as interruption, suppress(Interrupted), workers_in_words():
        with interruption.waiting():
            read = loader(start.train, batches, workers=start.workers, pin_memory=device.type == "cuda")
            pairs = _begun(read if start.left else ())  # a look may be all that is left
        with Recorder(start, watcher) as recorder:
            with suppress(Interrupted):
                recorder.look_again(interruption)
                while start.left and not interruption.agreed():
                    state.begin_step(asked.rate(asked.epochs_at(state.step, an_epoch=batches.steps_per_epoch)))
                    with interruption.waiting():
                        parts = [next(pairs) for _ in range(asked.accumulate)]
                    recorder.watch.lap("data")
                    weights = batches.weights(state.step)
                    for done in played(start.model, state, parts, weights=weights, channels_last=asked.channels_last):
                        recorder.after_micro_batch(done)
                    state.finish_step()
                    recorder.watch.lap("step")
                    recorder.after_step(done, interruption)
            recorder.save()
    return interruption.signal


def _begun(batches: Iterable[_Batch]) -> Iterator[_Batch]:
    """The same batches, with the first one read: a file that is damaged in it is known before anything is written."""
    rest = iter(batches)
    return chain(list(islice(rest, 1)), rest)
