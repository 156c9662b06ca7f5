"""Adversarial and reconstruction terms of the game, and the two numbers that tell how even it is.

Logits l of the discriminator, p = σ(l) = "is real". Goodfellow et al. 2014 (vanilla), Mao et al. 2017,
arXiv 1611.04076 (least squares), Lim and Ye 2017, arXiv 1705.02894 (hinge), Gulrajani et al. 2017,
arXiv 1704.00028 (WGAN-GP), Jolicoeur-Martineau 2019, arXiv 1807.00734 (relativistic, of pairs: RpGAN). Every function
returns a scalar, the mean over images and patches.

A discriminator may answer with several maps, at several scales: each map has the same say, however large it is.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from atme import require

Critic = Callable[[Tensor], Tensor]

Maps = tuple[Tensor, ...]
"""Logits of a discriminator on one batch, each (B, 1, h, w), one map or several; the first is the finest."""


@dataclass(frozen=True)
class Adversarial:
    """One adversarial game: what each side minimizes, as functions of logits on targets and on translations."""

    of_discriminator: Callable[[Tensor, Tensor], Tensor]
    """The discriminator's term: (real, fake), of one map each."""
    of_generator: Callable[[Tensor | None, Tensor], Tensor]
    """The generator's term, the same way; real is None unless the game is ``relativistic``."""
    relativistic: bool = False
    """Whether a verdict counts beside that on the other side alone: the generator's term then reads both."""

    def discriminator(self, real: Maps, fake: Maps) -> Tensor:
        """What the discriminator minimizes."""
        return mean_of([self.of_discriminator(*each) for each in zip(real, fake, strict=True)])

    def generator(self, real: Maps | None, fake: Maps) -> Tensor:
        """What the generator minimizes; ``real`` may be None unless the game is relativistic."""
        beside = (None,) * len(fake) if real is None else real
        return mean_of([self.of_generator(*each) for each in zip(beside, fake, strict=True)])

    def relative(self, logits: Maps, other: Maps | None) -> Maps:
        """The logits of "is real": of a relativistic game, where only differences count, beside the other side's."""
        if not self.relativistic or other is None:
            return logits
        return tuple(one - another for one, another in zip(logits, other, strict=True))


def mean_of(terms: list[Tensor]) -> Tensor:
    """The mean of scalars, one of each map."""
    return torch.stack(terms).mean()


def _logits(logits: Tensor) -> Tensor:
    """The same; a ValueError if they are none, or a mean of nothing would be taken."""
    fits = hasattr(logits, "is_floating_point") and logits.is_floating_point() and logits.numel()
    if not fits:
        raise ValueError(f"logits: {require.shown(logits)} are none; give a tensor of real numbers, (B, 1, h, w)")
    return logits


def _images(real: Tensor, fake: Tensor) -> None:
    require.tensor("real", real, ("B", "C", "H", "W"))
    require.tensor("fake", fake, tuple(real.shape))


def cross_entropy_real(logits: Tensor) -> Tensor:
    """−log σ(l), in nats: log 2 when the discriminator cannot tell."""
    return F.softplus(-_logits(logits)).mean()


def cross_entropy_fake(logits: Tensor) -> Tensor:
    """−log(1 − σ(l)), in nats: log 2 when the discriminator cannot tell."""
    return F.softplus(_logits(logits)).mean()


def one_sided(real: Critic, fake: Critic, generator: Critic) -> Adversarial:
    """A game whose terms read one side's logits each.

    Args:
        real: the discriminator's term on targets.
        fake: the discriminator's term on translations.
        generator: the generator's term on translations.
    """
    return Adversarial(lambda on_real, on_fake: real(on_real) + fake(on_fake), lambda _, on_fake: generator(on_fake))


def _apart(real: Tensor | None, fake: Tensor) -> Tensor:
    """Δ: how much more real a target looks than its translation, patch by patch."""
    if real is None or _logits(real).shape != _logits(fake).shape:
        raise ValueError(f"real: {require.shown(real)}; a relativistic game reads logits on targets of the same shape")
    return real - fake


ADVERSARIAL = {
    # the generator's term is the non-saturating one, −log σ(D(ŷ))
    "vanilla": one_sided(cross_entropy_real, cross_entropy_fake, cross_entropy_real),
    "least_squares": one_sided(
        lambda logits: (_logits(logits) - 1).square().mean(),
        lambda logits: _logits(logits).square().mean(),
        lambda logits: (_logits(logits) - 1).square().mean(),
    ),
    "hinge": one_sided(
        lambda logits: F.relu(1 - _logits(logits)).mean(),
        lambda logits: F.relu(1 + _logits(logits)).mean(),
        lambda logits: -_logits(logits).mean(),
    ),
    "wgan_gp": one_sided(
        lambda logits: -_logits(logits).mean(),
        lambda logits: _logits(logits).mean(),
        lambda logits: -_logits(logits).mean(),
    ),
    # −log σ(Δ) and −log σ(−Δ) of Δ = D(y) − D(ŷ), patch by patch
    "relativistic": Adversarial(
        lambda real, fake: F.softplus(-_apart(real, fake)).mean(),
        lambda real, fake: F.softplus(_apart(real, fake)).mean(),
        relativistic=True,
    ),
}


