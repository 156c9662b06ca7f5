"""How near a translation is to its target: L1, PSNR and SSIM, image by image, by torchmetrics.

L1 compares values in [-1, 1]. PSNR knows only their ratio to the range, so [-1, 1] with range 2 and [0, 1] with range
1 give the same decibels. SSIM (Wang et al. 2004; Gaussian window of 11 pixels, σ 1.5) does not: its luminance term
(2 μ_x μ_y + c₁) / (μ_x² + μ_y² + c₁), c₁ = (0.01 · range)², depends on where zero lies. Zero is black in the
literature, so SSIM reads (x + 1) / 2 in [0, 1] with range 1, the picture reflected at its border. (scikit-image, with
gaussian_weights, sigma 1.5 and no sample covariance, leaves the border out: 0.1529 for 0.1530 of earth's photographs as
maps. Its defaults take another window: 0.139.) A mean over images is what is quoted.
"""

import torch
from torch import Tensor
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

UNITS = {
    "l1": "mean absolute difference of values in [-1, 1]; lower is better",
    "psnr": "decibels; higher is better",
    "ssim": "structural similarity of values in [0, 1], at most 1; higher is better",
}

DATA_RANGE = {"l1": [-1, 1], "psnr": [-1, 1], "ssim": [0, 1]}
"""For each metric the values of black and white that it is computed on."""

_SMALLEST = 11
"""Pixels of SSIM's window: smaller images have no SSIM."""

_ROUNDING = 1e-3
"""How far beyond [-1, 1] a value may lie by rounding alone."""


def scores(translation: Tensor, target: Tensor) -> dict[str, list[float]]:
    """Scores of each image of a batch, by name.

    Args:
        translation: (B, C, H, W) in [-1, 1].
        target: (B, C, H, W) in [-1, 1].

    Returns:
        For each name of `UNITS` a list of B numbers. PSNR of identical images is infinite.

    Raises:
        ValueError: if the shapes differ, the images are smaller than SSIM's window, or values lie outside [-1, 1].
    """
    if translation.shape != target.shape:
        raise ValueError(
            f"scores: translation {tuple(translation.shape)} and target {tuple(target.shape)} differ; "
            "give two batches of one shape"
        )
    for name, images in (("translation", translation), ("target", target)):
        _check(name, images)
    translation, target = translation.double(), target.double()
    return {
        "l1": (translation - target).abs().mean(dim=(1, 2, 3)).tolist(),
        "psnr": [_psnr(one, other) for one, other in zip(translation, target, strict=True)],
        "ssim": _ssim((translation + 1) / 2, (target + 1) / 2).tolist(),
    }


def _check(name: str, images: Tensor) -> None:
    """Raises ValueError unless these images can be scored."""
    if images.ndim != 4 or not images.numel():
        raise ValueError(f"scores: {name} has the shape {tuple(images.shape)}; give (B, C, H, W), such as image[None]")
    if min(images.shape[-2:]) < _SMALLEST:
        size = "×".join(map(str, images.shape[-2:]))
        raise ValueError(f"scores: {name} of {size} pixels is smaller than SSIM's window; give {_SMALLEST} or more")
    if not images.is_floating_point():
        raise ValueError(f"scores: {name} holds {images.dtype}; give floats in [-1, 1], such as atme.images makes")
    low, high = (float(value) for value in torch.aminmax(images))
    if not (-1 - _ROUNDING <= low <= high <= 1 + _ROUNDING):  # nor is NaN
        raise ValueError(f"scores: {name} holds values from {low:g} to {high:g}; give them in [-1, 1]")


def _psnr(translation: Tensor, target: Tensor) -> float:
    value: Tensor = peak_signal_noise_ratio(translation, target, data_range=2.0)
    return float(value)


def _ssim(translation: Tensor, target: Tensor) -> Tensor:
    """Of images in [0, 1]."""
    value = structural_similarity_index_measure(translation, target, data_range=1.0, reduction="none")
    assert isinstance(value, Tensor)
    return value.reshape(len(target))
