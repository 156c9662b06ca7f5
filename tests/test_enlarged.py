"""Maps at twice the size: by PyTorch's operations, and by a pass in C++."""

import pytest
import torch
from torch import Tensor

from atme.networks import kernels, passes
from atme.networks.enlarged import PLACES, Enlarged, enlarged

KINDS = {torch.float64: 1e-12, torch.float32: 1e-6, torch.bfloat16: 1e-2}


def by_hand(image: Tensor, place: int) -> Tensor:
    """Straight lines between pixels at 2 i + place."""
    for axis in (2, 3):
        side = image.shape[axis]
        where = ((torch.arange(2 * side) - place) / 2).clamp(0, side - 1)
        low = where.floor().long()
        share = (where - low).view(-1, *[1] * (3 - axis)).to(image)
        first, second = (image.index_select(axis, each) for each in (low, (low + 1).clamp(max=side - 1)))
        image = first + share * (second - first)
    return image


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("channels", "height", "across"), [(1, 1, 1), (3, 1, 4), (24, 5, 1), (40, 7, 6)])
def test_in_one_pass(
    channels: int, height: int, across: int, place: int, kind: torch.dtype, width: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(channels)
    image = torch.randn(2, channels, height, across).to(kind).requires_grad_()
    precise = image.detach().double().requires_grad_()
    wanted = by_hand(precise, place)
    gradient = torch.randn(wanted.shape).to(kind)
    (slope,) = torch.autograd.grad(wanted, precise, gradient.double())
    for _ in range(2):
        made = enlarged(image, place=place)
        (ours,) = torch.autograd.grad(made, image, gradient)
        torch.testing.assert_close(made.double(), wanted, rtol=KINDS[kind], atol=KINDS[kind])
        torch.testing.assert_close(ours.double(), slope, rtol=2 * KINDS[kind], atol=4 * KINDS[kind])
        monkeypatch.setattr(kernels, "available", lambda: False)


@pytest.mark.parametrize("place", PLACES)
def test_derivatives_of_two_orders(place: int, compiled: None) -> None:
    image = torch.randn(2, 3, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: Enlarged.apply(x, place, False), [image])
    assert torch.autograd.gradgradcheck(lambda x: Enlarged.apply(x, place, False), [image])


def test_bits_do_not_depend_on_threads(compiled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    image, found = torch.randn(3, 24, 33, 50), []
    for number in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda number=number: number)
        made = passes.enlarged(image, place=1)
        found.append((made, passes.enlarged_slope(made, place=1)))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
