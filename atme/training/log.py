"""The numbers of a run on disk: one JSON object per line in ``log.jsonl``, and TensorBoard's event files.

Every logged value is a mean over all steps, and all processes, since the last line.
"""

import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from atme.run_folder import read_log
from atme.training import curves


class Means:
    """Running means of named scalars over the steps that have them, and over processes.

    Sums stay on the device until they are read.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, values: dict[str, Tensor]) -> None:
        """Take in the scalars of one micro-batch."""
        for name, value in values.items():
            value = value if value.device.type == "mps" else value.double()  # Apple's GPUs have no float64
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] = self._counts.get(name, 0) + 1

    def take(self, accelerator: Accelerator) -> dict[str, float]:
        """The means since the last call, over all processes; every process must call it."""
        if not self._sums:
            return {}
        sums = torch.stack([total / self._counts[name] for name, total in self._sums.items()])
        means = accelerator.reduce(sums, reduction="mean").tolist()
        names = list(self._sums)
        self._sums, self._counts = {}, {}
        return dict(zip(names, means, strict=True))


class Stopwatch:
    """Seconds by what they were spent on, since the last reading."""

    def __init__(self) -> None:
        self._spent: defaultdict[str, float] = defaultdict(float)
        self._since = time.perf_counter()

    def lap(self, name: str) -> None:
        """Count the seconds since the last lap as spent on this."""
        now = time.perf_counter()
        self._spent[name] += now - self._since
        self._since = now

    def take(self) -> dict[str, float]:
        """Seconds by name since the last call."""
        spent, self._spent = dict(self._spent), defaultdict(float)
        return spent


class Log:
    """Writes a run's numbers and pictures; only the main process has one.

    Args:
        run: the run's folder.
        step: updates done so far: later lines and curves, of a process that was killed, are dropped.
        machine: what every line says of where it was computed.

    Raises:
        OSError: if the folder cannot be written.
    """

    def __init__(self, run: Path, *, step: int, machine: dict[str, str | int]) -> None:
        self._path = run / "log.jsonl"
        lines = [line for line in read_log(run) if line["step"] <= step]
        self.seconds = float(lines[-1]["seconds"]) if lines else 0.0
        """Seconds of training so far, over all its parts."""
        self._rewrite(lines)
        self._machine = machine
        curves.cut(run, step=step)
        self._board = SummaryWriter(str(run / curves.FOLDER), purge_step=step + 1 if step else None)

    def write(self, line: dict[str, Any]) -> None:
        """Append one object, and draw its numbers as curves."""
        with self._path.open("a") as file:
            file.write(json.dumps(line | self._machine) + "\n")
        self._draw(line, step=line["step"])

    def add(self, values: dict[str, Any], *, step: int) -> None:
        """Add to the last line, of this step, what was found after it was written, and draw it."""
        lines = read_log(self._path.parent)
        if lines and lines[-1]["step"] == step:
            lines[-1] |= values
            self._rewrite(lines)
        self._draw(values, step=step)

    def _draw(self, values: dict[str, Any], *, step: int) -> None:
        for name, value in values.items():
            if isinstance(value, int | float):
                self._board.add_scalar(name.replace(".", "/"), value, step)

    def _rewrite(self, lines: list[dict[str, Any]]) -> None:
        unfinished = self._path.with_name(f".{self._path.name}")
        unfinished.write_text("".join(json.dumps(line) + "\n" for line in lines))
        unfinished.replace(self._path)

    def text(self, name: str, text: str) -> None:
        """Show a text, such as the options, in TensorBoard."""
        self._board.add_text(name, f"```yaml\n{text}\n```")

    def picture(self, name: str, picture: np.ndarray, *, step: int) -> None:
        """Show a picture (H, W, 3) uint8 in TensorBoard."""
        self._board.add_image(name, picture, step, dataformats="HWC")

    def histogram(self, name: str, values: Tensor, *, step: int) -> None:
        """Show a distribution in TensorBoard."""
        self._board.add_histogram(name, values.float().cpu(), step)

    def close(self) -> None:
        """Write out what TensorBoard still holds."""
        self._board.close()
