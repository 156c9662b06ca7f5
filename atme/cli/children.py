"""Processes that a command starts and waits for: what they say, and signals that reach them all."""

import math
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Thread
from types import FrameType
from typing import IO

from atme.cli.exits import INTERRUPTED

Echo = Callable[[str], object]
"""What is done with a line that a process writes."""


class Children:
    """Processes by number; while it is entered, SIGINT and SIGTERM are passed on to all of them."""

    def __init__(self) -> None:
        self.running: dict[int, subprocess.Popen[str]] = {}
        self.signal = 0
        """The last one that was passed on; 0: none."""
        self._listeners: dict[int, Thread] = {}

    def __enter__(self) -> "Children":
        self._held = _held(self._pass_on)
        self._held.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._held.__exit__(None, None, None)

    def start(self, number: int, command: Sequence[str], environment: dict[str, str], *, echo: Echo | None) -> None:
        """Start one; in a group of its own, so that a signal arrives once, from here.

        Args:
            number: by which it is known.
            command: its words.
            environment: its variables.
            echo: of its lines; None: it writes to where this process does.
        """
        out, errors = (None, None) if echo is None else (subprocess.PIPE, subprocess.STDOUT)
        child = subprocess.Popen(
            command, env=environment, text=True, errors="replace", stdout=out, stderr=errors, start_new_session=True
        )
        self.running[number] = child
        if self.signal:  # it arrived while this one was being started
            child.send_signal(self.signal)
        if echo is not None:
            assert child.stdout is not None
            self._listeners[number] = Thread(target=_read, args=(child.stdout, echo))
            self._listeners[number].start()

    def one_ended(self, *, within: float | None = None) -> tuple[int, int] | None:
        """Wait for any of them: its number and exit code; None if so many seconds pass before."""
        until = math.inf if within is None else time.monotonic() + within
        while time.monotonic() < until:
            for number, child in self.running.items():
                try:
                    code = child.wait(timeout=0.2)
                except subprocess.TimeoutExpired:
                    continue
                if number in self._listeners:
                    self._listeners.pop(number).join()
                del self.running[number]
                return number, code if code >= 0 else INTERRUPTED - code
        return None

    def kill(self) -> None:
        """End what is running, at once."""
        for child in self.running.values():
            child.kill()

    def _pass_on(self, number: int, _: FrameType | None) -> None:
        self.signal = number
        for child in list(self.running.values()):
            child.send_signal(number)


@contextmanager
def _held(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Give signals that end a process to a handler."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _read(lines: IO[str], echo: Echo) -> None:
    with lines:
        for line in lines:
            echo(line.rstrip())
