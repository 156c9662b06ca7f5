"""The diffusion U-Net: live parity with the package it follows, laws, sizes, precisions."""

import copy

import pytest
import torch
from denoising_diffusion_pytorch import Unet
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from atme.inference.published import load_published
from atme.networks import UNet
from atme.networks.block import Block, standardize
from atme.reports.cost import Kept

PACKAGE_EPS = 1e-3
"""What the package adds to a variance in every precision but float32."""

CONFIGURATIONS = {
    "plain": ({"dim": 8}, {}, (24, 40)),
    "one level, odd sides": ({"dim": 8, "dim_mults": (1,)}, {}, (7, 5)),
    "learned": (
        {"dim": 8, "dim_mults": (1, 2), "learned_sinusoidal_cond": True, "learned_sinusoidal_dim": 6},
        {"embedding": "learned", "learned_sinusoidal_dim": 6},
        (6, 10),
    ),
    "random, groups of an odd size": (
        {"dim": 9, "dim_mults": (1, 3), "resnet_block_groups": 3, "random_fourier_features": True},
        {"embedding": "random", "groups": 3},
        (10, 6),
    ),
    "gray to four channels": (
        {"dim": 12, "dim_mults": (2, 1), "resnet_block_groups": 4, "channels": 1, "out_dim": 4},
        {"in_channels": 1, "out_channels": 4, "groups": 4},
        (8, 14),
    ),
}


@pytest.fixture
def _float64():
    """The package makes its frequencies in the default precision."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def pair(name: str, *, eps: float) -> tuple[Unet, UNet, Tensor, Tensor]:
    """The package's net and ours with the same random weights, an image, and levels."""
    theirs, ours, (height, width) = CONFIGURATIONS[name]
    package = Unet(**theirs)
    with torch.no_grad():
        for parameter in package.parameters():  # no scale stays 1, no shift 0
            parameter.add_(0.1 * torch.randn_like(parameter))
    shared = {"dim": theirs["dim"], "dim_mults": theirs.get("dim_mults", (1, 2, 4, 8))}
    net = UNet(**shared, **ours, head="ddpm", eps=eps)
    load_published(net, package.state_dict())
    return package, net, torch.randn(3, theirs.get("channels", 3), height, width), torch.tensor([0.0, -0.4, 7])


@pytest.mark.usefixtures("_float64")
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_values_and_gradients_are_the_packages_in_float64(name: str) -> None:
    package, net, image, level = pair(name, eps=PACKAGE_EPS)
    image.requires_grad_()
    theirs, ours = package(image, level), net(image, level)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)
    gradients = [torch.autograd.grad(y.sin().sum(), image)[0] for y in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_values_are_the_packages_in_float32(name: str) -> None:
    package, net, image, level = pair(name, eps=1e-5)
    torch.testing.assert_close(net(image, level), package(image, level), rtol=1e-3, atol=1e-4)


@pytest.mark.usefixtures("_float64")
def test_parity_notices_a_perturbed_weight() -> None:
    package, net, image, level = pair("learned", eps=PACKAGE_EPS)
    with torch.no_grad():
        net.up[0].attention.qkv.weight[0, 0] += 1e-4
    assert not torch.allclose(net(image, level), package(image, level), rtol=1e-9, atol=1e-11)


def tiny(**options: object) -> UNet:
    return UNet(**{"dim": 8, "dim_mults": (1, 2, 4), "groups": 4} | options)


def test_published_number_of_parameters() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in UNet().parameters()) == 35_785_219
        assert sum(p.numel() for p in UNet(head="ddpm").parameters()) == 35_711_107


@pytest.mark.parametrize("head", ["atme", "ddpm"])
@pytest.mark.parametrize("embedding", ["fixed", "learned", "random"])
def test_gradient_reaches_every_parameter_and_the_image(head: str, embedding: str) -> None:
    net, image = tiny(head=head, embedding=embedding), torch.randn(2, 3, 12, 20, requires_grad=True)
    net(image, torch.tensor([0.1, 0.7])).sin().sum().backward()
    assert image.grad.abs().max() > 0
    still = [name for name, p in net.named_parameters() if p.grad is None or p.grad.abs().max() == 0]
    assert still == []


@given(levels=st.integers(1, 3), high=st.integers(1, 4), wide=st.integers(1, 4), channels=st.integers(1, 4))
@settings(deadline=None, max_examples=15)
def test_every_multiple_of_the_stride_is_a_size(levels: int, high: int, wide: int, channels: int) -> None:
    net = UNet(channels, 2, dim=8, dim_mults=(1,) * levels, groups=2)
    height, width = high * net.stride, wide * net.stride
    translated = net(torch.randn(2, channels, height, width), torch.zeros(2))
    assert net.stride == 2 ** (levels - 1)
    assert translated.shape == (2, 2, height, width)
    assert translated.abs().max() <= 1


