"""Read an array of many time series, tell which of them can be tested, and work through them in blocks.

A history is an array (T, N): T epochs of N pixels, any real dtype. The tests compute in float64 on blocks of
whole series, laid out (n, T) so that each series is contiguous. A block is small enough for the processor's
cache; blocks are independent, so they run on all processors and the result does not depend on how many there
are.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atme import require
from atme.machine import cores

Array = NDArray[np.float64]

CACHE_BYTES = 2**21

# What is smaller than this share of its scale may be rounding: some hundred last places of float64.
ROUNDING = 1e-13

NOT_FINITE = "not finite"
CONSTANT = "constant"
DEGENERATE = "degenerate"


@dataclass(frozen=True)
class Measured:
    """What `measure` found.

    Attributes:
        values: (outcomes, N), NaN where a pixel could not be tested.
        left_out: Reason -> number of pixels, only reasons that occurred. "not finite": NaN or infinity in
            the series; "constant": it changes by no more than rounding; "degenerate": the test found nothing
            random left in it (an exact fit).
    """

    values: Array
    left_out: dict[str, int]


def as_series(values: ArrayLike, *, test: str, shortest: int) -> NDArray[np.generic]:
    """Check that the values are T >= shortest epochs of N >= 1 pixels.

    Args:
        values: (T, N) real numbers.
        test: The name by which an error message calls the test.
        shortest: Fewest epochs that the test can work with.

    Returns:
        (T, N), not copied.

    Raises:
        ValueError: If the array has another number of axes, no pixel, too few epochs, or no real numbers.
    """
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(f"{test}: {require.shown(values)} is no array ({error}); give (epochs, pixels)") from error
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(
            f"{test}: takes an array (epochs, pixels) with at least one pixel, got shape {array.shape}; "
            "flatten maps with .reshape(epochs, -1)"
        )
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{test}: takes real numbers, got {array.dtype}; convert the history to float64")
    if len(array) < shortest:
        raise ValueError(
            f"{test}: the series has {len(array)} values and this test needs at least {shortest}; "
            "record more epochs or widen the window"
        )
    return array


def blocks(pixels: int, *, per_series: int) -> list[slice]:
    """Cut N pixels into blocks whose working set fits the cache.

    Args:
        pixels: N.
        per_series: Bytes that a test needs per series at once.
    """
    width = max(1, CACHE_BYTES // per_series)
    return [slice(start, min(start + width, pixels)) for start in range(0, pixels, width)]


def load(values: NDArray[np.generic], *, block: slice) -> Array:
    """The series of a block, (n, T) float64, each contiguous, from values (T, N)."""
    return np.ascontiguousarray(values[:, block].T, dtype=np.float64)


def usable(series: Array) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which series (n, T) are finite, and which of them change by more than rounding: two arrays (n,)."""
    low, high = series.min(axis=1), series.max(axis=1)  # NaN if one value is NaN
    finite = np.isfinite(low) & np.isfinite(high)
    with np.errstate(invalid="ignore"):
        return finite, finite & (high - low > ROUNDING * np.maximum(np.abs(low), np.abs(high)))


def measure(
    test: Callable[[Array], Array], *, values: NDArray[np.generic], name: str, outcomes: int, per_series: int
) -> Measured:
    """Apply a test to every series that can be tested.

    Args:
        test: Takes n finite, changing series (n, T) and returns (outcomes, n), NaN where it finds nothing
            random.
        values: (T, N).
        name: The name by which an error message calls the test.
        outcomes: Number of values that the test returns per series.
        per_series: Bytes that the test needs per series at once.

    Raises:
        ValueError: If not one series can be tested.
    """
    pixels = values.shape[1]
    results = np.full((outcomes, pixels), np.nan)

    def work(block: slice) -> tuple[int, int]:
        series = load(values, block=block)
        finite, changing = usable(series)
        if changing.any():
            results[:, block][:, changing] = test(series if changing.all() else series[changing])
        return int((~finite).sum()), int((finite & ~changing).sum())

    counts = np.sum(_on_all_processors(work, blocks(pixels, per_series=per_series)), axis=0)
    left_out = {NOT_FINITE: int(counts[0]), CONSTANT: int(counts[1])}
    left_out[DEGENERATE] = int(np.isnan(results[0]).sum()) - sum(left_out.values())
    left_out = {reason: count for reason, count in left_out.items() if count}
    if sum(left_out.values()) == pixels:
        reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise ValueError(f"{name}: none of the {pixels} series can be tested ({reasons}); choose another window")
    return Measured(results, left_out)


def _on_all_processors(work: Callable[[slice], tuple[int, int]], parts: list[slice]) -> list[tuple[int, int]]:
    if len(parts) == 1:
        return [work(parts[0])]
    with ThreadPoolExecutor(cores()) as threads:
        return list(threads.map(work, parts))
