"""The protocol of a translation model: which losses, and in which order the networks are updated.

A model holds hyper-parameters only. All that changes during training lives in the state that ``step`` is
given, which the training loop owns; a model sees of it what `Arena` lists.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from atme.data import Pair
from atme.noise import Corrupted, Injection, Verdicts

Side = Literal["generator", "discriminator"]
"""Who moves: the generator, together with the noise scheme's weights, or the discriminator."""


@dataclass(frozen=True)
class Networks:
    """The three modules of a game, as they are called."""

    generator: nn.Module
    discriminator: nn.Module
    scheme: Injection


@dataclass(frozen=True)
class Step:
    """What one update did, for the log and the recordings; all detached."""

    losses: dict[str, Tensor]
    """Named scalars of the log."""
    corrupted: Corrupted
    """What the generator read."""
    fake: Tensor
    """(B, C', H, W) in [-1, 1]: the translations."""
    verdicts: Verdicts
    """The discriminator's verdicts on this process's batch."""


class Arena(Protocol):
    """What a model may use of the training state."""

    @property
    def generator(self) -> nn.Module:
        """ŷ = generator(image, level), averaging gradients over processes."""

    @property
    def discriminator(self) -> nn.Module:
        """Logits = discriminator(source, image, level), averaging gradients over processes."""

    @property
    def scheme(self) -> nn.Module:
        """Corrupted = scheme(pair), averaging gradients over processes."""

    @property
    def bare(self) -> Networks:
        """The same three modules, outside of what averages their gradients."""

    @property
    def rng(self) -> torch.Generator:
        """The randomness of this step on this process."""

    @property
    def step(self) -> int:
        """Updates of the weights before this one."""

    def update(self, side: Side, loss: Tensor) -> None:
        """Move one side's weights down the gradient of its loss."""

    def gather(self, verdicts: Verdicts) -> Verdicts:
        """The verdicts of all processes, in the order of their ranks."""


class TranslationModel(Protocol):
    """A game between a generator and a discriminator over pairs."""

    one_answer: bool
    """Whether a picture has one translation; if not, each is drawn."""

    def generator_channels(self, source: int, target: int) -> tuple[int, int]:
        """Channels that the generator reads and writes, from the channels of the pair's sides."""

    def discriminator_channels(self, source: int, target: int) -> tuple[int, int]:
        """Channels of the condition and of the image that the discriminator reads."""

    def require(self, networks: Networks) -> None:
        """Refuse networks that this game cannot be played with.

        Raises:
            ValueError: naming the option that does not fit.
        """

    def step(self, arena: Arena, pair: Pair) -> Step:
        """Update every network once on one batch."""

    def translate(
        self, networks: Networks, pair: Pair, *, rng: torch.Generator | None = None
    ) -> tuple[Corrupted, Tensor]:
        """Translate a batch.

        Args:
            networks: in evaluation mode.
            pair: the sources in [-1, 1]; targets are not read.
            rng: on the CPU, for models that draw; None draws what a new generator of seed 0 does. Every image
                of a batch gets the same draws, so that no translation depends on what stands beside it.

        Returns:
            What the generator read last, and the translations (B, C', H, W) in [-1, 1].
        """
