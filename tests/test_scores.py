"""Scores against their formulas, and the trivial predictors against brute force."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

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
    """Without structure only the luminance term is left: (2ab + c₁) / (a² + b² + c₁), c₁ = (0.01 · 2)²."""
    a, b = torch.full((1, 3, 24, 20), 0.5), torch.full((1, 3, 24, 20), -0.2)
    c1 = 0.02**2
    assert scores(a, b)["ssim"][0] == pytest.approx((2 * 0.5 * -0.2 + c1) / (0.25 + 0.04 + c1), abs=1e-6)


def test_an_image_is_scored_alone() -> None:
    one, other = images(0), images(1)
    apart = [scores(one[i : i + 1], other[i : i + 1]) for i in range(2)]
    together = scores(one, other)
    for name, values in together.items():
        assert values == pytest.approx([each[name][0] for each in apart])


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(ValueError, match="differ"):
        scores(images(0), images(0)[:, :1])
    with pytest.raises(ValueError, match="window"):
        scores(images(0)[..., :8], images(0)[..., :8])


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
