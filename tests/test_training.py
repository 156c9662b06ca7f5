"""A run from start to end: what it leaves behind, and that nothing can make it end otherwise."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file
from until import until

from atme.cli import main
from atme.images import read_image, reading
from atme.run_folder import checkpoints, read_log
from atme.training.changes import flatten

Preset = Callable[..., Path]
LOGGED = {"step", "epoch", "images", "seconds", "images_per_second", "data_seconds", "lr", "d_real", "d_fake"}
LOGGED |= {"objective", "entropy", "g_gan", "g_l1"}


def train(preset: Path, run: Path, *more: str) -> int:
    return main(["train", "--config", str(preset), "--run.dir", str(run), *more])


def command(preset: Path, run: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "atme", "train", "--config", str(preset), "--run.dir", str(run), *more]


def same_bits(one: Path, other: Path) -> bool:
    """Whether two checkpoints hold the same weights, memories, averages and moments, to the last bit."""
    names = sorted(path.name for path in one.iterdir())
    assert names == sorted(path.name for path in other.iterdir())
    for name in (name for name in names if name.endswith(".safetensors")):
        ours, theirs = load_file(one / name), load_file(other / name)
        assert ours.keys() == theirs.keys()
        if not all(np.array_equal(ours[key], theirs[key]) for key in ours):
            return False
    return (one / "optimizers.pt").read_bytes() == (other / "optimizers.pt").read_bytes()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, pairs_folder: Path) -> Path:
    """A run of the tiny preset that nothing disturbed, in a process of its own as those that it is compared with."""
    from conftest import TINY

    folder = tmp_path_factory.mktemp("finished")
    options = TINY | {"data": TINY["data"] | {"root": str(pairs_folder)}}
    (folder / "preset.yaml").write_text(yaml.safe_dump(options))
    subprocess.run(command(folder / "preset.yaml", folder / "run"), check=True, stderr=subprocess.DEVNULL)
    return folder / "run"


def test_the_run_folder_is_as_promised(finished: Path) -> None:
    assert {path.name for path in finished.iterdir()} == {
        "options.yaml",
        "log.jsonl",
        "tensorboard",
        "samples",
        "checkpoints",
    }
    assert [path.name for path in checkpoints(finished)] == [f"step_{step:08d}" for step in (4, 8, 12)]
    assert {path.name for path in checkpoints(finished)[-1].iterdir()} == {
        *("generator.safetensors", "discriminator.safetensors", "scheme.safetensors"),
        *("average_generator.safetensors", "average_scheme.safetensors", "optimizers.pt", "state.json"),
    }
    assert sorted(path.name for path in (finished / "samples").iterdir()) == [
        f"epoch_{epoch:04d}.png" for epoch in (1, 2, 3)
    ]
    assert any((finished / "tensorboard").iterdir())


def test_the_log_is_as_promised(finished: Path) -> None:
    lines = read_log(finished)
    assert [line["step"] for line in lines] == [2, 4, 6, 8, 10, 12]
    assert [line["epoch"] for line in lines] == [1, 1, 2, 2, 3, 3]
    assert lines[-1]["images"] == 21
    for line in lines:
        assert line.keys() >= LOGGED
        assert line["objective"] == pytest.approx(line["d_real"] + line["d_fake"], abs=1e-5)
        assert 0 < line["entropy"] <= np.log(2) + 1e-6
    assert 1.2 < lines[0]["objective"] < 1.8
    assert lines[0]["lr"] == 2e-4
    assert 0 < lines[-1]["lr"] < lines[3]["lr"] <= 2e-4


def test_a_sample_grid_shows_every_column(finished: Path) -> None:
    picture = read_image(finished / "samples" / "epoch_0003.png")
    assert picture.shape[2] == 3
    assert picture.shape[1] > 5 * 32
    assert picture.shape[0] > 6 * 32


def test_its_options_repeat_the_run(finished: Path, tmp_path: Path) -> None:
    assert train(finished / "options.yaml", tmp_path / "again") == 0
    assert same_bits(checkpoints(finished)[-1], checkpoints(tmp_path / "again")[-1])


def test_another_seed_is_another_run(finished: Path, tmp_path: Path) -> None:
    """The control of every comparison of bits."""
    assert train(finished / "options.yaml", tmp_path / "other", "--run.seed", "1") == 0
    assert not same_bits(checkpoints(finished)[-1], checkpoints(tmp_path / "other")[-1])


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_and_started_again_it_ends_with_the_same_bits(finished: Path, tmp_path: Path, workers: int) -> None:
    run = tmp_path / "run"
    again = command(finished / "options.yaml", run, "--data.workers", str(workers), "--training.resume", "auto")
    process = subprocess.Popen(again, stderr=subprocess.DEVNULL)
    rng = np.random.default_rng(workers)
    kill_after_line = int(rng.integers(2, 5))  # beyond the first checkpoint, before the end
    deadline = time.monotonic() + 120
    until(lambda: len(_lines(run)) >= kill_after_line or process.poll() is not None or time.monotonic() > deadline)
    process.kill()
    process.wait()
    killed_at = len(checkpoints(run))
    assert subprocess.run(again, stderr=subprocess.DEVNULL, check=False).returncode == 0
    assert 0 < killed_at < 3
    assert same_bits(checkpoints(finished)[-1], checkpoints(run)[-1])
    assert [line["step"] for line in read_log(run)] == [2, 4, 6, 8, 10, 12]
    ours, theirs = read_log(run)[-1], read_log(finished)[-1]
    assert ours["objective"] == theirs["objective"]


def _lines(run: Path) -> list[str]:
    path = run / "log.jsonl"
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_it_leaves_a_checkpoint(finished: Path, tmp_path: Path, number: int, code: int) -> None:
    run = tmp_path / "run"
    more = ("--data.workers", "1", "--training.resume", "auto")
    process = subprocess.Popen(command(finished / "options.yaml", run, *more), stderr=subprocess.PIPE, text=True)
    until(lambda: len(_lines(run)) >= 1 or process.poll() is not None)
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == code, errors
    assert "go on with --training.resume auto" in errors
    assert "Traceback" not in errors
    assert checkpoints(run)
    assert train(finished / "options.yaml", run, *more) == 0
    assert same_bits(checkpoints(finished)[-1], checkpoints(run)[-1])


def test_a_signal_while_a_picture_is_decoded_is_no_fault_of_the_picture(
    preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Within a decoder everything is taken for foreign bytes, as good as."""
    run, decode = tmp_path / "run", reading._decode

    def interrupted(*arguments: Any) -> Any:
        if _lines(run):
            signal.raise_signal(signal.SIGINT)
        return decode(*arguments)

    monkeypatch.setattr(reading, "_decode", interrupted)
    assert train(preset(data__cache="none"), run) == 130
    assert capsys.readouterr().err.splitlines()[-1].startswith("interrupted at step ")
    assert checkpoints(run)


