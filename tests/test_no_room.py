"""Folders that cannot be written to, and full disks: known before the work, where they can be, and in a line."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from test_training import train

from atme.cli import main
from atme.complaints import one_line
from atme.planning import plan
from atme.run_folder import read_log
from atme.training import checkpoint

Preset = Callable[..., Path]
Said = pytest.CaptureFixture[str]


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Folders that whoever runs the tests, be it root, may not write to."""
    access, places = os.access, set[Path]()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).absolute() not in places and access(path, mode))
    return places.add


@pytest.mark.parametrize("resume", ["never", "auto"])
def test_a_place_for_the_run_is_sought_before_pairs_are_looked_at(
    resume: str, tmp_path: Path, closed: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    def look(*_: object, **__: object) -> None:
        raise AssertionError("the pairs were looked at")

    monkeypatch.setattr(plan, "make_plan", look)
    closed(tmp_path)
    for place in (tmp_path / "deep" / "run", Path(__file__) / "run"):
        words = ["--run.dir", str(place), "--training.resume", resume]
        assert main(["train", "earth", *words]) == 2
        assert main(["train", "--config", "earth_atme_demo", *words]) == 2
        said = capsys.readouterr().err.strip().splitlines()
        assert len(set(said)) == len(said) - 1 == 1
        assert said[0].startswith(f"atme: {place}: ")
        assert said[0].endswith("; choose another place")


def test_a_run_that_cannot_be_written_to_goes_on_elsewhere(
    preset: Preset, tmp_path: Path, closed: Callable[[Path], None], capsys: Said
) -> None:
    run, longer = tmp_path / "run", ("--training.rate.epochs", "2", "--training.rate.decay_epochs", "0")
    assert train(preset(training__rate={"epochs": 1, "decay_epochs": 0}), run) == 0
    closed(run)
    before = sorted(run.rglob("*"))
    assert train(preset(), run, "--training.resume", "auto", *longer) == 2
    words = f"--training.resume {run} and a new --run.dir"
    assert f"{run}: cannot be written to; allow it, or go on elsewhere with {words}" in capsys.readouterr().err
    assert sorted(run.rglob("*")) == before
    assert train(preset(), tmp_path / "new", "--training.resume", str(run), *longer) == 0
    assert read_log(tmp_path / "new")[-1]["step"] == 8


def test_a_full_disk_costs_what_was_not_kept(
    preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    short = {"epochs": 1, "decay_epochs": 0}
    with monkeypatch.context() as disk:
        disk.setattr(checkpoint, "_write", full)
        assert train(preset(training__rate=short), tmp_path / "run") == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "there is no earlier one; mend that, such as by making room, and go on with --training.resume auto" in said
    assert train(preset(training__rate=short), tmp_path / "run", "--training.resume", "auto") == 0
    assert read_log(tmp_path / "run")[-1]["step"] == 4


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a/b.png"), "a/b.png: No space left on device; make room"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device; make room"),
        (OSError(errno.EROFS, "Read-only file system", "a"), "a: Read-only file system; choose another place"),
        (PermissionError(errno.EACCES, "Permission denied", b"a"), "a: Permission denied; allow it, or choose another"),
        (OSError("a: is full; make room"), "a: is full; make room"),
        (FileNotFoundError(errno.ENOENT, "No such file", "a"), "[Errno 2] No such file: 'a'"),
    ],
)
def test_what_the_system_says_has_a_remedy(error: OSError, said: str) -> None:
    assert one_line(error).startswith(said)
