"""`atme evaluate`: whichever checkpoint, wherever the data lies now; what was there is kept, what is bad is named."""

import json
import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import smooth
from runs import make_run, measured, sections

from atme import PairedImages, Translator
from atme.cli import main
from atme.data import DataOptions
from atme.data.tested import TESTED, read_tested
from atme.images import write_image
from atme.inference import evaluate
from atme.reports import files as reports

Said = pytest.CaptureFixture[str]


def write_pairs(root: Path, *, splits: tuple[str, ...] = ("train", "test"), b: str = "negative") -> Path:
    """Three A|B pairs of 16×20 pixels a half in each split; B is a copy of A, or its negative."""
    rng = np.random.default_rng(0)
    for split in splits:
        (root / split).mkdir(parents=True)
        for i in range(3):
            a = smooth(rng, 16, 20)
            write_image(root / split / f"{i}.png", np.concatenate([a, a if b == "copy" else 255 - a], axis=1))
    return root


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with pairs/ and runs/copy, a run that copies and names both as they are seen from there."""
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "pairs")
    options = sections(root="pairs") | {"run": {"dir": "runs/copy"}}
    make_run(tmp_path / "runs" / "copy", options, measured(), steps=(4, 8))
    return tmp_path


def score(*arguments: str) -> int:
    return main(["evaluate", *arguments, "--device", "cpu", "--trust"])


def found(place: str | Path) -> dict:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(Path(place).read_text(), parse_constant=refuse)


# Which checkpoint.


def test_the_last_checkpoint_is_scored_by_whichever_name(work: Path) -> None:
    for name in ("runs/copy", "runs/copy/checkpoints/step_00000008"):
        assert score(name) == 0
        assert found("runs/copy/evaluation/test.json")["protocol"]["step"] == 8
    assert sorted(path.name for path in Path("runs/copy/evaluation").iterdir()) == [
        "test.csv",
        "test.html",
        "test.json",
    ]


def test_an_earlier_checkpoint_has_scores_of_its_own(work: Path) -> None:
    assert score("runs/copy") == 0
    before = Path("runs/copy/evaluation/test.json").read_bytes()
    assert score("runs/copy/checkpoints/step_00000004") == 0
    assert found("runs/copy/evaluation/step_00000004/test.json")["protocol"]["step"] == 4
    assert Path("runs/copy/evaluation/test.json").read_bytes() == before


def test_a_saved_translator_needs_to_be_told_where_data_is(work: Path, capsys: Said) -> None:
    Translator.from_run("runs/copy", trust=True).save_pretrained("saved")
    assert score("saved") == 2
    assert "say where it is with --data.root" in capsys.readouterr().err
    assert score("saved", "--data.root", "pairs") == 0
    assert found("saved/evaluation/test.json")["protocol"]["pairs"] == 3


# Where the data lies.


@pytest.mark.parametrize("folder", ["sub/deeper", "runs", "runs/copy", "."])
def test_a_relative_root_is_found_from_any_folder(work: Path, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(folder)
    assert score(str(Path("runs/copy").absolute()) if folder == "." else str(work / "runs" / "copy")) == 0
    assert found(work / "runs/copy/evaluation/test.json")["protocol"]["data"] == str(work / "pairs")


def test_what_the_run_was_trained_on_comes_before_a_namesake(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pairs(work / "sub" / "pairs", b="copy")
    monkeypatch.chdir(work / "sub")
    assert score("../runs/copy") == 0
    assert found(work / "runs/copy/evaluation/test.json")["protocol"]["data"] == str(work / "pairs")


def test_data_that_went_along_with_the_run_is_found(work: Path) -> None:
    shutil.move("pairs", "runs/copy/pairs")
    assert score("runs/copy") == 0


def test_data_that_moved_is_asked_for_and_the_remedy_works(work: Path, capsys: Said) -> None:
    shutil.move("pairs", "elsewhere")
    assert score("runs/copy") == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "pairs: the data of runs/copy is not there; say where it is with --data.root" in line
    assert score("runs/copy", "--data.root", "elsewhere") == 0
    assert score("runs/copy", "--data.root=elsewhere") == 0
    assert score("runs/copy", "--data.root", "nowhere") == 2
    assert "nowhere" in capsys.readouterr().err


def test_a_test_split_alone_is_scored_and_what_is_missing_is_said(work: Path, capsys: Said) -> None:
    shutil.rmtree("pairs/train")
    assert score("runs/copy") == 0
    assert (
        "no split train in pairs: scored without the training set's median color, and without training pairs"
        in capsys.readouterr().err
    )
    assert found("runs/copy/evaluation/test.json")["baselines"].keys() == {"copy"}
    assert score("runs/copy", "--split", "val") == 2


def test_what_only_training_needs_is_not_read(work: Path) -> None:
    options = yaml.safe_load(Path("runs/copy/options.yaml").read_text())
    options["data"] |= {"transforms": [{"class_path": "evil.Transform"}], "cache": "disk", "workers": 99}
    Path("runs/copy/options.yaml").write_text(yaml.safe_dump(options))
    assert score("runs/copy") == 0
    assert read_tested(Path("runs/copy")).transforms == []


TRAINED_ALONE = {
    *("transforms", "source_transforms", "flip", "augment_on", "crop_scale", "crop_ratio"),
    *("validation_split", "workers", "cache", "cache_dir"),
}


def test_each_key_of_the_data_section_is_of_tests_or_of_training_alone() -> None:
    """Whoever adds one says here, or in TESTED, which it is."""
    keys = {field.name for field in fields(DataOptions)}
    assert keys <= TESTED | TRAINED_ALONE, keys - TESTED - TRAINED_ALONE
    assert not TESTED & TRAINED_ALONE


def test_data_that_is_not_divided_has_scores(work: Path) -> None:
    shutil.move("pairs/test", "undivided")
    assert score("runs/copy", "--data.root", "undivided", "--split", ".") == 0
    assert found("runs/copy/evaluation/whole.json")["protocol"]["split"] == "."


# What is bad.


def test_all_bad_pairs_are_named_and_nothing_is_written(work: Path, capsys: Said) -> None:
    for name in ("0", "2"):
        path = work / "pairs" / "test" / f"{name}.png"
        content = bytearray(path.read_bytes())
        content[len(content) // 2 : len(content) // 2 + 60] = bytes(60)
        path.write_bytes(content)
    assert score("runs/copy", "--scores", "l1") == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "0.png" in line
    assert "2.png" in line
    assert "1.png" not in line
    assert not Path("runs/copy/evaluation").exists()


def test_a_bad_training_pair_is_named(work: Path, capsys: Said) -> None:
    path = work / "pairs" / "train" / "1.png"
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 60] = bytes(60)
    path.write_bytes(content)
    assert score("runs/copy") == 2
    assert "train/1.png" in capsys.readouterr().err


@pytest.mark.parametrize("side", ["A", "B"])
def test_pictures_of_other_channels_are_refused_in_one_line(work: Path, capsys: Said, side: str) -> None:
    for half in "AB":
        for split in ("train", "test"):
            place = work / "mixed" / f"{split}{half}"
            place.mkdir(parents=True)
            gray = split == "test" and half == side
            write_image(place / "0.png", np.zeros((16, 16, 1 if gray else 3), np.uint8))
    assert score("runs/copy", "--data.root", "mixed", "--scores", "l1") == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert f"its {'source' if side == 'A' else 'target'}s have 1 channels (gray)" in line
    assert "trained on 3 (RGB); convert them" in line


def test_pairs_of_other_channels_are_refused_in_python(work: Path) -> None:
    (work / "gray" / "test").mkdir(parents=True)
    write_image(work / "gray" / "test" / "0.png", np.zeros((16, 32, 1), np.uint8))
    translator = Translator.from_run("runs/copy", device="cpu", trust=True)
    with pytest.raises(ValueError, match="its sources have 1 channels"):
        evaluate(translator, PairedImages("gray", split="test"), None)


def test_a_split_is_a_name(work: Path, capsys: Said) -> None:
    for split in ("../pairs/test", "a/b", "", ".."):
        assert score("runs/copy", "--split", split) == 2
        assert "is no name of a split; give one such as test" in capsys.readouterr().err


# What is written.


def test_perfect_translations_have_no_infinity(work: Path) -> None:
    write_pairs(work / "same", b="copy")
    assert score("runs/copy", "--data.root", "same") == 0
    scores = found("runs/copy/evaluation/test.json")
    assert scores["l1"] == 0
    assert scores["psnr"] is None
    assert scores["baselines"]["copy"]["psnr"] is None


def test_scores_of_another_protocol_are_kept(work: Path, capsys: Said) -> None:
    assert score("runs/copy") == 0
    first = Path("runs/copy/evaluation/test.json").read_bytes()
    assert score("runs/copy") == 0
    assert not Path("runs/copy/evaluation/earlier").exists()
    for number, precision in enumerate(("bf16", "float32", "bf16"), 1):
        capsys.readouterr()
        assert score("runs/copy", "--precision", precision) == 0
        kept = Path(f"runs/copy/evaluation/earlier/test_{number:04d}.json")
        assert f"they are kept in {kept}" in capsys.readouterr().err
        assert kept.with_suffix(".csv").exists()
        assert kept.with_suffix(".html").exists()
    assert Path("runs/copy/evaluation/earlier/test_0001.json").read_bytes() == first


def test_what_is_no_evaluation_is_kept_too(work: Path) -> None:
    Path("runs/copy/evaluation").mkdir()
    Path("runs/copy/evaluation/test.json").write_text("mine")
    assert score("runs/copy") == 0
    assert Path("runs/copy/evaluation/earlier/test_0001.json").read_text() == "mine"


def test_a_failure_while_writing_leaves_what_was_there(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    assert score("runs/copy") == 0
    before = {path.name: path.read_bytes() for path in Path("runs/copy/evaluation").iterdir()}

    def full(path: Path, value: object) -> None:
        path.write_text("{")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("atme.reports.evaluate.write_json", full)
    assert score("runs/copy") == 2
    assert score("runs/copy", "--precision", "bf16") == 2
    assert {path.name: path.read_bytes() for path in Path("runs/copy/evaluation").iterdir()} == before
    assert reports.write_json is not full


def test_an_evaluation_as_trained_says_so(work: Path) -> None:
    assert score("runs/copy", "--as_trained") == 0
    assert found("runs/copy/evaluation/test.json")["protocol"]["as_trained"] is True


# The same for a comparison.


def compare(*arguments: str) -> int:
    return main(["compare", *arguments, "--output", "compared", "--images", "1", "--device", "cpu"])


def test_a_checkpoint_is_compared_with_its_run(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(work / "runs")
    assert score("copy/checkpoints/step_00000004") == 0
    assert compare("copy", "copy/checkpoints/step_00000004", "--trust") == 0
    games = [run for game in found("compared/compare.json")["games"] for run in game["runs"]]
    assert sorted(run["step"] for run in games) == [4, 8]
    assert compare("copy", "copy/checkpoints/step_00000004") == 2  # its generator is of the tests


def test_a_comparison_without_training_split_has_no_median_color(work: Path) -> None:
    shutil.rmtree("pairs/train")
    assert compare("runs/copy", "--trust") == 0
    assert [each["name"] for each in found("compared/compare.json")["predictors"]] == ["copy"]


def test_the_analysis_of_a_checkpoint_is_that_of_its_run(work: Path, capsys: Said) -> None:
    refusals = []
    for name in ("runs/copy", "runs/copy/checkpoints/step_00000004"):
        assert main(["analyze", name]) == 2
        refusals.append(capsys.readouterr().err)
    assert refusals[0] == refusals[1]
    assert "runs/copy" in refusals[0]
    assert "history" in refusals[0]