def test_only_the_last_checkpoints_are_kept(preset: Preset, tmp_path: Path) -> None:
    assert train(preset(training__keep=2), tmp_path / "run") == 0
    assert [path.name for path in checkpoints(tmp_path / "run")] == ["step_00000008", "step_00000012"]


def test_a_finished_run_has_nothing_to_go_on_with(finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (finished / "checkpoints").rglob("*")}
    assert train(finished / "options.yaml", finished, "--training.resume", "auto") == 0
    assert {path: path.stat().st_mtime_ns for path in (finished / "checkpoints").rglob("*")} == before


def test_a_run_can_be_made_longer(finished: Path, preset: Preset, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(preset(training__rate={"epochs": 1, "decay_epochs": 0}), run) == 0
    assert train(preset(), run, "--training.resume", "auto") == 0
    assert [path.name for path in checkpoints(run)][-1] == "step_00000012"


def test_a_new_run_can_start_from_a_checkpoint_of_another(finished: Path, tmp_path: Path) -> None:
    place = checkpoints(finished)[1]
    run = tmp_path / "fork"
    assert train(finished / "options.yaml", run, "--training.resume", str(place)) == 0
    assert same_bits(checkpoints(finished)[-1], checkpoints(run)[-1])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (["--generator.init_args.dim", "16"], "generator.init_args.dim"),
        (["--run.seed", "3"], "run.seed"),
        (["--training.batch_size", "3"], "training.batch_size"),
        (["--data.flip", "false"], "data.flip"),
    ],
)
def test_a_run_does_not_go_on_as_another(
    finished: Path, capsys: pytest.CaptureFixture[str], change: list[str], named: str
) -> None:
    assert train(finished / "options.yaml", finished, "--training.resume", "auto", *change) == 2
    assert named in capsys.readouterr().err


