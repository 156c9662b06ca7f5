"""Two trainings in one folder: the second one is refused, whenever it comes, and nothing of the first one is lost."""

from collections.abc import Callable
from pathlib import Path

import pytest
from test_training import train

from atme.run_folder import checkpoints, read_log
from atme.training.alone import Alone

Preset = Callable[..., Path]
Said = pytest.CaptureFixture[str]
NO_LOCKS = pytest.mark.skipif("sys.platform == 'win32'", reason="there are no such locks")


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@NO_LOCKS
def test_going_on_beside_it_is_refused(preset: Preset, tmp_path: Path, capsys: Said) -> None:
    assert train(preset(), tmp_path / "run") == 0
    before = bytes_of(tmp_path / "run")
    first = Alone(tmp_path / "run", goes_on=True)
    longer = ("--training.resume", "auto", "--training.rate.epochs", "3")
    assert train(preset(), tmp_path / "run", *longer) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1] == (
        f"atme: {tmp_path}/run: another training is at work in it; wait until it has ended, or choose another --run.dir"
    )
    assert bytes_of(tmp_path / "run") == before
    first.let_go()
    assert train(preset(), tmp_path / "run", *longer) == 0
    assert read_log(tmp_path / "run")[-1]["step"] == 16


@NO_LOCKS
def test_one_that_begins_beside_it_removes_nothing(
    preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It saw an empty folder, and meanwhile another one began there."""
    from atme.training import loop

    prepare = loop.prepare

    def meanwhile(*words: object, **named: object) -> object:
        start = prepare(*words, **named)
        Path(tmp_path / "run").mkdir()
        (tmp_path / "run" / "options.yaml").write_text("theirs")
        return start

    monkeypatch.setattr(loop, "prepare", meanwhile)
    assert train(preset(), tmp_path / "run") == 2
    assert bytes_of(tmp_path / "run") == {"options.yaml": b"theirs"}


def test_a_run_that_failed_can_be_begun_anew(preset: Preset, tmp_path: Path) -> None:
    """In the same process, too: nothing is held any more."""
    rate = ("--optimizers.generator.init_args.lr", "1e30")
    assert train(preset(), tmp_path / "run", *rate) == 2
    assert train(preset(), tmp_path / "run", "--training.resume", "auto") == 2  # other options, and no lock
    assert train(preset(), tmp_path / "other") == 0
    assert checkpoints(tmp_path / "other")
