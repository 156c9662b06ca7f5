"""PatchGAN: its shape and its receptive field, which are measured, and what the timestep does."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from atme.networks import PatchGAN

NORMS = ["instance", "batch", "none"]


def judge(layers: int, **options: object) -> PatchGAN:
    return PatchGAN(**{"source_channels": 1, "target_channels": 2, "layers": layers, "dim": 4} | options)


def images(height: int, width: int, batch: int = 2) -> tuple[Tensor, Tensor]:
    return torch.randn(batch, 1, height, width), torch.randn(batch, 2, height, width)


@given(layers=st.integers(0, 5), height=st.integers(1, 90), width=st.integers(1, 90))
@settings(deadline=None, max_examples=150)
def test_verdict_shape_is_the_shape_of_the_verdict(layers: int, height: int, width: int) -> None:
    discriminator = judge(layers)
    try:
        shape = discriminator.verdict_shape(height, width)
    except ValueError:
        with pytest.raises(ValueError, match="too small"):
            discriminator(*images(height, width))
    else:
        assert discriminator(*images(height, width)).shape == (2, 1, *shape)


@pytest.mark.parametrize(("layers", "side"), [(0, 1), (1, 16), (2, 34), (3, 70), (4, 142), (5, 286)])
def test_receptive_fields_are_those_of_the_paper(layers: int, side: int) -> None:
    assert judge(layers).receptive_field == side


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_a_verdict_depends_on_the_pixels_of_its_receptive_field_alone(layers: int) -> None:
    discriminator = judge(layers, norm="none").double()
    side = 2 * discriminator.receptive_field + 20
    source, image = (x.double().requires_grad_() for x in images(side, side + 6, batch=1))
    logits = discriminator(source, image)
    middle = logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2]
    gradients = torch.autograd.grad(middle, [source, image])
    for gradient in gradients:
        rows, columns = gradient[0].abs().sum(0).nonzero().unbind(1)
        # Every pixel inside counts, none outside: the square that counts has this side, and is full.
        assert rows.max() - rows.min() + 1 == discriminator.receptive_field
        assert columns.max() - columns.min() + 1 == discriminator.receptive_field
        assert len(rows) == discriminator.receptive_field**2


def test_a_changed_pixel_changes_the_verdicts_that_see_it() -> None:
    discriminator = judge(2, norm="none").double()
    source, image = (x.double() for x in images(80, 80, batch=1))
    before = discriminator(source, image)
    image[0, 0, 40, 40] += 1.0
    changed = (discriminator(source, image) != before)[0, 0].nonzero()
    side = discriminator.receptive_field
    assert 0 < len(changed) <= (side // 4 + 1) ** 2  # stride 4
    assert changed.min() > 0
    assert changed.max() < before.shape[2] - 1


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("layers", range(6))
@pytest.mark.parametrize("aware", [False, True])
def test_gradient_reaches_every_parameter(layers: int, norm: str, aware: bool) -> None:
    discriminator = judge(layers, norm=norm, timestep_aware=aware)
    side = 24 if layers < 4 else 96
    level = torch.tensor([3, 70])
    discriminator(*images(side, side + 4), level).sin().sum().backward()
    still = {n for n, p in discriminator.named_parameters() if p.grad is None or p.grad.abs().max() == 0}
    # Instance norm takes off the mean, and the bias of the convolution before it with the mean.
    features = discriminator.features
    idle = {f"features.{i - 1}.bias" for i, layer in enumerate(features) if isinstance(layer, nn.InstanceNorm2d)}
    assert still <= idle


def test_published_number_of_parameters() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in PatchGAN().parameters()) == 2_767_809


def test_the_plug_in_mode_reads_no_level() -> None:
    discriminator, (source, image) = judge(1), images(20, 13)
    plain = discriminator(source, image)
    assert torch.equal(plain, discriminator(source, image, torch.tensor([5, 900])))


def test_projection_is_the_formula() -> None:
    discriminator, (source, image) = judge(1, timestep_aware=True).double(), images(20, 13)
    source, image, level = source.double(), image.double(), torch.tensor([5, 900])
    h = discriminator.features(torch.cat([source, image], dim=1))
    psi, phi, e = discriminator.verdict(h), discriminator.project(h), discriminator.embed(level)
    expected = psi + torch.einsum("bchw,bc->bhw", phi, e)[:, None] / e.shape[1] ** 0.5
    torch.testing.assert_close(discriminator(source, image, level), expected, rtol=1e-9, atol=1e-12)
    assert (discriminator(source, image, level) - discriminator(source, image)).abs().max() > 1e-6


def test_no_level_is_timestep_zero() -> None:
    discriminator, (source, image) = judge(1, timestep_aware=True), images(20, 13)
    assert torch.equal(discriminator(source, image), discriminator(source, image, torch.zeros(2)))


def test_the_projection_leaves_shape_and_receptive_field_alone() -> None:
    for layers in range(4):
        aware, plain = judge(layers, timestep_aware=True), judge(layers)
        assert aware.verdict_shape(50, 61) == plain.verdict_shape(50, 61)
        assert aware.receptive_field == plain.receptive_field


@pytest.mark.parametrize("layers", [-1, 6])
def test_another_number_of_layers_is_refused(layers: int) -> None:
    with pytest.raises(ValueError, match=f"layers: {layers} is no whole number from 0 to 5"):
        judge(layers)


def test_an_image_too_small_is_refused_with_its_sides() -> None:
    with pytest.raises(ValueError, match=r"height 20 and width 9: too small.*70 pixels"):
        judge(3)(*images(20, 9))


@pytest.mark.parametrize("norm", NORMS)
def test_bfloat16_is_the_same_function(norm: str) -> None:
    torch.manual_seed(0)
    discriminator, (source, image) = judge(2, norm=norm, timestep_aware=True), images(41, 30)
    exact = discriminator(source, image)
    with torch.autocast("cpu", torch.bfloat16):
        rough = discriminator(source, image).float()
    assert (rough - exact).abs().max() < 0.05 * exact.abs().max()
