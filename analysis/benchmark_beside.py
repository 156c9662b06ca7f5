"""The demo's update beside other work, by the clock, by how the machine's cores are shared.

Each figure is that of `atme train` in processes of its own, as a user starts it: two threads that spin for long or for
a moment while they wait for one another, one thread, and processes of one thread each that share the update
(`--processes auto`), whose batch is the same. Beside it run none, one and two processes that keep a core busy each.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from benchmark_timing import show, write

from atme.machine import cores

BUSY = (0, 1, 2)
WARM = 4
"""Updates that are not counted: kernels are compiled, memory is taken."""
PINNED = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""What this program's own environment says of threads, and a contender's does not."""


@dataclass(frozen=True)
class Way:
    """How a training shares the cores."""

    environment: dict[str, str]
    words: tuple[str, ...] = ()


def ways() -> dict[str, Way]:
    """By name."""
    spinning = {f"{cores()} threads, GOMP_SPINCOUNT={count}": {"GOMP_SPINCOUNT": str(count)} for count in (100, 20000)}
    return {
        f"{cores()} threads, as `atme` sets it (GOMP_SPINCOUNT=1000)": Way({}),
        **{name: Way(environment) for name, environment in spinning.items()},
        "one thread": Way({"OMP_NUM_THREADS": "1"}),
        "processes of one thread (--processes auto)": Way({}, ("--processes", "auto")),
    }


def beside(*, quick: bool = False, output: Path | None = None, updates: int = 20, rounds: int = 2) -> None:
    """The demo's update alone, and beside one and two processes that keep a core busy each.

    Args:
        quick: few updates, one round.
        output: folder for the figures; null for none.
        updates: of each training, that are counted.
        rounds: trainings of each way; the way's seconds are the median of all their updates.
    """
    updates, rounds = (4, 1) if quick else (updates, rounds)
    taken: dict[str, list[list[float]]] = {name: [[] for _ in BUSY] for name in ways()}
    for turn in range(rounds):
        for place, busy in enumerate(BUSY):
            with others(busy):
                for name, way in list(ways().items())[:: -1 if turn % 2 else 1]:
                    taken[name][place] += seconds_of_updates(way, updates)
    found = {name: [median(each) for each in each_busy] for name, each_busy in taken.items()}
    show(
        "the demo's update by the clock, beside busy processes",
        ("", "alone", *(f"beside {busy}" for busy in BUSY[1:]), "times as long"),
        [
            (name, *(f"{each:.2f} s" for each in clocks), ", ".join(f"{each / clocks[0]:.1f}" for each in clocks[1:]))
            for name, clocks in found.items()
        ],
    )
    write(output, "beside", {"busy": BUSY, "seconds": found})


@contextmanager
def others(number: int) -> Iterator[None]:
    """So many processes that keep a core busy each."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(number)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def seconds_of_updates(way: Way, updates: int) -> list[float]:
    """Clock time of each update of a training, after the first ones."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {name: value for name, value in os.environ.items() if name not in PINNED} | way.environment
        options = (
            *("--config", "earth_atme_demo", "--run.dir", f"{folder}/run", "--training.steps", str(WARM + updates)),
            *("--training.log_every", "1", "--training.checkpoint_every", "1000", "--training.sample_every", "0"),
        )
        command = [sys.executable, "-m", "atme", "train", *way.words, *options]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        lines = [json.loads(line) for line in Path(folder, "run", "log.jsonl").read_text().splitlines()]
    ends = [line["seconds"] for line in lines if "images_per_second" in line]
    return [after - before for before, after in pairwise(ends)][WARM - 1 :]
