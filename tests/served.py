"""``atme serve`` as a process whose sockets are watched.

As a script, ``python served.py LOG WORDS…`` runs ``atme WORDS…``. Names that it looks up and addresses that it speaks
to are refused, and written to LOG, unless they are this machine's.
"""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

OWN = {"127.0.0.1", "::1", "0.0.0.0", "localhost", None, ""}


@dataclass(frozen=True)
class Served:
    """A server that is ready."""

    process: subprocess.Popen[str]
    address: str
    """Such as http://127.0.0.1:7860."""
    said: str
    """On standard error, up to the address."""
    log: Path
    """Of what it asked of others."""


def command(log: Path, *words: object) -> list[str]:
    """The command that runs `atme` watched."""
    return [sys.executable, __file__, str(log), *map(str, words)]


@contextmanager
def served(log: Path, *words: object, cwd: Path | None = None) -> Iterator[Served]:
    """A server of ``atme serve`` for as long as it is needed."""
    process = subprocess.Popen(command(log, "serve", *words), stderr=subprocess.PIPE, text=True, cwd=cwd)
    assert process.stderr is not None
    said = ""
    try:
        while "http://" not in said:
            line = process.stderr.readline()
            assert line, f"no server: {said}"
            said += line
        yield Served(process, re.findall(r"http://\S+", said)[0], said, log)
    finally:
        process.kill()
        process.communicate()


def ended(server: Served, number: signal.Signals) -> tuple[int, str]:
    """Ends a server by a signal: its exit code, and what it said after its address."""
    server.process.send_signal(number)
    _, said = server.process.communicate(timeout=120)
    return server.process.returncode, said


def _watch(log: Path) -> None:
    def hook(event: str, arguments: tuple[object, ...]) -> None:
        host: object = ""
        if event == "socket.getaddrinfo":
            host = arguments[0]
        elif event in ("socket.connect", "socket.sendto", "socket.sendmsg") and isinstance(arguments[1], tuple):
            host = arguments[1][0]
        if host not in OWN:
            with log.open("a") as file:
                file.write(f"{event} {host}\n")
            raise OSError(f"{host} is not this machine")

    sys.addaudithook(hook)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started this may ignore it
    _watch(Path(sys.argv[1]))
    from atme.cli import main

    sys.exit(main(sys.argv[2:]))
