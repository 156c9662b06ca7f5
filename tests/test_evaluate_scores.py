"""Scores of `atme evaluate`: which are had, with which weights, whether the run remembers, and the page of them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Browse, smooth
from runs import make_run, measured, sections
from test_feature_scores import named, save, seeded_alexnet

from atme.cli import main
from atme.data import PairedImages
from atme.images import write_image
from atme.inference import Translator
from atme.metrics.feature_weights import OFFICIAL
from atme.reports.pictures import translations

Said = pytest.CaptureFixture[str]

SIZE = (40, 48)


def write_pairs(root: Path, *, train: str, test: str) -> None:
    """Seven A|B pairs in each split; B is a copy of A, nearly one, or its negative."""
    rng = np.random.default_rng(0)
    for split, how in (("train", train), ("test", test)):
        (root / split).mkdir(parents=True)
        for i in range(7):
            a = smooth(rng, *SIZE)
            b = {"copy": a, "near": np.clip(a.astype(int) + 5 + i, 0, 255).astype(np.uint8), "negative": 255 - a}[how]
            write_image(root / split / f"{split}_{i}.png", np.concatenate([a, b], axis=1))


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with pairs/ and runs/copy, a run that copies; torch's hub cache is empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    write_pairs(tmp_path / "pairs", train="near", test="near")
    make_run(tmp_path / "runs" / "copy", sections(root="pairs") | {"run": {"dir": "runs/copy"}}, measured())
    return tmp_path


def score(*arguments: str) -> int:
    return main(["evaluate", "runs/copy", *arguments, "--device", "cpu", "--trust"])


def found() -> dict:
    return json.loads(Path("runs/copy/evaluation/test.json").read_text())


def page() -> str:
    return Path("runs/copy/evaluation/test.html").read_text()


def lines(said: Said) -> list[str]:
    return said.readouterr().err.splitlines()


# Which scores.


def test_all_are_had_but_those_that_are_named_with_the_reason(work: Path, capsys: Said) -> None:
    assert score() == 0
    said = lines(capsys)
    assert "ms_ssim: left out, since test_0 has 40×48 pixels; it needs 176 each way" in said
    for kind, official in OFFICIAL.items():
        (line,) = (line for line in said if f"--weights.{kind}" in line)
        assert official.address in line
        assert str(work / "hub" / "checkpoints" / official.file) in line
    scores = {"l1", "psnr", "ssim", "delta_e", "swd"}
    assert found()["intervals"].keys() == found()["protocol"]["units"].keys() == scores
    assert found()["left_out"].keys() == {"lpips", "dists", "fid", "kid", "ms_ssim"}
    assert "Left out: " in page()


def test_those_that_are_named_are_had(work: Path, capsys: Said) -> None:
    assert score("--scores", "swd,l1", "--train_pairs", "0") == 0
    assert not any("left out" in line for line in lines(capsys))
    assert list(found()["intervals"]) == ["l1", "swd"]
    assert found()["gap"] is None
    assert score("--scores", "swd", "--train_pairs=0") == 0
    assert Path("runs/copy/evaluation/test.csv").read_text().splitlines()[0] == "name"
    assert "picture-1" not in page()  # nothing ranks them


def test_what_is_no_score_is_refused(work: Path, capsys: Said) -> None:
    for words, said in (
        ("l1,sim", "scores: 'sim' is none; did you mean ssim?"),
        (",", "scores: none is named; use some of l1"),
        ("fid", "fid: left out, as there are no weights of inception; put https://"),
        ("ms_ssim", "ms_ssim: left out, since test_0 has 40×48 pixels"),
    ):
        assert score("--scores", words) == 2
        (line,) = lines(capsys)
        assert said in line
    assert not Path("runs/copy/evaluation").exists()


def test_weights_are_taken_from_a_file_and_pinned(work: Path, capsys: Said) -> None:
    save(work / "alexnet.pth", named(seeded_alexnet()))
    assert score("--scores", "l1,lpips", "--weights.lpips", "alexnet.pth", "--weights", "last") == 0
    (line,) = (line for line in lines(capsys) if "SHA-256" in line)
    assert line.startswith("alexnet.pth: ")
    pinned = found()["protocol"]["features"]["lpips"]
    assert pinned["file"] == "alexnet.pth"
    assert re.fullmatch("[0-9a-f]{64}", pinned["sha256"])
    assert found()["lpips"] > 0
    assert found()["protocol"]["weights"] == "last"
    assert score("--scores", "lpips", "--weights.lpips", "missing.pth") == 2
    (line,) = lines(capsys)
    assert line.startswith("atme: weights.lpips: missing.pth cannot be read")


def test_the_protocol_pins_all_that_scores_depend_on(work: Path) -> None:
    assert score("--scores", "l1,swd") == 0
    protocol = found()["protocol"]
    for key in ("split", "view", "size", "rounded_to_bits", "resizer", "features", "seed_of_scores", "libraries"):
        assert key in protocol
    assert protocol["size"] == "40×48"
    assert "128 pieces of 7×7" in protocol["computed"]["swd"]
    assert "BCa bootstrap" in protocol["computed"]["intervals"]
    assert protocol["libraries"]["torch"] == torch.__version__.partition("+")[0]


# Whether it remembers.


def test_a_run_that_is_better_on_training_pairs_is_said_to_remember(work: Path) -> None:
    write_pairs(work / "known", train="near", test="negative")
    assert score("--data.root", "known", "--scores", "l1,ssim") == 0
    gap = found()["gap"]
    assert (gap["split"], gap["pairs"]) == ("train", 7)
    assert gap["differences"]["l1"] == pytest.approx(found()["l1"] - gap["scores"]["l1"])
    low, high = gap["intervals"]["l1"]
    assert 0 < low < gap["differences"]["l1"] < high
    assert "It is better on these by L1, SSIM, by more than chance explains" in page()


def test_a_run_that_is_as_good_on_others_is_not(work: Path) -> None:
    assert score("--scores", "l1,ssim") == 0
    low, high = found()["gap"]["intervals"]["l1"]
    assert low < 0 < high
    assert "there is no sign that it remembers them" in page()


def test_so_many_training_pairs_are_drawn_as_asked(work: Path, capsys: Said) -> None:
    assert score("--scores", "l1", "--train_pairs", "3") == 0
    assert found()["gap"]["pairs"] == 3
    first = found()["gap"]
    assert score("--scores", "l1", "--train_pairs", "3") == 0
    assert found()["gap"] == first
    assert score("--scores", "l1", "--train_pairs", "-1") == 2
    assert "train_pairs: -1 is no whole number from 0 on" in capsys.readouterr().err


def test_what_training_pairs_have_no_score_of_is_said(work: Path, capsys: Said) -> None:
    """Also where nothing is left to compare: then nothing is said of what the run remembers."""
    a = smooth(np.random.default_rng(1), 10, 48)
    write_image(work / "pairs" / "train" / "train_1.png", np.concatenate([a, a], axis=1))
    for scores, differences in (("l1,ssim", ["l1"]), ("ssim", [])):
        assert score("--scores", scores) == 0
        assert "ssim: of training pairs left out, since train_1 has 10×48 pixels" in capsys.readouterr().err
        assert list(found()["gap"]["differences"]) == differences
        assert "SSIM of training pairs: train_1 has 10×48" in page()
        assert ("sign that it remembers" in page()) == bool(differences)


def test_the_training_split_is_not_compared_with_itself(work: Path) -> None:
    assert score("--scores", "l1", "--split", "train") == 0
    summary = json.loads(Path("runs/copy/evaluation/train.json").read_text())
    assert summary["gap"] is None


# The page.


def test_the_page_shows_worst_median_and_best(work: Path) -> None:
    assert score("--scores", "l1,swd") == 0
    rows = Path("runs/copy/evaluation/test.csv").read_text().splitlines()[1:]
    order = sorted(rows, key=lambda row: -float(row.split(",")[1]))
    names = [order[place].split(",")[0] for place in (0, 1, 3, 5, 6)]
    shown = re.findall(r'<h3 id="picture-\d">(.*?)</h3>', page())
    assert shown == [
        f"{rank}: {name}"
        for rank, name in zip(("Worst", "Second worst", "Median", "Second best", "Best"), names, strict=True)
    ]


def test_the_page_shows_the_numbers_of_the_json(work: Path) -> None:
    assert score() == 0
    shown = iter(re.findall(r"<data>(.*?)</data>", page()))
    places = {"l1": 4, "psnr": 2, "ssim": 4, "delta_e": 2, "swd": 1}
    for name, digits in places.items():
        for values in (found(), *found()["baselines"].values()):
            assert next(shown) == f"{values[name]:.{digits}f}".replace("-", "−")
    assert next(shown, None) is None
    assert "[" + f"{found()['intervals']['l1'][0]:.4f}" in page()


def test_pictures_are_rounded_as_they_are_scored(tmp_path: Path) -> None:
    """To the bits that the run learned from, where targets have others."""
    deep = np.random.default_rng(0).integers(0, 2**16, (16, 32, 1), dtype=np.uint16)
    (tmp_path / "pairs" / "test").mkdir(parents=True)
    write_image(tmp_path / "pairs" / "test" / "a.png", deep)
    run = make_run(tmp_path / "run", sections(root="pairs"), measured(1, 1))
    translator, test = (
        Translator.from_run(run, device="cpu", trust=True),
        PairedImages(tmp_path / "pairs", split="test"),
    )
    assert test.target_bits == 16
    (made,) = translations(translator, test, [0])
    assert made.dtype == np.uint8


def test_a_page_of_perfect_translations(work: Path) -> None:
    """PSNR is infinite, and has no interval."""
    write_pairs(work / "same", train="copy", test="copy")
    assert score("--data.root", "same", "--scores", "l1,psnr") == 0
    assert "<data>∞</data>" in page()
    assert found()["psnr"] is None
    assert found()["gap"]["differences"]["psnr"] is None


def test_the_page_shows_the_protocol_in_words(work: Path) -> None:
    assert score("--scores", "l1", "--train_pairs", "0") == 0
    rows = dict(re.findall(r'<tr><th scope="row">([^<]*)</th><td>([^<]*)</td></tr>', page()))
    assert rows.keys() >= {key.replace("_", " ") for key in found()["protocol"]}
    assert (rows["seed"], rows["features"], rows["size"]) == ("none", "none", "40×48")
    assert "class_path: atme.Identity" in rows["noise"]


@pytest.mark.parametrize("width", [400, 1280])
def test_page_in_a_browser(work: Path, browse: Browse, width: int) -> None:
    assert score() == 0
    look = "return {rows: it.querySelectorAll('#scores tbody tr').length};"
    seen, console = browse(work / "runs/copy/evaluation/test.html", width=width, look=look)
    assert console == ""
    assert seen["scroll"] <= width
    assert (seen["broken"], seen["silent"]) == (0, 0)
    assert (seen["images"], seen["rows"]) == (20, 5)


def test_a_fresh_process_finds_all_modules() -> None:
    """Modules of reports read one another: none may be half read when another needs it."""
    for module in ("atme.reports.evaluate", "atme.reports.compare", "atme.reports.pictures"):
        code = f"import sys, {module}; print(sys.modules['{module}'].__file__)"
        said = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
        assert f"{module.replace('.', '/')}" in said.stdout, said.stderr
