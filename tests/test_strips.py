"""Networks in strips give what they give as a whole, however few rows a strip has; tiles add up to one."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import Copy
from torch import Tensor, nn

from atme.data import Pair
from atme.inference.live import Live
from atme.inference.strips.game import play
from atme.inference.strips.networks import generated, judged, w_map
from atme.inference.strips.rows import Rows, continued, held
from atme.inference.strips.shelf import Shelf
from atme.inference.strips.statistics import Context, Moments
from atme.inference.strips.tiles import axis, tiled
from atme.models import DenoisingGAN, Networks, Pix2Pix, TranslationModel
from atme.models.any_size import pad, translate
from atme.networks import PatchGAN, Pix2PixResNet, Pix2PixUNet, UNet, WNet
from atme.noise import Brownian, DecisionMemory, Diffusion, Identity
from atme.noise.injection import Game, Sequence

CPU = torch.device("cpu")
CLOSE = 1e-4
"""Sums over strips are taken in another order; the networks' answers are of order 1."""


class Low(Shelf):
    """Strips of few rows, whatever they take."""

    def __init__(self, rows: int) -> None:
        super().__init__(memory=2**40, device=CPU)
        self.rows = rows

    def sweep(self, rows: Rows, *use: Any) -> None:
        for top in range(0, rows.height, self.rows):
            strip = rows.read(top, min(top + self.rows, rows.height))
            for each in use:
                each(top, strip)


@pytest.fixture(autouse=True)
def _without_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def shaken(network: nn.Module) -> Any:
    """A network whose weights, scales and shifts are all at work, in evaluation mode."""
    torch.manual_seed(0)
    for each in (*network.parameters(), *(b for b in network.buffers() if b.is_floating_point())):
        each.add_(0.1 * torch.rand_like(each))
    return network.eval()


GENERATORS = {
    "UNet": lambda: UNet(2, 3, dim=8, dim_mults=(1, 2, 4), groups=4),
    "UNet, init_dim": lambda: UNet(2, 3, dim=8, dim_mults=(1, 2), groups=4, init_dim=4),
    "UNet, one level": lambda: UNet(2, 3, dim=8, dim_mults=(1,), groups=4),
    "UNet, ddpm, latent": lambda: UNet(2, 3, dim=8, dim_mults=(1, 2), groups=4, head="ddpm", latent=5),
    "U-Net, batch": lambda: Pix2PixUNet(2, 3, num_downs=3, ngf=4),
    "U-Net, instance": lambda: Pix2PixUNet(2, 3, num_downs=3, ngf=4, norm="instance"),
    "ResNet, batch": lambda: Pix2PixResNet(2, 3, blocks=2, ngf=4),
    "ResNet, instance": lambda: Pix2PixResNet(2, 3, blocks=2, ngf=4, norm="instance"),
}


@pytest.mark.parametrize("rows", [1, 3, 1000])
@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_in_strips_is_the_generator(name: str, rows: int) -> None:
    generator = shaken(GENERATORS[name]())
    image, level = torch.randn(1, 2, 48, 24), torch.tensor([0.3])
    latent = torch.randn(1, 5) if getattr(generator, "latent", 0) else None
    whole = generator(image, level, *([] if latent is None else [latent]))
    strips = generated(generator, held(image), level, latent, Low(rows)).whole()
    assert (strips - whole).abs().max() < CLOSE


@pytest.mark.parametrize("name", ["U-Net, instance", "UNet"])
def test_a_generator_in_strips_is_not_the_generator_strip_by_strip(name: str) -> None:
    """The control: what is global matters in these networks."""
    generator = shaken(GENERATORS[name]())
    image, level = torch.randn(1, 2, 48, 24) * torch.linspace(0, 2, 48)[:, None], torch.tensor([0.3])
    apart = torch.cat([generator(image[:, :, a : a + 16], level) for a in (0, 16, 32)], dim=2)
    assert (apart - generator(image, level)).abs().max() > 0.05


@pytest.mark.parametrize("name", ["U-Net, batch", "ResNet, batch"])
def test_batch_norms_read_the_statistics_of_the_whole_picture_as_trained(name: str) -> None:
    generator = shaken(GENERATORS[name]())
    for module in generator.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
            module.track_running_stats = False
    image, level = torch.randn(1, 2, 48, 24), torch.zeros(1)
    assert (
        generated(generator, held(image), level, None, Low(5)).whole() - generator(image, level)
    ).abs().max() < CLOSE


