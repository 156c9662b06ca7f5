"""An interrupted run ends at the end of its step, with a checkpoint; one that waits for data ends at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

from accelerate import Accelerator


class Interrupted(BaseException):
    """A signal arrived while a run waited for its data: no update is under way.

    No `Exception`: who decodes a picture takes any of these for a fault of the picture.
    """


class Interruption:
    """Notes SIGINT and SIGTERM while a run is under way; a second one ends the process at once.

    A run in a thread leaves signals alone: they belong to the main thread.

    Args:
        accelerator: the processes, which all have to end at the same step.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self.signal: int | None = None
        """The signal that arrived at this process; None if none did."""
        self._waiting = False

    def __enter__(self) -> Self:
        noted = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
        self._before = {number: signal.signal(number, self._note) for number in noted}
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

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Nothing is half done in here: a signal ends it at once, unless other processes would wait for this one.

        Raises:
            Interrupted: in the place of whatever was waited for.
        """
        self._waiting = self._accelerator.num_processes == 1
        try:
            if self._waiting and self.signal is not None:
                raise Interrupted
            yield
        finally:
            self._waiting = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        signal.signal(number, self._before[signal.Signals(number)])
        if self._waiting:
            raise Interrupted
