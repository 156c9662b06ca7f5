"""How near a translation is to its target, image by image: L1; PSNR and MS-SSIM by torchmetrics; SSIM and ΔE by kornia.

L1 compares values in [-1, 1]. PSNR knows only their ratio to the range, so [-1, 1] with range 2 and [0, 1] with range
1 give the same decibels. SSIM (Wang et al. 2004; Gaussian window of 11 pixels, σ 1.5) does not: its luminance term
(2 μ_x μ_y + c₁) / (μ_x² + μ_y² + c₁), c₁ = (0.01 · range)², depends on where zero lies. Zero is black in the
literature, so SSIM reads (x + 1) / 2 in [0, 1] with range 1, the picture reflected at its border. (scikit-image, with
gaussian_weights, sigma 1.5 and no sample covariance, leaves the border out: 0.1529 for 0.1530 of earth's photographs as
maps. Its defaults take another window: 0.139.) MS-SSIM (Wang, Simoncelli, Bovik 2003) is the product of the contrast
terms of five halvings and the SSIM of the last, each to its published power; negative terms count as 0, as they have no
such power; it is computed in float32, in a tenth of the time, which changes it by up to 3e-5 where a picture has
no structure. ΔE is the color difference of CIE 1976: the Euclidean distance in L*a*b* (D65, sRGB), mean over pixels. A
mean over images is what is quoted.
"""

from collections.abc import Callable, Sequence

import torch
from kornia.color import rgb_to_lab
from kornia.metrics import ssim
from torch import Tensor
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    peak_signal_noise_ratio,
)

from atme.metrics.catalog import metric

_ROUNDING = 1e-3
"""How far beyond [-1, 1] a value may lie by rounding alone."""


def scores(
    translation: Tensor, target: Tensor, *, names: Sequence[str] = ("l1", "psnr", "ssim")
) -> dict[str, list[float]]:
    """Scores of each image of a batch, by name.

    Args:
        translation: (B, C, H, W) in [-1, 1].
        target: (B, C, H, W) in [-1, 1].
        names: some of l1, psnr, ssim, ms_ssim and delta_e.

    Returns:
        For each name a list of B numbers. PSNR of identical images is infinite.

    Raises:
        ValueError: if the shapes differ, the images have no such score, or values lie outside [-1, 1].
    """
    if translation.shape != target.shape:
        raise ValueError(
            f"scores: translation {tuple(translation.shape)} and target {tuple(target.shape)} differ; "
            "give two batches of one shape"
        )
    for which, images in (("translation", translation), ("target", target)):
        check(which, images)
        for name in names:
            if refusal := metric(name).refuses(*images.shape[1:]):
                raise ValueError(f"scores: {which} {refusal} for {metric(name).title}")
    return {name: PAIRWISE[name](translation, target).tolist() for name in names}


def check(name: str, images: Tensor) -> None:
    """Raises ValueError unless these are images (B, C, H, W) in [-1, 1]."""
    if images.ndim != 4 or not images.numel():
        raise ValueError(f"scores: {name} has the shape {tuple(images.shape)}; give (B, C, H, W), such as image[None]")
    if not images.is_floating_point():
        raise ValueError(f"scores: {name} holds {images.dtype}; give floats in [-1, 1], such as atme.images makes")
    low, high = (float(value) for value in torch.aminmax(images))
    if not (-1 - _ROUNDING <= low <= high <= 1 + _ROUNDING):  # nor is NaN
        raise ValueError(f"scores: {name} holds values from {low:g} to {high:g}; give them in [-1, 1]")


def as_rgb(images: Tensor) -> Tensor:
    """Gray (B, 1, H, W) repeated to (B, 3, H, W); RGB as it is."""
    return images.expand(-1, 3, -1, -1)


def unit(images: Tensor) -> Tensor:
    """From [-1, 1] to [0, 1]."""
    return (images + 1) / 2


def _l1(translation: Tensor, target: Tensor) -> Tensor:
    return (translation.double() - target.double()).abs().mean(dim=(1, 2, 3))


def _psnr(translation: Tensor, target: Tensor) -> Tensor:
    pairs = zip(translation.double(), target.double(), strict=True)
    return torch.stack([peak_signal_noise_ratio(one, other, data_range=2.0) for one, other in pairs])


def _ssim(translation: Tensor, target: Tensor) -> Tensor:
    return ssim(unit(translation.double()), unit(target.double()), window_size=11, eps=0.0).mean(dim=(1, 2, 3))


def _ms_ssim(translation: Tensor, target: Tensor) -> Tensor:
    value: Tensor = multiscale_structural_similarity_index_measure(
        unit(translation.float()), unit(target.float()), data_range=1.0, reduction="none", normalize="relu"
    )
    return value.reshape(len(target))


def _delta_e(translation: Tensor, target: Tensor) -> Tensor:
    one, other = (rgb_to_lab(as_rgb(unit(each.double())).clamp(0, 1)) for each in (translation, target))
    return (one - other).square().sum(dim=1).sqrt().mean(dim=(1, 2))


PAIRWISE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": _l1,
    "psnr": _psnr,
    "ssim": _ssim,
    "ms_ssim": _ms_ssim,
    "delta_e": _delta_e,
}
"""Scores that need no network: each of (B, C, H, W) and the same in [-1, 1] makes (B,)."""
