"""A folder appears whole, wherever it leads, and takes nothing of another's with it."""

import contextlib
import errno
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from atme.prepare import whole_folder
from atme.prepare.disk import DiskError, guarded
from atme.prepare.status import presence
from atme.prepare.whole_folder import appearing, hidden_beside, refuse_existing, workshop


def whole(folder: Path) -> None:
    (folder / "made").write_text("whole")


def make(out: Path, fill: Callable[[Path], None] = whole) -> None:
    with appearing(out) as folder:
        fill(folder)


def test_it_appears_and_leaves_nothing_beside(tmp_path: Path) -> None:
    make(tmp_path / "out")
    assert (tmp_path / "out" / "made").read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def interrupted(folder: Path) -> None:
    whole(folder)
    raise KeyboardInterrupt


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "out", interrupted)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fill", [whole, interrupted])
def test_what_a_fetch_left_under_the_same_name_is_kept(tmp_path: Path, fill: Callable[[Path], None]) -> None:
    hidden = hidden_beside(tmp_path / "out")
    (hidden / "made").mkdir(parents=True)
    (hidden / "made" / "of a fetch that was killed").touch()
    (hidden / "archive.part").write_bytes(b"half of it")
    with contextlib.suppress(KeyboardInterrupt):
        make(tmp_path / "out", fill)
    assert {path.name for path in hidden.iterdir()} - {"lock"} == {"archive.part"}
    assert (hidden / "archive.part").read_bytes() == b"half of it"
    assert [path.name for path in tmp_path.glob("out/*")] == (["made"] if fill is whole else [])


class TestLinks:
    def test_to_an_empty_folder(self, tmp_path: Path) -> None:
        (tmp_path / "disk" / "empty").mkdir(parents=True)
        (tmp_path / "out").symlink_to(tmp_path / "disk" / "empty")
        make(tmp_path / "out")
        assert (tmp_path / "out").is_symlink()
        assert (tmp_path / "disk" / "empty" / "made").read_text() == "whole"
        assert [path.name for path in (tmp_path / "disk").iterdir()] == ["empty"]

    def test_to_a_folder_that_is_still_to_come(self, tmp_path: Path) -> None:
        (tmp_path / "disk").mkdir()
        (tmp_path / "out").symlink_to("disk/new")
        make(tmp_path / "out")
        assert (tmp_path / "disk" / "new" / "made").read_text() == "whole"

    def test_the_hidden_folder_is_on_the_same_disk(self, tmp_path: Path) -> None:
        (tmp_path / "disk").mkdir()
        (tmp_path / "out").symlink_to("disk/new")
        assert hidden_beside(tmp_path / "out") == tmp_path / "disk" / ".new.partial"
        hidden_beside(tmp_path / "out").mkdir()
        (hidden_beside(tmp_path / "out") / "archive.part").write_bytes(bytes(2_000_000))
        assert presence(tmp_path / "out").words == "not here; 2.0 MB of its archive have arrived"

    @pytest.mark.parametrize("below", ["", "out"])
    def test_to_a_disk_that_is_not_there(self, tmp_path: Path, below: str) -> None:
        (tmp_path / "link").symlink_to("gone/away" if not below else "gone")
        with pytest.raises(ValueError, match=r"link: leads to gone.*, which is not there; mount its disk"):
            make(tmp_path / "link" / below)
        assert [path.name for path in tmp_path.iterdir()] == ["link"]

    def test_to_itself(self, tmp_path: Path) -> None:
        (tmp_path / "out").symlink_to("out")
        with pytest.raises(ValueError, match="out: a link that leads to itself"):
            make(tmp_path / "out")
        assert presence(tmp_path / "out").state == "damaged"

    def test_to_a_folder_that_holds_something(self, tmp_path: Path) -> None:
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "mine").touch()
        (tmp_path / "out").symlink_to("full")
        with pytest.raises(ValueError, match="out: exists already"):
            make(tmp_path / "out")


@pytest.mark.parametrize("out", [".", "../here", ""])
def test_the_working_directory_is_not_taken_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str) -> None:
    """What stands in it would stand in a folder that has no name any more."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(ValueError, match=r"is the folder that you work in; .* name a new folder"):
        make(Path(out))
    make(Path("new"))
    with pytest.raises(ValueError, match="exists already"):
        make(Path(out))


def test_where_a_disk_is_mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == tmp_path / "out")
    with pytest.raises(ValueError, match="out: is where a disk is mounted; name a folder on that disk"):
        make(tmp_path / "out")
    make(tmp_path / "out" / "below")


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with workshop(tmp_path / "out"), pytest.raises(ValueError, match="out: another process is making it"):
        make(tmp_path / "out")
    make(tmp_path / "out")


def test_what_came_meanwhile_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = whole_folder._held

    def late(hidden: Path, out: Path) -> AbstractContextManager[None]:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "theirs").touch()
        return held(hidden, out)

    monkeypatch.setattr(whole_folder, "_held", late)
    with pytest.raises(ValueError, match="out: exists already"):
        make(tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["theirs"]


def test_nor_at_the_last_moment(tmp_path: Path) -> None:
    def late(folder: Path) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "theirs").touch()

    with pytest.raises(DiskError, match=r"out: .*not empty"):
        make(tmp_path / "out", late)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["theirs"]


def test_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match=r"file/\.out\.partial: Not a directory; choose another folder"):
        make(tmp_path / "file" / "out")


def raising(number: int) -> Callable[[], None]:
    def write() -> None:
        raise OSError(number, os.strerror(number))

    return write


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "make room or choose another folder"),
        (errno.EDQUOT, "make room or choose another folder"),
        (errno.EROFS, "choose a folder that you may write to"),
        (errno.EACCES, "choose a folder that you may write to"),
        (errno.EIO, "choose another folder"),
    ],
)
def test_the_remedy_is_that_of_the_trouble(number: int, remedy: str) -> None:
    with pytest.raises(DiskError, match=rf"^here: {os.strerror(number)}; {remedy}"):
        guarded(Path("here"), raising(number))


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    refuse_existing(tmp_path / "out")
    make(tmp_path / "out")
