"""A map at twice the size and a convolution after it: by PyTorch's operations, and by a pass in C++."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from atme.networks import passes
from atme.networks.doubled import Between, Interleaved, doubled, plain_between
from atme.networks.kept import Kept


def plainly(image: Tensor, convolution: nn.Conv2d) -> Tensor:
    wanted: Tensor = convolution(F.interpolate(image, scale_factor=2.0, mode="nearest"))
    return wanted


@given(height=st.integers(1, 6), width=st.integers(1, 6), channels=st.integers(1, 5), wider=st.integers(1, 5))
@settings(deadline=None)
def test_it_is_enlargement_then_convolution(height: int, width: int, channels: int, wider: int) -> None:
    convolution = nn.Conv2d(channels, wider, 3, padding=1).double()
    image = torch.randn(2, channels, height, width, dtype=torch.float64)
    wanted = plainly(image, convolution)
    torch.testing.assert_close(doubled(image, convolution, Kept()), wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5), (4, 1), (6, 7), (40, 33)])
def test_in_one_pass_it_is_that_too(height: int, width: int, bias: bool, compiled: None) -> None:
    """With its gradients, and where nothing learns."""
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 5, 3, padding=1, bias=bias).double()
    image = torch.randn(2, 3, height, width, dtype=torch.float64, requires_grad=True)
    reads = [image, *convolution.parameters()]
    found = []
    for made in (doubled(image, convolution, Kept()), plainly(image, convolution)):
        found.append([made.detach(), *torch.autograd.grad(made.square().sum(), reads)])
    torch.testing.assert_close(*found, rtol=1e-9, atol=1e-10)
    with torch.no_grad():
        torch.testing.assert_close(doubled(image, convolution, Kept()), found[1][0], rtol=1e-9, atol=1e-10)


def test_both_steps_have_derivatives_of_two_orders(compiled: None) -> None:
    weight = torch.randn(2, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    for function, given_ in [
        (lambda w: Between.apply(w, False), weight),
        (lambda x: Interleaved.apply(x, False), torch.randn(2, 8, 3, 4, dtype=torch.float64, requires_grad=True)),
    ]:
        assert torch.autograd.gradcheck(function, [given_])
        assert torch.autograd.gradgradcheck(function, [given_])


@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("channels", [1, 16, 37])
def test_weights_between_pixels(channels: int, kind: torch.dtype, width: None) -> None:
    """In one pass, and its derivative, beside one sum after the other."""
    weight = torch.randn(5, channels, 3, 3).to(kind)
    exact = weight.double().requires_grad_()
    wanted = plain_between(exact)
    gradient = torch.randn(wanted.shape).to(kind)
    within = {"rtol": 1e-2 if kind == torch.bfloat16 else 1e-5, "atol": 3e-2 if kind == torch.bfloat16 else 1e-5}
    torch.testing.assert_close(passes.between(weight).double(), wanted, **within)
    (slope,) = torch.autograd.grad(wanted, exact, gradient.double())
    torch.testing.assert_close(passes.between_slope(gradient).double(), slope, **within)


@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.bfloat16])
def test_there_and_back(kind: torch.dtype, compiled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit, by any number of threads; the outermost come back as 0."""
    parts = torch.randn(2, 4 * 37, 21, 30).to(kind)
    for number in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda number=number: number)
        whole = passes.interleaved(parts)
        of_place = parts.unflatten(1, (2, 2, 37))
        assert torch.equal(whole[:, :, 1::2, ::2], of_place[:, 0, 1, :, 1:, :-1])
        assert torch.equal(whole[:, :, ::2, 1::2], of_place[:, 1, 0, :, :-1, 1:])
        back = passes.parted(whole).unflatten(1, (2, 2, 37))
        seen = torch.ones_like(back, dtype=torch.bool)
        seen[:, 0, :, :, 0] = seen[:, 1, :, :, -1] = seen[:, :, 0, :, :, 0] = seen[:, :, 1, :, :, -1] = False
        assert torch.equal(back, torch.where(seen, of_place, 0))


def test_weights_are_made_again_when_they_changed(compiled: None) -> None:
    """In place where nothing learns, and by a fused optimizer, which does not tell."""
    convolution, image, kept = nn.Conv2d(4, 4, 3, padding=1), torch.randn(1, 4, 5, 6), Kept()
    optimizer = torch.optim.Adam(convolution.parameters(), fused=True)

    def same() -> None:
        with torch.no_grad():
            torch.testing.assert_close(doubled(image, convolution, kept), plainly(image, convolution))

    same()
    with torch.no_grad():
        convolution.weight.add_(1)
        convolution.bias.add_(1)
    same()
    doubled(image, convolution, kept).square().sum().backward()
    optimizer.step()
    same()
