"""Linear attention by tiles, in C++: values and gradients beside float64, whatever the sizes, and bits."""

import copy

import pytest
import torch
from torch import Tensor

from atme.networks import kernels, winograd
from atme.networks.attention import LinearAttention
from atme.networks.linear_attention import by_tiles
from atme.reports.cost import Kept

EXACT = {torch.float32: 2e-6, torch.bfloat16: 1.2e-2}
"""Share of the norm by which results may be off."""

SIZES = [(16, 4, (9, 13), 2), (64, 8, (48, 37), 1), (144, 16, (30, 40), 2), (32, 12, (1, 1), 3), (32, 4, (70, 61), 1)]
"""Channels, features of a head, pixels, images: less and more than one tile and one strand, wide and narrow."""


def made(channels: int, head_dim: int) -> LinearAttention:
    """Four heads whose every parameter matters."""
    torch.manual_seed(channels)
    attention = LinearAttention(channels, head_dim=head_dim)
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.normal_()
        attention.qkv.weight.mul_(channels**-0.5)
        attention.out.weight.mul_(0.1)
    return attention


def derived(attention: LinearAttention, image: Tensor, gradient: Tensor) -> list[Tensor]:
    """The result, and gradients of the image and all weights."""
    attention.zero_grad()
    image = image.detach().requires_grad_()
    result = attention(image)
    result.backward(gradient)
    return [result.detach(), *(each.grad.clone() for each in (image, *attention.parameters()) if each.grad is not None)]


def near(ours: list[Tensor], wanted: list[Tensor], within: float) -> None:
    assert len(ours) == len(wanted) == 7
    for mine, exact in zip(ours, wanted, strict=True):
        assert (mine.double() - exact).norm() <= within * exact.norm()


@pytest.mark.parametrize("kind", EXACT)
@pytest.mark.parametrize(("channels", "head_dim", "size", "images"), SIZES)
def test_values_and_gradients(
    channels: int, head_dim: int, size: tuple[int, int], images: int, kind: torch.dtype, width: None
) -> None:
    attention = made(channels, head_dim)
    image, gradient = (torch.randn(images, channels, *size).to(kind) for _ in range(2))
    assert by_tiles(image.permute(0, 2, 3, 1), 4 * head_dim)
    exact = copy.deepcopy(attention).double()
    with kernels.left_out():
        wanted = derived(exact, image.double(), gradient.double())
    near(derived(attention, image, gradient), wanted, EXACT[kind])


@pytest.mark.parametrize("rising", [True, False])
def test_the_largest_key_may_come_last(rising: bool, compiled: None) -> None:
    """Then all that was summed up before counts for little; and the other way round."""
    attention, exact = made(32, 8), made(32, 8).double()
    ramp = torch.linspace(-1, 1, 64 * 64) if rising else torch.linspace(1, -1, 64 * 64)
    image = (ramp * torch.randn(32, 1)).view(1, 32, 64, 64) + 0.1 * torch.randn(1, 32, 64, 64)
    with torch.no_grad():
        for each in (attention, exact):
            each.qkv.weight[32:64] *= 10
    gradient = torch.randn(1, 32, 64, 64)
    with kernels.left_out():
        wanted = derived(exact, image.double(), gradient.double())
    near(derived(attention, image, gradient), wanted, 2e-5)


def test_keys_far_from_zero_do_not_overflow(compiled: None) -> None:
    attention = made(16, 4)
    with torch.no_grad():
        attention.qkv.weight.mul_(1000)
    found = derived(attention, torch.randn(1, 16, 40, 40), torch.randn(1, 16, 40, 40))
    assert all(each.isfinite().all() for each in found)


def test_no_number_stays_none(compiled: None) -> None:
    image = torch.randn(1, 16, 40, 40)
    image[0, 3, 20, 20] = float("nan")
    with torch.no_grad():
        assert made(16, 4)(image).isnan().all()  # each pixel attends to all


@pytest.mark.parametrize("kind", EXACT)
def test_bits_do_not_depend_on_threads(kind: torch.dtype, compiled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    attention, image, gradient = made(32, 8), torch.randn(2, 32, 60, 50).to(kind), torch.randn(2, 32, 60, 50).to(kind)
    found = []
    for number in (1, 2, 5):
        monkeypatch.setattr(torch, "get_num_threads", lambda number=number: number)
        found.append(derived(attention, image, gradient))
    for others in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], others, strict=True))


def test_where_it_is_for(compiled: None) -> None:
    lanes = winograd.lanes()

    def taken(channels: int = lanes, features: int = 2 * lanes, kind: torch.dtype = torch.bfloat16) -> bool:
        return by_tiles(torch.empty(1, 4, 4, channels, dtype=kind), features)

    assert taken()
    assert taken(kind=torch.float32)
    assert not any([taken(channels=lanes + 1), taken(features=lanes + 1), taken(kind=torch.float64)])


def test_weights_in_bfloat16_get_such_gradients(compiled: None) -> None:
    attention, image = made(16, 4), torch.randn(1, 16, 12, 12)
    wanted = derived(attention, image, image)
    for ours, exact in zip(derived(attention.bfloat16(), image.bfloat16(), image.bfloat16()), wanted, strict=True):
        assert ours.dtype == torch.bfloat16
        assert (ours.float() - exact).norm() <= 0.03 * exact.norm()


def test_nothing_is_kept_but_what_is_read(compiled: None) -> None:
    torch.manual_seed(0)
    attention, image = LinearAttention(32, heads=4, head_dim=8), torch.randn(1, 32, 48, 40)
    kept = Kept(attention.parameters())
    with kept.counted():
        attention(image.contiguous(memory_format=torch.channels_last))
    assert image.nbytes <= kept.peak < 1.2 * image.nbytes
