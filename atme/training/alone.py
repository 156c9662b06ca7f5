"""One training at a time in a run's folder: two would write into one log, and remove one another's checkpoints.

The system locks the folder itself (flock), so that no file is left of it, and lets go of it however a process ends.
Where there are no such locks, on Windows and on some network file systems, nothing is held.
"""

import os
import sys
from pathlib import Path

from atme.names import as_word
from atme.run_folder import checkpoints

if sys.platform != "win32":
    import fcntl


class Alone:
    """Holds a run's folder, which is made if it is not there.

    Args:
        run: the folder.
        goes_on: whether it holds a part of this run already.

    Raises:
        ValueError: if another training is at work in it, or began one meanwhile; or if it cannot be written to.
        OSError: if it cannot be made.
    """

    def __init__(self, run: Path, *, goes_on: bool) -> None:
        self._held: int | None = None
        run.mkdir(parents=True, exist_ok=True)
        if not os.access(run, os.W_OK):
            elsewhere = f"go on elsewhere with --training.resume {as_word(run)} and a new --run.dir"
            other = elsewhere if checkpoints(run) else "choose another --run.dir"
            raise ValueError(f"{run}: cannot be written to; allow it, or {other}")
        if sys.platform != "win32":
            self._held = os.open(run, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.let_go()
                raise ValueError(
                    f"{run}: another training is at work in it; wait until it has ended, or choose another --run.dir"
                ) from None
            except OSError:  # a file system without locks
                self.let_go()
        if not goes_on and (run / "options.yaml").exists():
            self.let_go()
            raise ValueError(f"{run}: another training has begun in it meanwhile; choose another --run.dir")

    def let_go(self) -> None:
        """Let others work in the folder."""
        if self._held is not None:
            os.close(self._held)
            self._held = None
