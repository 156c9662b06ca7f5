"""Convolutions with standardized weights: derivatives, one map and two, what is kept, and the passes in C++."""

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight

from atme.networks import few_pixels
from atme.networks.block import Block, standardize
from atme.networks.fused import normalize_scale_silu
from atme.networks.standardized import convolved, normalized_and_convolved
from atme.networks.unet import ResidualBlock, UNet
from atme.reports.cost import Kept

EPS = 1e-5


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def check_two_maps(beside: Tensor | None) -> None:
    image, weight = random(2, 3, 5, 4), random(4, 3 + (0 if beside is None else 2), 3, 3)
    maps = [image] if beside is None else [image, beside]
    ours, *_ = convolved(image, beside, weight, eps=EPS)
    steps = F.conv2d(torch.cat(maps, dim=1), standardize(weight, eps=EPS), padding=1)
    torch.testing.assert_close(ours, steps, rtol=1e-9, atol=1e-9)
    gradients = [torch.autograd.grad(y.sin().sum(), [*maps, weight]) for y in (ours, steps)]
    torch.testing.assert_close(*gradients, rtol=1e-8, atol=1e-9)


def check_after_a_norm() -> None:
    norm, image, bias = nn.GroupNorm(2, 4).double(), random(2, 4, 5, 3), random(4)
    weight, scale_shift = random(6, 4, 3, 3), random(2, 8)
    wanted = [image, bias, *norm.parameters(), weight]
    for heard in (None, scale_shift):
        ours = normalized_and_convolved(image, bias, norm, heard, weight, eps=EPS)
        steps, *_ = convolved(normalize_scale_silu(image, bias, norm, heard), None, weight, eps=EPS)
        torch.testing.assert_close(ours, steps, rtol=1e-9, atol=1e-9)
        of = wanted if heard is None else [*wanted, heard]
        gradients = [torch.autograd.grad(y.sin().sum(), of) for y in (ours, steps)]
        torch.testing.assert_close(*gradients, rtol=1e-8, atol=1e-9)


def check_what_else_reads_them(kind: torch.dtype, channels: int, *, autocast: bool, within: float) -> None:
    """Gradients of other readers of both maps, of one, and of none are added to those of the convolution."""
    given = [torch.randn(2, each, 9, 7).to(kind) for each in (channels, 2 * channels)]
    weight = torch.randn(channels, 3 * channels, 3, 3).to(torch.promote_types(kind, torch.float32))
    factors = [torch.randn(each.shape).to(kind) for each in given]
    for read, learns in [((0, 1), (0, 1)), ((1,), (0, 1)), ((), (0, 1)), ((0, 1), (1,)), ((0, 1), ())]:
        found = []
        for precise in (False, True):
            maps = [
                (each.double() if precise else each).clone().requires_grad_(k in learns) for k, each in enumerate(given)
            ]
            w = (weight.double() if precise else weight).clone().requires_grad_()
            if precise:
                made, passed = F.conv2d(torch.cat(maps, dim=1), standardize(w, eps=EPS), padding=1), maps
            else:
                with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                    made, *passed = convolved(*maps, w, eps=EPS)
            assert [each.requires_grad for each in passed] == [k in learns for k in (0, 1)]
            loss = made.double().square().sum() + sum((passed[k].double() * factors[k].double()).sum() for k in read)
            found.append(torch.autograd.grad(loss, [w, *(maps[k] for k in learns)]))
        for ours, wanted in zip(*found, strict=True):
            assert (ours.double() - wanted).norm() <= within * wanted.norm()


def test_what_else_reads_the_maps() -> None:
    torch.manual_seed(0)
    check_what_else_reads_them(torch.float64, 3, autocast=False, within=1e-9)


@pytest.mark.parametrize(
    ("kind", "autocast", "within"),
    [(torch.float32, False, 1e-5), (torch.bfloat16, True, 3e-2), (torch.float32, True, 3e-2)],
)
def test_what_else_reads_the_maps_where_they_are_compiled(
    kind: torch.dtype, autocast: bool, within: float, width: None
) -> None:
    torch.manual_seed(0)
    check_what_else_reads_them(kind, 16, autocast=autocast, within=within)
    check_what_else_reads_them(kind, 3, autocast=autocast, within=within)


