"""Convolutions of stride 2 and their transposes by a matrix unit: values, derivatives, bits, and where."""

from collections.abc import Callable

import pytest
import torch
from nearness import near
from torch import Tensor, nn
from torch.nn import functional as F

from atme.networks import PatchGAN, Pix2PixUNet, kernels, strided, winograd

WAYS = {"conv2d": False, "conv_transpose2d": True}
way = pytest.mark.parametrize("back", WAYS.values(), ids=WAYS)


@pytest.fixture
def matrix_unit(compiled: None) -> None:
    if not winograd.matrix_unit():
        pytest.skip("no matrix unit here")


def made(
    *, back: bool, channels: int = 32, rows: int = 48, size: tuple[int, int] = (6, 10), images: int = 2
) -> list[Tensor]:
    """A map and weights that bfloat16 holds, and a bias."""
    torch.manual_seed(channels + rows)
    image = torch.randn(images, channels, *size).bfloat16().contiguous(memory_format=torch.channels_last)
    sides = (channels, rows) if back else (rows, channels)
    weight = (torch.randn(*sides, 4, 4) / (4 * channels**0.5)).bfloat16().float()
    return [image, weight, torch.randn(rows)]


def plainly(image: Tensor, weight: Tensor, bias: Tensor | None, *, back: bool) -> Tensor:
    result: Tensor = (F.conv_transpose2d if back else F.conv2d)(image, weight, bias, stride=2, padding=1)
    return result


def learned(given: list[Tensor], kind: torch.dtype | None = None) -> list[Tensor]:
    return [each.to(kind or each.dtype).detach().clone().requires_grad_() for each in given]


