"""How a command ends: its exit code, and what it says on standard error."""

import sys

DONE, WRONG, INTERRUPTED = 0, 2, 128
"""Exit codes; a signal's number is added to the last one."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
