"""First weights: the law of each scheme, what is drawn and what is left, and where the draws come from."""

import pytest
import torch
from torch import nn

from atme.networks import PatchGAN, Pix2PixResNet, UNet, WNet, initialize

SCHEMES = ["normal", "xavier", "kaiming", "orthogonal"]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("scheme", "spread"),
    [
        ("normal", 0.02),
        ("xavier", 0.02 * (2 / (9 * (60 + 90))) ** 0.5),
        ("kaiming", (2 / (9 * 60)) ** 0.5),
        ("orthogonal", 0.02 / (9 * 60) ** 0.5),
    ],
)
def test_weights_have_the_spread_of_their_scheme(scheme: str, spread: float) -> None:
    layer = nn.Conv2d(60, 90, 3)
    initialize(layer, scheme=scheme, generator=seeded())
    assert layer.weight.mean().abs() < 0.02 * spread
    assert layer.weight.std().item() == pytest.approx(spread, rel=0.02)
    assert torch.equal(layer.bias, torch.zeros(90))


def test_orthogonal_rows_are_orthogonal() -> None:
    layer = nn.Linear(20, 7)
    initialize(layer, scheme="orthogonal", gain=3.0, generator=seeded())
    torch.testing.assert_close(layer.weight @ layer.weight.T, 9 * torch.eye(7), rtol=0, atol=1e-4)


@pytest.mark.parametrize("network", [UNet(dim=8), PatchGAN(dim=8), WNet(), Pix2PixResNet(ngf=8)])
def test_the_published_law_of_every_network(network: nn.Module) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(7.0)
    initialize(network, generator=seeded())
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            error = 5 * 0.02 / layer.weight.numel() ** 0.5
            assert layer.weight.mean().abs() < error
            assert abs(layer.weight.std() - 0.02) < error
            assert layer.bias is None or torch.equal(layer.bias, torch.zeros_like(layer.bias))
        elif isinstance(layer, nn.BatchNorm2d):
            assert 0 < (layer.weight - 1).abs().max() < 0.1
            assert torch.equal(layer.bias, torch.zeros_like(layer.bias))
        elif isinstance(layer, nn.GroupNorm):
            assert (layer.weight == 7).all()  # as published: batch norm alone is drawn


@pytest.mark.parametrize("scheme", SCHEMES)
def test_draws_come_from_the_generator_alone(scheme: str) -> None:
    first, second, other = (nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)) for _ in range(3))
    before = torch.get_rng_state()
    initialize(first, scheme=scheme, generator=seeded())
    initialize(second, scheme=scheme, generator=seeded())
    initialize(other, scheme=scheme, generator=seeded(1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first[0].weight, other[0].weight)


def test_default_leaves_every_weight() -> None:
    network = PatchGAN(dim=4, norm="batch")
    before = [parameter.clone() for parameter in network.parameters()]
    initialize(network, scheme="default")
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
