"""The parts that a run is made of, made from its options: sizes, state, batches, and what looks at it."""

from typing import TYPE_CHECKING

import torch
from accelerate import Accelerator
from jsonargparse import Namespace

from atme.data import Batches, PairedImages
from atme.losses import Palette
from atme.models import Networks, TranslationModel
from atme.models.build import Measured
from atme.training import optimizers
from atme.training.options import TrainingOptions
from atme.training.state import State

if TYPE_CHECKING:
    from atme.training.validation import Validation


def measure(train: PairedImages, *, batch: int) -> Measured:
    """Channels and sizes of the training samples.

    Raises:
        ValueError: if the first pair cannot be read.
    """
    height, width = train[0].source.shape[-2:]
    return Measured(
        train.source_channels,
        train.target_channels,
        len(train),
        height,
        width,
        batch,
        train.source_bits,
        train.target_bits,
    )


def state_of(
    options: Namespace, networks: Networks, processes: Accelerator, *, steps: int, palette: Palette | None
) -> State:
    """A new state of a training of so many updates."""
    training: TrainingOptions = options.training
    if training.channels_last:
        for module in (module for role, module in networks.items() if role != "scheme"):
            module.to(memory_format=torch.channels_last)
    return State(
        networks,
        optimizers.make(options.optimizers, networks, device=processes.device),
        accelerator=processes,
        average=training.average,
        seed=options.run.seed,
        steps=steps,
        palette=palette,
    )


def batches_of(training: TrainingOptions, processes: Accelerator, *, images: int, seed: int, start: int = 0) -> Batches:
    """The micro-batches of this process, from a step on."""
    return Batches(
        images,
        batch_size=training.batch_size,
        share=training.share_batch,
        accumulate=training.accumulate,
        rank=processes.process_index,
        world=processes.num_processes,
        seed=seed,
        start_step=start,
        epochs=training.rate.total,
        steps=training.steps,
    )


def validation_of(
    options: Namespace, model: TranslationModel, state: State, *, train: PairedImages, epoch: int
) -> tuple["Validation | None", list[str]]:
    """What looks at the validation split, and what the user is told of it."""
    if not options.training.evaluate_every:
        return None, []
    from atme.training.validation_split import open_validation  # the libraries of its scores take seconds

    return open_validation(options, model, state, train=train, epoch=epoch)
