"""Growth of the variance: a line with exponent 1 for Brownian motion, something else for everything else."""

import numpy as np
import pytest

from atme.process import CONTROLS, variance_growth


def control(name: str, epochs: int = 400, pixels: int = 2000) -> np.ndarray:
    return CONTROLS[name](epochs, pixels, rng=np.random.default_rng(0), scale=0.1)


def test_brownian_motion_grows_as_a_line() -> None:
    finding = variance_growth(control("brownian"))
    assert finding.details["slope"] == pytest.approx(0.01, rel=0.05)
    assert finding.details["r_squared"] > 0.999
    assert finding.effect.mean() == pytest.approx(0.01, rel=0.05)
    assert finding.statistic.mean() == pytest.approx(1, abs=0.05)


def test_mean_reversion_does_not() -> None:
    finding = variance_growth(control("autoregressive"))
    assert finding.details["r_squared"] < 0.2
    assert finding.statistic.mean() < 0.4
    assert variance_growth(control("white_noise")).statistic.mean() == pytest.approx(0, abs=0.02)


def test_a_drift_has_exponent_two_and_the_slope_of_its_square() -> None:
    finding = variance_growth(0.3 * np.arange(100.0)[:, None])
    assert finding.statistic[0] == pytest.approx(2)
    np.testing.assert_allclose(finding.details["variance"], (0.3 * np.arange(100)) ** 2)


def test_line_against_numpy() -> None:
    level = control("bounded_brownian", epochs=50, pixels=30)
    finding = variance_growth(level)
    variance = ((level - level[0]) ** 2).mean(axis=1)
    slope, intercept = np.polyfit(np.arange(50), variance, 1)
    np.testing.assert_allclose(finding.details["variance"], variance)
    np.testing.assert_allclose(finding.details["slope"], slope)
    np.testing.assert_allclose(finding.details["intercept"], intercept)
    fitted = np.corrcoef(np.arange(50), variance)[0, 1] ** 2
    np.testing.assert_allclose(finding.details["r_squared"], fitted)


def test_pixels_that_cannot_be_described_are_counted_and_not_averaged() -> None:
    level = control("brownian", epochs=64, pixels=5)
    expected = variance_growth(level[:, 3:]).details["variance"]
    level[:, 0], level[3, 1] = 7.0, np.nan
    level[:, 2] = np.tile([0.0, 1.0], 32)  # comes back after two epochs: no logarithm
    finding = variance_growth(level)
    assert finding.left_out == {"constant": 1, "not finite": 1, "degenerate": 1}
    np.testing.assert_allclose(finding.details["variance"], expected)


def test_a_summary_rejects_nothing() -> None:
    with pytest.raises(ValueError, match="variance_growth: a summary"):
        variance_growth(control("brownian", epochs=20, pixels=3)).rejected()
    with pytest.raises(ValueError, match="needs at least 16"):
        variance_growth(control("brownian", epochs=15, pixels=3))
