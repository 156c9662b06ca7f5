"""Scores in the loop: what is looked at, that no bit of the training depends on it, and which checkpoint is kept."""

import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import DEVICE, TINY, smooth
from safetensors.numpy import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from atme.cli import main
from atme.data import PairedImages
from atme.images import read_image, write_image
from atme.inference import Translator, evaluate
from atme.run_folder import best, checkpoints, find_run, read_log, read_state
from atme.training.state import State
from atme.training.validation import Validation

TIMES = {"seconds", "images_per_second", "data_seconds"}
LOOKS = ("--training.evaluate_every", "1", "--training.keep_best", "l1")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven pairs to train on, four to test, and five to look at, one of them of a size of its own."""
    root, rng = tmp_path_factory.mktemp("looked_at"), np.random.default_rng(1)
    for split, count in (("train", 7), ("test", 4), ("val", 5)):
        (root / split).mkdir()
        for i in range(count):
            a = smooth(rng, 40 + 3 * (i == 1), 48)
            write_image(root / split / f"{split}_{i}.png", np.concatenate([a, 255 - a], axis=1))
    return root


@pytest.fixture
def preset(data: Path, tmp_path: Path) -> Path:
    options = TINY | {"data": TINY["data"] | {"root": str(data)}}
    options["training"] = TINY["training"] | {"sample_every": 0}
    (tmp_path / "preset.yaml").write_text(yaml.safe_dump(options))
    return tmp_path / "preset.yaml"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """A run of three epochs that was looked at after each."""
    folder = tmp_path_factory.mktemp("finished")
    options = TINY | {"data": TINY["data"] | {"root": str(data)}}
    options["training"] = TINY["training"] | {"sample_every": 0}
    (folder / "preset.yaml").write_text(yaml.safe_dump(options))
    assert train(folder / "preset.yaml", folder / "run", *LOOKS, "--training.evaluate_scores", "l1,psnr,ssim,swd") == 0
    return folder / "run"


def train(preset: Path, run: Path, *more: str) -> int:
    return main(["train", "--config", str(preset), "--run.dir", str(run), *more])


def numbers(run: Path) -> list[dict]:
    """The log without what depends on the clock."""
    return [{key: value for key, value in line.items() if key not in TIMES} for line in read_log(run)]


def curve(run: Path, name: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def steps(run: Path) -> list[int]:
    return [read_state(place)["step"] for place in checkpoints(run)]


def assert_same_run(one: Path, other: Path) -> None:
    """Log, curves, checkpoints and what is known of the best are the same, to the last bit."""
    assert numbers(one) == numbers(other)
    assert curve(one, "val_l1") == curve(other, "val_l1")
    assert steps(one) == steps(other)
    for ours, theirs in zip(checkpoints(one), checkpoints(other), strict=True):
        for path in sorted(ours.glob("*.safetensors")):
            here, there = load_file(path), load_file(theirs / path.name)
            assert all(np.array_equal(here[key], there[key]) for key in here), path
        assert (ours / "optimizers.pt").read_bytes() == (theirs / "optimizers.pt").read_bytes()
        assert read_state(ours) == read_state(theirs)


def scripted(monkeypatch: pytest.MonkeyPatch, *scores: float) -> None:
    """What each look finds."""
    rest = iter(scores)
    monkeypatch.setattr(Validation, "_look", lambda self, state, given_up: dict.fromkeys(self.metrics, next(rest)))


def test_no_bit_of_the_training_depends_on_looks(finished: Path, preset: Path, tmp_path: Path) -> None:
    assert train(preset, tmp_path / "run") == 0
    for ours, theirs in zip(checkpoints(finished), checkpoints(tmp_path / "run"), strict=True):
        for path in sorted(ours.glob("*.safetensors")):
            here, there = load_file(path), load_file(theirs / path.name)
            assert all(np.array_equal(here[key], there[key]) for key in here), path
        assert (ours / "optimizers.pt").read_bytes() == (theirs / "optimizers.pt").read_bytes()
    of_looks = ("val_", "pairs.one_color_unseen")
    plain = [{key: value for key, value in line.items() if not key.startswith(of_looks)} for line in numbers(finished)]
    assert plain == numbers(tmp_path / "run")


def test_scores_are_those_of_an_evaluation(finished: Path, data: Path) -> None:
    """Of the averaged weights, whole pictures of any size, rounded as files are."""
    lines = {line["step"]: line for line in read_log(finished) if "val_l1" in line}
    assert sorted(lines) == [4, 8, 12]
    pairs = PairedImages(data, split="val")
    for place in checkpoints(finished):
        found = evaluate(Translator.from_run(place, device=DEVICE), pairs, None)
        line = lines[read_state(place)["step"]]
        for name, value in found.summary().items():
            if f"val_{name}" in line:
                assert line[f"val_{name}"] == pytest.approx(value, rel=1e-4), name
    last = evaluate(Translator.from_run(finished, weights="last", device="cpu"), pairs, None)
    assert last.summary()["l1"] != pytest.approx(lines[12]["val_l1"], rel=1e-4)  # control


def test_scores_are_curves(finished: Path) -> None:
    logged = [(line["step"], line["val_swd"]) for line in read_log(finished) if "val_swd" in line]
    assert curve(finished, "val_swd") == [(step, pytest.approx(value)) for step, value in logged]


def test_the_last_line_names_the_best(
    preset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted(monkeypatch, 0.5, 0.25, 0.375)
    assert train(preset, tmp_path / "run", *LOOKS) == 0
    (last,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("trained to step"))
    assert last.endswith(f"; best l1 of split val 0.2500 at step 8: {tmp_path / 'run' / 'checkpoints' / 'best'}")
    assert best(tmp_path / "run").name == "step_00000008"


def test_the_best_checkpoint_stays_and_has_a_name(
    preset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, picture = tmp_path / "run", tmp_path / "picture.png"
    write_image(picture, smooth(np.random.default_rng(2), 32, 32))
    scripted(monkeypatch, 0.25, 0.5, 0.375)
    assert train(preset, run, *LOOKS, "--training.keep", "1") == 0
    assert steps(run) == [4, 12]
    named = run / "checkpoints" / "best"
    assert main(["translate", str(named), str(picture), str(tmp_path / "named.png")]) == 0
    assert main(["translate", str(checkpoints(run)[0]), str(picture), str(tmp_path / "that.png")]) == 0
    assert main(["translate", str(run), str(picture), str(tmp_path / "last.png")]) == 0
    assert np.array_equal(read_image(tmp_path / "named.png"), read_image(tmp_path / "that.png"))
    assert not np.array_equal(read_image(tmp_path / "named.png"), read_image(tmp_path / "last.png"))
    assert Translator.from_pretrained(named).source.step == 4
    assert Translator.from_run(run / "checkpoints" / "last").source.step == 12
    assert main(["evaluate", str(named), "--split", "val"]) == 0
    assert (run / "evaluation" / "step_00000004" / "val.json").is_file()
    assert main(["compare", str(named), str(run / "checkpoints" / "last"), "--output", str(tmp_path / "page")]) == 0
    assert train(preset, tmp_path / "tuned", "--training.start_from", str(named)) == 0
    capsys.readouterr()
    assert train(preset, tmp_path / "branch", "--training.resume", str(named)) == 0
    assert f"goes on from step 4 of {checkpoints(run)[0]}" in capsys.readouterr().err
    assert yaml.safe_load((tmp_path / "branch" / "options.yaml").read_text())["training"]["resume"] == str(
        checkpoints(run)[0]
    )


def test_a_name_that_stands_for_nothing_is_refused_in_a_line(
    preset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(preset, tmp_path / "run", "--training.keep", "1") == 0
    capsys.readouterr()
    place = str(tmp_path / "run" / "checkpoints" / "best")
    assert main(["evaluate", place]) == 2
    errors = capsys.readouterr().err
    assert "none was kept as the best; train with --training.keep_best, or give one of step_00000012" in errors
    assert errors.count("\n") == 1
    assert main(["evaluate", str(tmp_path / "nowhere" / "checkpoints" / "best")]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_a_better_look_between_checkpoints_gets_one(
    preset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, 0.25, 0.5, 0.375)
    assert train(preset, tmp_path / "run", *LOOKS, "--training.checkpoint_every", "3") == 0
    assert steps(tmp_path / "run") == [4, 12]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_scores_that_are_no_numbers_are_never_the_best(
    preset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: float
) -> None:
    run = tmp_path / "run"
    scripted(monkeypatch, bad, 0.5, bad)
    assert train(preset, run, *LOOKS) == 0
    assert best(run).name == "step_00000008"
    text = (run / "log.jsonl").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert [line["val_l1"] for line in read_log(run) if "val_l1" in line] == [None, 0.5, None]


def test_a_translation_that_is_not_finite_has_no_score(
    preset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from atme.training import validation

    def burst(*args: object, **kwargs: object) -> tuple[None, torch.Tensor]:
        return None, torch.full((1, 3, 40, 48), math.nan)

    monkeypatch.setattr(validation, "translate", burst)
    assert train(preset, tmp_path / "run", *LOOKS) == 0
    assert {line["val_l1"] for line in read_log(tmp_path / "run") if "val_l1" in line} == {None}
    assert read_state(checkpoints(tmp_path / "run")[-1])["search"]["best"] is None


class TestEarlyStop:
    STOP = (*LOOKS, "--training.rate.epochs", "5", "--training.stop_after", "2")
    SCORES = (0.5, 0.4, 0.45, 0.41, 0.3, 0.2)

    def test_a_run_ends_after_looks_without_a_better_score(
        self, preset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run = tmp_path / "run"
        scripted(monkeypatch, *self.SCORES)
        assert train(preset, run, *self.STOP) == 0
        assert f"stopped early at step 16; results in {run}; best l1" in capsys.readouterr().err
        assert best(run).name == "step_00000008"
        assert train(preset, run, *self.STOP, "--training.resume", "auto") == 0  # nothing is left
        assert steps(run)[-1] == 16
        scripted(monkeypatch, *self.SCORES[4:])
        assert train(preset, run, *self.STOP, "--training.stop_after", "3", "--training.resume", "auto") == 0
        assert (steps(run)[-1], best(run).name) == (24, "step_00000024")

    def test_what_was_killed_between_stops_at_the_same_step(
        self, preset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole, parts = tmp_path / "whole", tmp_path / "parts"
        scripted(monkeypatch, *self.SCORES)
        assert train(preset, whole, *self.STOP) == 0
        scripted(monkeypatch, *self.SCORES)
        with monkeypatch.context() as patched:
            interrupt_after(patched, step=13)
            assert train(preset, parts, *self.STOP) == 130
        assert train(preset, parts, *self.STOP, "--training.resume", "auto") == 0
        assert steps(parts)[-1] == 16
        states = [read_state(checkpoints(run)[-1])["search"] for run in (whole, parts)]
        assert states[0] == states[1]

    def test_the_least_gain_counts(self, preset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        scripted(monkeypatch, *self.SCORES)
        assert train(preset, tmp_path / "run", *self.STOP, "--training.least_gain", "0.15") == 0
        assert steps(tmp_path / "run")[-1] == 12  # 0.4 is the best, and no gain of 0.15
        assert best(tmp_path / "run").name == "step_00000008"


def interrupt_after(monkeypatch: pytest.MonkeyPatch, *, step: int) -> None:
    real = State.finish_step

    def finish(self: State) -> None:
        real(self)
        if self.step == step:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(State, "finish_step", finish)


class TestInterruption:
    """In the midst of a look: nothing of it stays, and it is done when the run goes on."""

    @pytest.fixture
    def interrupted(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
        """Interrupt the look after so many updates, at its third picture."""

        def at(step: int) -> None:
            real, answers = PairedImages.__getitem__, Validation._look

            def look(self: Validation, state: State, given_up: Callable[[], bool]) -> object:
                seen: list[int] = []

                def read(pairs: PairedImages, key: int) -> object:
                    seen.append(key)
                    if len(seen) == 3 and state.step == step:
                        os.kill(os.getpid(), signal.SIGTERM)
                    return real(pairs, key)

                with monkeypatch.context() as patched:
                    patched.setattr(PairedImages, "__getitem__", read)
                    found = answers(self, state, given_up)
                assert (found is None) == (state.step == step)
                assert len(seen) == (3 if found is None else 5)
                assert state.bare.generator.training
                return found

            monkeypatch.setattr(Validation, "_look", look)

        return at

    @pytest.mark.parametrize("step", [8, 12])  # between, and at the end
    def test_it_ends_cleanly_and_goes_on_to_the_same_run(
        self,
        finished: Path,
        preset: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        interrupted: Callable[[int], None],
        step: int,
    ) -> None:
        asked = (*LOOKS, "--training.evaluate_scores", "l1,psnr,ssim,swd")
        with monkeypatch.context():
            interrupted(step)
            assert train(preset, tmp_path / "run", *asked) == 143
        monkeypatch.undo()
        assert steps(tmp_path / "run")[-1] == step
        assert read_state(checkpoints(tmp_path / "run")[-1])["search"]["looked"] == step - 4
        assert train(preset, tmp_path / "run", *asked, "--training.resume", "auto") == 0
        assert_same_run(tmp_path / "run", finished)

    def test_a_run_that_was_killed_goes_on_to_the_same_run(self, finished: Path, preset: Path, tmp_path: Path) -> None:
        asked = (*LOOKS, "--training.evaluate_scores", "l1,psnr,ssim,swd")
        program = (
            "import os, signal, sys\n"
            "from atme.cli import main\n"
            "from atme.training.validation import Validation\n"
            "look = Validation._look\n"
            "def killed(self, state, given_up):\n"
            "    if state.step == 8:\n"
            "        os.kill(os.getpid(), signal.SIGKILL)\n"
            "    return look(self, state, given_up)\n"
            "Validation._look = killed\n"
            "main(sys.argv[1:])\n"
        )
        command = ["train", "--config", str(preset), "--run.dir", str(tmp_path / "run"), *asked]
        outcome = subprocess.run([sys.executable, "-c", program, *command], capture_output=True, text=True)
        assert outcome.returncode == -signal.SIGKILL, outcome.stderr
        assert train(preset, tmp_path / "run", *asked, "--training.resume", "auto") == 0
        assert_same_run(tmp_path / "run", finished)


def test_a_picture_that_is_damaged_meanwhile_costs_nothing(
    preset: Path,
    finished: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked, run = (*LOOKS, "--training.evaluate_scores", "l1,psnr,ssim,swd"), tmp_path / "run"
    real = PairedImages._read

    def damaged(pairs: PairedImages, index: int) -> object:
        if pairs.split == "val" and index == 2 and (run / "checkpoints").exists():
            raise ValueError("val_2.png: is truncated; get it anew")
        return real(pairs, index)

    with monkeypatch.context() as patched:
        patched.setattr(PairedImages, "_read", damaged)
        assert train(preset, run, *asked) == 2
    errors = capsys.readouterr().err.splitlines()
    assert errors[-1].startswith("atme: data.validation_split: val_2.png: is truncated")
    assert steps(run) == [4, 8]
    assert train(preset, run, *asked, "--training.resume", "auto") == 0
    assert_same_run(run, finished)


def test_looks_may_change_when_a_run_goes_on(preset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, short = tmp_path / "run", ("--training.rate.epochs", "1", "--training.rate.decay_epochs", "0")
    assert train(preset, run, *short) == 0
    longer = ("--training.resume", "auto", "--training.rate.epochs", "2", "--training.rate.decay_epochs", "0")
    assert train(preset, run, *longer, *LOOKS) == 0
    assert [line["step"] for line in read_log(run) if "val_l1" in line] == [4, 8]  # that of step 4 is done before all
    capsys.readouterr()
    more = ("--training.rate.epochs", "3", "--training.evaluate_images", "2")
    assert train(preset, run, *longer, *LOOKS, *more) == 0
    assert "sought anew: by l1 of other pairs of split val" in capsys.readouterr().err
    assert best(run).name == "step_00000012"


def test_a_branch_seeks_a_best_of_its_own(finished: Path, preset: Path, tmp_path: Path) -> None:
    branch = tmp_path / "branch"
    assert train(preset, branch, *LOOKS, "--training.resume", str(checkpoints(finished)[0])) == 0
    assert [line["step"] for line in read_log(branch) if "val_l1" in line] == [8, 12]
    assert find_run(branch / "checkpoints" / "best").folder == branch


def test_a_sample_is_the_same_at_each_look_and_by_the_seed(
    preset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, ...]] = []
    monkeypatch.setattr(
        Validation,
        "_look",
        lambda self, state, given_up: seen.append(self.indices) or dict.fromkeys(self.metrics, 0.5),
    )
    for seed in ("3", "3", "4"):
        run = tmp_path / f"run_{len(seen)}"
        assert train(preset, run, *LOOKS, "--training.evaluate_images", "2", "--run.seed", seed) == 0
    assert len(set(seen[:6])) == 1
    assert len(seen[0]) == 2
    assert seen[0] == tuple(sorted(seen[0]))
    assert seen[-1] != seen[0]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--training.keep_best", "l1"], "training.keep_best: chooses by looks at the validation split; set"),
        ([*LOOKS[:2], "--training.stop_after", "2"], "training.stop_after: needs a score to go by; set training.keep"),
        ([*LOOKS, "--training.least_gain", "0.1"], "training.least_gain: is read with training.stop_after only"),
        ([*LOOKS, "--training.stop_after", "-1"], "training.stop_after: -1 is no number of 0 or more"),
        ([*LOOKS, "--training.evaluate_images", "0"], "training.evaluate_images: 0 is too small"),
        ([*LOOKS[:3], "psnt"], "training.keep_best: 'psnt' is none; did you mean psnr?"),
        (
            [*LOOKS[:3], "lpips"],
            "training.keep_best: lpips needs a file of weights, and is for atme evaluate; use some",
        ),
        ([*LOOKS, "--training.evaluate_scores", "l1,fid"], "training.evaluate_scores: fid needs a file of weights"),
        ([*LOOKS[:3], "ms_ssim"], "the validation split has no MS-SSIM (a picture of 48×40 pixels has 40×48 pixels;"),
        (
            [*LOOKS[:3], "swd", "--training.evaluate_images", "1"],
            "the validation split has no SWD (one pair is no set)",
        ),
        (
            [*LOOKS, "--data.validation_split", "eval"],
            "has no split 'eval'; name another split (test, train, val)",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    preset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], asked: list[str], said: str
) -> None:
    assert train(preset, tmp_path / "run", *asked) == 2
    errors = capsys.readouterr().err
    assert said in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("named", ["val", "eval"])
def test_a_split_to_look_at_is_made_as_the_line_says(
    preset: Path, pairs_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], named: str
) -> None:
    asked = (*LOOKS, "--data.root", str(pairs_folder), "--data.validation_split", named)
    assert train(preset, tmp_path / "run", *asked) == 2
    remedy = re.search(r"by atme (data split .* --test 0), and give (.*), or", capsys.readouterr().err)
    assert remedy
    command, options = (words.replace("NEW", str(tmp_path / "made")).split() for words in remedy.groups())
    assert main(command) == 0
    assert train(preset, tmp_path / "run", *asked, *options) == 0
    assert "looks at 1 pair of split val" in capsys.readouterr().err


def test_the_test_split_is_looked_at_when_asked_for_and_a_line_says_what_it_costs(
    preset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(preset, tmp_path / "run", *LOOKS, "--data.validation_split", "test") == 0
    errors = capsys.readouterr().err
    assert "looks at 4 pairs of split test every epoch" in errors
    assert "the best is chosen by split test: its scores there will be better than on pictures unseen" in errors


def test_two_processes_find_what_one_does(data: Path, tmp_path: Path) -> None:
    """The main process looks; the others go the same way, and stop at the same step."""
    training = TINY["training"] | {"sample_every": 0, "average": None}
    training |= {"evaluate_every": 1, "keep_best": "psnr", "stop_after": 1, "least_gain": 99.0}
    options = TINY | {"data": TINY["data"] | {"root": str(data), "train_split": "test"}, "training": training}
    (tmp_path / "preset.yaml").write_text(yaml.safe_dump(options | {"noise": {"class_path": "atme.Identity"}}))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "atme"]
    command = ["train", "--config", str(tmp_path / "preset.yaml"), "--run.dir"]
    outcome = subprocess.run(
        [*launch, *command, str(tmp_path / "both"), "--training.batch_size", "1"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stderr.count("stopped early at step 4") == 2  # each process says it
    assert main([*command, str(tmp_path / "one")]) == 0
    both, one = (numbers(tmp_path / name) for name in ("both", "one"))
    assert [line["step"] for line in both if "val_psnr" in line] == [2, 4]
    for ours, theirs in zip(both, one, strict=True):
        for name in (name for name in theirs if name.startswith("val_")):
            assert ours[name] == pytest.approx(theirs[name], rel=1e-3), name
    assert best(tmp_path / "both").name == best(tmp_path / "one").name
