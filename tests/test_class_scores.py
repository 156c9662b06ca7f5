"""Scores of classes: scikit-learn's on the same arrays, by hand within r pixels, beside answers that know nothing."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import make_run, measured, sections
from sklearn.metrics import accuracy_score, jaccard_score

from atme.cli import main
from atme.data.options import read_data_options
from atme.images import to_tensor, write_image
from atme.images.labels import Labels
from atme.metrics import OURS, Answer, Measured, measure
from atme.metrics.classes import DOTS, ONE_CLASS, Classes, names
from atme.reports.compare.data import differences
from atme.run_folder import read_log

COLORS = {"ground": [236, 230, 222], "road": [255, 255, 255], "track": [255, 158, 32], "void": [0, 0, 0]}
LABELS = Labels.of(COLORS, ignore=["void"], thin=["road"])


def image(places: np.ndarray) -> torch.Tensor:
    return to_tensor(LABELS.painted(places[..., None].astype(np.uint8)))


def scored(truth: np.ndarray, made: np.ndarray, *, labels: Labels = LABELS, radius: int = 2) -> Measured:
    """Of pictures (pictures, H, W) of places."""
    pairs = zip(truth, made, strict=True)
    answers = [Answer(str(i), image(one), {OURS: image(other)}) for i, (one, other) in enumerate(pairs)]
    return measure(answers, pairs=len(answers), metrics=names(labels), labels=labels, radius=radius)


class TestPooled:
    @settings(max_examples=25, deadline=None)
    @given(number=st.integers(0, 2**32), least=st.integers(0, 1))
    def test_they_are_those_of_scikit_learn(self, number: int, least: int) -> None:
        """Pooled over pictures, without ignored pixels; of classes that no target has none, as none is asked for."""
        rng = np.random.default_rng(number)
        truth, made = rng.integers(least, 4, (3, 6, 7)), rng.integers(0, 3, (3, 6, 7))
        known = truth < 3
        there = np.unique(truth[known])
        found = scored(truth, made).ours
        each = jaccard_score(truth[known], made[known], labels=there, average=None)
        assert [found[f"iou_{LABELS.names[at]}"].value for at in there] == pytest.approx(each)
        assert found["iou"].value == pytest.approx(
            jaccard_score(truth[known], made[known], labels=there, average="macro")
        )
        assert found["accuracy"].value == pytest.approx(accuracy_score(truth[known], made[known]))

    def test_a_class_that_no_target_has(self) -> None:
        truth = np.zeros((2, 4, 4), int)
        found = scored(truth, truth + 1)
        assert found.left_out == dict.fromkeys(
            ["iou_road", "precision_road", "recall_road", "f1_road"], "no target has a pixel of road"
        ) | {"iou_track": "no target has a pixel of track"}
        assert found.ours["iou"].value == 0

    def test_one_picture_has_scores_and_no_interval(self) -> None:
        truth = np.arange(16).reshape(1, 4, 4) % 3
        found = scored(truth, truth).ours
        assert {score.value for score in found.values()} == {1.0}
        assert {score.interval for score in found.values()} == {None}

    def test_one_picture_alone_has_pixels_that_count(self) -> None:
        """Without it nothing is left to score, so that no interval can be had."""
        truth = np.full((3, 4, 4), 3)
        truth[1] = np.arange(16).reshape(4, 4) % 3
        scores = scored(truth, np.zeros_like(truth)).scores
        assert scores[OURS]["accuracy"].value == scores[ONE_CLASS]["accuracy"].value == 6 / 16
        assert scores[OURS]["iou"].value == scores[ONE_CLASS]["iou"].value == pytest.approx(6 / 16 / 3)
        assert {score.interval for each in scores.values() for score in each.values()} == {None}

    def test_intervals_are_over_pictures(self) -> None:
        rng = np.random.default_rng(0)
        truth = rng.integers(0, 3, (12, 8, 8))
        made = np.where(rng.random((12, 8, 8)) < np.linspace(0.1, 0.9, 12)[:, None, None], truth, 0)
        found = scored(truth, made).ours["iou"]
        assert found.interval is not None
        assert 0 <= found.interval[0] < found.value < found.interval[1] <= 1
        even = scored(truth, np.where(rng.random((12, 8, 8)) < 0.5, truth, 0)).ours["iou"]
        assert even.interval is not None
        assert even.interval[1] - even.interval[0] < (found.interval[1] - found.interval[0]) / 2


class TestThin:
    def lines(self, at: int, *, width: int = 1) -> np.ndarray:
        picture = np.zeros((1, 20, 20), int)
        picture[:, :, at : at + width] = 1
        return picture

    @pytest.mark.parametrize("radius", [0, 1, 2, 3])
    @pytest.mark.parametrize("off", [0, 1, 2, 3, 4])
    def test_a_line_that_is_off_by_up_to_r_pixels_is_right(self, radius: int, off: int) -> None:
        found = scored(self.lines(8), self.lines(8 + off), radius=radius).ours
        right = float(off <= radius)
        assert [found[f"{what}_road"].value for what in ("precision", "recall", "f1")] == [right] * 3
        assert found["iou_road"].value == float(off == 0)

    def test_by_hand(self) -> None:
        """Truth: a column of 20. Made: a column 4 off, of which nothing is near, and half of the right one."""
        made = self.lines(12)
        made[:, :10, 8] = 1
        found = scored(self.lines(8), made, radius=2).ours
        assert found["precision_road"].value == pytest.approx(10 / 30)
        assert found["recall_road"].value == pytest.approx(12 / 20)  # ten, and the two below them
        assert found["f1_road"].value == pytest.approx(2 * (1 / 3) * 0.6 / (1 / 3 + 0.6))

    def test_what_is_never_translated_has_precision_0(self) -> None:
        found = scored(self.lines(8), np.zeros((1, 20, 20), int)).ours
        assert [found[f"{what}_road"].value for what in ("precision", "recall", "f1")] == [0, 0, 0]

    def test_ignored_pixels_count_nowhere(self) -> None:
        truth = self.lines(8)
        truth[:, :, 15:] = 3
        made = self.lines(8)
        made[:, :, 15:] = 1
        found = scored(truth, made).ours
        assert {score.value for name, score in found.items() if not name.endswith("track")} == {1.0}


class TestFloors:
    def test_all_of_a_class_and_a_grid_of_dots(self) -> None:
        truth = np.zeros((2, 15, 15), int)
        truth[:, :, 7] = 1
        found = scored(truth, truth).scores
        for predictor, made in ((ONE_CLASS, np.ones_like(truth)), (DOTS, np.zeros_like(truth))):
            if predictor == DOTS:
                made[:, 2::5, 2::5] = 1
            same = scored(truth, made).ours
            for name in ("iou_road", "precision_road", "recall_road", "f1_road"):
                assert found[predictor][name].value == pytest.approx(same[name].value)
        assert found[ONE_CLASS]["recall_road"].value == found[DOTS]["recall_road"].value == 1
        assert found[ONE_CLASS]["accuracy"].value == pytest.approx(14 / 15)
        assert found[ONE_CLASS]["iou"].value == pytest.approx(14 / 15 / 2)
        assert "accuracy" not in found[DOTS]

    @pytest.mark.parametrize("radius", [0, 1, 2, 3])
    @pytest.mark.parametrize("size", [(15, 15), (16, 17), (1, 9), (32, 31)])
    def test_no_pixel_is_far_from_a_dot(self, radius: int, size: tuple[int, int]) -> None:
        truth = np.random.default_rng(0).integers(0, 2, (1, *size))
        truth[:, 0, 0] = truth[:, -1, -1] = 1
        assert scored(truth, truth, radius=radius).scores[DOTS]["recall_road"].value == 1

    def test_a_dot_on_an_ignored_pixel_is_none(self) -> None:
        """The middle one of three: eight of the nine pixels around it count, and are near to no other."""
        truth = np.ones((1, 3, 9), int)
        truth[:, 1, 4] = 3
        found = scored(truth, truth, radius=1).scores
        assert found[DOTS]["recall_road"].value == pytest.approx(18 / 26)
        assert found[ONE_CLASS]["recall_road"].value == 1

    def test_ids_are_told_apart_by_their_grays(self) -> None:
        labels = Labels.of({"a": 3, "b": 4, "c": 200})
        truth = np.arange(9).reshape(3, 3, 1) % 3
        counts = Classes(labels)
        picture = to_tensor(labels.painted(truth.astype(np.uint8)))
        counts.add(OURS, picture + 0.1, counts.truth(picture))
        assert counts.score("accuracy", OURS) == 1


def test_pictures_have_no_such_scores() -> None:
    target = torch.zeros(3, 4, 4)
    found = measure([Answer("a", target, {OURS: target})], pairs=1, metrics=("l1", "iou", "iou_road"))
    assert set(found.ours) == {"l1"}
    assert found.left_out["iou"] == "the targets are pictures, not labels (data.target_kind)"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs of labels, and two runs of them that copy."""
    root, rng = tmp_path_factory.mktemp("classes"), np.random.default_rng(0)
    for split in ("train", "val", "test"):
        (root / "pairs" / split).mkdir(parents=True)
        for i in range(3):
            at = rng.integers(0, 4, (8, 8), np.uint8).repeat(4, 0).repeat(4, 1)
            noisy = np.where(rng.random((32, 32)) < 0.2, 0, at)
            halves = [LABELS.painted(each[..., None]) for each in (noisy, at)]
            write_image(root / "pairs" / split / f"{i}.png", np.concatenate(halves, axis=1))
    (root / "pairs" / "void").mkdir()
    write_image(root / "pairs" / "void" / "0.png", LABELS.painted(np.full((32, 64, 1), 3, np.uint8)))
    for name in ("one", "two"):
        options = sections(root="pairs", target_kind="labels", target_labels=COLORS, ignore=["void"], thin=["road"])
        make_run(root / "runs" / name, options | {"run": {"dir": f"runs/{name}", "seed": len(name)}}, measured())
    return root


