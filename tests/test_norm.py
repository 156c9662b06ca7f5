"""Instance norm of maps whose channels lie beside each other: PyTorch's values, derivatives and refusals."""

import pytest
import torch
from torch import nn

from atme.networks import kernels
from atme.networks.norm import InstanceNorm2d


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize(("images", "channels", "height", "width"), [(1, 3, 5, 4), (3, 16, 37, 29), (2, 1, 1, 2)])
def test_values_and_derivatives_of_two_orders(
    images: int, channels: int, height: int, width: int, affine: bool
) -> None:
    """As far from float64 as PyTorch's own, to a tenth; in the layout of the map, and its precision under autocast."""
    torch.manual_seed(0)
    ours, theirs = (layer(channels, affine=affine) for layer in (InstanceNorm2d, nn.InstanceNorm2d))
    exact = nn.InstanceNorm2d(channels, affine=affine).double()
    if affine:
        nn.init.normal_(ours.weight)
        nn.init.normal_(ours.bias)
    theirs.load_state_dict(ours.state_dict())
    exact.load_state_dict(ours.state_dict())
    image = (1 + torch.randn(images, channels, height, width)).bfloat16().contiguous(memory_format=torch.channels_last)
    found = []
    for layer, given in ((ours, image), (theirs, image), (exact, image.double())):
        read = given.clone(memory_format=torch.preserve_format).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=layer is not exact):
            made = layer(read)
        assert made.dtype == given.dtype
        (slope,) = torch.autograd.grad(made.double().sin().sum(), read, create_graph=True)
        (again,) = torch.autograd.grad(slope.double().square().sum(), read)
        found.append([each.detach().double() for each in (made, slope, again)])
        assert layer is not ours or made.is_contiguous(memory_format=torch.channels_last)
    for one, other, wanted in zip(*found, strict=True):
        assert (one - wanted).norm() <= 1.1 * (other - wanted).norm() + 1e-3 * wanted.norm()


def test_it_is_pytorchs_own_elsewhere() -> None:
    """In what is traced, for maps in another layout, and with statistics of a whole training."""
    image = torch.randn(2, 4, 6, 5).bfloat16()
    apart = image.contiguous(memory_format=torch.channels_last)
    for each in (image, apart.float(), apart.double()):
        assert torch.equal(InstanceNorm2d(4)(each), nn.InstanceNorm2d(4)(each))
    with kernels.plainly():
        assert torch.equal(InstanceNorm2d(4)(apart), nn.InstanceNorm2d(4)(apart))
    kept, theirs = (layer(4, track_running_stats=True) for layer in (InstanceNorm2d, nn.InstanceNorm2d))
    assert torch.equal(kept(apart), theirs(apart))
    assert torch.equal(kept.running_mean, theirs.running_mean)


def test_one_pixel_has_no_spread() -> None:
    image = torch.randn(2, 4, 1, 1).bfloat16().contiguous(memory_format=torch.channels_last)
    with pytest.raises(ValueError, match="more than 1"):
        InstanceNorm2d(4)(image)
