"""The ``atme`` command.

Nothing heavy is imported before a verb is chosen, so that ``atme --help`` answers at once. Whatever a user can
set right ends in one line on stderr that names the culprit and the remedy, and exit code 2. ``ATME_DEBUG=1``
shows the traceback beneath it.
"""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from types import FrameType

from atme import __version__
from atme.cli.arguments import known_verb
from atme.cli.exits import DONE, INTERRUPTED, WRONG, say
from atme.cli.help import overview
from atme.cli.verbs import VERBS
from atme.complaints import one_line

_ABOUT = "\n\nPaired image-to-image translation with GANs that are stable by design."


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: the words after ``atme``; those of the process by default.

    Returns:
        The exit code: 0; 2 for what the user can set right; 128 + n after signal n.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    _any_name_can_be_printed()
    if arguments and arguments[0] == "help":
        arguments = [*arguments[1:], "--help"]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(overview("atme", VERBS, about=_ABOUT))
        return DONE if arguments else WRONG
    if arguments[0] == "--version":
        print(f"atme {__version__}")
        return DONE
    return _guarded(arguments[0], arguments[1:])


def _guarded(name: str, arguments: list[str]) -> int:
    """Run a verb; what it refuses becomes one line."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the network for its newest version
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")  # what Apple's GPU lacks; read when PyTorch is loaded
    _share_cores()
    try:
        with _sigterm_interrupts():
            return known_verb(name, VERBS, command="atme")(arguments)
    except (ValueError, OSError) as error:
        return _refuse(error)
    except KeyboardInterrupt as error:
        say("interrupted")
        return INTERRUPTED + (error.args[0] if error.args else signal.SIGINT)


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Let SIGTERM interrupt a verb, so that nothing unfinished and no temporary folder is left of it.

    Who started this process may have it ignored, and in a thread there are no signals: that stays.
    """
    alone = threading.current_thread() is not threading.main_thread()
    if alone or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _interrupt(number: int, _: FrameType | None) -> None:
    raise KeyboardInterrupt(number)


def _share_cores() -> None:
    """Let threads that wait for one another give up their cores soon, where the user says nothing of it.

    PyTorch's threads meet some thousand times in an update, and by default a thread that waits spins for milliseconds:
    free of cost on an idle machine, and beside other work the very thing that keeps the other thread from its core. It
    is read when PyTorch is loaded. 1,000 turns are what GNU's OpenMP takes where it knows of too few cores; LLVM's and
    Intel's count milliseconds.
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"} & os.environ.keys():
        os.environ |= {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "1"}


def _refuse(error: Exception) -> int:
    """Say in one line what is wrong."""
    say(f"atme: {one_line(error)}")
    if os.environ.get("ATME_DEBUG"):
        traceback.print_exception(error)
    return WRONG


def _any_name_can_be_printed() -> None:
    """Names of files may hold bytes that are no text, and a terminal may know few letters."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
