"""Is W of a run, or of any history in a file, a Brownian motion? The tests of `atme.process` from a script.

Reads a run's folder (both its recordings) or an array (T, N) or (T, H, W) in an .npy file, prints for each test how
many pixels reject its null, and writes the same as JSON. `atme analyze RUN` adds controls, maps and a page.

    python analysis/stationarity.py runs/demo --output stationarity.json
    python analysis/stationarity.py history.npy --transform atanh
"""

import json
from pathlib import Path
from typing import Literal

import numpy as np
from jsonargparse import auto_cli
from numpy.typing import NDArray
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from atme import history
from atme.process import suite
from atme.reports.analyze.stretches import longest_stretch
from atme.reports.analyze.study import Process, pooled


def study(
    source: Path,
    *,
    output: Path | None = None,
    window: tuple[int, int] | None = None,
    transform: Literal["none", "atanh"] = "none",
    alpha: float = 0.01,
) -> dict[str, Process]:
    """Test a run's histories, or an array; print a table for each, and write JSON if asked to.

    Args:
        source: Folder of a run with a history, or an .npy file with an array (T, ...) of W over epochs.
        output: JSON file to write; None for none.
        window: First and last epoch to read, counted from 1 and included; None for all.
        transform: "atanh" tests atanh W.
        alpha: Level of the tests, in (0, 1).

    Raises:
        ValueError: If the source holds no history.
    """
    found = {
        name: pooled([suite(level, transform=transform, alpha=alpha) for level in levels])
        for name, levels in read(source, window=window).items()
    }
    for name, process in found.items():
        Console().print(table(name, process))
    if output is not None:
        report = {name: summary(process) for name, process in found.items()}
        output.write_text(json.dumps(report, indent=2) + "\n")
    return found


def read(source: Path, *, window: tuple[int, int] | None) -> dict[str, list[NDArray[np.float32]]]:
    """Name -> W of each image, (T, N)."""
    if source.suffix == ".npy":
        return {source.name: [read_array(source, window=window)]}
    stretches = {name: longest_stretch(recording, window=window) for name, recording in history.read(source).items()}
    for name, stretch in stretches.items():
        for remark in stretch.remarks:
            Console(stderr=True).print(f"{name}: {remark}")
    return {
        name: [stretch.maps(image).reshape(len(stretch.epochs), -1) for image in stretch.images]
        for name, stretch in stretches.items()
    }


def read_array(path: Path, *, window: tuple[int, int] | None) -> NDArray[np.float32]:
    """An array (T, ...) of a file as (T, N)."""
    values = np.load(path)
    if values.ndim < 2:
        raise ValueError(f"{path}: has shape {values.shape}; save an array (epochs, pixels)")
    first, last = (1, len(values)) if window is None else window
    if not 1 <= first < last <= len(values):
        raise ValueError(f"window {first} to {last}: {path} holds epochs 1 to {len(values)}")
    return np.asarray(values.reshape(len(values), -1)[first - 1 : last])


def table(name: str, process: Process) -> Table:
    """Shares of rejected pixels and median effects for the terminal."""
    result = Table(title=f"{name}: {process.pixels:,} pixels", box=SIMPLE, padding=0)
    result.add_column("test", no_wrap=True)
    for heading in ("rejected", "Holm", "BH", "median effect"):
        result.add_column(heading, justify="right")
    for test, outcome in process.outcomes.items():
        shares = [f"{share:.3f}" for share in outcome.rejected.values()] or ["", "", ""]
        result.add_row(test, *shares, f"{outcome.effect[1]:.3f}")
    for test, why in process.refused.items():
        result.add_row(test, "–", "–", "–", why)
    return result


def summary(process: Process) -> dict[str, object]:
    """The same as plain values."""
    tests = {
        test: {"rejected": dict(outcome.rejected), "effect": outcome.effect, "tested": outcome.tested}
        for test, outcome in process.outcomes.items()
    }
    return {"pixels": process.pixels, "tests": tests, "refused": dict(process.refused)}


if __name__ == "__main__":
    auto_cli(study)
