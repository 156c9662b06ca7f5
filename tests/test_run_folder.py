"""What is accepted as a run: its folder, one of its checkpoints, and what save_pretrained wrote."""

import json
from pathlib import Path

import pytest

from atme.run_folder import checkpoint_path, find_run, run_of


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two checkpoints, without weights."""
    for step in (4, 8):
        place = checkpoint_path(tmp_path / "run", step)
        place.mkdir(parents=True)
        (place / "state.json").write_text(json.dumps({"step": step}))
    (tmp_path / "run" / "options.yaml").write_text("{}")
    return tmp_path / "run"


def test_a_run_is_its_last_checkpoint(run: Path) -> None:
    found = find_run(run)
    assert (found.folder, found.checkpoint, found.is_last) == (run, checkpoint_path(run, 8), True)


def test_a_checkpoint_is_a_run(run: Path) -> None:
    earlier = find_run(checkpoint_path(run, 4))
    assert (earlier.folder, earlier.checkpoint, earlier.is_last) == (run, checkpoint_path(run, 4), False)
    assert find_run(checkpoint_path(run, 8)).is_last
    assert run_of(checkpoint_path(run, 4)) == run_of(run) == run


def test_a_checkpoint_under_another_name_is_a_run(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "best").symlink_to(checkpoint_path(run, 4))
    assert find_run(tmp_path / "best").folder == run
    monkeypatch.chdir(checkpoint_path(run, 4))
    assert find_run(".").folder.resolve() == run


def test_a_saved_translator_is_a_run(run: Path) -> None:
    saved = checkpoint_path(run, 4).rename(run.parent / "saved")
    (saved / "options.yaml").write_text("{}")
    found = find_run(saved)
    assert (found.folder, found.checkpoint, found.is_last) == (saved, saved, True)


def test_what_is_no_run_is_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nowhere: no such folder"):
        find_run(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no checkpoint in this folder"):
        find_run(tmp_path)
    alone = checkpoint_path(run, 4).rename(tmp_path / "alone")
    with pytest.raises(ValueError, match=r"alone: a checkpoint without its run; .*RUN/checkpoints"):
        find_run(alone)