def test_dropout_that_is_on_is_refused() -> None:
    generator = Pix2PixResNet(blocks=1, ngf=4).train()
    with pytest.raises(ValueError, match="what dropout draws for a whole picture cannot be drawn in strips"):
        generated(generator, held(torch.zeros(1, 3, 16, 16)), torch.zeros(1), None, Low(4))


def test_a_generator_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="exact: knows UNet, Pix2PixUNet, Pix2PixResNet, and not Copy; leave --exact"):
        generated(Copy(3, 3), held(torch.zeros(1, 3, 16, 16)), torch.zeros(1), None, Low(4))


@pytest.mark.parametrize(("layers", "aware", "norm"), [*product((0, 1, 3), (False, True), ("instance", "none"))])
def test_a_discriminator_in_strips_is_the_discriminator(layers: int, aware: bool, norm: Any) -> None:
    discriminator = shaken(PatchGAN(2, 3, layers=layers, dim=8, norm=norm, timestep_aware=aware))
    source, image = torch.randn(1, 2, 37, 29), torch.randn(1, 3, 37, 29)
    strips = judged(discriminator, held(source), held(image), Low(3))
    assert (strips - discriminator(source, image)).abs().max() < CLOSE


@pytest.mark.parametrize(("verdict", "size"), [((5, 3), (37, 29)), ((1, 1), (16, 8)), ((40, 9), (37, 29))])
def test_w_in_strips_is_w(verdict: tuple[int, int], size: tuple[int, int]) -> None:
    network = shaken(WNet())
    verdicts = torch.randn(1, 1, *verdict)
    assert (
        w_map(network, held(verdicts), size=size, shelf=Low(3)).whole() - network(verdicts, size=size)
    ).abs().max() < CLOSE


def game_of(discriminator: PatchGAN) -> Game:
    stride, start = discriminator.verdict_stride, discriminator.verdict_start
    return Game(4, (16, 16), 1, discriminator.verdict_shape, stride, start)


SCHEMES = {
    "Identity": lambda game: Identity(game),
    "Diffusion": lambda game: Diffusion(game),
    "Brownian": lambda game: Brownian(game),
    "equilibrium": lambda game: DecisionMemory(game),
    "published": lambda game: DecisionMemory(game, translate_with="published", level_scale=3.0),
    "refine": lambda game: DecisionMemory(game, translate_with="refine"),
    "Sequence": lambda game: Sequence(game, schemes=[Diffusion, DecisionMemory]),
}


@pytest.mark.parametrize("name", SCHEMES)
def test_a_game_in_strips_is_the_game(name: str) -> None:
    discriminator = shaken(PatchGAN(2, 3, layers=1, dim=4))
    networks = Networks(shaken(GENERATORS["UNet"]()), discriminator, shaken(SCHEMES[name](game_of(discriminator))))
    compare(Pix2Pix(), networks)


def test_a_denoising_game_in_strips_is_the_game() -> None:
    generator = shaken(UNet(5, 3, dim=8, dim_mults=(1, 2), groups=4, latent=5))
    discriminator = PatchGAN(5, 3, layers=1, dim=4, timestep_aware=True)
    compare(DenoisingGAN(steps=2), Networks(generator, discriminator, Identity(game_of(discriminator))))


def compare(model: TranslationModel, networks: Networks) -> None:
    """A picture whose sides fit no stride, translated whole and in strips."""
    image = torch.rand(1, 2, 37, 26) * 2 - 1
    pair = Pair(image, None, None, torch.eye(2, 3)[None], ("",))
    _, whole = translate(model, networks, pair, rng=torch.Generator().manual_seed(3))
    shelf, stride = Low(5), networks.generator.stride
    strips = play(
        model,
        networks,
        continued(held(image), stride=stride),  # type: ignore[arg-type]
        generate=lambda image, level, latent: generated(networks.generator, image, level, latent, shelf),
        shelf=shelf,
        seed=3,
    )
    assert (strips.whole()[..., :37, :26] - whole).abs().max() < CLOSE


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 2, 4, 8, 32]), st.integers(1, 9))
def test_a_picture_is_continued_as_a_tensor_is(height: int, width: int, stride: int, rows: int) -> None:
    image = torch.randn(1, 1, height, width)
    wanted, got = pad(image, stride=stride), continued(held(image), stride=stride)
    assert (got.height, got.width) == wanted.shape[2:]
    strips = [got.read(a, min(a + rows, got.height)) for a in range(0, got.height, rows)]
    assert torch.equal(torch.cat(strips, dim=2), wanted)


