"""A run's checkpoints, scored: where the scores lie, what is scored again, and what the table says."""

import json
from pathlib import Path

import pytest
import studies
from PIL import Image

study = studies.load("quality_over_time")
STEPS = (4, 8, 12)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Three checkpoints, the second and the last of them scored, the last one without PSNR."""
    folder = tmp_path / "run"
    for step in STEPS:
        (folder / "checkpoints" / f"step_{step:08}").mkdir(parents=True)
        (folder / "checkpoints" / f"step_{step:08}" / "state.json").write_text(json.dumps({"step": step}))
    lines = [{"step": step, "seconds": 30.0 * step} for step in (3, 6, 9, 12)]
    (folder / "log.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    put(folder / "evaluation" / "step_00000008" / "val.json", l1=0.2, psnr=18.0)
    put(folder / "evaluation" / "val.json", l1=0.1)
    return folder


def put(file: Path, **scores: float) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(scores))


def test_what_is_not_scored_is_and_nothing_else(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def evaluate(words: list[str]) -> int:
        asked.append(Path(words[1]).name)
        assert words[2:] == ["--split", "val", "--scores", "l1,psnr", "--train_pairs", "0"]
        below = "" if words[1] == str(run) else Path(words[1]).name
        put(run / "evaluation" / below / "val.json", l1=0.3, psnr=17.0)
        return 0

    monkeypatch.setattr(study, "main", evaluate)
    study.over_time([run], split="val", scores="l1,psnr", output=tmp_path / "out")
    assert asked == ["step_00000004", "run"]
    rows = (tmp_path / "out" / "over_time.md").read_text().splitlines()
    assert rows[2:] == ["| run | 3 | 0.300 | 17.000 |", "| run | 4 | 0.200 | 18.000 |", "| run | 6 | 0.300 | 17.000 |"]
    with Image.open(tmp_path / "out" / "over_time.png") as picture:
        assert picture.width > 2 * picture.height


def test_a_checkpoint_that_cannot_be_scored_ends_it(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "main", lambda _: 2)
    with pytest.raises(SystemExit, match="step_00000004: could not be scored"):
        study.over_time([run], split="val", scores="l1", output=tmp_path / "out")
