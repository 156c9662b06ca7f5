"""Adversarial and reconstruction terms of the game, and the two numbers that tell how even it is.

Logits l of the discriminator, p = σ(l) = "is real". Goodfellow et al. 2014 (vanilla), Mao et al. 2017,
arXiv 1611.04076 (least squares), Lim and Ye 2017, arXiv 1705.02894 (hinge), Gulrajani et al. 2017,
arXiv 1704.00028 (WGAN-GP). Every function returns a scalar, the mean over images and patches.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from atme import require

Critic = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Adversarial:
    """One adversarial game: what each side minimizes, as functions of logits (B, 1, h, w)."""

    real: Critic
    """The discriminator's term on targets."""
    fake: Critic
    """The discriminator's term on translations."""
    generator: Critic
    """The generator's term on translations."""


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


ADVERSARIAL = {
    # the generator's term is the non-saturating one, −log σ(D(ŷ))
    "vanilla": Adversarial(cross_entropy_real, cross_entropy_fake, cross_entropy_real),
    "least_squares": Adversarial(
        lambda logits: (_logits(logits) - 1).square().mean(),
        lambda logits: _logits(logits).square().mean(),
        lambda logits: (_logits(logits) - 1).square().mean(),
    ),
    "hinge": Adversarial(
        lambda logits: F.relu(1 - _logits(logits)).mean(),
        lambda logits: F.relu(1 + _logits(logits)).mean(),
        lambda logits: -_logits(logits).mean(),
    ),
    "wgan_gp": Adversarial(
        lambda logits: -_logits(logits).mean(),
        lambda logits: _logits(logits).mean(),
        lambda logits: -_logits(logits).mean(),
    ),
}


def entropy(logits: Tensor) -> Tensor:
    """Mean entropy of the decisions, −p log p − (1 − p) log(1 − p) with p = σ(l), in nats: log 2 at most."""
    return (F.softplus(_logits(logits)) - logits * torch.sigmoid(logits)).mean()


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor, *, share: Tensor) -> Tensor:
    """E (‖∇_ŷ D(ŷ)‖₂ − 1)² on the lines between targets and translations: equation 3 of arXiv 1704.00028.

    Args:
        critic: image (B, C, H, W) → logits (B, 1, h, w).
        real: (B, C, H, W) targets.
        fake: (B, C, H, W) translations.
        share: (B, 1, 1, 1) in [0, 1], where on its line each image lies.
    """
    _images(real, fake)
    require.tensor("share", share, (len(real), 1, 1, 1))
    between = torch.lerp(fake.detach(), real, share).requires_grad_(True)  # (B, C, H, W)
    return (gradient_norm(critic(between), between) - 1).square().mean()


def gradient_norm(logits: Tensor, image: Tensor) -> Tensor:
    """‖∇_y Σ D(y)‖₂ per image, the sum over an image's patches; differentiable once more.

    Args:
        logits: (B, 1, h, w), computed from the images.
        image: (B, C, H, W), asking for gradients.

    Returns:
        (B,).
    """
    (slope,) = torch.autograd.grad(logits.sum(), image, create_graph=True)  # (B, C, H, W)
    norm: Tensor = torch.linalg.vector_norm(slope.flatten(1), dim=1)  # (B,)
    return norm
