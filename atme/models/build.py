"""From options to networks: the part of a preset that says which game is played.

Classes are chosen by ``class_path`` and set by ``init_args``; what can be measured from the data (channels,
sizes, numbers of images) is never written in a preset.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from jsonargparse import ArgumentParser, Namespace
from torch import nn

from atme.models.translation import Networks, TranslationModel
from atme.networks import initialize
from atme.networks.initialize import Scheme as InitializationScheme
from atme.noise import Game, Injection

GeneratorMaker = Callable[[int, int], nn.Module]
DiscriminatorMaker = Callable[[int, int], nn.Module]
SchemeMaker = Callable[[Game], Injection]

SECTIONS = ("model", "generator", "discriminator", "noise", "initialization")
"""The options that decide the weights' names and shapes."""


@dataclass(frozen=True)
class Measured:
    """What the networks must know of the data: written into every checkpoint, so that it can be read alone."""

    source_channels: int
    target_channels: int
    images: int
    """Training pairs."""
    height: int
    """Of a training sample, in pixels."""
    width: int
    """Of a training sample, in pixels."""
    batch: int
    """Images per update of the weights, over all processes."""
    source_bits: int = 8
    """Per value of a source's file, the most that any training picture has: 8 or 16."""
    target_bits: int = 8
    """Per value of a target's file: what translations are written with."""

    def as_dict(self) -> dict[str, int]:
        """Plain numbers, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Initialization:
    """How the networks' weights are drawn.

    Args:
        scheme: ``normal`` is pix2pix's and ATME's N(0, gain); ``default`` leaves PyTorch's own.
        gain: standard deviation of ``normal``, or gain of the others.
    """

    scheme: InitializationScheme = "normal"
    gain: float = 0.02


def add_arguments(parser: ArgumentParser) -> None:
    """Add the sections that say which game is played."""
    parser.add_argument(
        "--model",
        type=TranslationModel,
        default={"class_path": "atme.models.Pix2Pix"},
        help="The losses, and the order of updates.",
    )
    parser.add_argument(
        "--generator",
        type=GeneratorMaker,
        default={"class_path": "atme.networks.UNet"},
        help="The network that translates; its channels are measured from the data.",
    )
    parser.add_argument(
        "--discriminator",
        type=DiscriminatorMaker,
        default={"class_path": "atme.networks.PatchGAN"},
        help="The network that judges; its channels are measured from the data.",
    )
    parser.add_argument(
        "--noise",
        type=SchemeMaker,
        default={"class_path": "atme.noise.DecisionMemory"},
        help="What is corrupted and what is remembered.",
    )
    parser.add_class_arguments(Initialization, "initialization")


def build(options: Namespace, measured: Measured) -> tuple[TranslationModel, Networks]:
    """The model and its networks, from instantiated options.

    Args:
        options: the sections of `SECTIONS`, as ``parser.instantiate`` returns them.
        measured: sizes of the data.

    Raises:
        ValueError: if a network cannot work on samples of this size, or not in this game.
    """
    model: TranslationModel = options.model
    source, target = measured.source_channels, measured.target_channels
    generator = options.generator(*model.generator_channels(source, target))
    discriminator: Any = options.discriminator(*model.discriminator_channels(source, target))
    check_size(generator, measured.height, measured.width)
    discriminator.verdict_shape(measured.height, measured.width)  # raises where it cannot see so little
    game = Game(
        images=measured.images,
        size=(measured.height, measured.width),
        batch=measured.batch,
        verdict_shape=discriminator.verdict_shape,
        verdict_stride=discriminator.verdict_stride,
        verdict_start=getattr(discriminator, "verdict_start", None),
    )
    networks = Networks(generator, discriminator, options.noise(game))
    model.require(networks)
    for module in (networks.generator, networks.discriminator, networks.scheme):
        initialize(module, scheme=options.initialization.scheme, gain=options.initialization.gain)
    return model, networks


def check_size(generator: nn.Module, height: int, width: int) -> None:
    """Refuse samples that the generator cannot halve as often as it wants to.

    Raises:
        ValueError: naming the size and the next ones that fit.
    """
    stride: Any = generator.stride
    if height % stride or width % stride:
        less = [side // stride * stride for side in (height, width)]
        more = [-(-side // stride) * stride for side in (height, width)]
        remedy = f"set it to {less}" if min(less) else f"set data.load_size to {more} and data.crop_size to null"
        raise ValueError(
            f"data.crop_size: samples of [{height}, {width}] pixels (height, width) are no multiple of the generator's "
            f"stride {stride}; {remedy}"
        )
