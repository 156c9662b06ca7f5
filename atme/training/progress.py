"""How a run shows itself while it runs: a live line in a terminal, one plain line per log entry elsewhere."""

import math
import sys
from types import TracebackType
from typing import Any, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from atme.terminal import remarks


class Display:
    """Shows how far a run is and how even its game; silent on all but the main process.

    Args:
        steps: updates of the whole run.
        step: updates done so far.
        shown: whether this process speaks.
    """

    def __init__(self, *, steps: int, step: int, shown: bool) -> None:
        self.console = remarks(quiet=not shown)
        self._live = shown and self.console.is_terminal
        self._bar = Progress(
            TextColumn("step"),
            MofNCompleteColumn(),
            BarColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[line]}", markup=False),
            console=self.console,
            disable=not self._live,
        )
        self._task = self._bar.add_task("train", total=steps, completed=step, line="")
        self._steps = steps

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def advance(self) -> None:
        """One more update is done."""
        self._bar.advance(self._task)

    def show(self, line: dict[str, Any]) -> None:
        """Show the numbers of a log entry."""
        numbers = "  ".join(form.format(line[name]) for name, form in _SHOWN.items() if name in line)
        self._bar.update(self._task, line=numbers)
        if not self._live:
            left = (self._steps - line["step"]) * line["seconds"] / max(line["step"], 1)
            where = f"epoch {line['epoch']}  step {line['step']}/{self._steps}"
            self.say(f"{where}  {numbers}  {_duration(left)} left")

    def say(self, text: str) -> None:
        """Print one plain line, above the live one."""
        self.console.print(text)
        sys.stderr.flush()


_SHOWN = {
    "objective": f"objective {{:.3f}} (log 4 = {math.log(4):.3f})",
    "entropy": "entropy {:.3f}",
    "g_l1": "L1 {:.3f}",
    "g_l2": "L2 {:.4f}",
    "images_per_second": "{:.1f} images/s",
}
"""What is shown of a line, if the game has it."""


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
