"""Processes that read ahead: signals to a whole run, a worker that dies, too little shared memory."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from until import until

from atme.cli import main
from atme.data import Batches, PairedImages, loader
from atme.data.workers import workers_in_words
from atme.run_folder import checkpoints, read_log
from atme.training.interruption import Interrupted, Interruption

Preset = Callable[..., Path]


def command(preset: Path, run: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "atme", "train", "--config", str(preset), "--run.dir", str(run), *more]


def wait_for_lines(run: Path, process: "subprocess.Popen[str]", *, count: int = 1) -> None:
    until(lambda: process.poll() is not None or len(read_log(run)) >= count)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_to_all_processes_leaves_a_checkpoint(
    preset: Preset, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """As schedulers, containers and terminals send it: to the parent and to its workers at once."""
    run, file = tmp_path / "run", preset(training__log_every=1, data__workers=2, training__sample_every=0)
    long = ("--training.rate.epochs", "400")
    process = subprocess.Popen(command(file, run, *long), stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_for_lines(run, process)
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    assert checkpoints(run)
    assert read_log(run)[-1]["step"] == int(checkpoints(run)[-1].name[-8:])


@pytest.mark.parametrize(("error", "said"), [("EOFError", ""), ("ConnectionResetError", ""), ("KeyError", "KeyError")])
def test_a_parent_that_breaks_off_a_handover_is_no_error_of_the_worker(error: str, said: str) -> None:
    code = f"""
import sys
from atme.data.workers import heed_the_parent_alone
heed_the_parent_alone()
try:
    raise {error}
except BaseException:
    sys.excepthook(*sys.exc_info())  # as multiprocessing does in the thread that hands batches on
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip().rpartition("\n")[2] == said


@pytest.fixture
def read_ahead(pairs_folder: Path) -> Iterator[Iterator[object]]:
    """The batches of a loader with one worker, the first of them read."""
    dataset = PairedImages(pairs_folder)
    batches = iter(loader(dataset, Batches(len(dataset), batch_size=1, epochs=100), workers=1))
    next(batches)
    yield batches
    del batches


def workers(batches: object) -> list[int]:
    return [worker.pid for worker in batches._workers]  # type: ignore[attr-defined]


def test_a_worker_heeds_its_parent_alone(read_ahead: Iterator[object]) -> None:
    (worker,) = read_ahead._workers  # type: ignore[attr-defined]
    subprocess.run(["kill", "-TERM", str(worker.pid)], check=True)
    subprocess.run(["kill", "-INT", str(worker.pid)], check=True)
    for _ in range(5):
        next(read_ahead)
    assert worker.is_alive()
    worker.terminate()
    worker.join(timeout=60)
    assert not worker.is_alive()


def test_a_worker_ends_when_its_parent_is_killed(preset: Preset, tmp_path: Path) -> None:
    run, file = tmp_path / "run", preset(training__log_every=1, data__workers=1, training__sample_every=0)
    process = subprocess.Popen(
        command(file, run, "--training.rate.epochs", "400"), stderr=subprocess.DEVNULL, text=True
    )
    wait_for_lines(run, process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert children
    process.kill()
    process.wait()
    # would never end, were a worker to outlive its parent
    until(lambda: all(is_zombie(child) for child in children))


def is_zombie(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_worker_that_is_killed_is_one_line(read_ahead: Iterator[object]) -> None:
    """PyTorch tells of its death wherever this process is just then: within what puts it in words."""
    (worker,) = workers(read_ahead)

    def read_on() -> None:
        with workers_in_words():
            os.kill(worker, signal.SIGKILL)
            os.waitid(os.P_PID, worker, os.WEXITED | os.WNOWAIT)
            for _ in range(100):
                next(read_ahead)

    with pytest.raises(OSError, match=r"^data\.workers: a worker .*use fewer --data\.workers, or 0$"):
        read_on()


def test_a_worker_that_is_gone_while_it_hands_a_batch_on_is_one_line() -> None:
    """What comes first depends on the moment: that it is dead, or that its end of a connection is closed."""
    ours, its = multiprocessing.Pipe()
    its.close()
    with pytest.raises(OSError, match=r"^data\.workers: a worker ended unexpectedly.*or 0$"), workers_in_words():
        ours.recv()
    with pytest.raises(ConnectionResetError, match="elsewhere"), workers_in_words():
        raise ConnectionResetError("elsewhere")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            RuntimeError("unable to allocate shared memory(shm) for file </torch_1>: No space left on device (28)"),
            "--data.workers 0, or give more (docker run --shm-size 2g)",
        ),
        (
            RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that …"),
            "too little shared memory",
        ),
        (RuntimeError("DataLoader worker (pid(s) 7, 8) exited unexpectedly"), "ended unexpectedly"),
        (
            ValueError("Caught ValueError in DataLoader worker process 0.\nOriginal Traceback …\nValueError: a.png: b"),
            "a.png: b",
        ),
    ],
)
def test_what_stopped_a_worker_is_one_line(error: Exception, said: str) -> None:
    with pytest.raises((ValueError, OSError)) as found, workers_in_words():
        raise error
    assert said in str(found.value)
    assert "\n" not in str(found.value)


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="of nobody's worker"), workers_in_words():
        raise RuntimeError("of nobody's worker")


