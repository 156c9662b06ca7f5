"""Do the games settle where theory says? Objective and decision entropy of several runs, against log 4 and log 2.

At equilibrium D cannot tell real from fake: both its binary cross-entropies are log 2, so the objective, their sum,
is log 4, and the entropy of each decision is log 2. Reads each run's log.jsonl; both values are means over the steps
between two lines of the log. `settled` is the mean over the last tenth of a run.

    python analysis/convergence.py '[runs/atme, runs/pix2pix]' --output convergence/
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jsonargparse import auto_cli
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from atme.run_folder import read_log

EQUILIBRIUM = {"objective": ("log 4", float(np.log(4))), "entropy": ("log 2", float(np.log(2)))}


@dataclass(frozen=True)
class Curve:
    """One logged value of one run.

    Attributes:
        steps: (n,) updates.
        values: (n,) nats.
    """

    steps: NDArray[np.int64]
    values: NDArray[np.float64]

    @property
    def settled(self) -> float:
        """Mean over the last tenth, nats."""
        return float(self.values[-max(1, len(self.values) // 10) :].mean())


@dataclass(frozen=True)
class Row:
    """One run: where it settled, in nats; None what its log does not hold.

    Attributes:
        run: Its folder.
        steps: Updates so far.
        objective: Mean over the last tenth.
        objective_distance: |objective − log 4|.
        entropy: Mean over the last tenth.
        entropy_distance: |entropy − log 2|.
    """

    run: str
    steps: int
    objective: float | None
    objective_distance: float | None
    entropy: float | None
    entropy_distance: float | None


def study(runs: list[Path], *, output: Path = Path("convergence")) -> list[Row]:
    """Compare runs with theory; print a table, write JSON and a figure.

    Args:
        runs: Folders of runs.
        output: Folder for convergence.json and convergence.png; made if absent.

    Raises:
        ValueError: If a run has no log, or its log neither value.
    """
    curves = {str(run): read(run) for run in runs}
    rows = [row(run, found) for run, found in curves.items()]
    Console().print(table(rows))
    output.mkdir(parents=True, exist_ok=True)
    report = {"log_4": EQUILIBRIUM["objective"][1], "log_2": EQUILIBRIUM["entropy"][1]}
    (output / "convergence.json").write_text(
        json.dumps({**report, "runs": [asdict(each) for each in rows]}, indent=2) + "\n"
    )
    draw(curves).savefig(output / "convergence.png", dpi=150)
    return rows


def read(run: Path) -> dict[str, Curve]:
    """The curves that a run's log holds, by name."""
    log = read_log(run)
    found = {}
    for name in EQUILIBRIUM:
        lines = [line for line in log if name in line]
        if lines:
            steps = np.array([line["step"] for line in lines])
            found[name] = Curve(steps, np.array([line[name] for line in lines], dtype=np.float64))
    if not found:
        raise ValueError(f"{run}: its log.jsonl holds neither objective nor entropy; give the folder of a run")
    return found


def row(run: str, curves: dict[str, Curve]) -> Row:
    """Where a run settled."""
    settled = {name: curve.settled for name, curve in curves.items()}
    far = {name: abs(value - EQUILIBRIUM[name][1]) for name, value in settled.items()}
    return Row(
        run,
        max(int(curve.steps[-1]) for curve in curves.values()),
        settled.get("objective"),
        far.get("objective"),
        settled.get("entropy"),
        far.get("entropy"),
    )


def table(rows: list[Row]) -> Table:
    """The rows for the terminal."""
    result = Table(title="mean over the last tenth of each run, nats", box=SIMPLE, padding=0)
    result.add_column("run")
    for heading in ("steps", "objective", "to log 4", "entropy", "to log 2"):
        result.add_column(heading, justify="right")
    for each in rows:
        run, steps, *values = asdict(each).values()
        result.add_row(run, str(steps), *("–" if value is None else f"{value:.4f}" for value in values))
    return result


def draw(curves: dict[str, dict[str, Curve]]) -> Figure:
    """Both values over steps, a line for each run."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    for panel, name in zip(figure.subplots(1, 2), EQUILIBRIUM, strict=True):
        draw_panel(panel, name, {run: found[name] for run, found in curves.items() if name in found})
    return figure


def draw_panel(panel: Axes, name: str, curves: dict[str, Curve]) -> None:
    """One value of all runs beside its equilibrium."""
    for run, curve in curves.items():
        panel.plot(curve.steps, curve.values, linewidth=1, label=run)
    said, level = EQUILIBRIUM[name]
    panel.axhline(level, color="black", linestyle="--", linewidth=1, label=f"{said} = {level:.3f}")
    panel.set(xlabel="step", ylabel=f"{name}, nats")
    panel.legend(frameon=False, fontsize=8)


if __name__ == "__main__":
    auto_cli(study)
