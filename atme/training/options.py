"""What a run is asked to do: the sections ``run``, ``data`` and ``training`` of a preset, and the networks'.

The parser reads YAML presets and the command line, checks every key and type, and prints what it resolved.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from jsonargparse import ArgumentParser, Namespace
from torch.nn import Parameter
from torch.optim import Optimizer

from atme.data import DataOptions
from atme.models import TranslationModel, build
from atme.models.roles import CRITIC
from atme.models.translation import require_complete
from atme.training.duration import seconds_of
from atme.training.own_defaults import OptionsParser
from atme.training.rate import Rate
from atme.training.tracking import HistoryOptions

OptimizerMaker = Callable[[Iterable[Parameter]], Optimizer]

CLASSES = (*build.SECTIONS, "optimizers")
"""The sections that name classes, which may be of a user's own."""

# Adam as pix2pix and ATME train with it.
_ADAM = {"class_path": "torch.optim.Adam", "init_args": {"lr": 2e-4, "betas": (0.5, 0.999)}}


@dataclass(frozen=True)
class RunOptions:
    """Which run this is.

    Args:
        dir: the run's folder; all that the run writes lies below it.
        seed: of the weights, the order of samples, augmentation and noise.
    """

    dir: Path = Path("runs/unnamed")
    seed: int = 0

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"run.seed: {self.seed} is negative; give 0 or more")


Precision = Literal["float32", "bf16", "fp16"]
"""What updates are computed in; see `TrainingOptions.precision`."""


@dataclass(frozen=True)
class TrainingOptions:
    """How the weights are trained.

    Args:
        rate: the run's length, and its learning rate over the epochs.
        max_time: time for the training, such as ``2h``, ``90m`` or ``45s``. Before the first update so many are planned
            as fit into it, by the speed of some on throw-away copies; the plan is kept as ``steps``, and the clock is
            not asked again. Null: as long as ``rate`` says.
        steps: updates of the whole run: the epochs of ``rate`` are then its shape alone, made longer or shorter. Where
            both are given, ``max_time`` plans nothing. Null: as many as its epochs have.
        batch_size: images per process and micro-batch, at most: an epoch is split as evenly as it can be.
        share_batch: whether ``batch_size`` is that of all processes together, which then make the same run with any
            number of them, up to rounding.
        accumulate: micro-batches per update of the weights. (The generator's terms of all but the last one see
            the discriminator before its update.)
        precision: ``auto`` is ``bf16`` on a GPU or processor that multiplies such numbers, else ``float32``, and the
            run's options say which; ``fp16`` needs a GPU.
        channels_last: keep images and weights as (B, H, W, C) in memory, which most convolutions prefer.
        average: decay of the average of weights that translations use; null for none.
        log_every: updates from one line of the log to the next.
        sample_every: epochs from one sample grid to the next, the last one at the run's end; 0 for none.
        checkpoint_every: epochs from one checkpoint to the next.
        keep: checkpoints that stay on disk, beside the best one.
        evaluate_every: epochs from one look at the validation split (``data.validation_split``) to the next; 0 for
            none.
        evaluate_scores: what is scored at each look: names with commas, of those scores of ``atme evaluate`` that
            need no file of weights, or a class of yours, such as ``my_scores.Edges``.
        evaluate_images: pairs that are looked at, at most, drawn once by the run's seed; null for all.
        keep_best: the score, such as ``ssim``, by which the best checkpoint is kept, as ``RUN/checkpoints/best``;
            null for none.
        stop_after: looks in a row without a better score of that kind, after which the run ends; 0 for never.
        least_gain: by how much a score must be better for ``stop_after`` to begin to count anew.
        resume: ``auto`` goes on where the run folder's last checkpoint ends, ``never`` wants a new folder,
            and the path of another run, or of one of its checkpoints, starts a new folder from there.
        start_from: a run, a checkpoint, or a folder made by ``save_pretrained``, whose weights alone are taken:
            for other data, sizes or batches.
        device: ``auto`` takes a CUDA GPU where there is one; ``cuda`` wants one; ``mps`` is Apple's.
        deterministic: ask for the same bits at each run on the same machine, also on a GPU, where it costs
            some speed.
    """

    rate: Rate = field(default_factory=Rate)
    max_time: str | None = None
    steps: int | None = None
    batch_size: int = 1
    share_batch: bool = False
    accumulate: int = 1
    precision: Literal["auto", "float32", "bf16", "fp16"] = "float32"
    channels_last: bool = True
    average: float | None = None
    log_every: int = 50
    sample_every: int = 1
    checkpoint_every: int = 1
    keep: int = 2
    evaluate_every: int = 0
    evaluate_scores: str = "l1,psnr,ssim"
    evaluate_images: int | None = None
    keep_best: str | None = None
    stop_after: int = 0
    least_gain: float = 0.0
    resume: str = "never"
    start_from: str | None = None
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    deterministic: bool = True

    def __post_init__(self) -> None:
        for name in ("batch_size", "accumulate", "log_every", "checkpoint_every", "keep"):
            if getattr(self, name) < 1:
                raise ValueError(f"training.{name}: {getattr(self, name)} is too small; give 1 or more")
        if self.sample_every < 0:
            raise ValueError(f"training.sample_every: {self.sample_every} is negative; give 0 for no samples")
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"training.steps: {self.steps} is too small; give 1 or more, or null")
        _ = self.seconds
        self._check_looks()
        if self.start_from is not None and self.resume not in ("never", "auto"):
            raise ValueError(
                "training.start_from: takes weights alone, training.resume all of a checkpoint; give one of both"
            )

    @property
    def seconds(self) -> float | None:
        """`max_time` in seconds."""
        return None if self.max_time is None else seconds_of(self.max_time, option="training.max_time")

    def images_per_update(self, processes: int = 1) -> int:
        """How many images an update of the weights takes, at most, with so many processes."""
        return self.batch_size * self.accumulate * (1 if self.share_batch else processes)

    def epochs_at(self, step: int, *, an_epoch: int) -> float:
        """Where in the epochs of `rate` a run is after so many updates, of which an epoch has some."""
        return step / an_epoch if self.steps is None else step / self.steps * self.rate.total

    def _check_looks(self) -> None:
        for name in ("evaluate_every", "stop_after", "least_gain"):
            if not getattr(self, name) >= 0:  # nor is NaN
                raise ValueError(f"training.{name}: {getattr(self, name)} is no number of 0 or more; give one, or 0")
        if self.evaluate_images is not None and self.evaluate_images < 1:
            raise ValueError(f"training.evaluate_images: {self.evaluate_images} is too small; give 1 or more, or null")
        if self.keep_best is not None and not self.evaluate_every:
            raise ValueError(
                "training.keep_best: chooses by looks at the validation split; set training.evaluate_every 1"
            )
        if self.stop_after and self.keep_best is None:
            raise ValueError("training.stop_after: needs a score to go by; set training.keep_best, such as l1")
        if self.least_gain and not self.stop_after:
            raise ValueError("training.least_gain: is read with training.stop_after only; set that, or leave it out")


