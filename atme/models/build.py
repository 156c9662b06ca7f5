"""From options to networks: the part of a preset that says which game is played.

Classes are chosen by ``class_path`` and set by ``init_args``; what can be measured from the data (channels,
sizes, numbers of images) is never written in a preset.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from jsonargparse import ArgumentParser, Namespace
from torch import nn

from atme.models.roles import CRITIC, Networks, can_look
from atme.models.translation import TranslationModel, require_complete
from atme.networks import initialize
from atme.networks.initialize import Scheme as InitializationScheme
from atme.networks.pretrained import weights_from_elsewhere
from atme.noise import Game, Injection, Sequence

GeneratorMaker = Callable[[int, int], nn.Module]
DiscriminatorMaker = Callable[[int, int], nn.Module]
NetworkMaker = Callable[[int, int], nn.Module]
SchemeMaker = Callable[[Game], Injection]

SECTIONS = ("model", "generator", "discriminator", "networks", "noise", "initialization")
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
        help="The network that judges, if the model plays with one; its channels are measured from the data.",
    )
    parser.add_argument(
        "--networks",
        type=dict[str, NetworkMaker],
        default={},
        help="Further networks, by the roles that the model names; their channels are measured from the data.",
    )
    parser.add_argument(
        "--noise",
        type=SchemeMaker,
        default={"class_path": "atme.noise.DecisionMemory"},
        help="What is corrupted and what is remembered.",
    )
    parser.add_class_arguments(Initialization, "initialization")


def build(options: Namespace, measured: Measured, *, pretrained: bool = True) -> tuple[TranslationModel, Networks]:
    """The model and its networks, from instantiated options.

    Args:
        options: the sections of `SECTIONS`, as ``parser.instantiate`` returns them.
        measured: sizes of the data.
        pretrained: whether networks that begin with weights from elsewhere get these; not where all weights are
            loaded afterwards.

    Raises:
        ValueError: if a network cannot work on samples of this size, or not in this game.
    """
    model: TranslationModel = options.model
    require_complete(model)
    with weights_from_elsewhere(pretrained):
        made = _made(options, model, measured)
        generator, discriminator = made.pop("generator"), made.pop(CRITIC, None)
        check_size(generator, measured.height, measured.width)
        scheme = options.noise(_game(discriminator, measured))
    networks = Networks(generator, discriminator, scheme, **made)
    _require_doors(networks)
    model.require(networks)
    for module in networks.values():
        initialize(module, scheme=options.initialization.scheme, gain=options.initialization.gain)
    return model, networks


def _made(options: Namespace, model: TranslationModel, measured: Measured) -> dict[str, nn.Module]:
    """The networks that a model plays with, by their roles."""
    makers = {"generator": options.generator, CRITIC: options.discriminator, **options.networks}
    name = type(model).__name__
    for role in options.networks:
        if role not in model.roles or role in ("generator", CRITIC, "scheme"):
            raise ValueError(f"networks.{role}: {name} has no such further role; leave it out")
    for role in model.roles:
        if role not in makers:
            raise ValueError(f"networks.{role}: {name} plays with one; give its class_path")
    source, target = measured.source_channels, measured.target_channels
    return {role: makers[role](*model.channels(role, source=source, target=target)) for role in model.roles}


def _game(discriminator: Any, measured: Measured) -> Game:
    """What a scheme is told."""
    size = (measured.height, measured.width)
    if discriminator is None:
        return Game(images=measured.images, size=size, batch=measured.batch, verdict_shape=_no_map, verdict_stride=1)
    discriminator.verdict_shape(*size)  # raises where it cannot see so little
    return Game(
        images=measured.images,
        size=size,
        batch=measured.batch,
        verdict_shape=discriminator.verdict_shape,
        verdict_stride=discriminator.verdict_stride,
        verdict_start=getattr(discriminator, "verdict_start", None),
    )


def _no_map(height: int, width: int) -> tuple[int, int]:
    raise ValueError(_NO_CRITIC)


_NO_CRITIC = (
    "noise: it reads a discriminator's verdicts, or what one reads, and this game has none; set it to atme.Identity"
)


def _require_doors(networks: Networks) -> None:
    """Whether what a scheme acts on is there.

    Raises:
        ValueError: a door of it leads nowhere.
    """
    if CRITIC in networks:
        if networks.scheme.on_features and not can_look(networks.discriminator):
            name = type(networks.discriminator).__name__
            raise ValueError(f"noise: it acts on a discriminator's features, and {name} offers none; use another one")
        return
    schemes = [each for each in networks.scheme.modules() if isinstance(each, Injection)]
    for kind in {type(each) for each in schemes} - {Sequence}:
        if kind.before_discriminator is not Injection.before_discriminator or kind.remember is not Injection.remember:
            raise ValueError(_NO_CRITIC)


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
