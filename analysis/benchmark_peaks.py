"""Peak memory of fresh processes, and tables of contenders beside the first of them."""

import resource
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median

from benchmark_timing import Figure, clock_of, show

from atme.machine import keep_freed_memory

PROCESSES = 3
"""Whose median a peak is: where freed blocks lie differs between processes by a twentieth."""


def peak_in_fresh_process(make: Callable[..., Callable[[], object]], *arguments: object) -> float:
    """Bytes that two rounds of work take at their peak, in a process of their own."""
    peaks = []
    for _ in range(PROCESSES):
        with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as process:
            peaks.append(process.submit(_peak, make, *arguments).result())
    return median(peaks)


def _peak(make: Callable[..., Callable[[], object]], *arguments: object) -> float:
    keep_freed_memory()  # as a training does
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    work = make(*arguments)
    for _ in range(2):
        work()
    return 1024.0 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


def beside_the_first(title: str, taken: Mapping[str, Figure], peaks: Mapping[str, float], *, clock: bool) -> None:
    """Print figures; the first row is what the others are measured against."""
    first = next(iter(taken.values()))
    rows = []
    for name, each in taken.items():
        row = [name, f"{each.processor:.2f} s", f"{each.spread:.0%}", f"{first.processor / each.processor:.2f}"]
        row += [f"{each.clock:.2f} s", f"{first.clock / each.clock:.2f}"]
        rows.append(row + ([f"{peaks[name] / 1e9:.2f} GB"] if name in peaks else []))
    columns = ["", "one thread", "±", "as fast", clock_of(clock), "as fast"]
    show(title, columns + (["peak"] if peaks else []), rows)
