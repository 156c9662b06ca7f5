"""DiffAugment: the discriminator reads augmented pairs, real and generated alike, and sees no picture twice.

Zhao et al., NeurIPS 2020, arXiv 2006.10738: what the discriminator judges is T(y) and T(ŷ) with random differentiable
T, in its own update and in the generator's, so that it cannot learn a small set by heart and no augmentation leaks
into what the generator makes. Beside a noise of one's own it is the control: does noise help, or any augmentation? The
constants are those of Projected GAN (arXiv 2111.01007), with images in [-1, 1]:

    color:        y + b,  b ~ U(−0.5, 0.5);  then away from each pixel's mean over its channels by U(0, 2), then
                  from the picture's mean by U(0.5, 1.5)
    translation:  by whole pixels, up to an eighth of each side; 0 (mid-gray) comes in
    cutout:       a rectangle of a fifth of each side becomes 0, its middle anywhere in the picture

Decisions:

- *A pair has one draw.* D looks at x beside y, and in a pair that was moved apart there is nothing to compare; its
  authors say of pix2pix that the pair is augmented as one (and that it gains little there). Colors are drawn once for
  both as well: a translation that is too bright for its source stays so. Each picture's means are its own.
- *Real and fake* have draws of their own, as in the paper; so each is judged beside its own source.
- *Saturation* is left out of pictures whose channels are not three.
- *kornia* moves the pictures. Its color functions clip to [0, 1], where no gradient passes; those are the formulas.
- *Cutout* takes a fifth of a side as Projected GAN does; Zhao et al. take a half.
"""

from typing import Literal

import torch
from kornia.geometry.transform import translate
from torch import Tensor

from atme import require
from atme.noise.injection import Game, Injection, Judged

Kind = Literal["color", "translation", "cutout"]

BRIGHTNESS, SATURATION, CONTRAST = (-0.5, 0.5), (0.0, 2.0), (0.5, 1.5)
FARTHEST, HOLE = 1 / 8, 1 / 5
"""Of a side: how far a picture is moved at most, and how much of it is cut out."""

DRAWS = 8
"""Numbers that each pair draws, whatever the policy: what one kind draws does not depend on the others."""


class DiffAugment(Injection):
    """Differentiable augmentation of what the discriminator reads: source and judged image alike.

    The first door is left alone, so translating costs nothing; there is no state.

    Args:
        game: unused but for its kind.
        policy: what is done, of ``color``, ``translation`` and ``cutout``; always in this order.
        probability: of each pair, that anything is done to it; 1 is the paper's.

    Raises:
        ValueError: if there is nothing to do, or the probability is none.
    """

    def __init__(
        self,
        game: Game,
        *,
        policy: tuple[Kind, ...] = ("color", "translation", "cutout"),
        probability: float = 1.0,
    ) -> None:
        super().__init__()
        require.kind("game", game, of=Game)
        require.number("noise.probability", probability, least=0, most=1)
        if not isinstance(policy, list | tuple) or not policy:
            raise ValueError(
                f"noise.policy: {require.shown(policy)} is no list of any; give some of color, translation, cutout"
            )
        for kind in policy:
            require.choice("noise.policy", kind, Kind)
        self.policy, self.probability = frozenset(policy), probability

    def before_discriminator(self, source: Tensor, *images: Tensor, rng: torch.Generator) -> tuple[Judged, ...]:
        """Augment each image and, by the same draws, the source that it is judged beside."""
        return tuple(self._augmented(source, image, rng) for image in images)

    def _augmented(self, source: Tensor, image: Tensor, rng: torch.Generator) -> Judged:
        drawn = torch.rand((DRAWS, len(image)), generator=rng, device=image.device)  # [0, 1)
        return Judged(self._one(source, drawn), self._one(image, drawn))

    def _one(self, picture: Tensor, drawn: Tensor) -> Tensor:
        """A picture (B, C, H, W) after the policy, by draws (8, B) in [0, 1)."""
        chosen, color, move, hole = drawn.split([1, 3, 2, 2])
        after = picture
        if "color" in self.policy:
            after = colored(after, color)
        if "translation" in self.policy:
            after = moved(after, move)
        if "cutout" in self.policy:
            after = cut_out(after, hole)
        return torch.where(_column(chosen[0] < self.probability), after, picture)


def colored(picture: Tensor, drawn: Tensor) -> Tensor:
    """Another brightness, saturation (of three channels alone) and contrast, by draws (3, B) in [0, 1)."""
    ends = zip(drawn, (BRIGHTNESS, SATURATION, CONTRAST), strict=True)
    brightness, saturation, contrast = (_column(low + (high - low) * u).to(picture) for u, (low, high) in ends)
    picture = picture + brightness  # (B, C, H, W)
    if picture.shape[1] == 3:
        picture = torch.lerp(picture.mean(dim=1, keepdim=True), picture, saturation)
    return torch.lerp(picture.mean(dim=(1, 2, 3), keepdim=True), picture, contrast)


def moved(picture: Tensor, drawn: Tensor) -> Tensor:
    """Moved down and to the right by whole pixels, by draws (2, B) in [0, 1); 0 comes in."""
    most = [round(side * FARTHEST) for side in picture.shape[-2:]]
    down, right = (torch.floor(u * (2 * far + 1)) - far for u, far in zip(drawn, most, strict=True))
    steps = torch.stack([right, down], dim=1).to(picture)  # (B, 2)
    after: Tensor = translate(picture, steps, mode="nearest", padding_mode="zeros")
    return after


def cut_out(picture: Tensor, drawn: Tensor) -> Tensor:
    """With a rectangle of 0, by draws (2, B) in [0, 1) of its middle; it may reach over the picture's edges."""
    rows, columns = (_within(side, u) for side, u in zip(picture.shape[-2:], drawn, strict=True))  # (B, side)
    hole = rows[:, None, :, None] & columns[:, None, None, :]  # (B, 1, H, W)
    return picture.masked_fill(hole, 0.0)


def _within(side: int, drawn: Tensor) -> Tensor:
    """Which places of a side lie in the hole: (B, side)."""
    first = torch.floor(drawn * side) - round(side * HOLE) // 2
    place = torch.arange(side, device=drawn.device) - first[:, None]
    return (place >= 0) & (place < round(side * HOLE))


def _column(values: Tensor) -> Tensor:
    return values[:, None, None, None]
