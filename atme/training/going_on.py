"""What is said and kept of a run that goes on: that something is left to do, and under which options it was begun."""

import math
from dataclasses import replace
from pathlib import Path

import yaml

from atme.data import Batches
from atme.run_folder import read_options
from atme.training.alone import Alone
from atme.training.changes import Flat, earlier_options, made_alike, moved, with_value, write_option_file
from atme.training.options import TrainingOptions
from atme.training.origin import Origin
from atme.training.rate import Rate
from atme.training.weights import Weights


def refuse_nothing_left(origin: Origin, training: TrainingOptions, batches: Batches, *, now: Flat) -> None:
    """A complete run may be asked to go on, and nothing happens; asked for less, or elsewhere, it is refused."""
    left = batches.steps - batches.start_step
    if left > 0 or (left == 0 and origin.goes_on and not origin.changed(now, "training.rate.", "training.steps")):
        return
    if training.steps is not None:
        raise ValueError(
            f"training.steps: {origin.checkpoint} is at step {batches.start_step} of {training.steps}, and nothing is "
            "left to train; raise training.steps beyond"
        )
    at = batches.start_step / batches.steps_per_epoch
    raise ValueError(
        f"training.rate.epochs: {origin.checkpoint} is at epoch {at:g} of {training.rate.total}, and nothing is left "
        f"to train; raise training.rate.epochs beyond {math.ceil(at - training.rate.decay_epochs)}"
    )


def with_plan(text: str, run: Path) -> str:
    """The options, with the updates that were planned when this run was begun, if the same time is given again."""
    asked = yaml.safe_load(text)["training"]
    if asked.get("max_time") is None or asked.get("steps") is not None or not (run / "options.yaml").is_file():
        return text
    before = read_options(run).get("training", {})
    same = before.get("max_time") == asked["max_time"]
    return with_value(text, "training", "steps", before.get("steps")) if same else text


def recorded(text: str, origin: Origin, run: Path, weights: Weights | None) -> str:
    """The options as they are kept: the checkpoint that weights came from, and the one that a run was begun from."""
    if weights:
        return with_value(text, "training", "start_from", str(weights.folder))
    if not origin.goes_on:  # a run that was named may get later checkpoints
        return with_value(text, "training", "resume", str(origin.checkpoint)) if origin.checkpoint else text
    for key in ("resume", "start_from"):
        before = read_options(run).get("training", {}).get(key)
        if before != yaml.safe_load(text)["training"].get(key):
            text = with_value(text, "training", key, before)
    return text


def record_place(run: Path, text: str) -> None:
    """Where the pairs of a complete run lie now: of what it is asked to go on with, all that is left to record.

    Raises:
        ValueError: if it cannot be written, or another training is at work in the folder.
    """
    anew = moved(run, text)
    if anew is not None:
        alone = Alone(run, goes_on=True)
        try:
            write_option_file(run / "options.yaml", anew)
        finally:
            alone.let_go()


def earlier(origin: Origin, text: str, *, step: int) -> dict[int, str]:
    """The options of the steps before this start, where they were others; YAML, by the last step of each part."""
    if origin.folder is None:
        return {}
    parts = earlier_options(origin.folder, step=step)
    if origin.goes_on and step in parts and made_alike(parts[step], text):
        del parts[step]
    return parts


def told(origin: Origin, training: TrainingOptions, batches: Batches) -> list[str]:
    """That a run goes on, and where its learning rate jumps."""
    if origin.checkpoint is None:
        return []
    step, an_epoch = batches.start_step, batches.steps_per_epoch
    lines = [f"goes on from step {step} of {origin.checkpoint}"]
    before, now = _rate(origin.options), training.rate
    if before is None or step == 0:
        return lines
    earlier = replace(training, rate=before, steps=origin.options.get("training.steps"))
    last = min(earlier.epochs_at(step - 1, an_epoch=an_epoch), before.total)
    was, will_be = before(last), now(training.epochs_at(step, an_epoch=an_epoch))
    if will_be > was * (1 + 1e-9):
        lines.append(
            f"the learning rate rises from {was:.3g} to {will_be:.3g} of its full value: the run's earlier steps "
            f"followed {before.epochs} + {before.decay_epochs} epochs{_within(earlier)}, and training.rate now says "
            f"{now.epochs} + {now.decay_epochs}{_within(training)}; optimizers.….lr in a new --run.dir sets another "
            "full value"
        )
    return lines


def _within(training: TrainingOptions) -> str:
    """The updates that epochs are stretched to, where a number is given."""
    return "" if training.steps is None else f" in {training.steps:,} updates"


def _rate(options: Flat) -> Rate | None:
    """The rate that options of earlier steps ask for."""
    before = "training.rate."
    values = {key.removeprefix(before): value for key, value in options.items() if key.startswith(before)}
    return Rate(**values) if values else None
