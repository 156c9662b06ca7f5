"""The fused normalization against its three steps, the convolution of two maps against that of one, and precision."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from atme.networks import fused
from atme.networks.block import Block, plain
from atme.networks.convolution import convolve
from atme.networks.fused import NormScaleSiLU, normalize_scale_silu

SIDES = st.integers(1, 6)


def norm_of(groups: int, channels: int, dtype: torch.dtype = torch.float64) -> nn.GroupNorm:
    norm = nn.GroupNorm(groups, channels).to(dtype)
    with torch.no_grad():
        norm.weight.normal_()
        norm.bias.normal_()
    return norm


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


@given(batch=st.integers(1, 3), groups=st.integers(1, 3), each=st.integers(1, 3), height=SIDES, width=SIDES)
@settings(deadline=None)
def test_values_and_gradients_are_those_of_the_three_steps(
    batch: int, groups: int, each: int, height: int, width: int
) -> None:
    check_against_the_steps(batch, groups, each, height, width + 1)


@pytest.mark.parametrize(("groups", "each", "height", "width"), [(2, 3, 5, 4), (1, 1, 1, 2), (4, 1, 7, 7)])
def test_compiled_values_and_gradients_are_those_too(
    groups: int, each: int, height: int, width: int, compiled: None
) -> None:
    check_against_the_steps(2, groups, each, height, width)


def check_against_the_steps(batch: int, groups: int, each: int, height: int, width: int) -> None:
    channels = groups * each
    norm, image, bias = norm_of(groups, channels), random(batch, channels, height, width), random(channels)
    for scale_shift, residual in ((None, None), (random(batch, 2 * channels), random(*image.shape))):
        ours = normalize_scale_silu(image, bias, norm, scale_shift, residual=residual)
        steps = plain(image + bias[:, None, None], norm, scale_shift) + (0 if residual is None else residual)
        torch.testing.assert_close(ours, steps, rtol=1e-9, atol=1e-9)
        wanted = [image, bias, *norm.parameters(), *(each for each in (scale_shift, residual) if each is not None)]
        gradients = [torch.autograd.grad(y.sin().sum(), wanted) for y in (ours, steps)]
        torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-7)


def test_derivatives_are_the_differences() -> None:
    def step(image: Tensor, residual: Tensor, bias: Tensor, weight: Tensor, beta: Tensor, heard: Tensor) -> Tensor:
        result: Tensor = NormScaleSiLU.apply(image, residual, bias, weight, beta, heard, 2, 1e-5)
        return result

    shapes = ((2, 4, 3, 5), (2, 4, 3, 5), (4,), (4,), (4,), (2, 8))
    assert torch.autograd.gradcheck(step, tuple(random(*shape) for shape in shapes))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_compiled_and_plain_agree_as_far_as_the_precision_goes(
    dtype: torch.dtype, compiled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    norm = norm_of(4, 16, torch.float32)
    image = torch.randn(2, 16, 24, 20).contiguous(memory_format=torch.channels_last)
    scale_shift = torch.randn(2, 32)
    exact = plain(image.double(), norm_like(norm), scale_shift.double())
    for residual in (None, image.to(dtype)):
        wanted = exact if residual is None else exact + residual.double()
        ours = normalize_scale_silu(image.to(dtype), None, norm, scale_shift, residual=residual)
        assert ours.dtype == dtype
        assert (ours - wanted).abs().max() < wanted.abs().max() * torch.finfo(dtype).eps * 4
    monkeypatch.setattr(fused, "COMPILED", None)  # the control: without it there is nothing to go by
    with pytest.raises(AttributeError):
        normalize_scale_silu(image.to(dtype), None, norm, scale_shift)


@pytest.mark.parametrize("mean", [0.5, 30.0])
def test_statistics_of_a_large_map_keep_their_digits(mean: float) -> None:
    torch.manual_seed(0)
    norm = norm_of(2, 8, torch.float32)
    image = (torch.randn(1, 8, 256, 256) + mean).contiguous(memory_format=torch.channels_last)
    ours = normalize_scale_silu(image, None, norm, None)
    exact = plain(image.double(), norm_like(norm), None)
    assert (ours - exact).abs().max() < 2e-6 * max(1.0, mean)


def norm_like(norm: nn.GroupNorm) -> nn.GroupNorm:
    copy = nn.GroupNorm(norm.num_groups, norm.num_channels).double()
    copy.load_state_dict(norm.state_dict())
    return copy


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_near_and_does_not_overflow(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    norm, image = norm_of(2, 8), 500 * torch.randn(2, 8, 16, 12, dtype=torch.float64)  # 500² overflows float16
    exact = plain(image, norm, None)
    half = norm_of(2, 8, dtype)
    half.load_state_dict(norm.state_dict())
    rough = normalize_scale_silu(image.to(dtype), None, half, None)
    assert rough.dtype == dtype
    assert (rough - exact).square().mean() < 0.02**2 * exact.square().mean()


@given(first=st.integers(1, 4), second=st.integers(1, 4), kernel=st.sampled_from([1, 3]), height=SIDES, width=SIDES)
@settings(deadline=None)
def test_two_maps_are_convolved_as_one(first: int, second: int, kernel: int, height: int, width: int) -> None:
    image, beside = random(2, first, height, width), random(2, second, height, width)
    weight, bias = random(5, first + second, kernel, kernel), random(5)
    one = F.conv2d(torch.cat([image, beside], dim=1), weight, bias, padding=kernel // 2)
    two = convolve(image, weight, bias, border=kernel // 2, beside=beside)
    torch.testing.assert_close(two, one, rtol=1e-9, atol=1e-12)
    wanted = [image, beside, weight, bias]
    gradients = [torch.autograd.grad(y.sin().sum(), wanted) for y in (one, two)]
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-9)


def test_a_block_is_its_steps() -> None:
    block, image, scale_shift = Block(3, 8, groups=2, eps=0.0).double(), random(2, 3, 5, 4), random(2, 16)
    weight = block.conv.weight - block.conv.weight.mean((1, 2, 3), keepdim=True)
    weight = weight / weight.square().mean((1, 2, 3), keepdim=True).sqrt()
    steps = plain(F.conv2d(image, weight, block.conv.bias, padding=1), block.norm, scale_shift)
    torch.testing.assert_close(block(image, scale_shift), steps, rtol=1e-9, atol=1e-9)
    with torch.no_grad():
        block.conv.bias[0] += 1e-3  # the control
    assert not torch.allclose(block(image, scale_shift), steps, rtol=1e-9, atol=1e-9)
