"""Attention of every pixel to every pixel, in blocks, in C++: values and gradients beside float64, and bits."""

import copy

import pytest
import torch
from torch import Tensor

from atme.networks import attention_passes, kernels, winograd
from atme.networks.attention import Attention
from atme.networks.full_attention import in_blocks

EXACT = {torch.float32: 1e-5, torch.bfloat16: 2e-2}
"""Share of the norm by which results may be off."""

SIZES = [(16, (9, 13), 2, 3), (32, (33, 41), 1, 2), (48, (1, 1), 2, 1), (16, (16, 16), 1, 4)]
"""Numbers of a head, pixels, images, heads: fewer and more than one tile and one block, and what fills none."""


def qkv_of(width: int, size: tuple[int, int], images: int, heads: int, kind: torch.dtype) -> Tensor:
    torch.manual_seed(width)
    return torch.randn(images, size[0] * size[1], 3 * heads * width).to(kind)


def wanted_of(qkv: Tensor, heads: int) -> Tensor:
    q, k, v = qkv.unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4)
    return ((q @ k.transpose(2, 3) * q.shape[3] ** -0.5).softmax(3) @ v).transpose(1, 2).flatten(2)


def near(ours: Tensor, wanted: Tensor, within: float) -> None:
    """Within a share of the norm, and of 0 where that is what there should be: of one pixel queries and keys get it."""
    assert ours.shape == wanted.shape
    assert (ours.double() - wanted).norm() <= within * wanted.norm() + 5e-6


@pytest.mark.parametrize("kind", EXACT)
@pytest.mark.parametrize(("width_", "size", "images", "heads"), SIZES)
def test_values_and_gradients(
    width_: int, size: tuple[int, int], images: int, heads: int, kind: torch.dtype, width: None
) -> None:
    qkv = qkv_of(width_, size, images, heads, kind)
    exact = qkv.double().requires_grad_()
    wanted = wanted_of(exact, heads)
    result, logs = attention_passes.fully_attended(qkv, heads)
    near(result, wanted.detach(), EXACT[kind])
    gradient = torch.randn(wanted.shape).to(kind)
    wanted.backward(gradient.double())
    of_qkv = attention_passes.fully_attended_slope(gradient, qkv, result, logs)
    assert exact.grad is not None
    for ours, theirs in zip(of_qkv.chunk(3, 2), exact.grad.chunk(3, 2), strict=True):
        near(ours, theirs, EXACT[kind])


@pytest.mark.parametrize("kind", EXACT)
def test_a_layer_is_the_same_as_by_pytorchs_kernel(kind: torch.dtype, compiled: None) -> None:
    torch.manual_seed(0)
    layer, image = Attention(24, heads=2, head_dim=16), torch.randn(2, 24, 11, 7)
    found = []
    for module, given in ((layer, image), (copy.deepcopy(layer).double(), image.double())):
        given = given.requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=kind == torch.bfloat16 and module is layer):
            result = module(given)
        result.float().square().sum().backward()
        found.append([result.detach(), given.grad, *(each.grad for each in module.parameters())])
    for ours, wanted in zip(*found, strict=True):
        assert ours is not None
        near(ours, wanted, EXACT[kind])


def test_products_far_from_zero_do_not_overflow(compiled: None) -> None:
    qkv = 100 * qkv_of(16, (20, 20), 1, 2, torch.float32)
    result, logs = attention_passes.fully_attended(qkv, 2)
    near(result, wanted_of(qkv.double(), 2), 1e-4)
    assert attention_passes.fully_attended_slope(result, qkv, result, logs).isfinite().all()


def test_what_lies_beyond_the_last_pixel_counts_for_nothing(compiled: None) -> None:
    """Also where all products are far below 0, which is what no pixel's would be."""
    qkv = qkv_of(16, (9, 13), 1, 1, torch.float32)
    qkv[..., :16], qkv[..., 16:32] = 5 + 0.1 * qkv[..., :16], -5 + 0.1 * qkv[..., 16:32]
    exact = qkv.double().requires_grad_()
    wanted = wanted_of(exact, 1)
    gradient = 100 * torch.randn(wanted.shape)
    wanted.backward(gradient.double())
    result, logs = attention_passes.fully_attended(qkv, 1)
    near(result, wanted.detach(), 1e-4)
    assert exact.grad is not None
    near(attention_passes.fully_attended_slope(gradient, qkv, result, logs), exact.grad, 1e-4)


def test_no_number_stays_none(compiled: None) -> None:
    qkv = qkv_of(16, (20, 20), 1, 1, torch.float32)
    qkv[0, 7, 20] = float("nan")  # of a key: all queries look at it
    assert attention_passes.fully_attended(qkv, 1)[0].isnan().all()


@pytest.mark.parametrize("kind", EXACT)
def test_bits_do_not_depend_on_threads(kind: torch.dtype, compiled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    qkv, found = qkv_of(16, (40, 30), 2, 3, kind), []
    for number in (1, 2, 5):
        monkeypatch.setattr(torch, "get_num_threads", lambda number=number: number)
        result, logs = attention_passes.fully_attended(qkv, 3)
        found.append([result, logs, attention_passes.fully_attended_slope(result, qkv, result, logs)])
    for others in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], others, strict=True))


def test_where_it_is_for(compiled: None) -> None:
    lanes = winograd.lanes()

    def taken(kind: torch.dtype = torch.bfloat16, width: int = lanes) -> bool:
        return in_blocks(torch.empty(1, 4, 3 * width, dtype=kind), width)

    assert taken()
    assert taken(torch.float32)
    assert not taken(torch.float64)
    assert not taken(width=lanes + 1)
    with kernels.plainly():
        assert not taken()
    with kernels.left_out():
        assert not taken()
