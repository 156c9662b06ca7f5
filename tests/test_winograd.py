"""Convolutions by Winograd's way and by a matrix unit, and products of pixels: values, derivatives, bits, and where."""

import pytest
import torch
from nearness import near
from torch import Tensor
from torch.nn import functional as F
from torch.nn.grad import conv2d_input, conv2d_weight

from atme.networks import kernels, products, winograd
from atme.networks.block import Block, standardize
from atme.networks.convolution import Conv2d, Convolution, convolve
from atme.networks.patchgan import PatchGAN
from atme.networks.standardized import convolved
from atme.networks.unet import UNet


def maps_of(*channels: int, size: tuple[int, int], kind: torch.dtype, images: int = 2) -> list[Tensor]:
    return [
        torch.randn(images, each, *size).to(kind).contiguous(memory_format=torch.channels_last) for each in channels
    ]


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("side", winograd.SIDES)
def test_values_and_derivatives(side: int, kind: torch.dtype, width: None) -> None:
    torch.manual_seed(side)
    exact = {torch.float32: 2e-6, torch.bfloat16: 3e-3}[kind]  # 8 bits round by 1.7e-3 in the mean
    in_pairs = kind == torch.bfloat16 and winograd.multiplies_pairs() and not winograd.directly(kind)
    of_maps, of_weights = (1.5e-2, 1.5e-2) if in_pairs else (exact, 2e-6)  # what is multiplied is rounded, too
    # one map and two; sizes that are and are no multiple of a tile's; more than one piece of tiles, channels, weights
    few, many = ((560, 32), 64, (9, 13), 2), ((560, 32), 64, (33, 49), 1)
    for channels, rows, size, images in [((16,), 32, (12, 12), 2), ((48, 16), 16, (29, 22), 2), few, many]:
        maps = maps_of(*channels, size=size, kind=kind, images=images)
        weight = torch.randn(rows, sum(channels), side, side).to(winograd.read_in(kind)).float()
        whole = torch.cat(maps, dim=1).double()
        for border in range(side):
            wanted = F.conv2d(whole, weight.double(), torch.arange(rows).double(), padding=border)
            near(winograd.convolved(maps, weight, torch.arange(rows).float(), border=border), wanted, exact)
            gradient = torch.randn(wanted.shape).to(kind)
            back = conv2d_input(whole.shape, weight.double(), gradient.double(), padding=border)
            first = 0
            for each in maps:
                ours = winograd.maps_slope(gradient, weight, border=border, first=first, count=each.shape[1])
                near(ours, back[:, first : first + each.shape[1]], of_maps)
                first += each.shape[1]
            wanted = conv2d_weight(whole, weight.shape, gradient.double(), padding=border)
            near(winograd.weights_slope(maps, gradient, side=side, border=border), wanted, of_weights)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("channels", "rows", "size"),
    [((16, 16), 48, (9, 13)), ((544, 48), 80, (6, 7)), ((144, 16), 384, (6, 7)), ((32,), 16, (40, 33))],
)
def test_weights_that_are_standardized_where_they_are_read(
    channels: tuple[int, ...], rows: int, size: tuple[int, int], kind: torch.dtype, width: None
) -> None:
    """By few and by many weights, and what is added to a map's gradient."""
    torch.manual_seed(rows)
    exact = {torch.float32: 2e-6, torch.bfloat16: 5e-3}[kind]
    in_pairs = kind == torch.bfloat16 and winograd.multiplies_pairs() and not winograd.directly(kind)
    of_gradients = 1.5e-2 if in_pairs else exact
    maps = maps_of(*channels, size=size, kind=kind)
    weight, statistics = torch.randn(rows, sum(channels), 3, 3) + 0.3, torch.empty(rows, 2)
    made = winograd.convolved(maps, weight, border=1, statistics=statistics, eps=1e-5)
    precise = weight.double().requires_grad_()
    read = standardize(precise, eps=1e-5)
    whole = torch.cat(maps, dim=1).double()
    near(made, F.conv2d(whole, read.detach(), padding=1), exact)
    near(statistics[:, 0], weight.double().mean((1, 2, 3)), 1e-5)
    near(statistics[:, 1], weight.double().var((1, 2, 3), correction=0).add(1e-5).rsqrt(), 1e-6)
    gradient = torch.randn(made.shape).to(kind)
    back = conv2d_input(whole.shape, read.detach(), gradient.double(), padding=1).split(channels, dim=1)
    more = [torch.randn(each.shape).to(kind) for each in maps]
    for others in ((None, None), more):
        given = {"border": 1, "wanted": [True] * len(maps), "statistics": statistics, "more": others}
        slopes = winograd.all_maps_slopes(gradient, maps, weight, **given)
        for ours, wanted, added in zip(slopes, back, others, strict=False):
            near(ours, wanted if added is None else wanted + added.double(), of_gradients)
    of_read = conv2d_weight(whole, weight.shape, gradient.double(), padding=1)
    (wanted,) = torch.autograd.grad(read, precise, of_read)
    ours = winograd.weights_slope(maps, gradient, side=3, border=1, standardized=(weight, statistics))
    near(ours, wanted, 1.5e-2 if in_pairs else 2e-6)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("channels", "rows"), [(16, 32), (256, 256), (576, 128)])
