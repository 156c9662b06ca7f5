"""A translation as one graph: continuing to the stride, the noise with W and the level, the generator, cutting back.

What a model draws is an input of the graph: none holds the generator of random numbers that a `Translator` draws by.
Batch, height and width are left open.
"""

import copy
import inspect
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from io import StringIO
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from atme.data import Pair
from atme.inference.as_trained import draws
from atme.inference.translator import Translator
from atme.models import DenoisingGAN, Networks
from atme.models.any_size import cut, pad, translate
from atme.models.denoising_gan import Draws
from atme.models.roles import CRITIC
from atme.networks.kernels import plainly
from atme.noise import DecisionMemory
from atme.run_folder import CONFIG, is_handed

ENOUGH = 64
"""Multiples of the stride that are tried to find the smallest picture."""
_WITHOUT_RULES = "prefer_deferred_runtime_asserts_over_guards"
"""Option of ``torch.export.export``, newer than the rest of what is used here."""


@dataclass(frozen=True)
class Traced:
    """A translation as a graph."""

    program: ExportedProgram
    """From float32 (B, C, H, W) in [-1, 1], and what is drawn, to (B, C', H, W) in [-1, 1]."""
    inputs: tuple[str, ...]
    """Names of what it reads, in their order."""
    smallest: int
    """Pixels that each side of a picture needs at least."""
    half: bool
    """Whether the generator computes in 16 bits."""


class Translation(nn.Module):
    """What `Translator.tensor` does to a batch, without what a graph cannot hold.

    Args:
        translator: of a run, on the CPU.
        half: whether the generator's weights and maps are of 16 bits; W and the level stay as they are.
    """

    def __init__(self, translator: Translator, *, half: bool = False) -> None:
        super().__init__()
        networks = translator.networks
        generator = copy.deepcopy(networks.generator)
        if translator.as_trained:
            own_statistics(generator)
        self.generator = Half(generator) if half else generator
        self.discriminator, self.scheme = networks.get(CRITIC), networks.scheme
        played = ("generator", CRITIC, "scheme")
        self.further = nn.ModuleDict({role: module for role, module in networks.items() if role not in played})
        self.model, self.calls = translator.model, translator.calls
        self.stride = translator.knows.stride

    def forward(self, image: Tensor, noise: Tensor | None = None, latent: Tensor | None = None) -> Tensor:
        """Translate a batch.

        Args:
            image: (B, C, H, W) in [-1, 1], of any size from the smallest on.
            noise: (1 + K, C', h, w), h and w those of the continued picture or more, which is left out; for a
                DenoisingGAN of K steps alone.
            latent: (K, latent), for a DenoisingGAN alone.

        Returns:
            (B, C', H, W) in [-1, 1].
        """
        height, width = image.shape[-2:]
        if noise is None or latent is None:
            networks = Networks(self.generator, self.discriminator, self.scheme, **self.further)
            view = torch.eye(2, 3).expand(image.shape[0], 2, 3)
            pair = Pair(image, None, None, view, ("",))
            _, made = translate(self.model, networks, pair, calls=self.calls)  # (B, C', H, W)
        else:
            source = pad(image, stride=self.stride)
            drawn = Draws(cut(noise, source.shape[-2], source.shape[-1]), latent)
            model = cast(DenoisingGAN, self.model)
            made = cut(model.denoise(self.generator, source, drawn), height, width)  # (B, C', H, W)
        return made.float().clamp(-1, 1)


class Half(nn.Module):
    """A generator in 16 bits that reads and writes 32.

    Args:
        generator: whose weights are converted in place.
    """

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator.half()
        self.stride = cast(int, generator.stride)
        self.out_channels: Any = getattr(generator, "out_channels", None)
        self.latent: Any = getattr(generator, "latent", 0)

    def forward(self, image: Tensor, level: Tensor, latent: Tensor | None = None) -> Tensor:
        """(B, C, H, W), (B,) and perhaps (B, latent), to (B, C', H, W) float32."""
        drawn = () if latent is None else (latent.half(),)
        made: Tensor = self.generator(image.half(), level, *drawn).float()
        return made


