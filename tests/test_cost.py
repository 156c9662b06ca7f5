"""The peak of what backward passes keep, against numbers worked out by hand."""

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from atme.models import Networks, Pix2Pix
from atme.models.build import Measured
from atme.networks import PatchGAN, UNet, kernels
from atme.noise import Game, Identity
from atme.reports.cost import Kept, cost

BYTES = 4 * 1000


def grown(x: torch.Tensor) -> torch.Tensor:
    """Each exp keeps its result: three tensors of 4,000 bytes."""
    return x.exp().exp().exp().sum()


def test_what_one_graph_keeps_is_added_up() -> None:
    x, kept = torch.zeros(1000, requires_grad=True), Kept()
    with kept.counted():
        loss = grown(x)
    assert kept.bytes == kept.peak == 3 * BYTES
    loss.backward()
    assert kept.bytes == 0
    assert kept.peak == 3 * BYTES


def test_graphs_one_after_the_other_do_not_add_up() -> None:
    x, kept = torch.zeros(1000, requires_grad=True), Kept()
    for _ in range(5):
        with kept.counted():
            grown(x).backward()
    assert kept.peak == 3 * BYTES


def test_graphs_that_live_together_do() -> None:
    x, kept = torch.zeros(1000, requires_grad=True), Kept()
    with kept.counted():
        together = [grown(x) for _ in range(5)]
    assert kept.peak == 15 * BYTES
    del together
    assert kept.bytes == 0


def test_a_storage_counts_once_whoever_keeps_it() -> None:
    x, kept = torch.zeros(1000, requires_grad=True), Kept()
    with kept.counted():
        y = x.exp()
        twice = (y * y).sum() + (y.view(10, 100) * y.view(100, 10).t()).sum()
    assert kept.peak == BYTES
    del twice, y
    assert kept.bytes == 0


def test_weights_are_no_activations() -> None:
    layer, x = torch.nn.Linear(10, 10, bias=False), torch.zeros(3, 10)
    kept = Kept(layer.parameters())
    with kept.counted():
        layer(x).sum().backward()
    assert kept.peak == x.nbytes  # its weight's transpose is kept as well, and is there anyway


def test_fake_tensors_count_alike() -> None:
    layer = torch.nn.Linear(10, 10, bias=False)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        kept = Kept(map(mode.from_tensor, layer.parameters()))
        with kept.counted():
            layer(layer(torch.zeros(3, 10))).sum().backward()
    assert kept.peak == 2 * 3 * 10 * 4


def test_a_gradient_of_a_gradient_goes_through() -> None:
    """As R1 takes it: what is kept is handed back as it was."""
    x = torch.linspace(-1, 1, 5, requires_grad=True)
    with Kept().counted():
        (slope,) = torch.autograd.grad(x.exp().exp().sum(), x, create_graph=True)
        (found,) = torch.autograd.grad(slope.square().sum(), x)
    e = x.detach().exp()
    torch.testing.assert_close(found, 2 * (e * e.exp()) * (e + e * e) * e.exp())


def test_costs_are_counted_beside_compiled_kernels(compiled: None) -> None:
    """Which take no fake tensors: they are left out, and not given up for what follows."""
    measured = Measured(source_channels=3, target_channels=3, images=2, height=16, width=16, batch=1)

    def build() -> tuple[Pix2Pix, Networks]:
        judge = PatchGAN(layers=2, dim=4)
        game = Game(2, (16, 16), 1, judge.verdict_shape, 4)
        return Pix2Pix(), Networks(UNet(dim=8, dim_mults=(1,), groups=4), judge, Identity(game))

    assert kernels.available()
    assert cost(build, measured, batch=1, precision="bf16").flops > 0
    assert kernels.available()
    kernels.reason.cache_clear()
    assert cost(build, measured, batch=1, precision="bf16").flops > 0
    assert kernels.available()