@way
@pytest.mark.parametrize(
    ("channels", "rows", "size", "images"),
    [
        (16, 16, (2, 2), 1),
        (48, 16, (2, 12), 3),
        (32, 80, (10, 6), 2),
        (64, 64, (70, 66), 1),  # several bands
        (512, 160, (4, 6), 2),  # many weights, made ready where they are needed
        (528, 176, (2, 2), 1),
    ],
)
def test_values_and_derivatives(
    back: bool, channels: int, rows: int, size: tuple[int, int], images: int, matrix_unit: None
) -> None:
    given = made(back=back, channels=channels, rows=rows, size=size, images=images)
    ours, wanted = learned(given), learned(given, torch.float64)
    result, right = strided.convolve(*ours, back=back), plainly(*wanted, back=back)
    assert type(result.grad_fn).__name__ == "StridedBackward"
    assert result.dtype == torch.bfloat16
    assert result.is_contiguous(memory_format=torch.channels_last)
    near(result, right, 3e-3)  # 8 bits round by 1.7e-3 in the mean
    gradient = torch.randn(right.shape, dtype=torch.float64).bfloat16()
    result.backward(gradient)
    right.backward(gradient.double())
    for one, other, within in zip(ours, wanted, (3e-3, 2e-6, 2e-6), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert one.grad.dtype == one.dtype
        near(one.grad, other.grad, within)


@way
def test_without_a_bias_and_by_weights_laid_out_in_either_way(back: bool, matrix_unit: None) -> None:
    image, weight, _ = made(back=back)
    found = [
        strided.convolve(image, weight.contiguous(memory_format=layout), None, back=back)
        for layout in (torch.contiguous_format, torch.channels_last)
    ]
    assert torch.equal(*found)
    near(found[0], plainly(image.double(), weight.double(), None, back=back), 3e-3)


@way
def test_derivatives_of_two_orders(back: bool, matrix_unit: None) -> None:
    given, found = made(back=back, channels=16, rows=32), []
    for kind, each_way in ((None, strided.convolve), (torch.float64, plainly)):
        those = learned(given, kind)
        result = each_way(*those, back=back)
        slopes = torch.autograd.grad(result.double().sin().sum(), those[:2], create_graph=True)
        found.append(torch.autograd.grad(sum(each.double().square().sum() for each in slopes), those[:2]))
    for ours, wanted in zip(*found, strict=True):
        near(ours, wanted, 2e-2)


@way
@pytest.mark.parametrize("wanted", [(True, False, False), (False, True, False), (False, False, True)])
def test_only_what_is_wanted_is_derived(back: bool, wanted: tuple[bool, ...], matrix_unit: None) -> None:
    given = [each.requires_grad_(wants) for each, wants in zip(made(back=back), wanted, strict=True)]
    strided.convolve(*given, back=back).sum().backward()
    assert [each.grad is not None for each in given] == list(wanted)


@way
@pytest.mark.parametrize(("channels", "rows", "size"), [(512, 96, (8, 8)), (48, 64, (40, 50))])
def test_bits_do_not_depend_on_threads(
    back: bool,
    channels: int,
    rows: int,
    size: tuple[int, int],
    matrix_unit: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given, found = made(back=back, channels=channels, rows=rows, size=size), []
    for number in (1, 2, 5):
        monkeypatch.setattr(torch, "get_num_threads", lambda number=number: number)
        those = learned(given)
        result = strided.convolve(*those, back=back)
        result.backward(result.detach())
        found.append([result, *(each.grad for each in those)])
    for others in found[1:]:
        assert all(map(torch.equal, found[0], others))


@way
def test_all_else_is_pytorchs(back: bool, matrix_unit: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def pays(*, channels: int = 16, rows: int = 16, size: tuple[int, int] = (6, 6), kind: torch.dtype) -> bool:
        image, weight, _ = made(back=back, channels=channels, rows=rows, size=size)
        return strided.pays(image.to(kind), weight, back=back)

    bfloat16 = torch.bfloat16
    assert pays(kind=bfloat16)
    assert pays(kind=bfloat16, size=(6, 7)) == back
    assert not any([pays(kind=torch.float32), pays(kind=bfloat16, channels=6), pays(kind=bfloat16, rows=3)])
    with kernels.plainly():
        assert not pays(kind=bfloat16)
    with kernels.left_out():
        assert not pays(kind=bfloat16)
    monkeypatch.setattr(winograd, "matrix_unit", lambda: False)
    assert not pays(kind=bfloat16)


@pytest.mark.parametrize("layer", [strided.StridedConv2d(6, 16), strided.StridedConvTranspose2d(6, 16)])
@pytest.mark.parametrize("size", [(6, 8), (7, 9)])
def test_layers_are_pytorchs(layer: nn.Conv2d | nn.ConvTranspose2d, size: tuple[int, int]) -> None:
    """In float32, whatever is compiled, bit for bit."""
    image, back = torch.randn(2, 6, *size), isinstance(layer, nn.ConvTranspose2d)
    assert torch.equal(layer(image), plainly(image, layer.weight, layer.bias, back=back))


def test_a_transpose_of_another_size_is_pytorchs(compiled: None) -> None:
    layer, image = strided.StridedConvTranspose2d(16, 16), torch.randn(1, 16, 5, 6)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(image, output_size=[11, 13]).shape[2:] == (11, 13)
        assert layer(image).shape[2:] == (10, 12)


NETWORKS = {
    "pix2pix": lambda: Pix2PixUNet(num_downs=3, ngf=16, dropout=False),
    "pix2pix, instance norm": lambda: Pix2PixUNet(num_downs=3, ngf=16, norm="instance", dropout=False),
}


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_networks_are_the_same_functions(
    make: Callable[[], Pix2PixUNet], matrix_unit: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = make().to(memory_format=torch.channels_last)
    image, found = torch.randn(3, 3, 32, 32), []
    used: list[bool] = []
    pays = strided.pays

    def told(*given: Tensor, back: bool) -> bool:
        used.append(pays(*given, back=back))
        return used[-1]

    for precision, each in ((torch.float32, pays), (torch.bfloat16, told), (torch.bfloat16, lambda *_, back: False)):
        monkeypatch.setattr(strided, "pays", each)
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
            result = network(image, None)
        result.float().square().mean().backward()
        gradients = [p.grad.flatten().double() for p in network.parameters() if p.grad is not None]
        found.append([result.detach().double(), torch.cat(gradients)])  # a bias before a norm has none but rounding
    assert used.count(True) == 4  # two levels each way: the outermost have three channels
    for exact, ours, theirs in zip(*found, strict=True):
        assert (ours - exact).norm() <= 1.5 * (theirs - exact).norm()


def test_a_penalty_on_the_gradients_of_a_patchgan(matrix_unit: None, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = PatchGAN(3, 3, dim=16, norm="none")
    source, image, found = torch.randn(1, 3, 64, 64), torch.randn(1, 3, 64, 64), []
    for _ in range(2):
        network.zero_grad()
        given = image.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(source, given)
        (slope,) = torch.autograd.grad(logits.float().sum(), given, create_graph=True)
        slope.square().sum().backward()
        found.append([p.grad.clone() for p in network.parameters() if p.grad is not None and p.grad.norm() > 1e-6])
        monkeypatch.setattr(strided, "pays", lambda *_, back: False)
    assert len(found[0]) == len(found[1]) > 0
    for ours, wanted in zip(*found, strict=True):
        near(ours, wanted, 5e-2)


def test_the_gradient_of_a_part_of_a_map_lies_as_the_part_does() -> None:
    """PyTorch's batch norm on a CPU takes 4 to 20 times as long for a slice."""
    network = Pix2PixUNet(num_downs=3, ngf=4, norm="batch").to(memory_format=torch.channels_last)
    heard: list[bool] = []
    norms = [layer for up in network.up for layer in up if isinstance(layer, nn.BatchNorm2d)]
    for norm in norms:
        norm.register_full_backward_pre_hook(
            lambda _, gradients: heard.append(gradients[0].is_contiguous(memory_format=torch.channels_last))
        )
    network(torch.randn(2, 3, 16, 16), None).square().mean().backward()
    assert heard == [True] * len(norms)