def parser(*, prog: str | None = None, description: str | None = None) -> OptionsParser:
    """The parser of a preset: every key it may have, with its type, default and help; of a command, for its help."""
    options = OptionsParser(prog=prog, description=description, exit_on_error=False, allow_abbrev=False)
    options.add_argument("--config", action="config", help="A preset's name or file, or a run's options.yaml.")
    options.add_class_arguments(RunOptions, "run")
    options.add_class_arguments(DataOptions, "data")
    build.add_arguments(options)
    options.add_class_arguments(TrainingOptions, "training")
    options.add_class_arguments(HistoryOptions, "history")
    for side in ("generator", "discriminator"):
        options.add_argument(
            f"--optimizers.{side}",
            type=OptimizerMaker,
            default=_ADAM,
            help=f"The {side}'s optimizer: any of torch.optim.",
        )
    options.add_argument(
        "--optimizers.networks",
        type=dict[str, OptimizerMaker],
        default={},
        help="Optimizers of further networks, by role; those without one move as the generator does.",
    )
    return options


def played(text: str, model: TranslationModel) -> str:
    """Options, as YAML, without the sections of networks that a model does not play with."""
    require_complete(model)
    options = yaml.safe_load(text)
    for section in (options, options.get("optimizers", {})):
        if CRITIC not in model.roles:
            section.pop(CRITIC, None)
        if not section.get("networks", True):
            del section["networks"]
    return yaml.safe_dump(options, sort_keys=False)


def left_out(text: str, model: TranslationModel) -> list[str]:
    """What is said of a section that was written, and that this game does not read."""
    given = yaml.safe_load(text).get(CRITIC)
    if CRITIC in model.roles or given is None:
        return []
    usual: Mapping[str, Any] = yaml.safe_load(parser().dump(parser().get_defaults(), skip_validation=True))
    if given == usual[CRITIC]:
        return []
    return [f"{CRITIC}: {type(model).__name__} plays with none; the section is left out"]


def model_of(chosen: Namespace) -> TranslationModel:
    """The model of parsed options, without making anything else of them."""
    reader = ArgumentParser(exit_on_error=False)
    reader.add_argument("--model", type=TranslationModel)
    alone = reader.get_defaults()
    alone.model = chosen.model
    model: TranslationModel = reader.instantiate(alone).model
    return model
