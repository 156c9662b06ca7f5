"""W: any size, the published number of parameters, and what of a verdict it can see."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from atme.networks import WNet

SIDES = st.integers(1, 40)


@given(height=SIDES, width=SIDES, rows=st.integers(1, 12), columns=st.integers(1, 12))
@settings(deadline=None, max_examples=40)
def test_any_verdict_becomes_a_map_of_any_size(height: int, width: int, rows: int, columns: int) -> None:
    wnet = WNet(widths=(8, 16, 8), groups=4)
    map_ = wnet(torch.randn(2, 1, rows, columns), size=(height, width))
    assert map_.shape == (2, 1, height, width)
    assert map_.abs().max() <= 1


def test_published_number_of_parameters() -> None:
    assert sum(p.numel() for p in WNet().parameters()) == 37_569


def test_gradient_reaches_every_parameter_and_the_verdict() -> None:
    wnet, verdict = WNet(), torch.randn(2, 1, 5, 7, requires_grad=True)
    wnet(verdict, size=(21, 30)).sin().sum().backward()
    assert verdict.grad.abs().max() > 0
    still = [name for name, p in wnet.named_parameters() if p.grad is None or p.grad.abs().max() == 0]
    assert still == []


def test_each_map_is_made_from_its_own_verdict() -> None:
    wnet, verdicts = WNet().double(), torch.randn(3, 1, 5, 7, dtype=torch.float64)
    together = wnet(verdicts, size=(21, 30))
    for i in range(3):
        torch.testing.assert_close(together[i : i + 1], wnet(verdicts[i : i + 1], size=(21, 30)))


def test_without_biases_it_sees_the_shape_of_a_verdict_not_its_scale() -> None:
    wnet, verdict = WNet().double(), torch.randn(1, 1, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        for block in wnet.blocks:
            block.conv.bias.zero_()
    map_ = wnet(verdict, size=(24, 24))
    torch.testing.assert_close(map_, wnet(1000 * verdict, size=(24, 24)), rtol=0, atol=1e-3)
    assert (map_ - wnet(-verdict, size=(24, 24))).abs().max() > 1e-2  # the control: another shape


def test_of_a_constant_verdict_it_sees_the_border_alone() -> None:
    wnet = WNet().double()
    map_ = wnet(torch.ones(1, 1, 6, 6, dtype=torch.float64), size=(64, 64))[0, 0]
    inside = map_[16:-16, 16:-16]
    torch.testing.assert_close(inside, inside[:1, :1].expand_as(inside), rtol=0, atol=1e-9)
    assert map_.std() > 0


def test_bfloat16_is_the_same_function() -> None:
    torch.manual_seed(0)
    wnet, verdict = WNet(), torch.randn(2, 1, 6, 5)
    exact = wnet(verdict, size=(24, 20))
    with torch.autocast("cpu", torch.bfloat16):
        rough = wnet(verdict, size=(24, 20)).float()
    assert (rough - exact).abs().max() < 0.05 * exact.abs().max()


def test_groups_must_divide_the_widths() -> None:
    with pytest.raises(ValueError, match="groups 3: does not divide the width 32"):
        WNet(groups=3)


def test_a_small_gain_by_contrast_moves_w_to_its_end_and_a_small_rate_delays_it() -> None:
    """What saturates W: Adam moves its last layer's weights, which all pull one way, however small the gain is."""
    ends = {}
    for share in (1.0, 0.1):
        torch.manual_seed(0)
        wnet = WNet().double()
        adam = torch.optim.Adam(wnet.parameters(), lr=1e-3 * share)
        for _ in range(25):
            w = wnet(torch.randn(2, 1, 6, 6, dtype=torch.float64), size=(12, 12))
            adam.zero_grad()
            (-1e-6 * w.mean()).backward()
            adam.step()
        ends[share] = float(w.detach().mean())
    assert ends[1.0] > 0.7
    assert ends[0.1] < ends[1.0] - 0.3
