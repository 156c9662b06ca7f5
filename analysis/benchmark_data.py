"""How many pairs does one core read and augment in a second, and where does the time go?

    python analysis/benchmark_data.py --output benchmark_data.json

One process, one thread, the tiles of ``earth`` (512×256 JPEG of A | B) from a warm file cache. The rows take
turns, so that a busy machine slows all of them alike; the table shows medians over rounds of pairs per second
of processor time, which other programs on the machine change less than those per second by the clock.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import cv2
import torch
from jsonargparse import auto_cli
from rich.console import Console
from rich.table import Table

from atme.data import Augmentation, DeviceAugmentation, PairedImages
from atme.data.device import Uncut
from atme.images import read_image

Row = Callable[[int, int], object]

BATCH = 8
WANTED = {"286 → 256": 800, "256 → 128, cache ram": 3000}


def rows(data: str) -> dict[str, Row]:
    """What is measured, each a function of epoch and index."""
    plain = PairedImages(data)
    files = sorted(path for folder in plain.layout.folders for path in folder.glob("*.jpg"))
    whole = PairedImages(data, augment=Augmentation(load_size=286, crop_size=256))
    kept = PairedImages(data, augment=Augmentation(load_size=286, crop_size=256), cache="ram")
    small = PairedImages(data, augment=Augmentation(crop_size=128), cache="ram")
    uncut = PairedImages(data, augment=DeviceAugmentation(load_size=286, crop_size=256), cache="ram")
    scaled = DeviceAugmentation(load_size=286, crop_size=256, crop_scale=(0.4, 1.0))
    resized = PairedImages(data, augment=scaled, cache="ram")
    return {
        "decoding alone": lambda _, index: read_image(files[index]),
        "286 → 256": lambda epoch, index: whole[epoch, index],
        "286 → 256, cache ram": lambda epoch, index: kept[epoch, index],
        "256 → 128, cache ram": lambda epoch, index: small[epoch, index],
        "286 → 256, cache ram, uncut": lambda epoch, index: uncut.draw(epoch, index),
        "the same, cut here in batches": cutting(uncut),
        "resized crops, cut here in batches": cutting(resized),
    }


def cutting(pairs: PairedImages) -> Row:
    """What the device does with a batch, done on this core, without what the workers do: once for each of a batch."""
    batch = Uncut.collate([drawn for index in range(BATCH) if isinstance(drawn := pairs.draw(0, index), Uncut)])

    def row(epoch: int, index: int) -> object:
        return batch.to("cpu") if index % BATCH == 0 else None

    return row


def measure(row: Row, *, epoch: int, count: int) -> tuple[float, float]:
    """Pairs per second of processor time, and by the clock."""
    clock, processor = time.perf_counter(), time.process_time()
    for index in range(count):
        row(epoch, index)
    return count / (time.process_time() - processor), count / (time.perf_counter() - clock)


def benchmark(*, data: str = "earth", rounds: int = 15, output: Path | None = None) -> None:
    """Measure, and show a table.

    Args:
        data: a dataset of A | B files.
        rounds: over its training split, of which the medians are shown.
        output: where the medians go as JSON; null for nowhere.
    """
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    measured, count = rows(data), len(PairedImages(data))
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in measured}
    for epoch in range(rounds + 1):
        for name, row in measured.items():
            rates[name].append(measure(row, epoch=epoch, count=count))
    medians = {  # without the first round, which warms up
        name: {"processor": median(p for p, _ in rate[1:]), "clock": median(c for _, c in rate[1:])}
        for name, rate in rates.items()
    }
    show(medians)
    if output is not None:
        about = {"data": data, "pairs": count, "rounds": rounds, "wanted": WANTED}
        output.write_text(json.dumps(about | {"pairs_per_second": medians}, indent=2) + "\n")


def show(medians: dict[str, dict[str, float]]) -> None:
    """Print the table."""
    table = Table("pairs, one core", "per processor second", "per second by the clock", "wanted")
    for name, rate in medians.items():
        wanted = f"≥ {WANTED[name]}" if name in WANTED else ""
        table.add_row(name, f"{rate['processor']:.0f}", f"{rate['clock']:.0f}", wanted)
    Console().print(table)


if __name__ == "__main__":
    auto_cli(benchmark)
