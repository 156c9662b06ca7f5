"""Depthwise convolutions, whose derivative is put together from narrower kernels, against PyTorch's own."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from atme.networks.depthwise import depthwise

sides = st.integers(1, 7)


def drawn(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(sum(shape))).requires_grad_()


def gradients(made: Tensor, *parts: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(made, parts, torch.linspace(-1, 1, made.numel(), dtype=made.dtype).view_as(made))


@settings(max_examples=30, deadline=None)
@given(sides, sides, st.integers(1, 3), st.integers(1, 3), st.integers(0, 3), st.integers(1, 2), st.integers(1, 8))
def test_derivative_is_that_of_pytorch(
    high: int, wide: int, down: int, right: int, border: int, dilation: int, more: int
) -> None:
    """Kernels of any sides, higher and wider than the image too; strides, borders and dilations."""
    least = max(dilation * (side - 1) + 1 - 2 * border for side in (high, wide))
    image, weight, bias = drawn(2, 3, max(least, 1), max(least, 1) + more), drawn(3, 1, high, wide), drawn(3)
    how: dict[str, Any] = {"stride": (down, right), "padding": (border, border), "dilation": (dilation, dilation)}
    ours, theirs = depthwise(image, weight, bias, **how), F.conv2d(image, weight, bias, **how, groups=3)
    assert torch.equal(ours, theirs)
    for mine, other in zip(*(gradients(made, image, weight, bias) for made in (ours, theirs)), strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize(("side", "stride"), [(4, 1), (8, 1), (11, 2)])
def test_in_bfloat16_its_derivative_is_as_near_as_its_numbers(side: int, stride: int) -> None:
    how: dict[str, Any] = {"stride": (stride, stride), "padding": (2, 2), "dilation": (1, 1)}
    image, weight = drawn(4, 32, side, side, dtype=torch.float32), drawn(32, 1, 5, 5, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        ours = depthwise(image, weight, None, **how)
    assert ours.dtype == torch.bfloat16
    precise = F.conv2d(image, weight, None, **how, groups=32)
    for mine, other in zip(gradients(ours, image, weight), gradients(precise, image, weight), strict=True):
        assert mine.dtype == torch.float32
        assert float((mine - other).norm() / other.norm()) < 0.01


def test_a_penalty_on_its_slope_has_a_gradient() -> None:
    """As of R1 through a pretrained eye: second derivatives."""
    image, weight, bias = drawn(1, 2, 3, 4), drawn(2, 1, 3, 5), drawn(2)

    def made(image: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return depthwise(image, weight, bias, stride=(2, 1), padding=(1, 2), dilation=(1, 1)).square()

    assert torch.autograd.gradgradcheck(made, (image, weight, bias))