def trace(translator: Translator, *, half: bool = False) -> Traced:
    """The graph of a translator's `tensor`.

    Args:
        translator: on the CPU.
        half: whether the generator computes in 16 bits.

    Raises:
        ValueError: if there is something in it that no graph holds.
    """
    require_torch()
    refuse_untraceable(translator)
    module, least = Translation(translator, half=half).eval(), smallest(translator)
    stride, channels = translator.knows.stride, translator.knows.source_channels
    # sizes that are equal, or multiples of something, would be taken for a rule
    side = least + 5 * stride
    example: list[Tensor] = [torch.zeros(2, channels, side + stride // 2 + 1, side + 2 * stride + stride // 2)]
    shapes: list[Any] = [{0: Dim.DYNAMIC(min=1), 2: Dim.DYNAMIC(min=least), 3: Dim.DYNAMIC(min=least)}]
    inputs = ["image"]
    if isinstance(translator.model, DenoisingGAN):
        drawn = draw(translator, size=(side + 5 * stride, side + 6 * stride), seed=0)
        example += [drawn.noises, drawn.latents]
        shapes += [{2: Dim.DYNAMIC(min=stride), 3: Dim.DYNAMIC(min=stride)}, None]
        inputs += ["noise", "latent"]
    program = _exported(module, example, shapes, name=type(translator.networks.generator).__name__)
    _clean(program)
    return Traced(program, tuple(inputs), max(least, _least(program)), half)


def _exported(module: nn.Module, example: list[Tensor], shapes: list[Any], *, name: str) -> ExportedProgram:
    with torch.no_grad(), plainly(), silence():
        try:
            return torch.export.export(
                module,
                tuple(example),
                dynamic_shapes=tuple(shapes),
                strict=False,
                prefer_deferred_runtime_asserts_over_guards=True,
            )
        except RuntimeError as error:  # a network may be anyone's, with branches on what it reads
            raise ValueError(
                f"generator: torch {torch.__version__} cannot write {name} as one graph ({first_line(error)}); a graph "
                "has no branch that depends on values, or on the size of a picture"
            ) from error


def first_line(error: Exception) -> str:
    """What an error says, without its further explanations."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")


def _clean(program: ExportedProgram) -> None:
    """Leave out what was noted while tracing and is nobody's business.

    Lines of code, which name folders of this machine; and what was found of how the example's maps lay in memory, which
    would be asserted of every picture, and keep pictures of one stride out, where no value depends on it.
    """
    for node in list(program.graph.nodes):
        node.meta.pop("stack_trace", None)
        if node.target is torch.ops.aten._assert_scalar.default:
            program.graph.erase_node(node)
    program.graph.eliminate_dead_code()
    program.graph_module.recompile()


def _least(program: ExportedProgram) -> int:
    """Pixels a side from which on the graph holds: of very small maps the layout in memory is not clear."""
    image = next(node for node in program.graph.nodes if node.op == "placeholder" and node.target == "image")
    return max(int(program.range_constraints[side.node.expr].lower) for side in image.meta["val"].shape[2:])


def draw(translator: Translator, *, size: tuple[int, int], seed: int) -> Draws:
    """What a translator of a DenoisingGAN draws for a continued picture of a size, by a seed."""
    model, generator = cast(DenoisingGAN, translator.model), cast(Any, translator.networks.generator)
    rng = torch.Generator().manual_seed(seed)
    return model.draws(generator.out_channels, generator.latent, size=size, rng=rng, calls=translator.calls)


def require_torch() -> None:
    """Whether this version of PyTorch traces without rules for sizes, which it takes from the example.

    Raises:
        ValueError: it does not.
    """
    if _WITHOUT_RULES not in inspect.signature(torch.export.export).parameters:
        raise ValueError(
            f"torch: {torch.__version__} is too old to export with; pip install --upgrade torch (2.14 does it)"
        )


def refuse_untraceable(translator: Translator) -> None:
    """Refuse what no graph holds.

    Raises:
        ValueError: naming it.
    """
    schemes = [each for each in translator.networks.scheme.modules() if isinstance(each, DecisionMemory)]
    if any(each.translate_with == "published" for each in schemes):
        folder = translator.source.folder
        where = f"its {CONFIG}" if is_handed(folder) else "the run's options.yaml"
        raise ValueError(
            f"{folder}: translates with a ripple that is drawn for each size by a seed "
            "(translate_with: published), which no graph holds; write translate_with: equilibrium into "
            f"{where}, which changes its translations, and export again"
        )
    if translator.as_trained and draws(translator.networks.generator):
        raise ValueError(
            "as_trained: this generator has dropout, whose draws no graph holds; leave --as_trained out, and dropout "
            "is off, as in atme translate"
        )


def smallest(translator: Translator) -> int:
    """Pixels that each side of a picture needs at least, found by trying.

    Raises:
        ValueError: the network's own, if it does not take the largest that was tried.
    """
    stride, channels = translator.knows.stride, translator.knows.source_channels
    for count in range(ENOUGH):
        side = count * stride + 1
        try:
            translator.tensor(torch.zeros(1, channels, side, side))
        except ValueError:
            if count + 1 == ENOUGH:
                raise
        else:
            return side
    raise AssertionError("unreachable")


def own_statistics(network: nn.Module) -> None:
    """Make batch norms of a network, in place, into norms by each picture's own statistics."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                own = nn.InstanceNorm2d(child.num_features, eps=child.eps, affine=child.affine)
                own.load_state_dict({key: child.state_dict()[key] for key in own.state_dict()})
                setattr(parent, name, own.eval())


Run = Callable[..., Tensor]
"""An exported translation as it is called: from (B, C, H, W), and what is drawn, to (B, C', H, W)."""


@contextmanager
def silence() -> Iterator[None]:
    """Within, exporters keep their remarks on their own workings to themselves."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
