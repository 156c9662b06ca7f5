"""Scores against their formulas, and the trivial predictors against brute force."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.image import StructuralSimilarityIndexMeasure

from atme.data import PairedImages
from atme.data.augment import TestView
from atme.images import to_tensor
from atme.metrics import median_color, scores


def images(seed: int, count: int = 2) -> torch.Tensor:
    return torch.rand(count, 3, 24, 20, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_scores_are_their_formulas() -> None:
    one, other = images(0), images(1)
    found = scores(one, other)
    for i in range(2):
        difference = (one[i] - other[i]).double()
        assert found["l1"][i] == pytest.approx(float(difference.abs().mean()))
        assert found["psnr"][i] == pytest.approx(float(10 * torch.log10(4 / difference.square().mean())))


def test_what_is_equal_is_perfect() -> None:
    found = scores(images(0), images(0))
    assert found["l1"] == [0, 0]
    assert found["ssim"] == pytest.approx([1, 1])
    assert found["psnr"] == [float("inf")] * 2


def test_ssim_of_constants_is_known() -> None:
    """Without structure only the luminance term is left: (2ab + c₁) / (a² + b² + c₁), c₁ = 0.01², 0 being black."""
    x, y = torch.full((1, 3, 24, 20), 0.5), torch.full((1, 3, 24, 20), -0.2)
    a, b, c1 = 0.75, 0.4, 0.01**2
    assert scores(x, y)["ssim"][0] == pytest.approx((2 * a * b + c1) / (a**2 + b**2 + c1), abs=1e-6)


WANG: dict[str, Any] = {"channel_axis": -1, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
"""What scikit-image says to match Wang et al. with."""


def degraded(pixels: np.ndarray, how: str, rng: np.random.Generator) -> np.ndarray:
    changed = {
        "the same": pixels,
        "another": rng.integers(0, 256, pixels.shape),
        "5 levels brighter": np.clip(pixels.astype(int) + 5, 0, 255),
        "noisy": np.clip(pixels + rng.normal(0, 20, pixels.shape), 0, 255),
        "negative": 255 - pixels,
        "black": np.zeros_like(pixels),
    }
    return np.asarray(changed[how], np.uint8)


@pytest.mark.parametrize("how", ["the same", "another", "5 levels brighter", "noisy", "negative", "black"])
@pytest.mark.parametrize("shape", [(31, 26, 3), (11, 17, 1), (16, 16, 4)])
def test_scores_are_those_that_others_publish(how: str, shape: tuple[int, int, int]) -> None:
    """Files of 8 bits, through scikit-image and torchmetrics as their users call them, on 0…255 and on [0, 1]."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 256, shape, dtype=np.uint8)
    made = degraded(target, how, rng)
    found = scores(*(to_tensor(pixels)[None] for pixels in (made, target)))
    bordered = (np.pad(pixels, ((5, 5), (5, 5), (0, 0)), mode="reflect") for pixels in (made, target))
    assert found["ssim"][0] == pytest.approx(structural_similarity(*bordered, data_range=255, **WANG), abs=1e-5)
    one, other = (torch.from_numpy(pixels).permute(2, 0, 1)[None].double() / 255 for pixels in (made, target))
    theirs = StructuralSimilarityIndexMeasure(data_range=1.0)(one, other)
    assert found["ssim"][0] == pytest.approx(float(theirs), abs=1e-5)
    assert found["psnr"][0] == pytest.approx(_psnr(made, target), rel=1e-5)


def test_on_whole_tiles_the_border_is_of_little_account() -> None:
    """scikit-image leaves out the pixels whose window is not whole, torchmetrics reflects the picture there."""
    test = PairedImages("earth", split="test", augment=TestView(load_size=None))
    for index in range(3):
        pair = test[index]
        assert pair.target is not None
        x, y = (((image + 1) / 2).permute(1, 2, 0).double().numpy() for image in (pair.source, pair.target))
        found = scores(pair.source[None], pair.target[None])["ssim"][0]
        assert found == pytest.approx(structural_similarity(x, y, data_range=1.0, **WANG), abs=5e-3)


def _psnr(made: np.ndarray, target: np.ndarray) -> float:
    return float("inf") if (made == target).all() else float(peak_signal_noise_ratio(target, made, data_range=255))


def test_what_is_a_little_brighter_is_nearly_the_same() -> None:
    """On [-1, 1], where zero is gray, 5 of 255 levels would cost up to everything."""
    gray = torch.full((1, 3, 16, 16), 0.01)
    assert scores(gray, gray + 10 / 255)["ssim"][0] > 0.99


def test_an_image_is_scored_alone() -> None:
    one, other = images(0), images(1)
    apart = [scores(one[i : i + 1], other[i : i + 1]) for i in range(2)]
    together = scores(one, other)
    for name, values in together.items():
        assert values == pytest.approx([each[name][0] for each in apart])


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(ValueError, match="differ"):
        scores(images(0), images(0)[:, :1])
    with pytest.raises(ValueError, match="24×8 pixels; it needs 11 each way for SSIM"):
        scores(images(0)[..., :8], images(0)[..., :8])
    for wrong, said in (
        (images(0)[0], r"give \(B, C, H, W\)"),
        (images(0)[:0], r"give \(B, C, H, W\)"),
        ((images(0) + 1) * 127.5, r"in \[-1, 1\]"),
        (((images(0) + 1) * 127.5).to(torch.uint8), "floats"),
        (images(0) * float("nan"), r"in \[-1, 1\]"),
    ):
        with pytest.raises(ValueError, match=said):
            scores(wrong, wrong)


@given(st.integers(0, 1000), st.integers(1, 4))
def test_the_median_color_is_the_median(seed: int, count: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 3, 5, 7))
    targets = [torch.from_numpy(each / 127.5 - 1).float() for each in pixels]
    expected = [np.sort(pixels[:, c].ravel())[(pixels[:, c].size - 1) // 2] for c in range(3)]
    found = median_color(targets, levels=256)
    np.testing.assert_allclose(found[:, 0, 0], np.array(expected) / 127.5 - 1, atol=1e-6)


def test_no_constant_color_is_nearer_than_the_median() -> None:
    targets = [image.mul(127.5).round().div(127.5) for image in images(3)]
    median = median_color(targets, levels=256)
    distance = sum(float((image - median).abs().mean()) for image in targets)
    for shift in (-0.05, 0.05):
        assert sum(float((image - median - shift).abs().mean()) for image in targets) >= distance - 1e-6


def test_a_median_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="training split is empty"):
        median_color([], levels=256)


def test_a_median_of_what_is_no_image_is_refused() -> None:
    one = images(0)[0]
    for wrong, levels, said in (
        ([one, one[:1]], 256, "1 channels, those before it 3"),
        ([one[0]], 256, r"give \(C, H, W\)"),
        ([one * 255], 256, r"in \[-1, 1\]"),
        ([one], 0, "give 256"),
    ):
        with pytest.raises(ValueError, match=said):
            median_color(wrong, levels=levels)
