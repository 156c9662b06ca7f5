"""How fast are the process tests beside a loop over statsmodels and scipy, and what does a full run take?

Two questions, on true Brownian motion at the size of one tracked image (65,536 pixels, 200 epochs):

1. Augmented Dickey-Fuller with lag by AIC, and Shapiro-Wilk: seconds for all pixels, beside a loop over a
sample of
   the same series, scaled to all of them. Wanted: 100 and 10 times as fast.
2. The whole suite on five images, one after another, as `atme analyze` runs it. Wanted: under 180 s and 4 GB.

    python analysis/benchmark_process.py --output benchmark_process.json
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jsonargparse import auto_cli
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import shapiro
from statsmodels.tsa.stattools import adfuller

from atme.process import CONTROLS, augmented_dickey_fuller, shapiro_wilk, suite

SECONDS_ALLOWED, BYTES_ALLOWED = 180, 4e9


def benchmark(
    *,
    output: Path | None = None,
    pixels: int = 65536,
    epochs: int = 200,
    images: int = 5,
    sample: int = 200,
    seed: int = 0,
) -> None:
    """Time the process tests against their reference libraries and print a table.

    Args:
        output: JSON file to write the figures to; not written if left out.
        pixels: Pixels of one image.
        epochs: Length of the history.
        images: Number of images of the full run.
        sample: Number of series that the reference loop is timed on.
        seed: Seed of the Brownian motions.
    """
    rng = np.random.default_rng(seed)
    level = CONTROLS["brownian"](epochs, pixels, rng=rng)
    increments = np.diff(level, axis=0)
    figures = {
        "adf": beside_loop(augmented_dickey_fuller, level, lambda x: adfuller(x, result_object=True), sample, 100),
        "shapiro": beside_loop(shapiro_wilk, increments, shapiro, sample, 10),
    }
    del level, increments
    full = full_run(epochs=epochs, pixels=pixels, images=images, rng=rng)
    show(figures, full)
    if output is not None:
        output.write_text(json.dumps({"pixels": pixels, "epochs": epochs, **figures, "suite": full}, indent=2) + "\n")


def beside_loop(
    batched: Callable[[NDArray[np.float64]], object],
    series: NDArray[np.float64],
    single: Callable[[NDArray[np.float64]], object],
    sample: int,
    wanted: float,
) -> dict[str, float]:
    """Seconds of the batched test, of the loop scaled to all series, and their ratio; both warmed up once."""
    some = np.ascontiguousarray(series[:, :sample].T)
    batched(series[:, :sample])
    single(some[0])
    loop = seconds(lambda: [single(one) for one in some]) * series.shape[1] / len(some)
    batch = seconds(lambda: batched(series))
    return {"seconds": batch, "loop_seconds": loop, "times_as_fast": loop / batch, "wanted": wanted}


def full_run(*, epochs: int, pixels: int, images: int, rng: np.random.Generator) -> dict[str, float]:
    """Seconds of the suite on all images, one after another, and the peak memory of this process in bytes."""
    histories = [CONTROLS["brownian"](epochs, pixels, rng=rng).astype(np.float32) for _ in range(images)]
    spent = seconds(lambda: [suite(history) for history in histories])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"images": images, "seconds": spent, "peak_bytes": peak}


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock seconds that the work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def show(figures: dict[str, dict[str, float]], full: dict[str, float]) -> None:
    """Print both tables."""
    table = Table("test", "all pixels, s", "loop, scaled, s", "times as fast", "wanted")
    for name, figure in figures.items():
        table.add_row(
            name,
            f"{figure['seconds']:.2f}",
            f"{figure['loop_seconds']:.1f}",
            f"{figure['times_as_fast']:.0f}",
            f"≥ {figure['wanted']}",
        )
    table.add_row(f"suite, {full['images']} images", f"{full['seconds']:.1f}", "", "", f"≤ {SECONDS_ALLOWED} s")
    table.add_row("peak memory", f"{full['peak_bytes'] / 1e9:.2f} GB", "", "", f"≤ {BYTES_ALLOWED / 1e9:.0f} GB")
    Console().print(table)


if __name__ == "__main__":
    auto_cli(benchmark)