def test_only_others_read_the_maps() -> None:
    """The convolution's result leads nowhere: no weight moves, and gradients pass through."""
    image, weight = random(1, 2, 4, 4), random(3, 2, 3, 3)
    _, passed, beside = convolved(image, None, weight, eps=EPS)
    assert beside is None
    to_image, to_weight = torch.autograd.grad(passed.square().sum(), [image, weight], allow_unused=True)
    torch.testing.assert_close(to_image, 2 * image.detach())
    assert to_weight is None


def test_values_and_gradients_are_those_of_the_steps() -> None:
    torch.manual_seed(0)
    check_two_maps(None)
    check_two_maps(random(2, 2, 5, 4))
    check_after_a_norm()


def test_compiled_values_and_gradients_are_those_too(compiled: None) -> None:
    torch.manual_seed(0)
    check_two_maps(None)
    check_two_maps(random(2, 2, 5, 4))
    check_after_a_norm()


def residual_block_and_maps() -> tuple[ResidualBlock, Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    block = ResidualBlock(8, 8, beside=8, level_width=4, groups=2, eps=EPS)
    image, beside = (torch.randn(1, 8, 24, 20).contiguous(memory_format=torch.channels_last) for _ in range(2))
    return block, image, beside, torch.randn(1, 4)


@pytest.mark.parametrize("side", [1, 3, 5])
def test_a_gradient_of_weights_as_one_product(side: int) -> None:
    torch.manual_seed(0)
    image, gradient = random(2, 3, 5, 4), random(2, 6, 5, 4)
    plain = conv2d_weight(image, (6, 3, side, side), gradient, padding=side // 2)
    product = few_pixels.weights_slope(gradient, image, side)
    torch.testing.assert_close(product, plain, rtol=1e-12, atol=1e-12)
    assert product.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("pixels", [0, 512])
def test_in_bfloat16_compiled_weights_stay_near_those_in_float32(
    compiled: None, pixels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(few_pixels, "PIXELS", pixels)
    block, image, beside, level = residual_block_and_maps()
    found = []
    for bfloat16 in (False, True):
        block.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            block(image, level, beside=beside).float().square().mean().backward()
        found.append([p.grad.clone() for p in block.parameters() if p.grad is not None])
    assert len(found[0]) == len(list(block.parameters()))
    for exact, rough in zip(*found, strict=True):
        assert exact.dtype == rough.dtype == torch.float32
        assert (exact - rough).norm() < 0.05 * exact.norm() + 1e-4


@pytest.mark.parametrize("bfloat16", [False, True])
def test_of_a_residual_block_the_map_between_is_not_kept(bfloat16: bool) -> None:
    """Kept are both maps before a norm and what the block reads: not what the second convolution reads."""
    block, image, beside, level = residual_block_and_maps()
    image, beside = (each.bfloat16() if bfloat16 else each for each in (image, beside))
    kept = Kept([*block.parameters(), image, beside])
    with kept.counted(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        block(image, level, beside=beside)
    assert 2 * image.nbytes <= kept.peak < 2.5 * image.nbytes


def test_without_gradients_weights_are_split_once(compiled: None) -> None:
    block = Block(5, 8)
    image, beside = torch.randn(1, 3, 4, 6), torch.randn(1, 2, 4, 6)
    wanted = block(image, beside=beside).detach()
    with torch.no_grad():
        assert torch.equal(block(image, beside=beside), wanted)
        first, second = block.standardized([3, 2])
        assert torch.equal(torch.cat([first, second], dim=1), block.standardized()[0])
        with torch.autocast("cpu", torch.bfloat16):
            assert block(image, beside=beside).dtype == torch.bfloat16
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert (
            Block(5, 8)(image, beside=beside).dtype == torch.bfloat16
        )  # weights that do not tell whether they changed


def test_what_is_kept_follows_a_fused_optimizer() -> None:
    """Looked at without gradients before and after an update; a fused Adam moves weights without a word."""
    network, image, level = UNet(dim=8, dim_mults=(1, 2), groups=4), torch.rand(1, 3, 16, 16), torch.zeros(1)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1, fused=True)
    for _ in range(2):
        with torch.no_grad():
            network(image, level)
        network(image, level).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():
        assert torch.equal(network(image, level), deepcopy(network)(image, level))
