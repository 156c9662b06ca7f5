"""Several seeds of one training, side by side: each what it would be alone, and interrupted together."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from test_training import command, same_bits, train

from atme.cli.seeds import Seeds, taken_from
from atme.run_folder import checkpoints, read_options

Preset = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("one_thread")
ONE_EPOCH = ("--training.rate.epochs", "1", "--training.rate.decay_epochs", "0")


def test_each_is_what_it_would_be_alone(preset: Preset, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert train(preset(), tmp_path / "run", *ONE_EPOCH, "--seeds", "0,7", "--jobs=2") == 0
    said = capfd.readouterr().err
    assert "seed 0: trained to step 4" in said
    assert "seed 7: trained to step 4" in said
    assert f"atme compare {tmp_path}/run_0 {tmp_path}/run_7 --output {tmp_path}/run_compared" in said
    assert read_options(tmp_path / "run_7")["run"] == {"dir": str(tmp_path / "run_7"), "seed": 7}
    subprocess.run(command(preset(), tmp_path / "alone", *ONE_EPOCH, "--run.seed", "7"), check=True)
    assert same_bits(checkpoints(tmp_path / "alone")[-1], checkpoints(tmp_path / "run_7")[-1])
    assert not same_bits(checkpoints(tmp_path / "alone")[-1], checkpoints(tmp_path / "run_0")[-1])


def test_what_stops_one_does_not_stop_the_others(
    preset: Preset, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run_0").mkdir()
    (tmp_path / "run_0" / "theirs").touch()
    assert train(preset(), tmp_path / "run", *ONE_EPOCH, "--seeds", "0,1", "--jobs", "1") == 2
    said = capfd.readouterr().err.splitlines()
    assert said[0].startswith(f"seed 0: atme: {tmp_path}/run_0: ")
    assert said[-1] == "1 of 2 did not end well: seed 0; see above"
    assert checkpoints(tmp_path / "run_1")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_all_are_interrupted_together(preset: Preset, tmp_path: Path, number: int, code: int) -> None:
    long = ("--training.rate.epochs", "5000", "--seeds", "0,1,2", "--jobs", "2")
    started = command(preset(), tmp_path / "run", *long)
    with subprocess.Popen(started, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        begun: set[str] = set()
        while len(begun) < 2:  # both have made an epoch
            line = process.stderr.readline()
            assert line, "it ended"
            begun |= {line.partition(":")[0]} if ": epoch 1 " in line else set()
        process.send_signal(number)
        said = process.stderr.read()
    assert process.returncode == code, said
    assert "interrupted; --training.resume auto goes on with" in said
    assert checkpoints(tmp_path / "run_0")
    assert checkpoints(tmp_path / "run_1")
    assert not (tmp_path / "run_2").exists()


def test_a_command_that_is_killed_leaves_no_orphan(preset: Preset, tmp_path: Path) -> None:
    started = command(preset(), tmp_path / "run", "--training.rate.epochs", "5000", "--seeds", "0")
    with subprocess.Popen(started, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while ": epoch 2 " not in (line := process.stderr.readline()):
            assert line, "it ended"
        (child,) = psutil.Process(process.pid).children()
        process.kill()
        child.wait(timeout=120)
    assert checkpoints(tmp_path / "run_0")


def test_a_launcher_has_one_run(
    preset: Preset, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert train(preset(), tmp_path / "run", "--seeds", "0,1") == 2
    assert "--seeds: a launcher's processes are one run" in capsys.readouterr().err


def test_other_words_stay_in_their_order() -> None:
    words = ["--config", "a", "--seeds=[3,4]", "--run.seed", "1"]
    assert taken_from(words) == (Seeds((3, 4), None), ["--config", "a", "--run.seed", "1"])
    assert taken_from(words[:2]) == (None, words[:2])
