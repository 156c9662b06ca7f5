"""The generators of pix2pix: sizes, the level that they do not read, dropout, published numbers of parameters."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from atme.networks import Pix2PixResNet, Pix2PixUNet

NORMS = ["batch", "instance"]


def small(kind: str, **options: object) -> Pix2PixUNet | Pix2PixResNet:
    if kind == "unet":
        return Pix2PixUNet(**{"num_downs": 3, "ngf": 4} | options)
    return Pix2PixResNet(**{"blocks": 2, "ngf": 4} | options)


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (Pix2PixUNet, 54_413_955),
        (lambda: Pix2PixUNet(num_downs=7), 41_828_995),
        (Pix2PixResNet, 11_383_427),
        (lambda: Pix2PixResNet(blocks=6), 7_841_411),
    ],
)
def test_published_numbers_of_parameters(make, count: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in make().parameters()) == count


@pytest.mark.parametrize("norm", NORMS)
@given(num_downs=st.integers(2, 6), high=st.integers(1, 3), wide=st.integers(1, 3), channels=st.integers(1, 4))
@settings(deadline=None, max_examples=15)
def test_unet_takes_every_multiple_of_its_stride(
    norm: str, num_downs: int, high: int, wide: int, channels: int
) -> None:
    net = Pix2PixUNet(channels, 2, num_downs=num_downs, ngf=2, norm=norm)
    assert net.stride == 2**num_downs
    height, width = high * net.stride, wide * net.stride  # high = wide = 1: one pixel is left at the bottom
    translated = net(torch.randn(2, channels, height, width), torch.zeros(2))
    assert translated.shape == (2, 2, height, width)
    assert translated.abs().max() <= 1


@pytest.mark.parametrize("norm", NORMS)
@given(high=st.integers(2, 6), wide=st.integers(2, 6), channels=st.integers(1, 4))
@settings(deadline=None, max_examples=15)
def test_resnet_takes_every_multiple_of_four_from_eight_on(norm: str, high: int, wide: int, channels: int) -> None:
    translated = Pix2PixResNet(channels, 2, blocks=1, ngf=2, norm=norm)(
        torch.randn(2, channels, 4 * high, 4 * wide), None
    )
    assert translated.shape == (2, 2, 4 * high, 4 * wide)
    assert translated.abs().max() <= 1


@pytest.mark.parametrize(("kind", "smallest"), [("unet", "8×16"), ("resnet", "8×12")])
def test_another_size_is_refused_with_both_sides_and_a_remedy(kind: str, smallest: str) -> None:
    with pytest.raises(ValueError, match=f"height 4 and width 10: .*pad it to {smallest}"):
        small(kind)(torch.zeros(1, 3, 4, 10), None)


@pytest.mark.parametrize("kind", ["unet", "resnet"])
@pytest.mark.parametrize("norm", NORMS)
def test_gradient_reaches_every_parameter_and_the_image(kind: str, norm: str) -> None:
    net, image = small(kind, norm=norm, dropout=False), torch.randn(2, 3, 24, 16, requires_grad=True)
    net(image, None).sin().sum().backward()
    assert image.grad.abs().max() > 0
    still = {name for name, p in net.named_parameters() if p.grad is None or p.grad.abs().max() == 0}
    # Instance norm takes off the mean, and the bias of the convolution before it with the mean.
    assert all(norm == "instance" and name.endswith(".bias") for name in still)


@pytest.mark.parametrize("kind", ["unet", "resnet"])
def test_the_level_is_not_read(kind: str) -> None:
    net, image = small(kind).eval(), torch.randn(2, 3, 16, 24)
    assert torch.equal(net(image, torch.tensor([0.1, 900.0])), net(image, None))


@pytest.mark.parametrize("make", [lambda **o: Pix2PixUNet(num_downs=6, ngf=2, **o), lambda **o: small("resnet", **o)])
def test_dropout_is_noise_in_training_alone(make) -> None:
    image = torch.randn(1, 3, 64, 64)
    noisy, silent = make(dropout=True), make(dropout=False)
    silent.load_state_dict(noisy.state_dict())  # the same parameters: dropout has none
    noisy.train(), silent.train()
    assert not torch.equal(noisy(image, None), noisy(image, None))
    assert torch.equal(silent(image, None), silent(image, None))
    noisy.eval(), silent.load_state_dict(noisy.state_dict()), silent.eval()
    assert torch.equal(noisy(image, None), silent(image, None))


def test_unet_drops_out_in_the_layers_of_the_paper() -> None:
    dropping = [any(isinstance(layer, nn.Dropout) for layer in up) for up in Pix2PixUNet(ngf=1).up]
    assert dropping == [False, False, False, False, True, True, True, False]


@pytest.mark.parametrize(
    ("make", "message"),
    [(lambda: Pix2PixUNet(num_downs=1), "num_downs: 1 "), (lambda: Pix2PixResNet(blocks=-1), "blocks: -1 ")],
)
def test_options_that_cannot_be_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("kind", ["unet", "resnet"])
def test_bfloat16_is_the_same_function(kind: str) -> None:
    torch.manual_seed(0)
    net, image = small(kind, dropout=False).eval(), torch.randn(2, 3, 16, 24)
    exact = net(image, None)
    with torch.autocast("cpu", torch.bfloat16):
        rough = net(image, None).float()
    assert (rough - exact).abs().max() < 0.05 * exact.abs().max()