def test_another_size_is_refused_with_both_sides_and_a_remedy() -> None:
    with pytest.raises(ValueError, match=r"height 10 and width 12: .*multiples of 4.*pad it to 12×12"):
        tiny()(torch.zeros(1, 3, 10, 12), torch.zeros(1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 12, "groups": 8}, "groups 8: does not divide the width 12"),
        ({"init_dim": 10}, "groups 4: does not divide the width 10"),
        ({"dim_mults": ()}, "dim_mults: .* give one or more"),
        ({"dim_mults": (0, 1)}, "dim_mults: .* from 1 on"),
        ({"dim": 9, "groups": 3}, "dim 9: .*even"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny(**options)


def test_the_first_width_may_differ() -> None:
    net = tiny(init_dim=16)
    assert net(torch.zeros(1, 3, 8, 4), torch.zeros(1)).shape == (1, 3, 8, 4)


def test_each_image_is_translated_for_itself_under_its_own_level() -> None:
    net, images, levels = tiny().double(), torch.randn(3, 3, 8, 12).double(), torch.tensor([0.0, 0.3, 40])
    together = net(images, levels.double())
    for i in range(3):
        alone = net(images[i : i + 1], levels[i : i + 1].double())
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-9, atol=1e-11)
    other = net(images, levels.double().flip(0))
    assert (other[0] - together[0]).abs().max() > 1e-6  # it listens
    torch.testing.assert_close(other[1], together[1], rtol=1e-9, atol=1e-11)


def test_bfloat16_is_the_same_function() -> None:
    torch.manual_seed(0)
    net, image, level = tiny(), torch.randn(2, 3, 16, 24), torch.tensor([0.1, 0.7])
    exact = net(image, level)
    with torch.autocast("cpu", torch.bfloat16):
        rough = net(image, level)
    rough.float().sum().backward()
    # eight bits of mantissa, through some thirty layers: 1 % of the image, in the mean square
    assert (rough.float() - exact).square().mean() < 0.02**2 * exact.square().mean()


def test_memory_format_of_the_image_changes_nothing() -> None:
    net, image, level = tiny(), torch.randn(2, 3, 16, 24), torch.zeros(2)
    assert torch.equal(net(image, level), net(image.contiguous(memory_format=torch.channels_last), level))


def test_standardized_weights_have_mean_zero_and_variance_one() -> None:
    weight = standardize(3 + 2 * torch.randn(5, 4, 3, 3, dtype=torch.float64), eps=0.0)
    torch.testing.assert_close(weight.mean((1, 2, 3)), torch.zeros(5, dtype=torch.float64))
    torch.testing.assert_close(weight.var((1, 2, 3), correction=0), torch.ones(5, dtype=torch.float64))


def test_a_block_does_not_feel_the_scale_of_its_weights() -> None:
    block, image = Block(4, 8, groups=2, eps=0.0).double(), torch.randn(2, 4, 5, 7, dtype=torch.float64)
    before = block(image)
    with torch.no_grad():
        block.conv.weight.mul_(3).add_(0.5)
    torch.testing.assert_close(block(image), before)


def test_attention_may_begin_at_a_later_level() -> None:
    full, later = UNet(dim=8, dim_mults=(1, 2), groups=4), UNet(dim=8, dim_mults=(1, 2), groups=4, attention_from=1)
    left_out = full.state_dict().keys() - later.state_dict().keys()
    assert {name.rsplit(".attention.")[0] for name in left_out} == {"down.0", "up.1"}
    assert later.state_dict().keys() < full.state_dict().keys()
    assert later(torch.rand(1, 3, 6, 10), torch.tensor([0.1])).shape == (1, 3, 6, 10)
    none = UNet(dim=8, dim_mults=(1, 2), groups=4, attention_from=2)
    assert {name.split(".attention")[0] for name in none.state_dict() if ".attention." in name} == set()
    with pytest.raises(ValueError, match="attention_from"):
        UNet(dim=8, dim_mults=(1, 2), groups=4, attention_from=3)


@pytest.mark.parametrize("bfloat16", [False, True])
def test_what_is_computed_again_has_the_same_bits_and_is_not_kept(bfloat16: bool) -> None:
    torch.manual_seed(0)
    network = UNet(dim=8, dim_mults=(1, 2), groups=4)
    image, found, peaks = torch.randn(2, 3, 12, 20), [], []
    for again in (False, True):
        network.recompute = again
        network.zero_grad()
        kept = Kept(network.parameters())
        with kept.counted(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            translated = network(image, torch.tensor([0.1, 0.2]))
        peaks.append(kept.peak)
        translated.float().square().mean().backward()
        found.append([translated.detach(), *(p.grad.clone() for p in network.parameters() if p.grad is not None)])
    assert len(found[0]) == len(found[1])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    assert peaks[1] < peaks[0] / 2


def test_weights_are_standardized_once_for_translations_and_anew_once_they_change() -> None:
    torch.manual_seed(0)
    block, image = Block(8, 8), torch.randn(1, 8, 5, 6)
    wanted = block(image).detach()
    with torch.no_grad():
        assert torch.equal(block(image), wanted)
        assert block.standardized()[0] is block.standardized()[0]
        (before,) = block.standardized()
        with torch.autocast("cpu", torch.bfloat16):
            assert block.standardized()[0].dtype == torch.bfloat16
        block.conv.weight[0, 0, 0, 0] += 1
        assert not torch.equal(block.standardized()[0], before)
        assert not torch.equal(block(image), wanted)
        old, block.conv.weight.data = block.conv.weight.data, torch.randn_like(block.conv.weight)
        assert torch.equal(block.standardized()[0], standardize(block.conv.weight))
        block.conv.weight.data = old
        assert torch.equal(block.standardized()[0], standardize(old))
    with torch.inference_mode():
        block(image)
        made_there = Block(8, 8)
        assert torch.equal(made_there.standardized()[0], standardize(made_there.conv.weight))
    block(image).sum().backward()
    assert block.conv.weight.grad is not None
    assert copy.deepcopy(block).state_dict().keys() == Block(8, 8).state_dict().keys()
