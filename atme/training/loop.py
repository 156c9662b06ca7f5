"""Training, from start to end, in the order in which things happen."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jsonargparse import Namespace

from atme.data import Pair, loader
from atme.training.interruption import Interruption
from atme.training.recorder import Recorder
from atme.training.start import Start, prepare


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    run: Path
    """Its folder."""
    step: int
    """Updates of the weights that were done."""
    signal: int | None
    """The signal that ended it early; None if it is complete."""


def train(options: Namespace, *, text: str) -> Outcome:
    """Train as the options say, from the start or from where the run's last checkpoint ends.

    Args:
        options: sections ``run``, ``data``, ``model``, …, instantiated.
        text: the same options as YAML, to be written beside the results.

    Raises:
        ValueError: if an option does not fit the data, the networks or the run folder (nothing is written
            then), or if training diverges.
        OSError: if the run folder cannot be written; earlier checkpoints stay whole.
    """
    start = prepare(options, text=text)
    state, asked, batches = start.state, start.options, start.batches
    pairs = _pairs(start)
    with (
        Interruption(state.accelerator) as interruption,
        Recorder(start, text=text, steps_per_epoch=batches.steps_per_epoch) as recorder,
    ):
        while state.step < batches.steps and not interruption.agreed():
            state.set_rate(asked.rate(state.step / batches.steps_per_epoch))
            for micro in range(asked.accumulate):
                pair = next(pairs)
                recorder.watch.lap("data")
                with state.at(micro):
                    done = start.model.step(state, pair)
                recorder.after_micro_batch(done)
            state.finish_step()
            recorder.watch.lap("step")
            recorder.after_step(done)
        recorder.save()
    state.accelerator.end_training()  # the other processes are let go of here, not while Python is being taken down
    return Outcome(start.run, state.step, interruption.signal if state.step < batches.steps else None)


def _pairs(start: Start) -> Iterator[Pair]:
    """The batches of this process, on its device, in the wanted memory format."""
    device = start.state.accelerator.device
    for pair in loader(start.train, start.batches, workers=start.workers, pin_memory=device.type == "cuda"):
        yield pair.to(device, channels_last=start.options.channels_last)
