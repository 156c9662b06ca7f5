"""An interrupted run ends at the end of its step, with a checkpoint."""

import signal
from types import FrameType, TracebackType
from typing import Self

from accelerate import Accelerator


class Interruption:
    """Notes SIGINT and SIGTERM while a run is under way; a second one ends the process at once.

    Args:
        accelerator: the processes, which all have to end at the same step.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self.signal: int | None = None
        """The signal that arrived at this process; None if none did."""

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def agreed(self) -> bool:
        """Whether any process was interrupted; every process must ask, and gets the same answer."""
        if self._accelerator.num_processes == 1:
            return self.signal is not None
        if self.signal is not None:
            self._accelerator.set_trigger()
        if not self._accelerator.check_trigger():
            return False
        self.signal = self.signal or int(signal.SIGTERM)
        return True

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        signal.signal(number, self._before[signal.Signals(number)])
