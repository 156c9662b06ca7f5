"""The suite: every test on its series, refusals that do not stop the others, window and transform."""

import numpy as np
import pytest

from atme.process import CONTROLS, augmented_dickey_fuller, questions, shapiro_wilk, suite, variance_ratio


def history(epochs: int = 120, pixels: int = 8, *, name: str = "bounded_brownian") -> np.ndarray:
    return CONTROLS[name](epochs, pixels, rng=np.random.default_rng(0))


def test_every_test_answers_under_its_name_on_its_series() -> None:
    W = history()
    examination = suite(W)
    assert list(examination.findings) == list(questions())
    assert examination.refused == {}
    assert [finding.name for finding in examination.findings.values()] == list(questions())
    dW = np.diff(W, axis=0)
    for name, expected in (
        ("adf_level", augmented_dickey_fuller(W)),
        ("adf_increments", augmented_dickey_fuller(dW)),
        ("shapiro", shapiro_wilk(dW)),
        ("variance_ratio_5", variance_ratio(W, q=5)),
    ):
        np.testing.assert_array_equal(examination.findings[name].statistic, expected.statistic)
        assert examination.findings[name].n == expected.n


def test_it_knows_what_brownian_motion_does() -> None:
    findings = suite(history()).findings
    assert [name for name, found in findings.items() if found.brownian == "rejected"] == ["adf_increments"]
    assert [name for name, found in findings.items() if found.brownian is None] == [
        "variance_growth",
        "correlation",
    ]
    for finding in findings.values():
        assert finding.null
        assert finding.measures
        assert finding.statistic.shape == finding.effect.shape == (8,)


def test_a_short_history_refuses_some_tests_and_answers_others() -> None:
    examination = suite(history(epochs=15))
    assert "variance_ratio_10" in examination.refused
    assert "needs at least 21" in examination.refused["variance_ratio_10"]
    assert "variance_growth" in examination.refused
    assert {"adf_level", "shapiro", "ljung_box", "variance_ratio_5"} <= set(examination.findings)
    assert set(examination.findings) | set(examination.refused) == set(questions())


def test_two_epochs_refuse_everything_without_a_crash() -> None:
    examination = suite(history(epochs=2))
    assert examination.findings == {}
    assert examination.shares() == {}


def test_constant_and_missing_pixels_leave_the_others_as_they_are() -> None:
    W = history()
    whole = suite(W[:, 2:])
    W[:, 0], W[50, 1] = 0.25, np.nan
    with_gaps = suite(W)
    assert with_gaps.refused == {}
    for name, finding in with_gaps.findings.items():
        assert finding.tested.tolist() == [False, False] + [True] * 6
        assert finding.left_out == {"constant": 1, "not finite": 1}
        np.testing.assert_allclose(finding.statistic[2:], whole.findings[name].statistic, rtol=1e-12)


@pytest.mark.parametrize("transform", ["none", "atanh"])
def test_nothing_but_missing_values_is_refused(transform: str) -> None:
    examination = suite(np.full((60, 4), np.nan), transform=transform)  # type: ignore[arg-type]
    assert examination.findings == {}
    assert "4 not finite" in examination.refused["adf_level"]


def test_infinities_count_as_not_finite() -> None:
    W = history()
    W[10:12, 5] = np.inf
    assert all(finding.left_out == {"not finite": 1} for finding in suite(W).findings.values())


def test_a_history_of_constants_is_refused_by_every_test() -> None:
    examination = suite(np.full((60, 4), 0.5))
    assert examination.findings == {}
    assert all("constant" in why or "pixels change" in why for why in examination.refused.values())


def test_window() -> None:
    W = history()
    examination = suite(W, window=(20, 90))
    assert (examination.window, examination.epochs, examination.pixels) == ((20, 90), 70, 8)
    np.testing.assert_array_equal(
        examination.findings["adf_level"].statistic, augmented_dickey_fuller(W[20:90]).statistic
    )


def test_atanh_undoes_the_bound() -> None:
    rng = np.random.default_rng
    bounded = CONTROLS["bounded_brownian"](120, 8, rng=rng(1))
    free = suite(CONTROLS["brownian"](120, 8, rng=rng(1)))
    transformed = suite(bounded, transform="atanh")
    for name, finding in free.findings.items():
        np.testing.assert_allclose(transformed.findings[name].statistic, finding.statistic, rtol=1e-6)
    assert suite(bounded).findings["shapiro"].statistic != pytest.approx(free.findings["shapiro"].statistic)


def test_atanh_leaves_out_pixels_that_touch_the_bound() -> None:
    W = history()
    W[3:5, 0] = 1.0
    examination = suite(W, transform="atanh")
    assert all(finding.left_out == {"not finite": 1} for finding in examination.findings.values())


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_history_of_lower_precision_is_tested_in_double(dtype: type) -> None:
    W = history().astype(dtype)
    np.testing.assert_array_equal(
        suite(W).findings["shapiro"].statistic, suite(W.astype(np.float64)).findings["shapiro"].statistic
    )


def test_shares_use_the_level_and_the_correction() -> None:
    W = history(epochs=150, pixels=100, name="autoregressive")
    strict, mild = suite(W, alpha=0.001), suite(W, alpha=0.05)
    assert strict.shares()["variance_ratio_10"] < mild.shares()["variance_ratio_10"]
    assert mild.shares(correction="holm")["variance_ratio_10"] < mild.shares()["variance_ratio_10"]
    assert "correlation" not in mild.shares()
    bands = [float(found.findings["autocorrelation"].details["band"]) for found in (strict, mild)]
    assert bands[0] > bands[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": (0, 121)}, "window 0:121: the history has 120 epochs"),
        ({"window": (50, 50)}, "window 50:50"),
        ({"window": (-10, 50)}, "window: .* from 0 on; give 2"),
        ({"transform": "logit"}, "'logit' is unknown; choose from none, atanh"),
        ({"alpha": 5}, "alpha: 5 is no number above 0 and below 1"),
    ],
)
def test_bad_arguments_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        suite(history(), **options)  # type: ignore[arg-type]


def test_bad_histories_are_named() -> None:
    with pytest.raises(ValueError, match="suite: takes an array"):
        suite(np.zeros((10, 4, 4)))
    with pytest.raises(ValueError, match="W leaves \\[-1, 1\\]"):
        suite(3 * history(name="white_noise"), transform="atanh")
