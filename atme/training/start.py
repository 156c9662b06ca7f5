"""From options to a run that can begin: everything is checked before anything is written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import yaml
from jsonargparse import Namespace

from atme import outside
from atme.data import Batches, Pair, PairedImages
from atme.data.options import DataOptions
from atme.data.shapes import compare_shapes
from atme.models import Networks, TranslationModel
from atme.models.build import Measured, build
from atme.models.roles import CRITIC
from atme.networks.pretrained import origins
from atme.run_folder import checkpoint_path
from atme.training import checkpoint
from atme.training.changes import Flat, flatten, with_value
from atme.training.device import accelerator, precision_of, refuse_several_precisions, slow_precision
from atme.training.glance import Glance, glance
from atme.training.going_on import earlier, recorded, refuse_nothing_left, told, with_plan
from atme.training.options import CLASSES, TrainingOptions, left_out, played
from atme.training.origin import Origin, find_origin, refuse_other_data
from atme.training.palette import palette_of
from atme.training.parts import batches_of, measure, state_of, validation_of
from atme.training.plan import planned
from atme.training.samples import Samples
from atme.training.search import Aim, Search
from atme.training.state import State
from atme.training.tracking import HistoryOptions
from atme.training.weights import Weights, find_weights, start_from

if TYPE_CHECKING:
    from atme.training.validation import Validation


@dataclass(frozen=True)
class Start:
    """A run that can begin."""

    run: Path
    options: TrainingOptions
    text: str
    """All options as YAML, as the run folder keeps them."""
    earlier: Mapping[int, str]
    """Those of the steps before this start, where they were others; by the last step of each part."""
    goes_on: bool
    """Whether the run folder holds a part of this run already."""
    told: tuple[str, ...]
    """What the user is told before the first step."""
    model: TranslationModel
    state: State
    measured: Measured
    train: PairedImages
    pairs: dict[str, Any]
    """By what the training pairs are known again."""
    batches: Batches
    """Of this process, from the next step to the end of the run."""
    workers: int
    """Processes that read ahead."""
    glance: Glance | None
    """What was seen of some pairs; None where nothing was, or another process is the main one."""
    samples: Samples
    validation: "Validation | None"
    """What looks at the validation split; None if nothing does."""
    own: Mapping[str, Path]
    """The files of the user's own classes, by where the run keeps them."""
    history: HistoryOptions
    """What is recorded of which images."""
    tracked: tuple[int, ...]
    """The indices of these images; none: nothing is recorded."""
    fixed: PairedImages
    """The training pairs under the view of the fixed recording."""

    @property
    def left(self) -> int:
        """Updates of the weights that are left to do; none where looks in a row found nothing better."""
        return 0 if self.stopped_early else self.batches.steps - self.state.step

    @property
    def stopped_early(self) -> bool:
        """Whether looks in a row found nothing better."""
        return self.validation is not None and self.validation.has_stopped(self.state.search)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left: neither an update nor a look."""
        return not self.left and not (self.validation and self.validation.owed(self.state))


def prepare(options: Namespace, *, text: str) -> Start:
    """Read the data's headers, build the networks, load what to go on from, and check it all; nothing is written.

    Args:
        options: all sections, instantiated.
        text: the same as YAML.

    Raises:
        ValueError: if an option does not fit the data, the networks, the machine or the run folder.
    """
    training: TrainingOptions = options.training
    asked, precision = training.precision, precision_of(training)
    if asked != precision:
        training, text = replace(training, precision=precision), with_value(text, "training", "precision", precision)
    text, written = played(with_plan(text, options.run.dir), options.model), text
    training = replace(training, steps=yaml.safe_load(text)["training"].get("steps"))
    remarks = left_out(written, options.model)
    now = flatten(yaml.safe_load(text))
    own = outside.sources(_classes(text))
    origin = find_origin(options.run.dir, training.resume, now=now)
    weights = _weights(training, origin)
    remarks += slow_precision(training)
    processes = accelerator(training)
    if asked != precision:
        refuse_several_precisions(processes)
    train, test = options.data.open_train(seed=options.run.seed), options.data.open_test()
    noted = compare_shapes(train.shapes, test.shapes)
    measured = measure(train, batch=training.images_per_update(processes.num_processes))
    pairs = train.fingerprint
    refuse_other_data(origin, measured, pairs, now=now)
    if origin.goes_on:
        outside.refuse_changed(own, options.run.dir)
    if training.max_time and training.steps is None:
        steps = planned(options, origin, processes, train=train, test=test, measured=measured)
        training, text = replace(training, steps=steps), with_value(text, "training", "steps", steps)
        remarks.append(f"{steps} updates fit into {training.max_time}; the run keeps to them, whatever the clock says")
    options = options.clone()
    options.training = training
    model, networks, taken = _built(options, measured, origin, weights, now=now)
    whole = batches_of(training, processes, images=len(train), seed=options.run.seed)
    state = state_of(options, networks, processes, steps=whole.steps, palette=palette_of(model, train))
    checkpoint.load(state, origin, now=now)
    batches = batches_of(training, processes, images=len(train), seed=options.run.seed, start=state.step)
    refuse_nothing_left(origin, training, batches, now=now)
    tracked = _tracked(options.history, state, train, model)
    samples = Samples(model, train=train, test=test)
    if training.sample_every and state.accelerator.is_main_process:
        samples.try_smallest(state)
    validation, looks = validation_of(options, model, state, train=train, epoch=batches.steps_per_epoch)
    looks += _sought(state, validation.aim if validation else None, options.run.dir)
    text = recorded(text, origin, options.run.dir, weights)
    return Start(
        run=options.run.dir,
        options=training,
        text=text,
        earlier=earlier(origin, text, step=state.step),
        goes_on=origin.goes_on,
        told=(*remarks, *_of_files(train), *_of_files(test), *noted, *taken, *looks, *told(origin, training, batches)),
        model=model,
        state=state,
        measured=measured,
        train=train,
        pairs=pairs,
        batches=batches,
        workers=options.data.workers,
        glance=_glance(options.data, looks=bool(training.evaluate_every)) if processes.is_main_process else None,
        samples=samples,
        validation=validation,
        own=own,
        history=options.history,
        tracked=tracked,
        fixed=options.data.open_fixed(),
    )


def _built(
    options: Namespace, measured: Measured, origin: Origin, weights: Weights | None, *, now: Flat
) -> tuple[TranslationModel, Networks, list[str]]:
    """The model and its networks, with what they begin with but for a checkpoint's; what the user is told of that."""
    torch.manual_seed(options.run.seed)
    model, networks = build(options, measured, pretrained=origin.checkpoint is None)
    if weights is not None:
        return model, networks, start_from(networks, weights, measured=measured, now=now)
    begun = origins(networks) if origin.checkpoint is None else {}
    return model, networks, [f"{role}: begins with the weights of {place}" for role, place in begun.items()]


