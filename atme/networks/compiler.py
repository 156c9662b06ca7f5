"""The passes of cpp/, compiled for this machine once and kept among the user's cached files.

``CXX`` names another compiler than c++, g++ or clang++; it has to know OpenMP. What was compiled is found again by
the next process as long as sources, compiler and processor are the same.
"""

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from atme.machine import cores, processor_flags

SOURCES = Path(__file__).parent / "cpp"
OPTIONS = (
    "-std=c++17",
    "-O3",
    "-march=native",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=fast",
    "-fopenmp",
    "-shared",
    "-fPIC",
)
"""Neither option of mathematics changes a value: PyTorch reads no errno, and no exception of the processor."""


def load() -> ctypes.CDLL:
    """The passes, compiled now unless they were before.

    Raises:
        OSError: if there is no compiler, or if it or its result does not work; the message's first line says why.
    """
    command = [*compiler(), *OPTIONS]
    kept = folder()
    if kept is None:
        with tempfile.TemporaryDirectory(prefix="atme_") as passing:  # what is loaded needs its file no longer
            return ctypes.CDLL(str(build(command, Path(passing) / "passes.so")))
    place = kept / f"passes_{identity(command)}.so"
    return ctypes.CDLL(str(place if place.is_file() else build(command, place)))


def compiler() -> list[str]:
    """The command that compiles.

    Raises:
        OSError: if there is none.
    """
    if named := shlex.split(os.environ.get("CXX", "")):
        return named
    for name in ("c++", "g++", "clang++"):
        if found := shutil.which(name):
            return [found]
    raise OSError("no C++ compiler")


def folder() -> Path | None:
    """Where cached files lie; None where nothing can be kept."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        (base / "atme").mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # a user without a home
        return None
    return base / "atme" if os.access(base / "atme", os.W_OK) else None


def identity(command: list[str]) -> str:
    """Of what decides on the result: sources, compiler, its options, and the processor."""
    digest = hashlib.sha256("\0".join((*command, platform.machine(), _processor())).encode())
    found = shutil.which(command[0])
    if found:
        about = Path(found).resolve().stat()
        digest.update(f"{about.st_size} {about.st_mtime_ns}".encode())
    for path in sorted(SOURCES.iterdir()):
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()[:16]


def build(command: list[str], place: Path) -> Path:
    """Compile to a file, which is there whole or not at all, also where two processes compile at once.

    Args:
        command: compiler and options, to which sources are added, each alone, and as many at once as there are cores.
        place: the file.

    Raises:
        OSError: with the compiler's complaint.
    """
    with tempfile.TemporaryDirectory(dir=place.parent, prefix="passes_") as passing:
        sources, made = sorted(SOURCES.glob("*.cpp")), Path(passing) / place.name
        parts = [Path(passing) / f"{source.stem}.o" for source in sources]
        with ThreadPoolExecutor(cores()) as pool:
            list(pool.map(lambda source, part: _run([*command, "-c", source, "-o", part]), sources, parts))
        _run([*command, *parts, "-o", made])
        os.replace(made, place)
    return place


def _run(command: Sequence[str | Path]) -> None:
    ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, errors="replace")
    if ended.returncode:
        raise OSError((ended.stderr.strip() or f"{command[0]} failed").splitlines()[0])


def _processor() -> str:
    """What it can do, as Linux tells it; elsewhere its name."""
    return processor_flags() or platform.processor()
