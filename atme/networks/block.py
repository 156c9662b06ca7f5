"""The block that the diffusion U-Net and W are made of: a convolution with standardized weights, GroupNorm, SiLU.

Standardized weights: Qiao et al. 2019, arXiv 1903.10520; they work well with group normalization (Wu and He 2018,
arXiv 1803.08494). On a CPU, what follows the convolution is one step (fused.py).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from atme.networks import kernels
from atme.networks.convolution import convolve
from atme.networks.fused import normalize_scale_silu
from atme.networks.kept import Kept
from atme.networks.kernels import in_one_step
from atme.networks.standard_weights import standardized
from atme.networks.standardized import convolved, convolved_by, kind_of, normalized_and_convolved, read_as


def standardize(weight: Tensor, *, eps: float = 1e-5) -> Tensor:
    """(w − mean) / √(variance + ε), mean and variance over all but the first axis. Same shape."""
    rows = weight.permute(0, 2, 3, 1)  # channels last: the layout in which the convolution reads it
    return F.layer_norm(rows, rows.shape[1:], eps=eps).permute(0, 3, 1, 2)


class Block(nn.Module):
    """3×3 convolution with standardized weights, GroupNorm, an optional scale and shift per image, SiLU.

    Args:
        in_channels: C, those of a second map included.
        out_channels: C', a multiple of `groups`.
        groups: of GroupNorm.
        eps: added to the variance of the weights. (GroupNorm's own is 1e-5.)
    """

    def __init__(self, in_channels: int, out_channels: int, *, groups: int = 8, eps: float = 1e-5) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm = nn.GroupNorm(groups, out_channels)
        self.eps = eps
        self._kept = Kept()

    def standardized(self, split: Sequence[int] = (), kind: torch.dtype | None = None) -> list[Tensor]:
        """The weights that the convolution reads, where nothing learns.

        They are kept until the weights change, so that translations standardize them once.

        Args:
            split: channels of the maps that it reads, if there are several: each gets weights of its own.
            kind: their precision; that of the convolution if left out.
        """
        weight = self.conv.weight
        device = weight.device.type
        dtype = kind or (torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype)
        split = tuple(split) or (weight.shape[1],)
        if torch.is_grad_enabled():
            self._kept.forget()
            return list(standardize(weight, eps=self.eps).to(dtype).split(split, dim=1))

        def make() -> tuple[Tensor, ...]:
            if torch.compiler.is_compiling() or type(weight) is not nn.Parameter or weight.is_inference():
                return tuple(standardize(weight, eps=self.eps).to(dtype).split(split, dim=1))
            return tuple(standardized(weight, split, dtype, eps=self.eps)[0])

        return list(self._kept.of([weight], make, dtype, split, kernels.available()))

    def forward(
        self,
        image: Tensor,
        scale_shift: Tensor | None = None,
        *,
        beside: Tensor | None = None,
        residual: Tensor | None = None,
    ) -> Tensor:
        """One or two maps to one.

        Args:
            image: (B, C₁, H, W).
            scale_shift: (B, 2 C') or None; the first half scales, about 1, and the second shifts.
            beside: (B, C − C₁, H, W), or None where image has all channels.
            residual: (B, C', H, W), added to the result.

        Returns:
            (B, C', H, W).
        """
        if in_one_step(image):
            convolved, *_ = self.convolved(image, beside)  # (B, C', H, W)
            return normalize_scale_silu(convolved, self.conv.bias, self.norm, scale_shift, residual=residual)
        (weight,) = self.standardized()  # (C', C, 3, 3)
        result = plain(convolve(image, weight, self.conv.bias, border=1, beside=beside), self.norm, scale_shift)
        return result if residual is None else result + residual

    def convolved(self, image: Tensor, beside: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor | None]:
        """The convolution alone, without its bias, on a CPU: (B, C', H, W); and both maps, for who else reads them."""
        if torch.is_grad_enabled():
            self._kept.forget()  # a fused optimizer moves weights without a word
            return convolved(image, beside, self.conv.weight, eps=self.eps)
        maps = [each.to(kind_of(image)) for each in (image, beside) if each is not None]
        return convolved_by(maps, self.standardized(*read_as(maps, self.conv.weight))), image, beside

    def after(self, before: "Block", image: Tensor, scale_shift: Tensor | None, *, residual: Tensor) -> Tensor:
        """This block of what another one makes, on a CPU; that map is not kept for the backward pass.

        Args:
            before: the other one.
            image: (B, C, H, W), what `before.convolved` made.
            scale_shift: (B, 2 C) or None, that the other one listens to.
            residual: (B, C', H, W), added to the result.

        Returns:
            (B, C', H, W).
        """
        self._kept.forget()  # as in `convolved`
        of_norm = before.conv.bias, before.norm, scale_shift
        image = normalized_and_convolved(image, *of_norm, self.conv.weight, eps=self.eps)  # (B, C', H, W)
        return normalize_scale_silu(image, self.conv.bias, self.norm, None, residual=residual)


def plain(image: Tensor, norm: nn.GroupNorm, scale_shift: Tensor | None) -> Tensor:
    """GroupNorm, scale and shift, SiLU, one after the other. (B, C, H, W) to the same shape."""
    image = norm(image)
    if scale_shift is not None:
        scale, shift = scale_shift[:, :, None, None].chunk(2, dim=1)  # (B, C, 1, 1) each
        image = torch.addcmul(shift, image, scale + 1)
    return F.silu(image)