def _classes(text: str) -> dict[str, Any]:
    """The sections that name classes."""
    options = yaml.safe_load(text)
    return {section: options.get(section) for section in CLASSES}


def _glance(data: DataOptions, *, looks: bool) -> Glance | None:
    unseen = data.open_test(data.validation_split) if looks and data.validation_split else None
    return glance(data.open_fixed(whole=True), unseen=unseen)


def _of_files(pairs: PairedImages) -> Iterator[str]:
    """What a user should know of the files of a split."""
    yield from (f"{pairs.split}: {remark}" for remark in pairs.remarks)


def _sought(state: State, aim: Aim | None, run: Path) -> list[str]:
    """Let the search for the best checkpoint go on, in place; what the user is told. A branch begins one of its own."""
    is_own = checkpoint_path(run, state.step).is_dir()
    search = state.search if is_own else Search(looked=state.step)
    state.search, said = search.towards(aim, is_there=lambda step: checkpoint_path(run, step).is_dir())
    return said


def _weights(training: TrainingOptions, origin: Origin) -> Weights | None:
    """The weights to begin with; a run that goes on from a checkpoint has its own."""
    if training.start_from is None or origin.checkpoint is not None:
        return None
    return find_weights(training.start_from)


def _tracked(history: HistoryOptions, state: State, train: PairedImages, model: TranslationModel) -> tuple[int, ...]:
    tracked = history.draw(train, seed=state.seed)
    if tracked and CRITIC not in model.roles:
        name = type(model).__name__
        raise ValueError(f"history.images: {name} has no discriminator whose verdicts to record; set it to 0")
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
