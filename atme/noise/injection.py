"""The protocol of a noise scheme: what is corrupted, at what level, and what is remembered.

A scheme has three doors. ATME corrupts what the generator reads (first door), Diffusion-GAN what the
discriminator reads (second door: its images, or what it makes of them), and both learn from the discriminator's
verdicts (third door): the one arrow of the game that points backwards. A scheme is an ``nn.Module``, so that its
weights and its memory travel in one ``state_dict``.

Departures from the plan this room was built after: the third door takes the verdicts alone, since they carry
the index and the view that a memory needs, and nothing else has to cross from process to process.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from atme import require
from atme.data import Pair
from atme.losses import Maps
from atme.networks.features import Features


@dataclass(frozen=True)
class Game:
    """What a scheme must know of the game it joins, measured from the data and the networks."""

    images: int
    """Number of training pairs: indices run from 0 to images − 1."""
    size: tuple[int, int]
    """Height and width of a training sample, in pixels."""
    batch: int
    """Images per update of the weights, over all processes."""
    verdict_shape: Callable[[int, int], tuple[int, int]]
    """(height, width) of an image, in pixels → (height, width) of the discriminator's map, in cells; of several maps
    the first, which is what a memory keeps."""
    verdict_stride: int
    """Pixels from one cell of that map to the next."""
    verdict_start: float | None = None
    """Pixels from an image's upper and left edge to the middle of its first cell; None: the map lies in its middle."""

    def __post_init__(self) -> None:
        require.whole("images", self.images, least=1)
        require.size("size", self.size)
        require.whole("batch", self.batch, least=1)
        require.whole("verdict_stride", self.verdict_stride, least=1)
        if self.verdict_start is not None:
            require.number("verdict_start", self.verdict_start)
        if not callable(self.verdict_shape):
            raise ValueError(f"verdict_shape: {require.shown(self.verdict_shape)}; give a function of height and width")


@dataclass(frozen=True)
class Corrupted:
    """What the generator reads."""

    image: Tensor
    """(B, C, H, W): the source after corruption; within [-1, 1] only if the scheme keeps it there."""
    level: Tensor
    """(B,): how much was corrupted, in the scheme's own unit; 0 where nothing was."""
    map: Tensor | None = None
    """(B, 1, H, W) in (-1, 1): W of x·(1 + W); None where the scheme has no such map."""


@dataclass(frozen=True)
class Judged:
    """What the discriminator reads."""

    source: Tensor
    """(B, C, H, W): the condition x."""
    image: Tensor
    """(B, C', H, W): the image that is judged, a target or a translation."""
    level: Tensor | None = None
    """(B,): diffusion timestep of the judged image; None where nothing was diffused."""
    on_features: Callable[[Features], Features] | None = None
    """What is done to the discriminator's features before it judges them; None: nothing."""


@dataclass(frozen=True)
class Verdicts:
    """The discriminator's verdicts on one batch, clean or diffused as it saw them; all detached.

    One map of each image, or several at several scales, the finest first.
    """

    real: Maps
    """Each (B, 1, h, w): logits on the targets, as the discriminator's update saw them: before its weights moved."""
    fake: Maps
    """Each (B, 1, h, w): logits on the translations, as the generator's update saw them: after they moved."""
    index: Tensor
    """(B,) int64: positions in the training set."""
    view: Tensor
    """(B, 2, 3): affine maps from the sample's to the whole picture's normalized coordinates."""

    @property
    def kept(self) -> Tensor:
        """(B, 1, h, w): what a memory keeps: the finest map on the translations, whose geometry `Game` tells."""
        return self.fake[0]


class Injection(nn.Module):
    """A noise scheme that does nothing at any door; the others override what they corrupt or remember."""

    passes: int = 1
    """Generator calls that one translation takes; a second pass reads the verdict on the first."""

    of_each_image: tuple[str, ...] = ()
    """Buffers that hold something of each training image, which no translation reads."""

    on_features: bool = False
    """Whether the second door acts on the discriminator's features, which must offer them then."""

    def advance(self, progress: float) -> None:
        """Hear, before each update, how far the training is, from 0 to 1; what is made of it belongs in a buffer."""

    def before_generator(self, pair: Pair, *, verdict: Tensor | None = None) -> Corrupted:
        """Corrupt what the generator reads.

        Args:
            pair: samples in [-1, 1]; ``index`` None means images outside the training set.
            verdict: (B, 1, h, w) logits to use in place of what is remembered.
        """
        require.kind("pair", pair, of=Pair)
        return Corrupted(pair.source, pair.source.new_zeros(pair.source.shape[0]))

    def before_discriminator(self, source: Tensor, *images: Tensor, rng: torch.Generator) -> tuple[Judged, ...]:
        """Corrupt what the discriminator reads; images of one call share their levels, not their noise.

        A scheme may act on what the discriminator makes of the images instead: it returns them as they are, with
        ``on_features`` set, which the discriminator calls once for each of them, in their order.

        Args:
            source: (B, C, H, W) in [-1, 1], the condition.
            images: each (B, C', H, W) in [-1, 1], to be judged.
            rng: source of randomness, on the images' device.
        """
        return tuple(Judged(source, image) for image in images)

    @torch.no_grad()
    def remember(self, verdicts: Verdicts) -> None:
        """Take in the verdicts of one update, of all processes: the only arrow that points backwards."""

    def memory(self) -> dict[str, Tensor]:
        """What is remembered of each training image, by its name in the state."""
        schemes = [(name, module) for name, module in self.named_modules() if isinstance(module, Injection)]
        names = [f"{name}.{buffer}".lstrip(".") for name, scheme in schemes for buffer in scheme.of_each_image]
        return {name: value for name, value in self.state_dict().items() if name in names}

    def readings(self) -> dict[str, float]:
        """Numbers that the scheme adds to the log, by name."""
        return {}

    def forward(self, pair: Pair, verdict: Tensor | None = None) -> Corrupted:
        """The first door, as a module is called: so that gradients are averaged over processes."""
        return self.before_generator(pair, verdict=verdict)