def test_batches_of_workers_lie_in_shared_memory(read_ahead: Iterator[object]) -> None:
    """Where there is too little of it, the worker itself fails and is told, and not a hidden thread of it."""
    assert next(read_ahead).source.is_shared()  # type: ignore[attr-defined]


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a small /dev/shm: needs root")
def test_too_little_shared_memory_ends_the_run_in_one_line(preset: Preset, tmp_path: Path) -> None:
    run, file = tmp_path / "run", preset(data__workers=2, data__crop_size=None, training__sample_every=0)
    train = " ".join(command(file, run))
    small = ["unshare", "-m", "bash", "-c", f"mount -t tmpfs -o size=128k tmpfs /dev/shm && exec {train}"]
    outcome = subprocess.run(small, stderr=subprocess.PIPE, text=True, check=False, timeout=120)
    if "unshare" in outcome.stderr or "mount" in outcome.stderr:
        pytest.skip(f"no namespace of its own here: {outcome.stderr.strip()}")
    assert outcome.returncode == 2
    assert outcome.stderr.splitlines()[-1].startswith("atme: data.workers: there is too little shared memory")
    assert "Traceback" not in outcome.stderr
    short = ("--training.rate.epochs", "1", "--training.rate.decay_epochs", "0")
    assert main([*command(file, tmp_path / "new", "--data.workers", "0", *short)[3:]]) == 0


class TestInterruption:
    @pytest.fixture
    def interruption(self) -> Iterator[Interruption]:
        with Interruption(Accelerator(cpu=True)) as interruption:
            yield interruption

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_it_ends_a_wait_at_once(self, interruption: Interruption, number: signal.Signals) -> None:
        def wait() -> None:
            with interruption.waiting():
                os.kill(os.getpid(), number)
                threading.Event().wait(timeout=60)

        with pytest.raises(Interrupted):
            wait()
        assert interruption.signal == number

    def test_a_signal_from_before_a_wait_ends_it_too(self, interruption: Interruption) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Interrupted), interruption.waiting():
            pytest.fail("the wait began")

    def test_it_leaves_a_step_alone(self, interruption: Interruption) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.agreed()

    def test_where_other_processes_would_wait_for_this_one_a_wait_is_left_alone(
        self, interruption: Interruption, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(type(interruption._accelerator), "num_processes", 2)
        with interruption.waiting():
            os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.signal == signal.SIGTERM


def test_an_interrupted_wait_leaves_a_checkpoint(
    preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data never come: the run ends where it is, and goes on to the same bits."""
    real = PairedImages.draw

    def never(self: PairedImages, epoch: int, index: int) -> object:
        if epoch == 1:
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(timeout=60)
            pytest.fail("the wait went on")
        return real(self, epoch, index)

    file, run, whole = preset(training__sample_every=0), tmp_path / "run", tmp_path / "whole"
    with monkeypatch.context() as patched:
        patched.setattr(PairedImages, "draw", never)
        assert main(["train", "--config", str(file), "--run.dir", str(run)]) == 130
    assert [place.name for place in checkpoints(run)] == ["step_00000004"]
    assert main(["train", "--config", str(file), "--run.dir", str(run), "--training.resume", "auto"]) == 0
    assert main(["train", "--config", str(file), "--run.dir", str(whole)]) == 0
    ours, theirs = (
        torch.load(checkpoints(each)[-1] / "optimizers.pt", weights_only=True)["generator"]["state"][0]["exp_avg"]
        for each in (run, whole)
    )
    assert np.array_equal(ours.numpy(), theirs.numpy())


def test_training_in_a_thread_leaves_signals_alone(preset: Preset, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    short = ("--training.rate.epochs", "1", "--training.rate.decay_epochs", "0")
    arguments = ["train", "--config", str(preset(data__workers=1)), "--run.dir", str(tmp_path / "run"), *short]
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(main(arguments)))
    thread.start()
    thread.join(timeout=240)
    assert codes == [0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
