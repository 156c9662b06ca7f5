"""Passes over maps in C++: values in float64, float32 and bfloat16, of any number of channels and pixels, and bits."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from atme.networks import normalization_passes, passes
from atme.networks.fused import PLAIN

KINDS = (torch.float64, torch.float32, torch.bfloat16)

EXACT = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 6e-3}
"""Share of the norm by which results may be off."""

CHANNELS = (1, 3, 8, 24, 40, 64)


def near(ours: Tensor, wanted: Tensor, kind: torch.dtype) -> None:
    assert ours.shape == wanted.shape
    assert (ours.double() - wanted).norm() <= EXACT[kind] * wanted.norm() + 1e-9


def map_of(channels: int, kind: torch.dtype, size: tuple[int, int] = (13, 11), images: int = 2) -> Tensor:
    return torch.randn(images, channels, *size).to(kind).contiguous(memory_format=torch.channels_last)


def pixels_of(channels: int, kind: torch.dtype) -> Tensor:
    return map_of(channels, kind).permute(0, 2, 3, 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", CHANNELS)
def test_norm_and_silu(channels: int, kind: torch.dtype, width: None) -> None:
    torch.manual_seed(channels)
    x, gradient, residual = (map_of(channels, kind) for _ in range(3))
    factor, offset, a1, a0 = torch.randn(4, 2, channels).to(torch.promote_types(kind, torch.float32))
    given = [each.double() for each in (x, factor, offset)]
    of_x = [each.double() for each in (gradient, *given)]
    for ours, wanted in zip(normalization_passes.moments(x), PLAIN.moments(given[0]), strict=True):
        near(ours, wanted, torch.promote_types(kind, torch.float32))
    near(normalization_passes.activated(x, factor, offset), PLAIN.activated(*given, None), kind)
    near(normalization_passes.activated(x, factor, offset, residual), PLAIN.activated(*given, residual.double()), kind)
    P, Q, kept = normalization_passes.slope_sums(gradient, x, factor, offset)
    plain_p, plain_q, plain_kept = PLAIN.slope_sums(*of_x)
    near(P, plain_p, torch.promote_types(kind, torch.float32))
    near(Q, plain_q, torch.promote_types(kind, torch.float32))
    ours = normalization_passes.combined(kept, x, factor, offset, a1, a0)
    near(ours, PLAIN.combined(plain_kept, *given, a1.double(), a0.double()), kind)
    near(passes.channel_sums(x), x.double().sum((0, 2, 3)), torch.promote_types(kind, torch.float32))


@pytest.mark.parametrize("kind", [torch.float64, torch.float32])
@pytest.mark.parametrize(("channels", "groups"), [(1, 1), (6, 3), (24, 8), (40, 40)])
def test_what_the_norm_makes_of_moments(channels: int, groups: int, kind: torch.dtype, compiled: None) -> None:
    torch.manual_seed(channels)
    mean, P, Q = torch.randn(3, 2, channels).to(kind).unbind()
    variance, heard = torch.rand(2, channels).to(kind), torch.randn(2, 2 * channels).to(kind)
    of_channels = torch.randn(3, channels).to(kind).unbind()
    precisely = [each.double() for each in of_channels]
    given = {"groups": groups, "eps": 1e-5}
    made = normalization_passes.normalization(mean, variance, of_channels, heard, **given)
    wanted = PLAIN.normalization(mean.double(), variance.double(), precisely, heard.double(), **given)
    for ours, each in zip(made, wanted, strict=True):
        near(ours, each, kind)
    numbers, more = (mean, *made[:3]), {"groups": groups, "pixels": 35}
    slopes = normalization_passes.normalization_slope((P, Q), numbers, of_channels, heard, **more)
    exact = [[each.double() for each in those] for those in ((P, Q), numbers)]
    for ours, each in zip(slopes, PLAIN.normalization_slope(*exact, precisely, heard.double(), **more), strict=True):
        near(ours, each, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", CHANNELS)
def test_pixels_normalized_over_their_channels(channels: int, kind: torch.dtype, width: None) -> None:
    torch.manual_seed(channels)
    x, gradient, other = (pixels_of(channels, kind) for _ in range(3))
    scale, start = torch.randn(2, channels).to(torch.promote_types(kind, torch.float32))
    for begins, more in [(None, None), (start, other)]:
        given = [
            each.double().requires_grad_() for each in (x, scale, torch.zeros(channels) if begins is None else begins)
        ]
        wanted = F.layer_norm(given[0] + given[2], (channels,), given[1], None, 1e-5)
        slopes = torch.autograd.grad(wanted, given, gradient.double())
        added = torch.zeros(()) if more is None else more.double()
        near(passes.normalized(x, scale, start=begins, residual=more, eps=1e-5), wanted.detach() + added, kind)
        of_x, of_start, of_scale = passes.normalized_slope(gradient, x, scale, start=begins, more=more, eps=1e-5)
        near(of_x, slopes[0] + added, kind)
        near(of_scale, slopes[1], torch.promote_types(kind, torch.float32))
        if channels > 1:  # of one channel nothing is left but rounding
            total = (
                of_x.double().sum((0, 1, 2)) - added.sum((0, 1, 2))
                if more is not None
                else of_x.double().sum((0, 1, 2))
            )
            assert (of_start.double() - total).norm() <= 0.05 * slopes[0].norm()
            near(of_start, slopes[2], torch.promote_types(kind, torch.float32))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("features", [1, 5, 16, 24, 32, 40])
def test_softmaxes(features: int, kind: torch.dtype, width: None) -> None:
    torch.manual_seed(features)
    x, gradient = (3 * pixels_of(2 * features, kind) for _ in range(2))
    heads = x.double().unflatten(3, (2, features)).requires_grad_()
    q = heads.softmax(4)
    (slope,) = torch.autograd.grad(q, heads, gradient.double().unflatten(3, (2, features)))
    ours = passes.softmax_(x.clone(), features)
    near(ours, q.detach().flatten(3), kind)
    kept = q.detach().flatten(3).to(kind)
    near(passes.softmax_slope_(gradient.clone(), kept, features), slope.flatten(3), kind)
    e = x.clone()
    sums = passes.exponentials_(e)
    wanted = (x.double() - x.double().amax((1, 2), keepdim=True)).exp()
    near(e, wanted, kind)
    near(sums, wanted.sum((1, 2)), torch.promote_types(kind, torch.float32))
    same = torch.randn(2, 2 * features).to(torch.promote_types(kind, torch.float32))
    near(
        passes.centered_(gradient.clone(), e, same),
        e.double() * (gradient.double() - same.double()[:, None, None]),
        kind,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_far_from_zero(kind: torch.dtype, width: None) -> None:
    """Nothing overflows, and what is no number stays none."""
    ones, none = torch.ones(1, 24), torch.zeros(1, 24)
    far = torch.tensor([-3e4, -100.0, -20.0, 0.0, 20.0, 100.0, 3e4, float("nan")]).to(kind).repeat(3)
    made = normalization_passes.activated(far.view(1, 24, 1, 1), ones, none).flatten()
    torch.testing.assert_close(made, F.silu(far.double()).to(kind), rtol=1e-2, atol=1e-6, equal_nan=True)
    rows = passes.softmax_(far[:7].clone().view(1, 1, 1, 7), 7).flatten()
    assert rows[6] == 1
    assert rows[:6].abs().max() < 1e-37
    e = torch.stack([far[:7], far[:7] - 50]).view(1, 2, 1, 7).clone()
    assert torch.isfinite(passes.exponentials_(e)).all()


def test_bits_do_not_depend_on_threads(compiled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    x, gradient = (map_of(40, torch.float32, (61, 37)) for _ in range(2))
    pixels, of_pixels = x.permute(0, 2, 3, 1), gradient.permute(0, 2, 3, 1)
    numbers = torch.randn(2, 40)
    found = []
    for number in (1, 2, 5):
        monkeypatch.setattr(torch, "get_num_threads", lambda number=number: number)
        e = pixels.clone()
        found.append(
            [
                *normalization_passes.moments(x),
                *normalization_passes.slope_sums(gradient, x, numbers, numbers)[:2],
                passes.channel_sums(x),
                *passes.normalized_slope(of_pixels, pixels, numbers[0], eps=1e-5),
                passes.exponentials_(e),
                e,
            ]
        )
    for others in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], others, strict=True))


@pytest.mark.parametrize("pass_", [normalization_passes.moments, passes.channel_sums])
def test_one_pixel(pass_: Callable[[Tensor], Tensor | tuple[Tensor, ...]], width: None) -> None:
    made = pass_(torch.full((1, 5, 1, 1), 3.0))
    first = made if isinstance(made, Tensor) else made[0]
    assert first.flatten().tolist() == [3.0] * 5
