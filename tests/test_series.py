"""Reading and working through many series: blocks miss no pixel, and their size changes no result."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atme.process import series as reading
from atme.process.series import blocks, load, measure, usable


def totals(series: np.ndarray) -> np.ndarray:
    return np.stack([series.sum(axis=1), series[:, 0]])


@given(pixels=st.integers(1, 5000), per_series=st.integers(1, 2**22))
def test_blocks_are_all_pixels_once(pixels: int, per_series: int) -> None:
    parts = blocks(pixels, per_series=per_series)
    assert [i for part in parts for i in range(part.start, part.stop)] == list(range(pixels))
    assert all((part.stop - part.start) * per_series <= reading.CACHE_BYTES for part in parts[:-1]) or all(
        part.stop - part.start == 1 for part in parts
    )


def test_a_block_is_loaded_as_rows_of_doubles() -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    rows = load(values, block=slice(1, 3))
    assert rows.tolist() == [[1, 5, 9], [2, 6, 10]]
    assert rows.dtype == np.float64
    assert rows.flags.c_contiguous


def test_usable() -> None:
    series = np.array([[1.0, 2.0], [1.0, 1.0], [np.nan, 1.0], [-np.inf, 1.0], [1.0, 1.0 + 1e-15], [0.0, 1e-300]])
    finite, changing = usable(series)
    assert finite.tolist() == [True, True, False, False, True, True]
    assert changing.tolist() == [True, False, False, False, False, True]


@pytest.mark.parametrize("cache", [1, 100, 2**21])
def test_the_size_of_blocks_changes_no_result(cache: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "CACHE_BYTES", cache)
    values = np.random.default_rng(0).standard_normal((7, 50))
    values[:, 3], values[2, 40] = 1.0, np.nan
    measured = measure(totals, values=values, name="totals", outcomes=2, per_series=8)
    expected = totals(values.T)
    expected[:, [3, 40]] = np.nan
    np.testing.assert_array_equal(measured.values, expected)
    assert measured.left_out == {"constant": 1, "not finite": 1}


def test_an_error_inside_a_block_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "CACHE_BYTES", 8)

    def broken(series: np.ndarray) -> np.ndarray:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        measure(broken, values=np.random.default_rng(0).standard_normal((7, 5)), name="", outcomes=1, per_series=8)
