"""How fast is what we wrote ourselves beside the library that it stands in for, and how much memory does it take?

    python analysis/benchmark.py unet --output unet.json

Each question is a function of this file or a file of its own, and a word on the command line. Whoever adds one
writes a function with keyword arguments and names it in QUESTIONS.

Contenders take turns in one process, and the order is turned around each round, so that a busy machine slows all
of them alike; the figures are ratios of medians. Processor time is what all threads worked, clock time what one
waits for; on a machine that does other things meanwhile, the first is to be trusted. Peak memory is that of a fresh
process for each contender, over what it took before the network was made.
"""

import json
import os
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch is imported: threads that wait do not count

import torch
from denoising_diffusion_pytorch import Unet
from jsonargparse import auto_cli
from rich.console import Console
from rich.table import Table
from torch import nn

from atme.networks import UNet


@dataclass(frozen=True)
class Contender:
    """A network and a precision.

    Attributes:
        make: builds the network for a width.
        bfloat16: whether it runs under autocast.
        wanted: least speed in multiples of the first contender's.
    """

    make: Callable[[int], nn.Module]
    bfloat16: bool = False
    wanted: float = 1.0


UNETS = {
    "package, float32": Contender(lambda dim: Unet(dim)),
    "atme, float32": Contender(lambda dim: UNet(dim=dim, head="ddpm"), wanted=1.25),
    "atme, bfloat16": Contender(lambda dim: UNet(dim=dim, head="ddpm"), bfloat16=True, wanted=2.2),
}


def step(network: nn.Module, *, size: int, bfloat16: bool) -> tuple[float, float]:
    """Seconds of clock and of processor for forward and backward on one image."""
    image, level = torch.randn(1, 3, size, size), torch.tensor([0.3])
    network.zero_grad(set_to_none=True)
    clock, processor = time.perf_counter(), time.process_time()
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        translated = network(image, level)
    translated.float().square().mean().backward()
    return time.perf_counter() - clock, time.process_time() - processor


def peak(name: str, dim: int, size: int) -> float:
    """Bytes that two steps of a contender take at their peak; to be called in a fresh process."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    network = UNETS[name].make(dim)
    for _ in range(2):
        step(network, size=size, bfloat16=UNETS[name].bfloat16)
    return 1024.0 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


def peak_in_fresh_process(name: str, *, dim: int, size: int) -> float:
    """Bytes, see `peak`."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as process:
        return process.submit(peak, name, dim, size).result()


def unet(*, dim: int = 64, size: int = 256, rounds: int = 9, output: Path | None = None) -> None:
    """Forward and backward of the diffusion U-Net, batch 1, beside denoising-diffusion-pytorch 1.0.2.

    Args:
        dim: width of both networks; multiples 1, 2, 4, 8.
        size: height and width of the image.
        rounds: of which the medians are shown; one more warms up.
        output: where the figures go as JSON; null for nowhere.
    """
    # First of all: a new process begins with the peak of the one that starts it.
    peaks = {name: peak_in_fresh_process(name, dim=dim, size=size) for name in UNETS}
    networks = {name: contender.make(dim) for name, contender in UNETS.items()}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in UNETS}
    for turn in range(rounds + 1):
        for name in list(UNETS)[:: 1 if turn % 2 else -1]:
            seconds[name].append(step(networks[name], size=size, bfloat16=UNETS[name].bfloat16))
    figures = {
        name: {
            "clock_s": median(clock for clock, _ in taken[1:]),
            "processor_s": median(processor for _, processor in taken[1:]),
            "peak_bytes": peaks[name],
        }
        for name, taken in seconds.items()
    }
    show(figures)
    if output is not None:
        about = {"dim": dim, "size": size, "rounds": rounds, "threads": torch.get_num_threads()}
        output.write_text(json.dumps(about | {"figures": figures}, indent=2) + "\n")


def show(figures: dict[str, dict[str, float]]) -> None:
    """Print the table; the first row is what the others are measured against."""
    table = Table("forward + backward", "clock", "times as fast", "processor", "times as fast", "wanted", "peak")
    first = next(iter(figures.values()))
    for name, figure in figures.items():
        table.add_row(
            name,
            f"{figure['clock_s']:.2f} s",
            f"{first['clock_s'] / figure['clock_s']:.2f}",
            f"{figure['processor_s']:.2f} s",
            f"{first['processor_s'] / figure['processor_s']:.2f}",
            f"≥ {UNETS[name].wanted}" if figure is not first else "",
            f"{figure['peak_bytes'] / 1e9:.2f} GB",
        )
    Console().print(table)


QUESTIONS = {"unet": unet}


if __name__ == "__main__":
    auto_cli(QUESTIONS)