def test_bits_do_not_depend_on_threads(
    channels: int, rows: int, kind: torch.dtype, compiled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of which there may be more than groups of tiles: then weights are made ready anew for each group, not once."""
    torch.manual_seed(0)
    (image,) = maps_of(channels, size=(45, 50), kind=kind)
    weight, gradient = torch.randn(rows, channels, 3, 3), torch.randn(2, rows, 45, 50).to(kind)
    found = []
    for number in (1, 2, 5):
        monkeypatch.setattr(torch, "get_num_threads", lambda number=number: number)
        statistics = torch.empty(rows, 2)
        made = (
            winograd.convolved([image], weight, border=1, statistics=statistics, eps=1e-5),
            winograd.maps_slope(gradient, weight, border=1, first=0, count=channels, statistics=statistics, more=image),
            winograd.weights_slope([image], gradient, side=3, border=1, standardized=(weight, statistics)),
            winograd.convolved([image], weight, border=1),
            winograd.maps_slope(gradient, weight, border=1, first=0, count=channels),
        )
        of_pixels = image.permute(0, 2, 3, 1)
        found.append(
            [
                *made,
                winograd.weights_slope([image], gradient, side=3, border=1),
                products.times(of_pixels.float(), weight[:, :, 0, 0].T),
                products.over_pixels(of_pixels, of_pixels),
            ]
        )
    for others in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], others, strict=True))


def test_where_it_pays(compiled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "matrix_unit", lambda: False)
    lanes, bfloat16 = winograd.lanes(), torch.bfloat16

    def pays(channels: int = 2 * lanes, side: int = 3, size: int = 16, kind: torch.dtype = torch.float32) -> bool:
        image, weight = torch.empty(1, channels, size, size, dtype=kind), torch.empty(lanes, channels, side, side)
        return winograd.pays([image], weight, border=side // 2)

    assert all([pays(), pays(side=2), pays(side=4), pays(size=8), pays(kind=bfloat16), pays(kind=bfloat16, size=8)])
    assert not any([pays(channels=lanes + 1), pays(side=1), pays(side=5), pays(kind=torch.float64)])
    assert not any([pays(size=4), pays(size=5)])  # one tile; four, of which most overhangs
    assert winograd.read_in(bfloat16) == torch.float32
    monkeypatch.setattr(winograd, "matrix_unit", lambda: True)
    assert winograd.read_in(bfloat16) == bfloat16
    assert winograd.read_in(torch.float32) == torch.float32
    assert all([pays(kind=bfloat16), pays(kind=bfloat16, size=4), pays(kind=bfloat16, size=1)])  # no tiles there
    with kernels.left_out():
        assert not pays()


@pytest.mark.parametrize(("side", "channels"), [(1, 16), (2, 16), (3, 16), (4, 32), (3, 6)])
def test_a_convolution_and_its_derivatives_of_two_orders(side: int, channels: int, compiled: None) -> None:
    torch.manual_seed(0)
    border = side // 2
    weight = torch.randn(16, channels, side, side) / (channels**0.5 * side)
    given = [torch.randn(2, channels, 13, 11), weight, torch.randn(16)]
    found = []
    for way in (lambda *each: convolve(*each, border=border), lambda *each: F.conv2d(*each, padding=border)):
        image, weight, bias = (each.clone().requires_grad_() for each in given)
        made = way(image, weight, bias)
        kept = torch.autograd.grad(made.sin().sum(), [image, weight, bias], retain_graph=True)
        (slope,) = torch.autograd.grad(made.sin().sum(), image, create_graph=True)
        found.append([made, *kept, *torch.autograd.grad(slope.square().sum(), [image, weight, bias])])
    for ours, wanted in zip(*found, strict=True):
        near(ours, wanted, 1e-5)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("side", "size"), [(1, (9, 13)), (3, (9, 13)), (1, (3, 2)), (3, (3, 2))])
def test_two_maps_and_their_derivatives_of_two_orders(
    side: int, size: tuple[int, int], kind: torch.dtype, unit: bool
) -> None:
    """As one where they can be, else one after the other."""
    torch.manual_seed(side)
    first, second = maps_of(16, 48, size=size, kind=kind)
    given = [first, second, (torch.randn(32, 64, side, side) / (8 * side)).to(kind).float(), torch.randn(32)]
    border, exact = side // 2, 1e-5 if kind == torch.float32 else 3e-2
    ours = [each.clone().requires_grad_() for each in given]
    plainly = [each.double().requires_grad_() for each in given]
    with torch.autocast("cpu", torch.bfloat16, enabled=kind == torch.bfloat16):
        made = convolve(ours[0], *ours[2:], border=border, beside=ours[1])
    wanted = F.conv2d(torch.cat(plainly[:2], dim=1), *plainly[2:], padding=border)
    near(made, wanted.detach(), exact)
    found = []
    for result, those in ((made, ours), (wanted, plainly)):
        kept = torch.autograd.grad(result.double().sin().sum(), those, retain_graph=True)
        slopes = torch.autograd.grad(result.double().sin().sum(), those[:2], create_graph=True)
        again = torch.autograd.grad(sum(each.double().square().sum() for each in slopes), those)
        found.append([*kept, *again])
    for one, other in zip(*found, strict=True):
        near(one, other, exact)


@pytest.mark.parametrize("wanted", [(True, False, False), (False, True, False), (False, False, True)])
def test_only_what_is_wanted_is_derived(wanted: tuple[bool, ...], compiled: None) -> None:
    given = [torch.randn(1, 16, 8, 8), torch.randn(16, 16, 3, 3), torch.randn(16)]
    for each, wants in zip(given, wanted, strict=True):
        each.requires_grad_(wants)
    image, *others = given
    Convolution.apply(image, None, *others, 1).sum().backward()
    assert [each.grad is not None for each in given] == list(wanted)


def test_products(width: None) -> None:
    torch.manual_seed(0)
    start = torch.randn(48)
    for shape in [(2, 7, 31, 20), (1, 100, 97, 16), (3, 1, 5, 64)]:
        a, b = torch.randn(shape), torch.randn(*shape[:3], 48)
        for matrix in (torch.randn(shape[3], 48), torch.randn(shape[0], 48, shape[3]).transpose(1, 2)):
            assert products.pay(a, 48)
            wide = matrix.double() if matrix.dim() == 2 else matrix.double()[:, None]
            near(products.times(a, matrix), a.double() @ wide, 1e-6)
            near(products.times(a, matrix, start), a.double() @ wide + start, 1e-6)
            near(products.add_times_(b.clone(), a, matrix), b + a.double() @ wide, 1e-6)
        for kind in (torch.float32, torch.bfloat16):
            left, right = a.to(kind), b.to(kind)
            assert products.over_pixels_pays(left, right) == (not winograd.directly(kind))  # else it is PyTorch's
            wanted = torch.einsum("bhwf,bhwc->bfc", left.double(), right.double())
            near(products.over_pixels(left, right), wanted, 1e-6)


def test_products_are_pytorchs_elsewhere() -> None:
    a, total = torch.randn(2, 3, 5, 4, dtype=torch.float64), torch.randn(2, 3, 5, 6, dtype=torch.float64)
    for matrix in (torch.randn(4, 6, dtype=torch.float64), torch.randn(2, 4, 6, dtype=torch.float64)):
        wide = matrix if matrix.dim() == 2 else matrix[:, None]
        torch.testing.assert_close(products.times(a, matrix, total[0, 0, 0]), a @ wide + total[0, 0, 0])
        torch.testing.assert_close(products.add_times_(total.clone(), a, matrix), total + a @ wide)


def of_unet(network: UNet, image: Tensor) -> list[Tensor]:
    """A translation, once more where nothing learns, and the gradients of all weights."""
    network.zero_grad()
    level = torch.full((len(image),), 0.3, dtype=image.dtype)
    translated = network(image, level)
    translated.square().mean().backward()
    gradients = [p.grad.clone() for p in network.parameters() if p.grad is not None]
    with torch.no_grad():
        return [translated.detach(), network(image, level), *gradients]


def distance(ours: list[Tensor], wanted: list[Tensor]) -> float:
    return max(((a - b).norm() / b.norm()).item() for a, b in zip(ours, wanted, strict=True))


def apart(ours: list[Tensor], wanted: list[Tensor]) -> float:
    """Of all gradients as one."""
    a, b = (torch.cat([each.double().flatten() for each in many[2:]]) for many in (ours, wanted))
    return ((a - b).norm() / b.norm()).item()


def test_the_unet_is_the_same_function(unit: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """In float32 as near to float64 as by direct convolutions, but for a factor; in bfloat16 about as near."""
    torch.manual_seed(0)
    network, image = UNet(dim=16, dim_mults=(1, 2)), torch.randn(2, 3, 24, 36)
    exact = of_unet(network.double(), image.double())
    network.float()
    far = {}
    for name in ("winograd", "direct"):
        far[name] = distance(of_unet(network, image), exact)
        with torch.autocast("cpu", torch.bfloat16):
            made = of_unet(network, image)
        far[f"{name}, bf16"], far[f"gradients, {name}"] = distance(made[:2], exact[:2]), apart(made, exact)
        monkeypatch.setattr(winograd, "lanes", lambda: 1000)
    assert far["winograd"] != far["direct"]  # these are two ways
    assert far["winograd, bf16"] != far["direct, bf16"]
    assert far["winograd"] < 1e-4
    assert far["winograd"] < 10 * far["direct"]
    assert far["winograd, bf16"] < 1.1 * far["direct, bf16"]
    assert far["gradients, winograd"] < 1.5 * far["gradients, direct"]


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [16, 40])
def test_two_maps_of_which_one_is_tiled(
    kind: torch.dtype, size: int, unit: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where channels of one alone come in whole vectors."""
    torch.manual_seed(0)
    lanes, within = winograd.lanes(), {torch.float32: 1e-5, torch.bfloat16: 0.01}[kind]
    of_gradients = 0.015 if kind == torch.bfloat16 and winograd.multiplies_pairs() and not unit else within
    used = []
    whole = winograd.convolved
    monkeypatch.setattr(winograd, "convolved", lambda maps, *a, **k: used.append(len(maps)) or whole(maps, *a, **k))
    for channels in [(lanes, lanes // 2), (lanes // 2, lanes), (lanes, lanes), (3, 5)]:
        maps = [each.requires_grad_() for each in maps_of(*channels, size=(size, size), kind=kind, images=1)]
        weight = torch.randn(lanes, sum(channels), 3, 3, requires_grad=True)
        precise = [each.detach().double().requires_grad_() for each in (*maps, weight)]
        wanted, *_ = convolved(*precise[:2], precise[2], eps=1e-5)
        used.clear()
        made, *_ = convolved(*maps, weight, eps=1e-5)
        assert used == {2 * lanes: [2], 8: []}.get(sum(channels), [1])
        near(made, wanted, within)
        gradient = torch.randn(made.shape).to(kind)
        made.backward(gradient)
        wanted.backward(gradient.double())
        for ours, other in zip((*maps, weight), precise, strict=True):
            assert ours.grad is not None
            assert other.grad is not None
            near(ours.grad, other.grad, of_gradients)
        block = Block(sum(channels), lanes, groups=1)
        with torch.no_grad():
            block.conv.weight.copy_(weight)
            near(block.convolved(*(each.detach() for each in maps))[0], wanted, within)  # where nothing learns


def test_a_penalty_on_the_gradients_of_a_patchgan(compiled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = PatchGAN(3, 3, dim=16)
    source, image = torch.randn(2, 1, 3, 64, 64).unbind()
    found = []
    for _ in range(2):
        network.zero_grad()
        given = image.clone().requires_grad_()
        (slope,) = torch.autograd.grad(network(source, given).sum(), given, create_graph=True)
        slope.square().sum().backward()
        found.append([p.grad.clone() for p in network.parameters() if p.grad is not None and p.grad.norm() > 1e-6])
        monkeypatch.setattr(kernels, "available", lambda: False)
    for ours, wanted in zip(*found, strict=True):
        near(ours, wanted, 1e-3)


@pytest.mark.parametrize("side", [1, 2, 3, 4])
def test_a_layer_whose_weights_are_bfloat16(side: int, unit: bool) -> None:
    torch.manual_seed(0)
    layer = Conv2d(16, 32, side, padding=side // 2)
    image = torch.randn(2, 16, 40, 40)
    found = []
    for kind in (torch.bfloat16, torch.float64):
        layer.to(torch.bfloat16).to(kind).zero_grad()
        given = image.to(torch.bfloat16).to(kind).requires_grad_()
        made = layer(given)
        made.square().sum().backward()
        assert made.dtype == kind
        gradients = [given.grad, *(each.grad for each in layer.parameters())]
        assert all(each is not None and each.dtype == kind for each in gradients)
        found.append([made.detach(), *gradients])
    for ours, wanted in zip(*found, strict=True):
        near(ours, wanted, 0.02)