def entropy(logits: Tensor) -> Tensor:
    """Mean entropy of the decisions, −p log p − (1 − p) log(1 − p) with p = σ(l), in nats: log 2 at most."""
    return (F.softplus(_logits(logits)) - logits * torch.sigmoid(logits)).mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor | Maps], real: Tensor, fake: Tensor, *, share: Tensor) -> Tensor:
    """E (‖∇_ŷ D(ŷ)‖₂ − 1)² on the lines between targets and translations: equation 3 of arXiv 1704.00028.

    Args:
        critic: image (B, C, H, W) → logits (B, 1, h, w), one map or several.
        real: (B, C, H, W) targets.
        fake: (B, C, H, W) translations.
        share: (B, 1, 1, 1) in [0, 1], where on its line each image lies.
    """
    _images(real, fake)
    require.tensor("share", share, (len(real), 1, 1, 1))
    between = torch.lerp(fake.detach(), real, share).requires_grad_(True)  # (B, C, H, W)
    return (gradient_norm(critic(between), between) - 1).square().mean()


def zero_centered_penalty(critic: Callable[[Tensor], Tensor | Maps], real: Tensor) -> Tensor:
    """R1, E ‖∇_y D(y)‖₂² on targets: Mescheder et al. 2018, arXiv 1801.04406, equation 9, without its γ/2.

    Args:
        critic: image (B, C, H, W) → logits (B, 1, h, w), one map or several; the sum over patches stands for D.
        real: (B, C, H, W) targets.
    """
    image = real.detach().requires_grad_(True)
    return gradient_norm(critic(image), image).square().mean()


def gradient_norm(logits: Tensor | Maps, image: Tensor) -> Tensor:
    """‖∇_y Σ D(y)‖₂ per image, the sum over an image's patches; differentiable once more.

    Args:
        logits: (B, 1, h, w), computed from the images; or several such maps, whose sums are added.
        image: (B, C, H, W), asking for gradients.

    Returns:
        (B,).
    """
    total = logits.sum() if isinstance(logits, Tensor) else torch.stack([each.sum() for each in logits]).sum()
    (slope,) = torch.autograd.grad(total, image, create_graph=True)  # (B, C, H, W)
    norm: Tensor = torch.linalg.vector_norm(slope.flatten(1), dim=1)  # (B,)
    return norm


NEAR = 0.05
"""τ of the palette loss, for values in [-1, 1]: a squared distance over which a class loses a factor e."""


@dataclass(frozen=True)
class Palette:
    """The colors of the classes that targets are made of, for `palette_loss`; values in [-1, 1]."""

    colors: Tensor
    """(K, C)."""
    weights: Tensor
    """(K,): of each class, 1/√share among the pixels, scaled so that the mean over pixels is 1."""
    ignored: Tensor
    """(J, C): colors of classes that are not learned; none: J = 0."""

    @classmethod
    def of(cls, colors: Tensor, counts: Tensor, *, ignored: Tensor) -> Self:
        """The palette of classes (K, C), ignored (J, C), that so many pixels (K,) have."""
        share = (counts.double() + 1) / (counts.double() + 1).sum()  # of no class is it 0
        weights = share.rsqrt() / share.sqrt().sum()
        return cls(colors.float(), weights.float(), ignored.float())

    def to(self, device: torch.device) -> Self:
        """The same on another device."""
        return replace(
            self,
            colors=self.colors.to(device),
            weights=self.weights.to(device),
            ignored=self.ignored.to(device),
        )


def palette_loss(image: Tensor, target: Tensor, palette: Palette) -> Tensor:
    """How surely each pixel of a translation is of its target's class: a cross-entropy of colors, in nats.

        − w_c log softmax_k(−‖ŷ − color_k‖² / τ)_c,    c: the class of the target's pixel,    τ = 0.05

    What is compared are pictures, so a translation stays one. Its gradient points from the nearest wrong color to the
    right one: where L1 is content with the commonest color, thin and rare things are worth their pixels.

    Args:
        image: (B, C, H, W) in [-1, 1].
        target: (B, C, H, W) in [-1, 1], of the palette's colors.
        palette: of the same C.

    Returns:
        The mean over all pixels; those of ignored classes count as 0.
    """
    every = torch.cat([palette.colors, palette.ignored])
    with torch.autocast(image.device.type, enabled=False):
        nearness = _nearness(image.float(), palette.colors)  # (B, K, H, W)
        truth = _nearness(target.float(), every).argmax(dim=1)  # (B, H, W), from K on ignored
        wanted = torch.where(truth < len(palette.colors), truth, -100)
        total: Tensor = F.cross_entropy(nearness, wanted, weight=palette.weights, ignore_index=-100, reduction="sum")
    return total / truth.numel()


def _nearness(image: Tensor, colors: Tensor) -> Tensor:
    """−‖image − color‖² / τ of each color, but for ‖image‖², which no softmax sees: (B, K, H, W)."""
    against = torch.einsum("bchw,kc->bkhw", image, colors)
    return (2 * against - colors.square().sum(dim=1)[:, None, None]) / NEAR
