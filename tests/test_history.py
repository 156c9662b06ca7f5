"""The history of the tracked images: what is recorded, that it survives, and that it leaves the run alone."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from until import until

from atme.cli import main
from atme.history import Recording, Writer, read
from atme.networks import PatchGAN
from atme.noise import Brownian, Game
from atme.run_folder import checkpoints, read_log

Preset = Callable[..., Path]


def train(preset: Path, run: Path, *more: str) -> int:
    return main(["train", "--config", str(preset), "--run.dir", str(run), *more])


def arrays(recording: Recording) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(recording.decisions[:]), np.asarray(recording.maps[:])


def same(one: Path, other: Path) -> bool:
    ours, theirs = read(one), read(other)
    assert ours.keys() == theirs.keys()
    return all(
        ours[kind].images == theirs[kind].images
        and all(
            np.array_equal(a, b, equal_nan=True) for a, b in zip(arrays(ours[kind]), arrays(theirs[kind]), strict=True)
        )
        for kind in ours
    )


@pytest.fixture
def run(preset: Preset, tmp_path: Path) -> Path:
    assert train(preset(history={"images": 3}), tmp_path / "run") == 0
    return tmp_path / "run"


def test_both_recordings_are_whole(run: Path) -> None:
    found = read(run)
    assert found.keys() == {"training", "fixed"}
    for recording in found.values():
        decisions, maps = arrays(recording)
        assert recording.epochs.tolist() == [1, 2, 3]
        assert len(set(recording.images)) == 3
        assert decisions.shape == (3, 3, 6, 6)
        assert maps.shape == (3, 3, 32, 32)
        assert decisions.dtype == maps.dtype == np.float32
        assert np.isfinite(decisions).all()
        assert (np.abs(maps) < 1).all()
        assert recording.decisions.chunks[0] == 1


def test_the_training_recording_is_what_the_memory_holds(run: Path, preset: Preset) -> None:
    """After the last epoch, each image's memory is the last verdict recorded of it."""
    recording = read(run)["training"]
    memory = load_file(checkpoints(run)[-1] / "scheme.safetensors")["decisions"]
    names = [f"train_{i}" for i in range(7)]
    for slot, name in enumerate(recording.images):
        assert np.array_equal(recording.decisions[-1][slot], memory[names.index(name), 0])


def test_recording_changes_no_bit_of_the_run(run: Path, preset: Preset, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    assert train(preset(), plain) == 0
    for name in ("generator", "discriminator", "scheme"):
        with_history = load_file(checkpoints(run)[-1] / f"{name}.safetensors")
        without = load_file(checkpoints(plain)[-1] / f"{name}.safetensors")
        assert all(np.array_equal(with_history[key], without[key]) for key in without)
    assert [line["objective"] for line in read_log(run)] == [line["objective"] for line in read_log(plain)]


def test_of_frozen_networks_the_fixed_recording_is_constant(preset: Preset, tmp_path: Path) -> None:
    still = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.0}}
    frozen = preset(history={"images": 2}, optimizers={"generator": still, "discriminator": still})
    assert train(frozen, tmp_path / "run") == 0
    found = read(tmp_path / "run")
    for rows in arrays(found["fixed"]):
        assert np.array_equal(rows[0], rows[1])
        assert np.array_equal(rows[0], rows[2])
    moving = arrays(found["training"])[0]  # crops move, and with them the verdicts
    assert not np.array_equal(moving[0], moving[1])


def test_w_of_an_epoch_is_made_from_the_verdict_of_the_one_before(preset: Preset, tmp_path: Path) -> None:
    still = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.0}}
    plain = {"class_path": "atme.DecisionMemory", "init_args": {"align": False}}
    frozen = preset(history={"images": 7}, optimizers={"generator": still, "discriminator": still}, noise=plain)
    assert train(frozen, tmp_path / "run") == 0
    import torch

    from atme.inference import Translator

    scheme = Translator.from_run(tmp_path / "run", weights="last").networks.scheme
    recording = read(tmp_path / "run")["training"]
    decisions, maps = arrays(recording)
    with torch.no_grad():
        w = scheme.network(torch.from_numpy(decisions[0])[:, None], size=(32, 32))[:, 0]
    np.testing.assert_allclose(maps[1], w.numpy(), atol=1e-6)


