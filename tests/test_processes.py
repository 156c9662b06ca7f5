"""One training by several processes that atme starts itself: one speaks, all end together."""

import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from test_training import command, train

from atme.cli import processes
from atme.cli.children import Children
from atme.cli.processes import as_many_as_share, processes_taken_from, train_together
from atme.run_folder import checkpoints

Preset = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_signal_ends_them_all_after_one_step(preset: Preset, tmp_path: Path) -> None:
    started = command(preset(), tmp_path / "run", "--training.rate.epochs", "5000", "--processes", "2")
    with subprocess.Popen(started, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = ""
        while not (line := process.stderr.readline()).startswith("epoch "):
            assert line, f"it ended: {said}"
            said += line
        process.send_signal(signal.SIGTERM)
        said += process.stderr.read()
    assert process.returncode == 143, said
    assert "Warning" not in said  # of PyTorch's, that nobody can act on
    assert said.count("interrupted at step") == 1
    assert checkpoints(tmp_path / "run")


def test_what_is_wrong_is_said_once(preset: Preset, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "theirs").touch()
    assert train(preset(), tmp_path / "run", "--processes=2") == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"atme: {tmp_path}/run: ")


def play(monkeypatch: pytest.MonkeyPatch, *programs: str, grace: float = 0.05) -> int:
    """Let other programs stand for the processes."""
    start = Children.start

    def other(self: Children, number: int, _: Sequence[str], *words: Any, **echo: Any) -> None:
        start(self, number, [sys.executable, "-c", programs[number]], *words, **echo)

    monkeypatch.setattr(Children, "start", other)
    monkeypatch.setattr(processes, "_GRACE", grace)
    return train_together(len(programs), [], gpus=0)


WAITS = "import sys, threading; threading.Event().wait()"


def test_the_others_do_not_wait_for_one_that_failed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert play(monkeypatch, WAITS, "print('no room'); raise SystemExit(1)") == 1
    assert capfd.readouterr().err == "process 1: no room\n"


def test_each_knows_its_place(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    tells = "import os; print(*(os.environ[n] for n in ('RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'OMP_NUM_THREADS')))"
    assert play(monkeypatch, tells, f"{tells}; raise SystemExit(1)") == 1
    said = capfd.readouterr()
    assert said.out == "0 0 2 1\n"
    assert said.err == "process 1: 1 1 2 1\n"


@pytest.mark.parametrize(
    ("codes", "shown", "code"),
    [
        ({1: 0, 0: 0}, False, 0),
        ({1: 2, 0: 2}, False, 2),  # the first one says the same
        ({1: 2, 0: 1}, True, 2),  # the first one says that the second is gone
        ({1: 1, 0: 1}, True, 1),
        ({0: 1, 1: 1}, False, 1),
        ({0: 143, 1: 143}, False, 143),
        ({1: 143, 0: 143}, False, 143),
    ],
)
def test_whose_words_count(codes: dict[int, int], shown: bool, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert processes._outcome(codes, {1: deque(["it fell"])}) == code
    assert capsys.readouterr().err == ("process 1: it fell\n" if shown else "")


def test_a_launcher_and_too_few_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="--processes: 4, and GPUs that can be used here: 2"):
        train_together(4, [], gpus=2)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="a launcher has started several already"):
        train_together(2, [], gpus=0)


def test_other_words_stay_in_their_order() -> None:
    assert processes_taken_from(["--config", "a", "--processes=3", "--run.seed", "1"]) == (
        3,
        ["--config", "a", "--run.seed", "1"],
    )
    assert processes_taken_from(["--config", "a"]) == (1, ["--config", "a"])
    assert processes_taken_from(["--processes", "auto", "--config", "a"]) == (None, ["--config", "a"])


@pytest.mark.parametrize(
    ("batch", "gpus", "cores", "gigabytes", "count"),
    [
        (8, 0, 2, 20, 2),
        (1, 0, 2, 20, 1),
        (3, 0, 16, 200, 3),
        (64, 0, 16, 200, 4),
        (8, 0, 4, 5, 2),
        (8, 0, 4, 1, 1),
        (8, 2, 16, 20, 2),
        (1, 2, 16, 20, 1),
        (8, 8, 2, 1, 8),
    ],
)
def test_as_many_as_can_share_a_batch(
    batch: int, gpus: int, cores: int, gigabytes: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "cores", lambda: cores)
    monkeypatch.setattr(processes, "free_memory", lambda: gigabytes * 1024**3)
    assert as_many_as_share(batch, gpus=gpus) == count


@pytest.mark.parametrize(
    ("batch", "cores", "said"), [(1, 2, "a batch of one image"), (2, 1, "one core, GPU or its memory")]
)
def test_what_cannot_be_shared_is_trained_by_one(
    batch: int, cores: int, said: str, preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(processes, "cores", lambda: cores)
    assert train(preset(training__batch_size=batch), tmp_path / "run", "--processes", "auto") == 0
    assert f"--processes auto: one, since {said} cannot be shared\n" in capsys.readouterr().err
    assert "share_batch: true" in (tmp_path / "run" / "options.yaml").read_text("utf-8")
