"""What a run recorded is cut to the step from which it goes on; and no failure removes what was done."""

import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from conftest import smooth
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from atme import history
from atme.cli import main
from atme.data import PairedImages
from atme.history import Writer, read
from atme.images import read_image, write_image
from atme.run_folder import checkpoints, read_log
from atme.training import curves

Preset = Callable[..., Path]


def train(preset: Path, run: Path, *more: str) -> int:
    return main(["train", "--config", str(preset), "--run.dir", str(run), *more])


def drawn(run: Path, name: str = "g_l1") -> list[int]:
    """The steps of a curve, from every event file, whatever TensorBoard would make of them."""
    found: list[int] = []
    for path in (run / curves.FOLDER).iterdir():
        accumulator = EventAccumulator(str(path))
        accumulator.Reload()
        if name in accumulator.Tags()["scalars"]:
            found += [event.step for event in accumulator.Scalars(name)]
    return sorted(found)


@pytest.mark.parametrize("survives", [0, 1])
def test_all_that_a_killed_process_recorded_after_its_last_checkpoint_goes(
    preset: Preset, tmp_path: Path, survives: int
) -> None:
    """As if the process had been killed after its third epoch, with a checkpoint of the first, or with none."""
    file, run = preset(training__log_every=1, history={"images": 2}), tmp_path / "run"
    assert train(file, run) == 0
    before = {name: np.asarray(each.decisions[:]) for name, each in read(run).items()}
    for place in checkpoints(run)[survives:]:
        shutil.rmtree(place)
    shorter = ("--training.rate.epochs", "2", "--training.rate.decay_epochs", "0", "--training.resume", "auto")
    assert train(file, run, *shorter) == 0
    assert [line["step"] for line in read_log(run)] == list(range(1, 9))
    assert drawn(run) == list(range(1, 9))
    assert sorted(path.name for path in (run / "samples").iterdir()) == ["epoch_0001.png", "epoch_0002.png"]
    for name, recording in read(run).items():
        assert recording.epochs.tolist() == [1, 2]
        np.testing.assert_array_equal(recording.decisions[:], before[name][:2])


def test_of_an_epoch_under_way_the_visits_of_the_run_stay(tmp_path: Path) -> None:
    """The killed process saw all three images again; by the checkpoint the run had seen b."""
    for kind in ("training", "fixed"):
        writer = Writer(tmp_path, kind, images=("a", "b", "c"), precision="float32")
        writer.write_before(np.zeros((3, 2, 2), np.float32))
        for epoch in (1, 2, 3):
            writer.write(epoch, np.full((3, 2, 2), epoch, np.float32), np.full((3, 4, 4), 0.1 * epoch, np.float32))
    history.cut(tmp_path, epochs=1, visited={"b"})
    found = read(tmp_path)
    assert found["fixed"].epochs.tolist() == [1]
    assert found["training"].epochs.tolist() == [1, 2]
    last = found["training"].decisions[1]
    assert np.isnan(last[[0, 2]]).all()
    assert (last[1] == 2).all()
    history.cut(tmp_path, epochs=0)
    assert not (tmp_path / history.FOLDER).exists()


def test_curves_are_cut_also_in_a_file_that_a_kill_cut_off(tmp_path: Path) -> None:
    board = SummaryWriter(str(tmp_path / curves.FOLDER))
    for step in range(1, 8):
        board.add_scalar("g_l1", 0.5, step)
        board.add_image("samples", np.zeros((3, 4, 4), np.uint8), step)
    board.close()
    (path,) = (tmp_path / curves.FOLDER).iterdir()
    path.write_bytes(path.read_bytes()[:-7])
    curves.cut(tmp_path, step=3)
    assert drawn(tmp_path) == [1, 2, 3]
    content = path.read_bytes()
    curves.cut(tmp_path, step=3)
    assert path.read_bytes() == content
    curves.cut(tmp_path, step=0)
    assert not path.exists()


def write_odd(root: Path, *, channels: int = 3) -> Path:
    """Training pairs of 40×48, test pairs whose sides are multiples of nothing."""
    rng = np.random.default_rng(0)
    for split, count, size in (("train", 4, (40, 48)), ("test", 2, (37, 51))):
        (root / split).mkdir(parents=True)
        for i in range(count):
            a = smooth(rng, *size)[:, :, : channels if split == "test" else 3]
            write_image(root / split / f"{split}_{i}.png", np.concatenate([a, 255 - a], axis=1))
    return root