def test_moments_and_contexts_of_strips_are_those_of_the_whole() -> None:
    image = torch.randn(1, 3, 50, 20) * 4 + 1000
    moments = Moments()
    for top, strip in zip((0, 1, 30), image.split([1, 29, 20], dim=2), strict=True):
        moments.see(top, strip)
    assert torch.allclose(moments.mean.float(), image.mean((2, 3)))
    assert torch.allclose(moments.variance.float(), image.double().var((2, 3), correction=0).float(), rtol=1e-5)
    k, y = torch.randn(1, 90, 4) * 30, torch.randn(1, 90, 5)
    context = Context()
    for part in (slice(0, 7), slice(7, 90)):
        context.see(k[:, part], y[:, part])
    assert torch.allclose(context.mean, k.softmax(1).transpose(1, 2) @ y, atol=1e-6)


def test_a_shelf_keeps_what_it_is_given_within_its_memory() -> None:
    image = torch.randn(1, 64, 200, 64)
    shelf = Shelf(memory=2_000_000, device=CPU)  # of the 3.3 million that the map takes
    heights: list[int] = []
    source = Rows(64, 200, 64, lambda a, b: image[:, :, a:b] * 2)
    with Live() as live:
        kept = shelf.store(source, lambda top, strip: heights.append(strip.shape[2]))
    assert torch.equal(kept.whole(), image * 2)
    assert live.peak <= 2_000_000
    assert max(heights) > 10 * heights[0] or max(heights) > 40
    half = Rows(64, 200, 64, lambda a, b: image[:, :, a:b].bfloat16())
    assert torch.equal(shelf.store(half).whole(), image.bfloat16())


def test_a_shelf_without_room_for_a_row_says_so() -> None:
    source = Rows(64, 200, 64, lambda a, b: torch.randn(1, 64, b - a, 64))
    with pytest.raises(ValueError, match="max_memory: too little for one row of 64 pixels"):
        Shelf(memory=100, device=CPU).store(source)


@settings(max_examples=200)
@given(st.data())
def test_what_the_pixels_of_an_axis_count_adds_up_to_one(data: st.DataObject) -> None:
    stride = data.draw(st.sampled_from([1, 4, 8]))
    side, tile = (stride * data.draw(st.integers(1, 40)) for _ in range(2))
    overlap = data.draw(st.integers(0, tile - stride))
    found = axis(side, tile=tile, overlap=overlap, stride=stride)
    total = torch.zeros(side)
    for start, weights in zip(found.starts, found.weights, strict=True):
        assert start % stride == 0
        total[start : start + found.tile] += weights
    assert torch.allclose(total, torch.ones(side))
    for before, after in zip(found.starts, found.starts[1:], strict=False):
        assert before + found.tile - after >= overlap


@settings(max_examples=50)
@given(st.data())
def test_an_identity_in_tiles_is_the_picture(data: st.DataObject) -> None:
    stride = data.draw(st.sampled_from([1, 4]))
    height, width, tile = (stride * data.draw(st.integers(1, 12)) for _ in range(3))
    overlap = data.draw(st.integers(0, tile - stride))
    image = torch.rand(1, 2, height, width) * 2 - 1
    down, across = (axis(side, tile=tile, overlap=overlap, stride=stride) for side in (height, width))
    strips = list(tiled(lambda part: part, held(image), down=down, across=across))
    assert [top for top, _ in strips] == list(down.starts)
    assert (torch.cat([strip for _, strip in strips], dim=2) - image).abs().max() < 1e-6


def test_tiles_are_blended_without_a_jump() -> None:
    """Tiles that disagree as much as they can: between neighboring pixels the result changes little."""
    answers = iter([1.0, -1.0] * 8)

    def contrary(tile: Tensor) -> Tensor:
        return torch.full_like(tile, next(answers))

    down, across = axis(16, tile=16, overlap=0, stride=4), axis(96, tile=32, overlap=16, stride=4)
    ((_, strip),) = tiled(contrary, held(torch.zeros(1, 1, 16, 96)), down=down, across=across)
    assert strip.amax() > 0.99
    assert strip.amin() < -0.99
    assert strip.diff(dim=3).abs().max() < 0.25
