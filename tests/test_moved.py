"""Pairs, runs and presets that lie elsewhere now, or are used from elsewhere: what is advised leads on, everywhere."""

import shutil
from pathlib import Path

import pytest
import yaml
from conftest import TINY

from atme.cli import main
from atme.reports.compare.run import Run
from atme.reports.compare.words import _length
from atme.run_folder import read_log, read_options

Said = pytest.CaptureFixture[str]


@pytest.fixture
def work(tmp_path: Path, pairs_folder: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with pairs/, tiny.yaml, which names them from there, and runs/mine, trained by it."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(pairs_folder, "pairs")
    shutil.copytree(run, "runs/mine")
    options = read_options(Path("runs/mine")) | {"run": {"dir": "runs/mine", "seed": 0}}
    options["data"]["root"] = "pairs"
    Path("runs/mine/options.yaml").write_text(yaml.safe_dump(options))
    training = TINY["training"] | {"rate": {"epochs": 1, "decay_epochs": 0}, "steps": 2}
    Path("tiny.yaml").write_text(yaml.safe_dump(TINY | {"training": training, "data": options["data"]}))
    return tmp_path


GO_ON = ["train", "--config", "runs/mine/options.yaml", "--training.resume", "auto", "--training.rate.epochs", "2"]


@pytest.mark.parametrize(
    "words",
    [
        ["train", "--config", "tiny.yaml", "--run.dir", "runs/new"],
        ["show", "tiny.yaml"],
        GO_ON,
        ["evaluate", "runs/mine", "--scores", "l1", "--device", "cpu"],
        ["compare", "runs/mine", "--output", "compared", "--images", "1", "--device", "cpu"],
    ],
)
def test_whoever_misses_pairs_says_with_what_they_are_named(words: list[str], work: Path, capsys: Said) -> None:
    shutil.move("pairs", "elsewhere")
    before = sorted(work.rglob("*"))
    assert main(words) == 2
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1
    assert "--data.root" in said
    assert sorted(work.rglob("*")) == before
    assert main([*words, "--data.root", "elsewhere"]) == 0


def test_a_run_goes_on_with_pairs_that_were_moved(work: Path, capsys: Said) -> None:
    shutil.move("pairs", "elsewhere")
    words = ["--run.dir", "runs/mine", "--training.resume", "auto"]
    more = ["--training.rate.epochs", "2"]
    assert main(["train", "pairs", *words, *more]) == 2
    said = capsys.readouterr().err
    assert f"atme train FOLDER {' '.join(words)} goes on with it" in said
    assert main(["train", "elsewhere", *words, *more]) == 0
    assert read_log(work / "runs" / "mine")[-1]["step"] == 8
    assert read_options(work / "runs" / "mine")["data"]["root"] == "elsewhere"


def test_a_complete_run_keeps_where_its_pairs_lie_now(work: Path, capsys: Said) -> None:
    """And nothing else: what is asked for beside it was not done."""
    shutil.move("pairs", "elsewhere")
    run, go_on = work / "runs" / "mine", [*GO_ON[:-2], "--training.log_every", "3"]
    before = read_options(run)
    assert main([*go_on, "--data.root", "elsewhere"]) == 0
    assert read_options(run) == before | {"data": before["data"] | {"root": "elsewhere"}}
    assert not list(run.glob("options_to_step_*"))
    assert main(go_on) == 0
    assert main(["evaluate", "runs/mine", "--scores", "l1", "--device", "cpu"]) == 0


def test_from_another_folder_a_run_does_not_begin_anew(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    """Nor where it was moved itself."""
    shutil.move("runs", "kept")
    (work / "sub").mkdir()
    monkeypatch.chdir(work / "sub")
    words = ["train", "--config", "../kept/mine/options.yaml", "--training.resume=auto", "--training.rate.epochs", "2"]
    assert main([*words, "--data.root=../pairs"]) == 2
    assert "to go on with it say --run.dir ../kept/mine" in capsys.readouterr().err
    assert not Path("runs").exists()
    assert main([*words, "--data.root=../pairs", "--run.dir", "../kept/mine"]) == 0
    assert read_log(work / "kept" / "mine")[-1]["step"] == 8


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"training.steps": 4}, ("step", 4, 4)),
        ({"training.steps": 9, "training.rate.epochs": 100}, ("step", 4, 9)),
        ({"training.rate.epochs": 2, "training.rate.decay_epochs": 1}, ("epoch", 1, 3)),
    ],
)
def test_a_length_in_updates_is_no_number_of_epochs(options: dict[str, object], found: tuple[str, int, int]) -> None:
    assert _length(Run(Path("a"), "a", options, 4, [{"epoch": 1}])) == found
