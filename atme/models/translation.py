"""The protocol of a translation model: which losses, and in which order the networks are updated.

A model holds hyper-parameters only. All that changes during training lives in the state that ``step`` is
given, which the training loop owns; a model sees of it what `Arena` lists.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from atme.data import Pair
from atme.losses import Palette
from atme.models.roles import Networks, Side
from atme.noise import Corrupted, Verdicts


@dataclass(frozen=True)
class Step:
    """What one update did, for the log and the recordings; all detached."""

    losses: dict[str, Tensor]
    """Named scalars of the log."""
    corrupted: Corrupted
    """What the generator read."""
    fake: Tensor
    """(B, C', H, W) in [-1, 1]: the translations."""
    verdicts: Verdicts | None = None
    """The discriminator's verdicts on this process's batch; None if it gave none."""


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

    def role(self, name: str) -> nn.Module:
        """The network of a role, averaging gradients over processes."""

    @property
    def bare(self) -> Networks:
        """The same modules, outside of what averages their gradients."""

    @property
    def rng(self) -> torch.Generator:
        """The randomness of this step on this process."""

    @property
    def step(self) -> int:
        """Updates of the weights before this one."""

    @property
    def progress(self) -> float:
        """How far the training is: the share of its updates that are done, from 0 to below 1."""

    @property
    def palette(self) -> Palette | None:
        """The classes that targets are made of; None where they are pictures, or no game asks for it."""

    def update(self, side: Side, loss: Tensor) -> None:
        """Move one side's weights down the gradient of its loss; the scheme's move with the generator's."""

    def gather(self, verdicts: Verdicts) -> Verdicts:
        """The verdicts of all processes, in the order of their ranks."""


class TranslationModel(Protocol):
    """A game over pairs: which networks play, what they lose, and in which order they move."""

    roles: Collection[str]
    """The networks that it is played with, without the noise scheme: ``generator``, mostly ``discriminator``, and
    perhaps others."""

    one_answer: bool
    """Whether a picture has one translation; if not, each is drawn."""

    calls: Collection[int]
    """Numbers of calls of the generator that a translation may be asked to take; empty if nothing can be asked."""

    def channels(self, role: str, *, source: int, target: int) -> tuple[int, int]:
        """What the network of a role is made with: the channels of what it reads and of what it writes or judges.

        Args:
            role: of `roles`.
            source: channels of the pair's sources.
            target: channels of the pair's targets.
        """

    def require(self, networks: Networks) -> None:
        """Refuse networks that this game cannot be played with.

        Raises:
            ValueError: naming the option that does not fit.
        """

    def step(self, arena: Arena, pair: Pair) -> Step:
        """Update every network once on one batch."""

    def translate(
        self,
        networks: Networks,
        pair: Pair,
        *,
        rng: torch.Generator | None = None,
        calls: int | None = None,
    ) -> tuple[Corrupted, Tensor]:
        """Translate a batch.

        Args:
            networks: in evaluation mode.
            pair: the sources in [-1, 1]; targets are not read.
            rng: on the CPU, for models that draw; None draws what a new generator of seed 0 does. Every image
                of a batch gets the same draws, so that no translation depends on what stands beside it.
            calls: of the generator, one of `calls`; None for as many as the game is played with.

        Returns:
            What the generator read last, and the translations (B, C', H, W) in [-1, 1].
        """


def require_complete(model: TranslationModel) -> None:
    """Whether a model says what its game is made of, which its methods' declarations do not tell.

    Raises:
        ValueError: naming what it lacks.
    """
    for name, such in {"roles": ("generator",), "one_answer": True, "calls": ()}.items():
        if not hasattr(model, name):
            raise ValueError(f"model: {type(model).__name__} has no {name}; give it one, such as {name} = {such}")
    if "generator" not in model.roles:
        raise ValueError(f"model: {type(model).__name__} plays without a generator; name one among its roles")


def require_calls(model: TranslationModel, calls: int | None) -> None:
    """Whether a model translates in so many calls of its generator.

    Raises:
        ValueError: if not.
    """
    if calls is None or calls in model.calls:
        return
    name = type(model).__name__
    if not model.calls:
        raise ValueError(f"calls: {calls}, and {name} has one way to translate; leave it out")
    few = [str(each) for each in sorted(model.calls)]
    said = ", ".join(few) if len(few) < 9 else f"{few[0]} to {few[-1]}"
    raise ValueError(f"calls: {calls}, and this {name} translates in {said}; choose one of these")