def test_killed_and_started_again_the_history_has_the_same_bits(preset: Preset, tmp_path: Path) -> None:
    whole, again = tmp_path / "whole", tmp_path / "again"
    file = str(preset(history={"images": 3}))
    arguments = ["train", "--config", file, "--run.dir", str(again), "--training.resume", "auto"]
    command = [sys.executable, "-m", "atme", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    until(lambda: len(read_log(again)) >= 3 or process.poll() is not None or time.monotonic() > deadline)
    process.kill()
    process.wait()
    assert 0 < len(checkpoints(again)) < 3
    assert subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0
    assert train(Path(file), whole) == 0
    assert same(whole, again)


def test_a_run_that_is_interrupted_within_an_epoch_loses_no_visit(
    run: Path, preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from atme.training.interruption import Interruption

    asked = iter(range(100))

    def after_six_steps(self: Interruption) -> bool:
        self.signal = 2 if next(asked) == 6 else None
        return self.signal is not None

    file, again = preset(history={"images": 3}), tmp_path / "again"
    with monkeypatch.context() as patched:
        patched.setattr(Interruption, "agreed", after_six_steps)
        assert train(file, again) == 130
    assert checkpoints(again)[-1].name == "step_00000006"
    assert train(file, again, "--training.resume", "auto") == 0
    assert same(run, again)


def test_names_choose_the_images(preset: Preset, tmp_path: Path) -> None:
    assert train(preset(history={"images": ["train_5", "train_2"], "training": False}), tmp_path / "run") == 0
    found = read(tmp_path / "run")
    assert found.keys() == {"fixed"}
    assert found["fixed"].images == ("train_5", "train_2")


def test_a_noise_that_no_verdict_makes_is_recorded_as_it_was_read(preset: Preset, tmp_path: Path) -> None:
    """The control experiment: W of `Brownian` is the same in both recordings, and the one that its seed draws."""
    noise = {"class_path": "atme.Brownian", "init_args": {"step": 0.1}}
    assert train(preset(history={"images": 2}, noise=noise), tmp_path / "run") == 0
    found = read(tmp_path / "run")
    (_, training), (_, fixed) = (arrays(found[kind]) for kind in ("training", "fixed"))
    assert np.array_equal(training, fixed)
    judge = PatchGAN(3, 3, layers=2, dim=4)
    scheme = Brownian(Game(7, (32, 32), 2, judge.verdict_shape, judge.verdict_stride), step=0.1)
    for slot, name in enumerate(found["fixed"].images):
        path = torch.from_numpy(scheme.path(int(name.removeprefix("train_")), 3))[:, None]
        expected = torch.nn.functional.interpolate(path, size=(32, 32), mode="bilinear")
        assert np.array_equal(fixed[:, slot], expected[:, 0].numpy())


@pytest.mark.parametrize(
    ("history", "noise", "named"),
    [
        ({"images": 8}, "atme.DecisionMemory", "8 of 7"),
        ({"images": ["train_9"]}, "atme.DecisionMemory", "train_9"),
        ({"images": 2}, "atme.Identity", "no map W"),
        ({"images": 2}, "atme.Diffusion", "no map W"),
    ],
)
def test_what_cannot_be_tracked_is_refused(
    preset: Preset,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    history: dict[str, object],
    noise: str,
    named: str,
) -> None:
    assert train(preset(history=history, noise={"class_path": noise}), tmp_path / "run") == 2
    assert named in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_half_precision_is_that_of_w_alone(tmp_path: Path) -> None:
    writer = Writer(tmp_path, "training", images=("a",), precision="float16")
    writer.write(1, np.full((1, 2, 2), 0.123456, np.float32), np.full((1, 4, 4), 0.123456, np.float32))
    recording = read(tmp_path)["training"]
    assert recording.decisions.dtype == np.float32
    assert recording.maps.dtype == np.float16


def test_a_history_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no history; train with --history\.images"):
        read(tmp_path)
    (tmp_path / "history.zarr" / "fixed").mkdir(parents=True)
    with pytest.raises(ValueError, match="cannot be read"):
        read(tmp_path)


def test_other_images_are_not_mixed_in(tmp_path: Path) -> None:
    Writer(tmp_path, "fixed", images=("a",), precision="float32")
    with pytest.raises(ValueError, match="history of other images"):
        Writer(tmp_path, "fixed", images=("b",), precision="float32")
