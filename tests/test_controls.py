"""The controls have the law they claim, and each wrong one fails the test that is there to find it.

T = 500 epochs of 200 pixels, seed 0, α = 0.01, Holm over the pixels.
"""

import numpy as np
import pytest
from scipy.stats import kurtosis

from atme.process import CONTROLS, Examination, suite

SCALE = 0.05
KEPT_BY_BROWNIAN = (
    "adf_level",
    "shapiro",
    "autocorrelation",
    "ljung_box",
    "variance_ratio_2",
    "variance_ratio_5",
    "variance_ratio_10",
    "variance_ratio_20",
)


def draw(name: str, epochs: int = 500, pixels: int = 200, seed: int = 0) -> np.ndarray:
    return CONTROLS[name](epochs, pixels, rng=np.random.default_rng(seed), scale=SCALE)


@pytest.fixture(scope="module")
def shares() -> dict[str, dict[str, float]]:
    """Control -> test -> share of pixels rejected, by Holm."""
    found: dict[str, Examination] = {name: suite(draw(name)) for name in CONTROLS}
    return {name: examination.shares(correction="holm") for name, examination in found.items()}


def test_brownian_motion_passes_everything(shares: dict[str, dict[str, float]]) -> None:
    assert {name: shares["brownian"][name] for name in KEPT_BY_BROWNIAN} == dict.fromkeys(KEPT_BY_BROWNIAN, 0)
    assert shares["brownian"]["adf_increments"] > 0.99


def test_an_autoregression_fails_adf_on_the_level_and_the_variance_ratio(
    shares: dict[str, dict[str, float]],
) -> None:
    found = shares["autoregressive"]
    assert found["adf_level"] > 0.95
    assert found["variance_ratio_10"] > 0.8
    assert found["variance_ratio_20"] > 0.8


def test_an_autoregression_passes_the_three_published_tests(shares: dict[str, dict[str, float]]) -> None:
    """Which is why the published three cannot tell; the fourth and fifth can."""
    found = suite(draw("autoregressive", epochs=200)).shares(correction="holm")
    assert found["adf_increments"] > 0.99
    assert found["shapiro"] == 0
    assert found["ljung_box"] < 0.05


def test_a_student_walk_fails_normality_and_nothing_about_memory(shares: dict[str, dict[str, float]]) -> None:
    assert shares["student_walk"]["shapiro"] == 1
    assert shares["student_walk"]["adf_level"] == 0
    assert shares["student_walk"]["variance_ratio_10"] < 0.02


def test_white_noise_fails_every_variance_ratio(shares: dict[str, dict[str, float]]) -> None:
    assert [shares["white_noise"][f"variance_ratio_{q}"] for q in (2, 5, 10, 20)] == [1, 1, 1, 1]
    assert shares["white_noise"]["shapiro"] == 0


def test_the_bound_shows_where_it_is_reached() -> None:
    near, far = (CONTROLS["bounded_brownian"](500, 200, rng=np.random.default_rng(0), scale=s) for s in (0.002, 0.2))
    assert suite(near).shares(correction="holm")["shapiro"] == 0
    assert suite(far).shares(correction="holm")["shapiro"] > 0.9


@pytest.mark.parametrize("name", list(CONTROLS))
def test_a_control_is_a_function_of_the_generator(name: str) -> None:
    assert draw(name, seed=5).shape == (500, 200)
    assert draw(name, seed=5).dtype == np.float64
    np.testing.assert_array_equal(draw(name, seed=5), draw(name, seed=5))
    assert (draw(name, seed=5) != draw(name, seed=6)).any()
    assert draw(name, epochs=1).shape == (1, 200)


def test_laws() -> None:
    steps = np.diff(draw("brownian"), axis=0)
    assert steps.std() == pytest.approx(SCALE, rel=0.01)
    assert (draw("brownian")[0] == 0).all()
    assert np.diff(draw("student_walk"), axis=0).std() == pytest.approx(SCALE, rel=0.1)
    assert kurtosis(np.diff(draw("student_walk"), axis=0), axis=None) > 5
    assert draw("white_noise").std() == pytest.approx(SCALE, rel=0.01)
    assert np.abs(draw("bounded_brownian")).max() < 1
    np.testing.assert_allclose(draw("bounded_brownian"), np.tanh(draw("brownian")))


def test_the_autoregression_is_stationary_from_the_first_epoch() -> None:
    level = draw("autoregressive", epochs=60, pixels=20_000)
    np.testing.assert_allclose(level.std(axis=1), SCALE / np.sqrt(1 - 0.8**2), rtol=0.03)
    correlation = (level[1:] * level[:-1]).mean() / (level**2).mean()
    assert correlation == pytest.approx(0.8, abs=0.01)
