"""How near a translation is to its target: L1, PSNR and SSIM, image by image, by torchmetrics.

All three compare images in [-1, 1]. PSNR and SSIM (Wang et al. 2004; Gaussian window of 11 pixels, σ 1.5) take
a data range of 2. A mean over images is what is quoted.
"""

from torch import Tensor
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

UNITS = {
    "l1": "mean absolute difference of values in [-1, 1]; lower is better",
    "psnr": "decibels; higher is better",
    "ssim": "structural similarity, at most 1; higher is better",
}

_SMALLEST = 11
"""Pixels of SSIM's window: smaller images have no SSIM."""


def scores(translation: Tensor, target: Tensor) -> dict[str, list[float]]:
    """Scores of each image of a batch, by name.

    Args:
        translation: (B, C, H, W) in [-1, 1].
        target: (B, C, H, W) in [-1, 1].

    Returns:
        For each name of `UNITS` a list of B numbers. PSNR of identical images is infinite.

    Raises:
        ValueError: if the shapes differ, or the images are smaller than SSIM's window.
    """
    if translation.shape != target.shape:
        raise ValueError(f"scores: translation {tuple(translation.shape)} and target {tuple(target.shape)} differ")
    if min(target.shape[-2:]) < _SMALLEST:
        raise ValueError(f"scores: images of {target.shape[-2:]} are smaller than SSIM's window of {_SMALLEST}")
    translation, target = translation.double(), target.double()
    return {
        "l1": (translation - target).abs().mean(dim=(1, 2, 3)).tolist(),
        "psnr": [_psnr(one, other) for one, other in zip(translation, target, strict=True)],
        "ssim": _ssim(translation, target).tolist(),
    }


def _psnr(translation: Tensor, target: Tensor) -> float:
    value: Tensor = peak_signal_noise_ratio(translation, target, data_range=2.0)
    return float(value)


def _ssim(translation: Tensor, target: Tensor) -> Tensor:
    value = structural_similarity_index_measure(translation, target, data_range=2.0, reduction="none")
    assert isinstance(value, Tensor)
    return value.reshape(len(target))