@pytest.mark.parametrize("translate_with", ["equilibrium", "refine"])
def test_sample_grids_show_pictures_of_any_size(preset: Preset, tmp_path: Path, translate_with: str) -> None:
    short, root = {"epochs": 1, "decay_epochs": 0}, str(write_odd(tmp_path / "odd"))
    noise = {"class_path": "atme.DecisionMemory", "init_args": {"translate_with": translate_with}}
    file = preset(data__root=root, training__rate=short, noise=noise)
    assert train(file, tmp_path / "run") == 0
    assert read_image(tmp_path / "run" / "samples" / "epoch_0001.png").shape[2] == 3
    assert main(["evaluate", str(tmp_path / "run")]) == 0


@pytest.mark.parametrize(("epochs", "stopped", "grids"), [(3, False, (2, 3)), (3, True, (2,))])
def test_the_last_grid_is_of_the_end(
    preset: Preset, tmp_path: Path, epochs: int, stopped: bool, grids: tuple[int, ...]
) -> None:
    """Also where the last epoch is none of those that have one; of a run that ends early, too."""
    every = 4 if stopped else 2
    file = preset(training__rate={"epochs": epochs, "decay_epochs": 0}, training__sample_every=every)
    looks = ["--data.validation_split", "test", "--training.evaluate_every", "1", "--training.keep_best", "l1"]
    looks += ["--training.stop_after", "1", "--training.least_gain", "9"]
    run = tmp_path / "run"
    assert train(file, run, *(looks if stopped else [])) == 0
    found = sorted(path.name for path in (run / "samples").iterdir())
    assert found == [f"epoch_{epoch:04d}.png" for epoch in grids]


def refused_before_the_folder(preset: Path, run: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    capsys.readouterr()
    assert train(preset, run, *more) == 2
    assert not run.exists()
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1, errors
    return errors


def test_a_test_split_of_other_channels_is_refused_before_the_first_step(
    preset: Preset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_odd(tmp_path / "mixed", channels=1)
    file = preset(data__root=str(root), training__sample_every=0)
    line = refused_before_the_folder(file, tmp_path / "run", capsys)
    assert "test_0.png" in line
    assert "channels" in line


def test_a_test_picture_that_no_grid_can_show_is_refused_before_the_first_step(
    preset: Preset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that the discriminator, whose verdicts make W, sees nothing of; and both remedies."""
    root = write_odd(tmp_path / "tiny")
    write_image(root / "test" / "test_0.png", np.zeros((3, 6, 3), np.uint8))
    file, run = preset(data__root=str(root)), tmp_path / "run"
    line = refused_before_the_folder(file, run, capsys)
    assert "test_0 cannot be translated" in line
    short = ("--training.rate.epochs", "1", "--training.rate.decay_epochs", "0")
    assert train(file, tmp_path / "larger", *short, "--data.test_size", "32") == 0
    assert train(file, tmp_path / "none", *short, "--training.sample_every", "0") == 0


@pytest.mark.parametrize("what", ["atme.training.samples.Samples.draw", "atme.training.checkpoint._write"])
def test_no_failure_after_the_first_update_removes_a_folder(
    preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Neither of the user's kind nor of ours."""

    def fail(*anything: object, **more: object) -> None:
        raise RuntimeError("a failure of any kind")

    file, run = preset(training__log_every=1), tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(what, fail)
        with pytest.raises(RuntimeError) if "draw" in what else nullcontext():
            assert train(file, run) == 2
    assert len(read_log(run)) == 4
    assert (run / "options.yaml").exists()
    assert train(file, run, "--training.resume", "auto") == 0
    assert [line["step"] for line in read_log(run)] == list(range(1, 13))


def test_a_failure_before_the_first_update_leaves_no_folder_or_the_one_that_was_there(
    preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, run = preset(), tmp_path / "run"

    def fail(self: PairedImages, epoch: int, index: int) -> None:
        raise ValueError("train_0.png: damaged; copy it again")

    with monkeypatch.context() as patched:
        patched.setattr(PairedImages, "draw", fail)
        assert train(file, run) == 2
    assert not run.exists()
    assert train(file, run) == 0
    for place in checkpoints(run):
        shutil.rmtree(place)
    lines = read_log(run)
    with monkeypatch.context() as patched:
        patched.setattr(PairedImages, "draw", fail)
        assert train(file, run, "--training.resume", "auto") == 2
    assert read_log(run) == lines
