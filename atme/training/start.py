"""From options to a run that can begin: everything is checked before the run's folder is made."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs
from jsonargparse import Namespace
from torch.optim import Optimizer

from atme.data import Batches, Pair, PairedImages
from atme.models import Networks, TranslationModel
from atme.models.build import Measured, build
from atme.models.translation import Side
from atme.run_folder import checkpoints, read_options, read_state
from atme.training import checkpoint
from atme.training.options import TrainingOptions
from atme.training.state import State
from atme.training.tracking import HistoryOptions

MAY_CHANGE = (
    *("config", "run.dir", "data.workers", "data.cache"),
    *("training.rate.", "training.log_every", "training.sample_every", "training.checkpoint_every"),
    *("training.keep", "training.resume", "training.device", "training.deterministic"),
    *("training.precision", "training.channels_last"),
)
"""Beginnings of the keys that a run that goes on may set anew."""


@dataclass(frozen=True)
class Start:
    """A run that can begin."""

    run: Path
    options: TrainingOptions
    model: TranslationModel
    state: State
    measured: Measured
    train: PairedImages
    test: PairedImages
    batches: Batches
    """Of this process, from the next step to the end of the run."""
    workers: int
    """Processes that read ahead."""
    history: HistoryOptions
    """What is recorded of which images."""
    tracked: tuple[int, ...]
    """The indices of these images; none: nothing is recorded."""
    fixed: PairedImages
    """The training pairs under the view of the fixed recording."""


def prepare(options: Namespace, *, text: str) -> Start:
    """Read the data's headers, build the networks, and load the checkpoint to go on from, if any.

    Args:
        options: all sections, instantiated.
        text: the same as YAML.

    Raises:
        ValueError: if an option does not fit the data, the networks, the machine or the run folder.
    """
    training: TrainingOptions = options.training
    place = resume_from(options.run.dir, training.resume)
    if place is not None and place.parent.parent == options.run.dir:
        _refuse_changes(options.run.dir, yaml.safe_load(text))
    accelerator = _accelerator(training)
    train = options.data.open_train(seed=options.run.seed)
    batch = training.batch_size * training.accumulate * accelerator.num_processes
    measured = measure(train, batch=batch)
    torch.manual_seed(options.run.seed)
    model, networks = build(options, measured)
    if training.channels_last:
        for module in (networks.generator, networks.discriminator):
            module.to(memory_format=torch.channels_last)
    state = State(
        networks,
        _optimizers(options.optimizers, networks),
        accelerator=accelerator,
        average=training.average,
        seed=options.run.seed,
    )
    if place is not None:
        _refuse_other_data(place, measured)
        checkpoint.load(state, place)
    return Start(
        run=options.run.dir,
        options=training,
        model=model,
        state=state,
        measured=measured,
        train=train,
        test=options.data.open_test(),
        batches=_batches(training, state, images=len(train)),
        workers=options.data.workers,
        history=options.history,
        tracked=_tracked(options.history, state, train),
        fixed=options.data.open_fixed(),
    )


def resume_from(run: Path, resume: str) -> Path | None:
    """The checkpoint to go on from, or None to start anew.

    Raises:
        ValueError: if the run folder holds something that would be lost or mixed up.
    """
    last = next(reversed(checkpoints(run)), None)
    if resume == "auto":
        if last is None and _holds_anything(run) and not (run / "options.yaml").exists():
            raise ValueError(f"{run}: the folder holds no run, but is not empty; choose another --run.dir")
        return last
    if resume != "never":
        place = Path(resume)
        read_state(place)
        if last is not None and place.resolve() == last.resolve():
            return last
        if _holds_anything(run):
            raise ValueError(
                f"{run}: the run folder is not empty, and {place} is not its last checkpoint; "
                "choose a new --run.dir to go on from there"
            )
        return place
    if _holds_anything(run):
        raise ValueError(
            f"{run}: the run folder exists; choose another --run.dir, or go on with --training.resume auto"
        )
    return None


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


def _batches(training: TrainingOptions, state: State, *, images: int) -> Batches:
    return Batches(
        images,
        batch_size=training.batch_size,
        accumulate=training.accumulate,
        rank=state.accelerator.process_index,
        world=state.accelerator.num_processes,
        seed=state.seed,
        start_step=state.step,
        epochs=training.rate.total,
    )


def _tracked(history: HistoryOptions, state: State, train: PairedImages) -> tuple[int, ...]:
    tracked = history.draw(train, seed=state.seed)
    if tracked and not _makes_maps(state, train[0]):
        raise ValueError(
            "history.images: the noise scheme makes no map W to record; use noise atme.DecisionMemory or "
            "atme.Brownian, or set history.images to 0"
        )
    return tracked


def _makes_maps(state: State, pair: Pair) -> bool:
    with state.translating(averaged=False) as networks:
        sample = Pair.collate([Pair(pair.source, None, pair.index, pair.view, pair.name)])
        return networks.scheme(sample.to(state.accelerator.device)).map is not None


def _holds_anything(folder: Path) -> bool:
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))


def _refuse_changes(run: Path, new: dict[str, Any]) -> None:
    """Refuse to go on with options under which the finished steps would not have been the same."""
    old, now = flatten(read_options(run)), flatten(new)
    changed = [key for key in sorted(old.keys() | now.keys()) if old.get(key) != now.get(key)]
    changed = [key for key in changed if not key.startswith(MAY_CHANGE)]
    if changed:
        key = changed[0]
        more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
        raise ValueError(
            f"{key}{more}: the run in {run} was trained with {old.get(key)}, not {now.get(key)}; "
            "set it back, or choose another --run.dir"
        )


def flatten(options: dict[str, Any], *, before: str = "") -> dict[str, Any]:
    """Nested options by dotted keys; the entries of a list of sections are numbered from 0."""
    flat: dict[str, Any] = {}
    for key, value in options.items():
        if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
            value = {str(i): each for i, each in enumerate(value)}
        inner = isinstance(value, dict) and value
        flat |= flatten(value, before=f"{before}{key}.") if inner else {f"{before}{key}": value}
    return flat


def _refuse_other_data(place: Path, measured: Measured) -> None:
    before, now = read_state(place)["measured"], measured.as_dict()
    for name, value in now.items():
        if name in before and before[name] != value:
            raise ValueError(
                f"{place}: was trained with {name.replace('_', ' ')} {before[name]}, and now there are {value}; "
                "restore the data or the number of processes, or start a new run"
            )


def _accelerator(training: TrainingOptions) -> Accelerator:
    """Device, precision and processes, as this run wants them."""
    _set_determinism(training.deterministic)
    on_cpu = training.device == "cpu" or not torch.cuda.is_available()
    if training.precision == "fp16" and on_cpu:
        raise ValueError("training.precision: fp16 needs a GPU; use bf16 or float32 on a CPU")
    AcceleratorState._reset_state()  # a process may train more than once, at several precisions
    return Accelerator(
        mixed_precision="no" if training.precision == "float32" else training.precision,
        gradient_accumulation_steps=training.accumulate,
        cpu=on_cpu,
        # the memory is kept equal by hand, and broadcasting it at every step would cost its size
        kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
    )


def _set_determinism(wanted: bool) -> None:
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(wanted, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = not wanted


def _optimizers(makers: Namespace, networks: Networks) -> dict[Side, Optimizer]:
    """One optimizer a side; the scheme's own weights move with the generator's."""
    return {
        "generator": makers.generator([*networks.generator.parameters(), *networks.scheme.parameters()]),
        "discriminator": makers.discriminator(networks.discriminator.parameters()),
    }
