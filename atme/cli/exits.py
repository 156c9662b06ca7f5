"""How a command ends: its exit code, and what it says on standard error."""

import sys

DONE, FAULTY, WRONG, INTERRUPTED = 0, 1, 2, 128
"""Exit codes: all is done; done, but for what is named; refused. A signal's number is added to the last one."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