class Identity(Injection):
    """No noise: the game is plain pix2pix."""

    def __init__(self, game: Game) -> None:
        super().__init__()
        require.kind("game", game, of=Game)


class Sequence(Injection):
    """Several schemes, one after the other at each door.

    Maps compose as their factors do, 1 + W = (1 + W₁)(1 + W₂), and levels add, so that a scheme that leaves
    a door alone changes nothing there. The discriminator's levels may come from one scheme only.

    Args:
        game: what every scheme of the sequence is told.
        schemes: makers of the schemes, in their order.

    Raises:
        ValueError: if there is no scheme, or two of them set the discriminator's level.
    """

    def __init__(self, game: Game, *, schemes: list[Callable[[Game], Injection]]) -> None:
        super().__init__()
        require.kind("game", game, of=Game)
        if not isinstance(schemes, list | tuple) or not all(callable(make) for make in schemes):
            raise ValueError(
                f"noise.schemes: {require.shown(schemes)} is no list of makers; give one of classes of noise"
            )
        if not schemes:
            raise ValueError("noise.schemes: the list is empty; name at least one scheme, or use Identity")
        made = [make(game) for make in schemes]
        for scheme in made:
            require.kind("noise.schemes", scheme, of=Injection)
        self.schemes = nn.ModuleList(made)
        self.passes = max(scheme.passes for scheme in made)
        self.on_features = any(scheme.on_features for scheme in made)

    def _each(self) -> list[Injection]:
        return [scheme for scheme in self.schemes if isinstance(scheme, Injection)]

    def advance(self, progress: float) -> None:
        """Tell every scheme."""
        for scheme in self._each():
            scheme.advance(progress)

    def before_generator(self, pair: Pair, *, verdict: Tensor | None = None) -> Corrupted:
        """Corrupt by each scheme in turn."""
        so_far = Corrupted(pair.source, pair.source.new_zeros(pair.source.shape[0]))
        for scheme in self._each():
            step = scheme.before_generator(replace(pair, source=so_far.image), verdict=verdict)
            so_far = Corrupted(step.image, so_far.level + step.level, _compose(so_far.map, step.map))
        return so_far

    def before_discriminator(self, source: Tensor, *images: Tensor, rng: torch.Generator) -> tuple[Judged, ...]:
        """Corrupt by each scheme in turn."""
        judged = tuple(Judged(source, image) for image in images)
        for scheme in self._each():
            after = scheme.before_discriminator(judged[0].source, *(j.image for j in judged), rng=rng)
            judged = tuple(_later(old, _own_source(old, new, judged)) for old, new in zip(judged, after, strict=True))
        return judged

    @torch.no_grad()
    def remember(self, verdicts: Verdicts) -> None:
        """Tell every scheme."""
        for scheme in self._each():
            scheme.remember(verdicts)

    def readings(self) -> dict[str, float]:
        """The readings of all schemes."""
        return {name: value for scheme in self._each() for name, value in scheme.readings().items()}


def _compose(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    if first is None or second is None:
        return second if first is None else first
    return (1 + first) * (1 + second) - 1


def _own_source(old: Judged, new: Judged, judged: tuple[Judged, ...]) -> Judged:
    """What a scheme made of an image, beside the source that this image had; the scheme was shown the first one's."""
    if all(each.source is judged[0].source for each in judged):
        return new
    if new.source is not judged[0].source:
        raise ValueError(
            "noise.schemes: one scheme gives each image a source of its own, as DiffAugment does, and a later one "
            "changes sources; put the first of them last"
        )
    return replace(new, source=old.source)


def _later(old: Judged, new: Judged) -> Judged:
    if old.level is not None and new.level is not None:
        raise ValueError(
            "noise.schemes: two schemes diffuse the discriminator's images, and it listens to one level; "
            "keep one of them"
        )
    level = old.level if new.level is None else new.level
    return Judged(new.source, new.image, level, _in_turn(old.on_features, new.on_features))


def _in_turn(
    first: Callable[[Features], Features] | None, second: Callable[[Features], Features] | None
) -> Callable[[Features], Features] | None:
    if first is None or second is None:
        return second if first is None else first
    return lambda features: second(first(features))


def require_known(pair: Pair, game: Game) -> None:
    """Whether a pair is one, of the training set of this game; read on the CPU only, where that costs nothing.

    Raises:
        ValueError: it is not.
    """
    require.kind("pair", pair, of=Pair)
    if type(pair.index) is not Tensor or pair.index.device.type != "cpu" or not len(pair.index):
        return  # unknown, or of a kind that holds no values: costs are computed on such
    first, last = int(pair.index.min()), int(pair.index.max())
    if first < 0 or last >= game.images:
        wrong = first if first < 0 else last
        raise ValueError(
            f"pair.index: {wrong}, and this game has {game.images} training images; give None for other images"
        )
