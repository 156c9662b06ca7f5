"""Contenders that take turns, and what is made of their times.

Two clocks. *Processor time of one thread* is what is to be trusted on a machine that does other things meanwhile, and
what ratios are made of. *Clock time on all cores* is what one waits for; it holds on an idle machine. In each round
every contender works once under each clock, and every second round goes through them backwards, so that whatever
slows the machine slows all alike. Figures are medians, with the quartiles beside them.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles

import torch
from rich.console import Console
from rich.table import Table

from atme.machine import cores

Work = Callable[[], object]


@dataclass(frozen=True)
class Figure:
    """Seconds of one piece of work."""

    processor: float
    """Median of the processor time of one thread."""
    processor_quartiles: tuple[float, float]
    clock: float
    """Median of the time that one waits, on all cores."""
    clock_quartiles: tuple[float, float]

    @property
    def spread(self) -> float:
        """Half the distance of the processor time's quartiles, as a share of the median."""
        low, high = self.processor_quartiles
        return (high - low) / 2 / self.processor


def turns(work: Mapping[str, Work], *, rounds: int, clocks: bool = True) -> dict[str, Figure]:
    """Let contenders work by turns.

    Args:
        work: what each one does, by name.
        rounds: counted after one that warms up.
        clocks: whether all cores are tried too; else the clock's figures are those of one thread.
    """
    processor: dict[str, list[float]] = {name: [] for name in work}
    clock: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(rounds + 1):
        order = list(work)[:: 1 if turn % 2 else -1]
        with threads(1):
            for name in order:
                before, waiting = time.process_time(), time.perf_counter()
                work[name]()
                processor[name].append(time.process_time() - before)
                if not clocks:
                    clock[name].append(time.perf_counter() - waiting)
        if clocks:
            with threads(cores()):
                for name in order:
                    waiting = time.perf_counter()
                    work[name]()
                    clock[name].append(time.perf_counter() - waiting)
    return {name: figure(processor[name][1:], clock[name][1:]) for name in work}


def clock_of(clocks: bool) -> str:
    """What the column of clock times is called."""
    return "all cores" if clocks else "its clock"


def figure(processor: Sequence[float], clock: Sequence[float]) -> Figure:
    """Median and quartiles of both."""
    return Figure(median(processor), quartiles(processor), median(clock), quartiles(clock))


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """The first and the third; of one value, that value twice."""
    if len(values) == 1:
        return values[0], values[0]
    first, _, third = quantiles(values, n=4, method="inclusive")
    return first, third


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let PyTorch work with so many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; its first column holds names, the others figures."""
    table = Table(columns[0], title=title, title_justify="left")
    for column in columns[1:]:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*row)
    Console(width=max(110, Console().width)).print(table)


def write(folder: Path | None, question: str, figures: Mapping[str, object]) -> None:
    """Write what a question found as JSON, beside what the machine is."""
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    about = {"torch": torch.__version__, "cores": cores(), "capability": torch.backends.cpu.get_cpu_capability()}
    about |= {"processor": processor_name(), "load_in_the_last_minute": os.getloadavg()[0]}
    about |= {"gpu": torch.cuda.get_device_name(), "cuda": torch.version.cuda} if torch.cuda.is_available() else {}
    (folder / f"{question}.json").write_text(json.dumps({"machine": about, **plain(figures)}, indent=2) + "\n")


def quickly(words: Sequence[str]) -> list[str]:
    """Words of a command line, in which `--quick` stands for `--quick=true`."""
    return ["--quick=true" if word == "--quick" else word for word in words]


def plain(figures: Mapping[str, object]) -> dict[str, object]:
    """Figures among the values as dictionaries."""
    found: dict[str, object] = {}
    for name, value in figures.items():
        if isinstance(value, Mapping):
            found[name] = plain(value)
        else:
            found[name] = asdict(value) if isinstance(value, Figure) else value
    return found


def processor_name() -> str:
    """As the system has it; empty where it does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
