"""Holm and Benjamini-Hochberg: worked by hand, equal to statsmodels, deaf to untested pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from atme.process import corrected

PVALUES = np.array([0.01, 0.04, 0.03, 0.005])


def test_holm_by_hand() -> None:
    """Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, then the running maximum."""
    assert corrected(PVALUES, correction="holm") == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_benjamini_hochberg_by_hand() -> None:
    """Sorted times 4/1, 4/2, 4/3, 4/4, then the running minimum from the right."""
    assert corrected(PVALUES, correction="benjamini_hochberg") == pytest.approx([0.02, 0.04, 0.04, 0.02])


@pytest.mark.parametrize(("correction", "method"), [("holm", "holm"), ("benjamini_hochberg", "fdr_bh")])
@pytest.mark.parametrize("n", [1, 2, 1000])
def test_equals_statsmodels(correction: str, method: str, n: int) -> None:
    pvalues = np.random.default_rng(n).random(n) ** 4
    pvalues[: n // 3] = pvalues[0]  # ties
    found = corrected(pvalues, correction=correction)  # type: ignore[arg-type]
    np.testing.assert_allclose(found, multipletests(pvalues, method=method)[1], rtol=1e-14)


@pytest.mark.parametrize("correction", ["none", "holm", "benjamini_hochberg"])
def test_untested_pixels_do_not_count_as_tests(correction: str) -> None:
    with_gaps = np.insert(PVALUES, [0, 2], np.nan)
    found = corrected(with_gaps, correction=correction)  # type: ignore[arg-type]
    assert np.isnan(found).tolist() == [True, False, False, True, False, False]
    expected = corrected(PVALUES, correction=correction)  # type: ignore[arg-type]
    np.testing.assert_array_equal(found[np.isfinite(found)], expected)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_order_of_the_corrections(pvalues: list[float]) -> None:
    raw = np.array(pvalues)
    milder, stricter = corrected(raw, correction="benjamini_hochberg"), corrected(raw, correction="holm")
    assert (raw <= milder + 1e-12).all()
    assert (milder <= stricter + 1e-12).all()
    assert (stricter <= 1).all()


def test_nothing_tested_nothing_corrected() -> None:
    assert np.isnan(corrected(np.full(3, np.nan), correction="holm")).all()


def test_unknown_correction_is_named() -> None:
    with pytest.raises(ValueError, match="'bonferroni' is unknown; choose from none, holm"):
        corrected(PVALUES, correction="bonferroni")  # type: ignore[arg-type]
