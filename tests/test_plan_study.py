"""Studies of plans: what runs, in which order, what is gone on with, and what the tables say."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import studies
from PIL import Image

plans = studies.load("plan_study")
scores = studies.load("plan_scores")
curves = studies.load("plan_curves")

STUDY = """
minutes: 3
sets:
  my maps:
    data: maps
    plan: --direction BtoA
    presets: {quick: --config maps_quick, other: --config earth_pix2pix_demo}
  edges:
    data: edges
    presets: {quick: --config edges2shoes_pix2pix}
"""
PRESET = """# Planned for maps: 16 pairs.
# Expected: L1 of about
# 0.250 on pairs unseen.
training:
  steps: 3220       # of 0.27 s each, as measured here; about 1.5 hours in all; each pair is seen 200 times
"""


@pytest.fixture
def study(tmp_path: Path) -> Any:
    (tmp_path / "study.yaml").write_text(STUDY)
    return plans.Study.read(tmp_path / "study.yaml")


def finished(entrant: Any, **took: float) -> None:
    """What a run leaves behind."""
    entrant.run.mkdir(parents=True)
    floor = {"l1": 0.3, "psnr": 10.0, "ssim": 0.2, "swd": 500.0}
    of_run = {"l1": 0.1234, "psnr": 20.06, "ssim": 0.5, "swd": 80.4, "median color": floor, "left out": {}}
    entrant.run.with_suffix(".scores.json").write_text(json.dumps(of_run))
    lines = [{"step": 1, "status": "trouble: too dark"}, {"step": 3220, "status": "g_l1 falls"}]
    (entrant.run / "log.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    entrant.run.with_suffix(".json").write_text(json.dumps({"train": {"ended": True, **took}}))


def test_plans_come_first_then_each_sets_first_preset(study: Any, tmp_path: Path) -> None:
    found = list(plans.entrants(study, tmp_path))
    assert [(each.of.name, each.name) for each in found] == [
        ("my maps", "planned"),
        ("edges", "planned"),
        ("my maps", "quick"),
        ("edges", "quick"),
        ("my maps", "other"),
    ]
    plan, train = found[0].steps
    assert plan[:6] == ["plan", "maps", "--hours", "0.05", "--direction", "BtoA"]
    assert plan[-1] == train[2] == str(tmp_path / "my_maps" / "planned.yaml")
    assert "--training.max_time 180s --data.root maps --data.direction BtoA" in " ".join(found[2].steps[0])


def test_a_training_that_began_is_gone_on_with(study: Any, tmp_path: Path) -> None:
    found = list(plans.entrants(study, tmp_path))[2]
    assert plans.again(found, found.steps[0]) == found.steps[0]
    found.run.mkdir(parents=True)
    (found.run / "options.yaml").touch()
    assert plans.again(found, found.steps[0])[-2:] == ["--training.resume", "auto"]


def test_what_is_done_is_not_done_again(study: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = next(plans.entrants(study, tmp_path))
    played: list[str] = []
    monkeypatch.setattr(plans, "command", lambda _, words, **__: played.append(words[0]) is None)
    plans.play(planned, study)
    assert played == ["plan", "train", "score"]
    finished(planned, seconds=90.0)
    plans.play(planned, study)
    assert played[3:] == ["plan"], "of which nothing says that it ended"


def test_the_table_tells_what_was_said_and_what_came(study: Any, tmp_path: Path) -> None:
    found = list(plans.entrants(study, tmp_path))
    finished(found[0], seconds=5000.0)
    found[0].run.with_suffix(".yaml").write_text(PRESET)
    plans.report(study, found, tmp_path)
    rows = (tmp_path / "plans.md").read_text().splitlines()
    assert rows[2] == "| my maps | planned | 3,220 | 90.0 | 83.3 | 0.250 | 0.123 | 20.1 | 0.500 | 80 |"
    assert rows[3] == "| my maps | median color | – | – | – | – | 0.300 | 10.0 | 0.200 | 500 |"
    assert json.loads((tmp_path / "plans.json").read_text())[0]["alarms"] == ["trouble: too dark"]


def test_a_command_that_fails_is_no_end(study: Any, tmp_path: Path) -> None:
    found = next(plans.entrants(study, tmp_path))
    found.folder.mkdir()
    assert not plans.command(found, ["plan", "nothing/here"])
    assert not plans.done(found, "plan")
    assert plans.times(found)["plan"]["seconds"] > 0
    assert "nothing/here" in found.run.with_suffix(".plan.log").read_text()


@pytest.mark.parametrize(("reached", "within"), [([0.11, 0.13], "yes"), ([0.14, 0.16], "no")])
def test_a_curve_is_held_against_what_all_pairs_came_to(reached: list[float], within: str) -> None:
    known = {"set": "Maps", "pairs": 1096, "updates": 80, "at all": [0.10, 0.12, 0.14], "reached": reached}
    row = curves.table([known | {"scores": {"137": [0.2, 0.21]}}]).splitlines()[2]
    assert "| 0.1200 (0.1000 to 0.1400) |" in row
    assert row.endswith(f"| {within} | **33%** |")


def test_runs_are_scored_at_one_size_as_a_user_translates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand, of one picture twice its scored size and a translator that answers with the source's negative."""
    rng = np.random.default_rng(0)
    halves = {split: rng.integers(0, 256, (2, 32, 64, 3), np.uint8) for split in ("train", "test")}
    for split, pictures in halves.items():
        (tmp_path / split).mkdir()
        for number, picture in enumerate(pictures):
            Image.fromarray(picture).save(tmp_path / split / f"{number}.png")
    knows = SimpleNamespace(target_bits=8)
    negative = SimpleNamespace(knows=knows, pixels=lambda source: 255 - source)
    monkeypatch.setattr(scores.Translator, "from_run", lambda *_, **__: negative)
    scores.score(Path("run"), tmp_path, output=tmp_path / "scores.json", direction="BtoA", size=16, scores=["l1"])
    small = [cv2.resize(each, (32, 16), interpolation=cv2.INTER_AREA).astype(float) for each in halves["test"]]
    apart = np.mean([np.abs(255 - each[:, 16:] - each[:, :16]).mean() for each in small]) / 127.5
    found = json.loads((tmp_path / "scores.json").read_text())
    assert found["l1"] == pytest.approx(apart, abs=0.01)
    assert found["l1"] > found["median color"]["l1"] > 0.1
