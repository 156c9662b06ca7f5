"""Both attentions against the textbook's order of operations, values and gradients, in float64."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from atme.networks import kernels
from atme.networks.attention import Attention, ChannelNorm, LinearAttention, pixels, unpixels
from atme.networks.linear_attention import over_pixels

HEADS, HEAD_DIM, EPS = 3, 5, 1e-5
SIDES = st.integers(1, 6)


def normalize(tokens: Tensor, scale: Tensor) -> Tensor:
    mean = tokens.mean(2, keepdim=True)
    variance = ((tokens - mean) ** 2).mean(2, keepdim=True)
    return (tokens - mean) / (variance + EPS).sqrt() * scale


def heads_of(module: LinearAttention | Attention, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values (B, N, h, d)."""
    tokens = normalize(image.flatten(2).transpose(1, 2), module.norm.scale)
    qkv = torch.einsum("bnc,ec->bne", tokens, module.qkv.weight.flatten(1))
    q, k, v = (part.unflatten(2, (HEADS, HEAD_DIM)) for part in qkv.chunk(3, dim=2))
    return q, k, v


def textbook_linear(module: LinearAttention, image: Tensor) -> Tensor:
    q, k, v = heads_of(module, image)
    q, k, v = q.softmax(3) * HEAD_DIM**-0.5, k.softmax(1), v / v.shape[1]
    context = torch.einsum("bnhd,bnhe->bhde", k, v)
    seen = torch.einsum("bhde,bnhd->bnhe", context, q).flatten(2)
    mixed = torch.einsum("bne,ce->bnc", seen, module.out.weight) + module.out.bias
    return image + unpixels(normalize(mixed, module.out_norm.scale), like=image)


def textbook_full(module: Attention, image: Tensor) -> Tensor:
    q, k, v = heads_of(module, image)
    weights = torch.einsum("bnhd,bmhd->bhnm", q * HEAD_DIM**-0.5, k).softmax(3)
    seen = torch.einsum("bhnm,bmhd->bnhd", weights, v).flatten(2)
    mixed = torch.einsum("bne,ce->bnc", seen, module.out.weight) + module.out.bias
    return image + unpixels(mixed, like=image)


CASES = [(LinearAttention, textbook_linear), (Attention, textbook_full)]


def make(kind: type, channels: int) -> LinearAttention | Attention:
    """An attention in float64 whose every parameter is random and large enough to matter."""
    module = kind(channels, heads=HEADS, head_dim=HEAD_DIM, eps=EPS).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    return module


@pytest.mark.parametrize(("kind", "textbook"), CASES)
@given(height=SIDES, width=SIDES, channels=st.integers(2, 9), batch=st.integers(1, 3))
@settings(deadline=None)
def test_attention_is_the_textbooks(kind, textbook, height, width, channels, batch) -> None:
    module, image = make(kind, channels), torch.randn(batch, channels, height, width, dtype=torch.float64)
    torch.testing.assert_close(module(image), textbook(module, image), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("kind", "textbook"), CASES)
def test_gradients_are_the_textbooks(kind, textbook) -> None:
    module = make(kind, 4)
    image = torch.randn(2, 4, 5, 3, dtype=torch.float64, requires_grad=True)
    wanted = [image, *module.parameters()]
    ours = torch.autograd.grad(module(image).sin().sum(), wanted)
    theirs = torch.autograd.grad(textbook(module, image).sin().sum(), wanted)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    assert all(gradient.abs().max() > 0 for gradient in ours)


@pytest.mark.parametrize(("kind", "textbook"), CASES)
def test_a_perturbed_weight_is_noticed(kind, textbook) -> None:
    module, image = make(kind, 4), torch.randn(1, 4, 5, 3, dtype=torch.float64)
    before = textbook(module, image)
    with torch.no_grad():
        module.qkv.weight[0, 0] += 1e-3
    assert not torch.allclose(module(image), before, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", [LinearAttention, Attention])
def test_attention_follows_a_permutation_of_the_pixels(kind) -> None:
    module, image = make(kind, 4), torch.randn(2, 4, 5, 3, dtype=torch.float64)
    order = torch.randperm(15)

    def permuted(tensor: Tensor) -> Tensor:
        return unpixels(pixels(tensor)[:, order], like=tensor)

    torch.testing.assert_close(module(permuted(image)), permuted(module(image)), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", [LinearAttention, Attention])
def test_memory_format_changes_no_value(kind) -> None:
    module, image = make(kind, 4), torch.randn(2, 4, 5, 3, dtype=torch.float64)
    beside = image.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(module(image), module(beside), rtol=1e-12, atol=1e-12)


def test_keys_far_from_zero_do_not_overflow() -> None:
    module, image = make(LinearAttention, 4).float(), torch.randn(1, 4, 5, 3)
    with torch.no_grad():
        module.qkv.weight.mul_(1000)
    assert module(image).isfinite().all()


def test_pixels_are_a_view_where_channels_lie_beside_each_other() -> None:
    image = torch.randn(2, 4, 5, 3).contiguous(memory_format=torch.channels_last)
    assert pixels(image).is_contiguous()
    assert pixels(image).data_ptr() == image.data_ptr()
    assert unpixels(pixels(image), like=image).data_ptr() == image.data_ptr()


def test_channel_norm_leaves_mean_zero_and_spread_of_its_scale() -> None:
    tokens = ChannelNorm(32, eps=0.0).double()(3 + 5 * torch.randn(2, 7, 32, dtype=torch.float64))
    torch.testing.assert_close(tokens.mean(2), torch.zeros(2, 7, dtype=torch.float64), rtol=0, atol=1e-12)
    torch.testing.assert_close(tokens.std(2, correction=0), torch.ones(2, 7, dtype=torch.float64))


@pytest.mark.parametrize("shape", [(2, 8, 6, 5), (2, 8, 1, 3)])
def test_linear_attention_in_one_step_is_the_same(shape, compiled, monkeypatch) -> None:
    torch.manual_seed(0)
    attention = LinearAttention(8, heads=2, head_dim=4).double()
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.normal_()
    image = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    wanted = [image, *attention.parameters()]
    one = attention(image)
    ours = torch.autograd.grad(one.sin().sum(), wanted)
    monkeypatch.setattr(kernels, "available", lambda: False)
    several = attention(image)
    torch.testing.assert_close(one, several, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(ours, torch.autograd.grad(several.sin().sum(), wanted), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(("height", "width"), [(64, 48), (7, 2000), (1, 1)])
def test_pixels_added_up_in_pieces_are_all_added_up(height, width) -> None:
    torch.manual_seed(0)
    a, b = (torch.randn(2, height, width, n).bfloat16() for n in (3, 5))
    exact = a.double().flatten(1, 2).transpose(1, 2) @ b.double().flatten(1, 2)
    error = (over_pixels(a, b) - exact).abs().max()
    assert error < 2**-8 * exact.abs().max() + 2**-8 * (height * width) ** 0.5
