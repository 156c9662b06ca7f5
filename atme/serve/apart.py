"""Work in a thread that nobody waits for at the end, so that Ctrl-C ends a server in the middle of a translation."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

_T = TypeVar("_T")


async def apart(work: Callable[[], _T]) -> _T:
    """What a function returns, or raises, that is called in a thread of its own.

    Args:
        work: what is to be done. It goes on after a cancellation, and its result is dropped.
    """
    done: Future[_T] = Future()
    done.set_running_or_notify_cancel()  # from here on nobody takes it back

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as raised:  # which is the caller's
            done.set_exception(raised)

    threading.Thread(target=run, daemon=True, name="atme translates").start()
    return await asyncio.wrap_future(done)