def test_accumulated_steps_resume_exactly(preset: Preset, tmp_path: Path) -> None:
    file = preset(training__batch_size=1, training__accumulate=2)
    assert train(file, tmp_path / "whole") == 0
    short = [
        "--training.rate.epochs",
        "2",
        "--training.rate.decay_epochs",
        "1",
        "--training.resume",
        str(checkpoints(tmp_path / "whole")[0]),
    ]
    assert train(file, tmp_path / "parts", *short) == 0
    assert same_bits(checkpoints(tmp_path / "whole")[-1], checkpoints(tmp_path / "parts")[-1])


def test_bf16_trains(preset: Preset, tmp_path: Path) -> None:
    assert train(preset(training__precision="bf16"), tmp_path / "run") == 0
    weights = load_file(checkpoints(tmp_path / "run")[-1] / "generator.safetensors")
    assert all(value.dtype == np.float32 for value in weights.values())


def test_two_processes_share_one_memory_and_one_game(preset: Preset, tmp_path: Path) -> None:
    """Two processes that share a batch play the game of one, but for rounding; and one goes on with it."""
    whole = tmp_path / "whole"
    one_epoch = {"training__rate": {"epochs": 1, "decay_epochs": 0}, "data__train_split": "eight"}
    alone = preset(**one_epoch, training__batch_size=2, noise__init_args={"initial": "equilibrium"})
    assert train(alone, whole) == 0
    run = tmp_path / "both"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    outcome = subprocess.run(
        command(alone, run, "--processes", "auto"), env=environment, capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stderr.count("trained to step") == 1, "one speaks for all"
    assert "2 processes" in outcome.stderr
    ours, theirs = read_log(run), read_log(whole)
    assert [line["step"] for line in ours] == [line["step"] for line in theirs]
    for name in ("objective", "g_l1", "entropy"):
        assert ours[0][name] == pytest.approx(theirs[0][name], rel=1e-3)
    memories = [load_file(checkpoints(where)[-1] / "scheme.safetensors") for where in (run, whole)]
    np.testing.assert_allclose(memories[0]["decisions"], memories[1]["decisions"], atol=0.05)
    longer = ("--training.rate.epochs", "2", "--training.resume", "auto")
    assert train(run / "options.yaml", run, *longer) == 0
    assert train(alone, whole, *longer) == 0
    assert read_log(run)[-1]["g_l1"] == pytest.approx(read_log(whole)[-1]["g_l1"], rel=0.05)


def test_images_weigh_the_same_in_unequal_parts_of_a_batch(preset: Preset, tmp_path: Path) -> None:
    """Of eight images in batches of three, two processes have two and one: the updates are those of one process."""
    file = preset(
        data__train_split="eight",
        training__rate={"epochs": 1, "decay_epochs": 0},
        training__batch_size=3,
        model={"class_path": "atme.Regression"},
        noise={"class_path": "atme.Identity"},
        optimizers__generator={"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}},
    )
    assert train(file, tmp_path / "whole") == 0
    shared = command(file, tmp_path / "shared", "--processes", "auto")
    subprocess.run(shared, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=True)
    ours, theirs = (load_file(checkpoints(tmp_path / run)[-1] / "generator.safetensors") for run in ("shared", "whole"))
    for key, value in theirs.items():
        np.testing.assert_allclose(ours[key], value, atol=2e-6, err_msg=key)


def test_losses_that_are_not_finite_end_the_run(
    preset: Preset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    diverging = {"class_path": "torch.optim.SGD", "init_args": {"lr": 1e30}}
    assert train(preset(optimizers__generator=diverging), tmp_path / "run") == 2
    errors = capsys.readouterr().err
    assert "diverged; choose a new --run.dir, and lower the learning rate" in errors
    assert "nan" in errors or "inf" in errors


def test_json_lines_are_json(finished: Path) -> None:
    """Also for readers that know no NaN and no Infinity, which JSON has not."""
    text = (finished / "log.jsonl").read_text()
    lines = [json.loads(line, parse_constant=lambda constant: constant) for line in text.splitlines()]
    assert len(lines) == 6
    assert not {"NaN", "Infinity", "-Infinity"} & {value for line in lines for value in line.values()}


def test_options_by_dotted_keys() -> None:
    """So that what a changed option is called, and what differs between runs, is the option and not its section."""
    nested = {"noise": {"schemes": [{"seed": 1}, {"seed": 2}], "widths": [1, 2], "empty": {}}}
    flat = {"noise.schemes.0.seed": 1, "noise.schemes.1.seed": 2, "noise.widths": [1, 2], "noise.empty": {}}
    assert flatten(nested) == flat