def test_a_run_is_scored_by_class(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(work)
    assert main(["evaluate", "runs/one", "--train_pairs", "0", "--trust", "--radius", "1"]) == 0
    said = capsys.readouterr().out
    found = json.loads(Path("runs/one/evaluation/test.json").read_text())
    assert 0.6 < found["iou"] < 1
    assert found["baselines"]["copy"]["iou"] == found["iou"]  # this run copies
    assert found["baselines"]["one_class"]["iou_road"] < found["iou_road"] < 1
    assert len(found["intervals"]["f1_road"]) == 2
    assert "iou_void" not in found
    protocol = found["protocol"]
    assert protocol["labels"]["target"] == {"classes": COLORS, "ignore": ["void"], "thin": ["road"]}
    assert protocol["radius"] == 1
    assert "nearest color" in protocol["computed"]["classes"]
    assert "window of 3×3" in protocol["computed"]["thin"]
    for words in ("mean IoU ↑", "F1 of road ↑", "dot grid"):
        assert words in said
    page = Path("runs/one/evaluation/test.html").read_text()
    assert "recall of road" in page


def test_runs_are_compared_by_class(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In tables of their own; what another radius scored is scored again, what has the same is not."""
    monkeypatch.chdir(work)
    assert main(["evaluate", "runs/one", "--train_pairs", "0", "--trust", "--radius", "1"]) == 0
    assert main(["evaluate", "runs/two", "--train_pairs", "0", "--trust"]) == 0
    capsys.readouterr()
    assert main(["compare", "runs/one", "runs/two", "--output", "compared", "--trust"]) == 0
    said = capsys.readouterr()
    assert "runs/one: evaluated\n" in said.err or "one: evaluated\n" in said.err
    assert "two: evaluated before\n" in said.err
    assert "mean IoU" in said.out
    assert "IoU of road" not in said.out
    found = json.loads(Path("compared/compare.json").read_text())
    assert {"iou", "iou_road", "f1_road", "accuracy"} <= found["metrics"].keys()
    assert found["metrics"]["iou"]["better"] == "higher"
    page = Path("compared/report.html").read_text()
    assert "By class" in page
    assert "F1 of road" in page


def test_runs_of_other_targets_are_not_compared(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of pictures as they are, and of the nearest classes."""
    monkeypatch.chdir(work)
    make_run(work / "runs" / "plain", sections(root="pairs") | {"run": {"dir": "runs/plain"}}, measured())
    words = ["compare", "runs/two", "runs/plain", "--output", "others", "--trust"]
    assert main(words) == 0
    assert "classes of the target" in capsys.readouterr().err
    assert json.loads(Path("others/compare.json").read_text())["comparable"] is False


LOOKS = {
    "data": {"root": "pairs", "workers": 0, "target_kind": "labels", "target_labels": COLORS, "thin": ["road"]}
    | {"ignore": ["void"]},
    "model": {"class_path": "atme.Regression", "init_args": {"palette": 0.1}},
    "generator": {"class_path": "atme.UNet", "init_args": {"dim": 8, "dim_mults": [1, 2]}},
    "noise": {"class_path": "atme.Identity"},
    "training": {"rate": {"epochs": 2, "decay_epochs": 0}, "batch_size": 3, "device": "cpu", "sample_every": 0}
    | {"evaluate_every": 1, "evaluate_scores": "l1,iou,f1_road", "keep_best": "iou"},
}
"""A preset that looks at classes."""


@pytest.mark.parametrize(("changes", "same"), [({"ignore": []}, False), ({"label_resizing": "area"}, True)])
def test_runs_of_other_classes_that_count_are_not_compared(
    work: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object], same: bool
) -> None:
    """One that scores what the other ignores; and one that would resize labels otherwise, of which nothing is."""
    monkeypatch.chdir(work)
    one = {"target_kind": "labels", "target_labels": COLORS, "ignore": ["void"], "thin": ["road"], "workers": 0}
    options = [read_data_options(None, **{"root": "pairs"} | one | each) for each in ({}, changes)]
    differ = differences({str(at): each.open_test() for at, each in enumerate(options)})
    assert (not differ) is same, differ


def looking(place: Path) -> list[str]:
    """The words of a training that looks at classes, in a folder."""
    (place / "preset.yaml").write_text(yaml.safe_dump(LOOKS))
    return ["train", "--config", str(place / "preset.yaml"), "--run.dir", str(place / "run")]


def test_the_loop_looks_at_classes(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(work)
    words = looking(tmp_path)
    assert main(words) == 0
    assert "best iou of split val" in capsys.readouterr().err
    log = read_log(tmp_path / "run")
    looks = [line["val_iou"] for line in log if "val_iou" in line]
    assert len(looks) == 2
    assert all(0 < value < 1 for value in looks)
    assert main([*words, "--run.dir", str(tmp_path / "other"), "--training.evaluate_scores", "iou_sky"]) == 2
    assert "the validation split has no IoU of sky (the labels have no class sky" in capsys.readouterr().err


def test_the_loop_looks_at_pairs_of_which_no_pixel_counts(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(work)
    words = looking(tmp_path)
    assert main([*words, "--data.validation_split", "void"]) == 0, capsys.readouterr().err
    log = read_log(tmp_path / "run")
    looks = [line for line in log if "val_l1" in line]
    assert len(looks) == 2
    assert all(line["val_l1"] > 0 and line["val_iou"] is None for line in looks), looks
