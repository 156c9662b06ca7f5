"""How fast several processes that share a batch train a preset: timed by so many, which wait for one another.

    python -m atme.planning.together FILE

is one of them: it reads options from FILE, and the first one writes what it measured to FILE.json.
"""

import json
import subprocess
import sys
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from atme.planning.speed import Speed, read_text, time_whole
from atme.training.together import environments

_SAID = 400
"""Letters of what a process said, that are shown where it failed."""


def time_together(text: str, count: int, *, gpus: int) -> Speed:
    """Time a run by several processes.

    Args:
        text: its options, as YAML.
        count: of the processes.
        gpus: that this machine trains on; 0: it trains on its cores.

    Raises:
        ValueError: if one of them fails; with what it said.
    """
    with TemporaryDirectory() as folder, ExitStack() as stack:
        file = Path(folder) / "options.yaml"
        file.write_text(text, encoding="utf-8")
        paths = [file.with_name(f"{rank}.log") for rank in range(count)]
        logs = [stack.enter_context(path.open("w", encoding="utf-8")) for path in paths]
        command = [sys.executable, "-m", "atme.planning.together", str(file)]
        started = [
            subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
            for environment, log in zip(environments(count, gpus=gpus), logs, strict=True)
        ]
        try:
            failed = _first_failed(started)
        finally:
            for process in started:
                process.kill()
                process.wait()
        if failed is not None:
            said = paths[failed].read_text(encoding="utf-8", errors="replace").strip()[-_SAID:]
            why = said or f"number {failed} ended with {started[failed].returncode}; give fewer"
            raise ValueError(f"--processes: {count} could not train together: {why}")
        return Speed(**json.loads(file.with_suffix(".json").read_text(encoding="utf-8")))


def _first_failed(started: list["subprocess.Popen[bytes]"]) -> int | None:
    """Wait for them all, or for the first one that fails: its number."""
    running = dict(enumerate(started))
    while running:
        for number, process in list(running.items()):
            with suppress(subprocess.TimeoutExpired):
                if process.wait(timeout=0.1):
                    return number
                del running[number]
    return None


def _main(file: Path) -> None:
    """Time what a file says, as one of a group."""
    options = read_text(file.read_text(encoding="utf-8"))
    speed = time_whole(options)
    if torch.distributed.get_rank() == 0:
        file.with_suffix(".json").write_text(json.dumps(asdict(speed)), encoding="utf-8")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    try:
        _main(Path(sys.argv[1]))
    except ValueError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
