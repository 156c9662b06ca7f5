"""Work in a thread of its own: its result, its error, and that nobody waits for it once the caller is gone."""

import asyncio
import threading

import pytest

from atme.serve.apart import apart


def test_what_is_returned_or_raised_is_the_callers() -> None:
    async def both() -> str:
        with pytest.raises(ValueError, match="no picture"):
            await apart(lambda: (_ for _ in ()).throw(ValueError("no picture")))
        return await apart(lambda: threading.current_thread().name)

    assert asyncio.run(both()) == "atme translates"


@pytest.mark.parametrize("fails", [False, True])
def test_who_is_gone_waits_for_nothing_and_hears_of_nothing(
    fails: bool, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The loop is closed while the work is done: it ends in silence."""
    begun, go_on, threads = threading.Event(), threading.Event(), []

    def work() -> int:
        threads.append(threading.current_thread())
        begun.set()
        assert go_on.wait(60)
        return 1 // (not fails)

    async def leave() -> None:
        asked = asyncio.create_task(apart(work))
        while not begun.is_set():
            await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked

    asyncio.run(leave())
    go_on.set()
    threads[0].join()
    assert capsys.readouterr() == ("", "")
    assert not caplog.records
