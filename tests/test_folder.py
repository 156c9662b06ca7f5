"""What a picture is: one rule for folders that hold everything a file system allows."""

import os
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atme.images import IMAGE_SUFFIXES, find_images, find_some_images
from atme.images.folder import (
    BELOW,
    HIDDEN,
    OTHER,
    REPEATED,
    SPECIAL,
    SYSTEM,
    UNOPENED,
    UNREAD,
    in_words,
    together,
)

ODD_NAMES = (
    "a b.png",
    " .png",
    "a\nb.png",
    "\ttab.png",
    "M\u00fcller.png",
    "Mu\u0308ller.png",
    os.fsdecode(b"latin-\xfc.png"),
    "[bold red].png",
    "<img>&.png",
    "%s{}$.png",
    "-rf.png",
    "\u202egnp.png",
    "\U0001f600.PNG",
    "x" * 251 + ".png",
    "two.dots.png",
)


def names(paths: tuple[Path, ...], folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


def put(folder: Path, *places: str) -> Path:
    for place in places:
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def leftovers(folder: Path) -> Path:
    """One picture, and one of everything that is left alone."""
    put(folder, "0.png", "._0.png", ".ipynb_checkpoints/0.png", "@eaDir/0.png/THUMB_M.png", "Thumbs.db")
    put(folder, "deep/down/1.png", "deep/.hidden/2.png", "deep/__MACOSX/3.png", "as.png/4.png", "b.HEIC", "c.gif")
    (folder / "back").symlink_to(folder)
    (folder / "up").symlink_to(folder.parent)
    (folder / "linked").symlink_to(folder / "deep")
    (folder / "lost").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "pipe.png")
    (folder / "link to a pipe.png").symlink_to(folder / "pipe.png")
    return folder


class TestPictures:
    @pytest.mark.parametrize("suffix", [*IMAGE_SUFFIXES, ".JPG", ".Jfif", ".jpe"])
    def test_every_ending(self, tmp_path: Path, suffix: str) -> None:
        assert names(find_images(put(tmp_path, f"a{suffix}")).images, tmp_path) == [f"a{suffix}"]

    def test_of_the_folder_alone(self, tmp_path: Path) -> None:
        found = find_images(leftovers(tmp_path))
        assert names(found.images, tmp_path) == ["0.png"]
        assert {reason: names(paths, tmp_path) for reason, paths in found.left.items()} == {
            HIDDEN: ["._0.png", ".ipynb_checkpoints"],
            SYSTEM: ["@eaDir"],
            BELOW: ["as.png/4.png", "deep/down/1.png"],
            REPEATED: ["back", "linked", "up"],
            UNREAD: ["b.HEIC", "c.gif"],
            OTHER: ["Thumbs.db", "lost"],
            SPECIAL: ["link to a pipe.png", "pipe.png"],
        }

    def test_of_its_subfolders_too(self, tmp_path: Path) -> None:
        found = find_images(leftovers(tmp_path), below=True)
        assert names(found.images, tmp_path) == ["0.png", "as.png/4.png", "deep/down/1.png"]
        assert names(found.left[HIDDEN], tmp_path) == ["._0.png", ".ipynb_checkpoints", "deep/.hidden"]
        assert names(found.left[SYSTEM], tmp_path) == ["@eaDir", "deep/__MACOSX"]
        assert BELOW not in found.left

    def test_every_name(self, tmp_path: Path) -> None:
        found = find_images(put(tmp_path, *ODD_NAMES))
        assert sorted(path.name for path in found.images) == sorted(ODD_NAMES)
        assert not found.left
        sentence = in_words({OTHER: found.images})
        assert sentence.isprintable() or "\u202e" in sentence
        for name in ODD_NAMES:
            line = in_words({OTHER: (tmp_path / name,)})
            assert len(line.splitlines()) == 1
            line.encode()

    @given(name=st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=40))
    def test_the_rule_is_the_same_at_any_depth(self, name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
        root = tmp_path_factory.mktemp("any")
        try:
            put(root, f"{name}.png", f"below/{name}.png")
        except (OSError, UnicodeEncodeError):  # a name that this file system does not allow
            return
        found = find_images(root, below=True)
        assert len(found.images) + sum(map(len, found.left.values())) == 2
        assert len(found.images) in (0, 2)
        assert (HIDDEN in found.left) == name.startswith(".")

    def test_the_folder_itself_may_be_hidden_or_a_link(self, tmp_path: Path) -> None:
        put(tmp_path, ".hidden/@eaDir/0.png")
        (tmp_path / "link").symlink_to(tmp_path / ".hidden/@eaDir")
        for folder in (tmp_path / ".hidden/@eaDir", tmp_path / "link"):
            assert find_images(folder).images == (folder / "0.png",)

    def test_relative_places_stay_relative(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(put(tmp_path, "0.png", "a/1.png"))
        assert find_images(Path(), below=True).images == (Path("0.png"), Path("a/1.png"))
        assert find_images(Path()).left == {BELOW: (Path("a/1.png"),)}


class TestLinks:
    def test_to_pictures_and_to_nowhere(self, tmp_path: Path) -> None:
        put(tmp_path, "there/0.png", "here/1.png")
        here = tmp_path / "here"
        (here / "0.png").symlink_to(tmp_path / "there/0.png")
        (here / "lost.png").symlink_to(tmp_path / "nowhere.png")
        (here / "self.png").symlink_to(here / "self.png")
        assert names(find_images(here).images, here) == ["0.png", "1.png", "lost.png", "self.png"]

    def test_to_folders_are_followed_once(self, tmp_path: Path) -> None:
        put(tmp_path, "there/0.png", "there/sub/1.png", "here/own/2.png")
        here = tmp_path / "here"
        (here / "a").symlink_to(tmp_path / "there")
        (here / "b").symlink_to(tmp_path / "there")
        (tmp_path / "there/sub/loop").symlink_to(here)
        found = find_images(here, below=True)
        assert names(found.images, here) == ["a/0.png", "a/sub/1.png", "own/2.png"]
        assert names(found.left[REPEATED], here) == ["a/sub/loop", "b"]

    def test_a_folder_keeps_its_own_name(self, tmp_path: Path) -> None:
        """Not that of a link which sorts first."""
        put(tmp_path, "z/0.png")
        (tmp_path / "a").symlink_to(tmp_path / "z")
        found = find_images(tmp_path, below=True)
        assert names(found.images, tmp_path) == ["z/0.png"]
        assert names(found.left[REPEATED], tmp_path) == ["a"]


class TestRefusals:
    def test_no_folder(self, tmp_path: Path) -> None:
        put(tmp_path, "file.png")
        for place, words in (("absent", "no such file"), ("file.png", "not a directory")):
            with pytest.raises(ValueError, match=rf"{place}: cannot be looked into \({words}.*\); give a folder"):
                find_images(tmp_path / place)

    @pytest.mark.parametrize(
        ("there", "words"),
        [
            ([], r"no pictures in it; give a folder of pictures \(\.jpg, .*\.jfif"),
            (["IMG_0.HEIC", "b.jp2"], r"no pictures in it \(left alone: 2 in formats .*IMG_0\.HEIC.*convert them to"),
            (["sub/0.png"], r"no pictures in it \(left alone: 1 in subfolders \(0\.png\)\); give .*sub, or move"),
            (["notes.txt", ".a.png"], r"1 hidden \(\.a\.png\), 1 of other endings \(notes\.txt\)\); give a folder"),
        ],
    )
    def test_no_pictures(self, tmp_path: Path, there: list[str], words: str) -> None:
        with pytest.raises(ValueError, match=words):
            find_some_images(put(tmp_path, *there))

    def test_pictures_are_found(self, tmp_path: Path) -> None:
        assert find_some_images(put(tmp_path, "0.png")) == find_images(tmp_path)
        assert names(find_some_images(put(tmp_path, "a/1.png"), below=True).images, tmp_path) == ["0.png", "a/1.png"]

    def test_a_subfolder_that_cannot_be_opened(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        put(tmp_path, "0.png", "closed/1.png")
        scandir = os.scandir

        def closed(folder: Path) -> object:
            if Path(folder).name == "closed":
                raise PermissionError(13, "Permission denied")
            return scandir(folder)

        monkeypatch.setattr(os, "scandir", closed)
        for below in (False, True):
            found = find_images(tmp_path, below=below)
            assert names(found.images, tmp_path) == ["0.png"]
            assert names(found.left[UNOPENED], tmp_path) == ["closed"]
        with pytest.raises(ValueError, match=r"closed: cannot be looked into \(permission denied\)"):
            find_images(tmp_path / "closed")


def test_what_is_left_is_said_and_added_up(tmp_path: Path) -> None:
    put(tmp_path, *(f"{half}/{name}" for half in "AB" for name in ("a.txt", "b.txt", "0.png", ".x")))
    both = together(find_images(tmp_path / half) for half in "AB")
    assert in_words(both) == "left alone: 2 hidden (.x, .x), 4 of other endings (a.txt, b.txt, a.txt, …)"
    assert in_words(together([])) == find_images(put(tmp_path / "clean", "0.png")).left_in_words() == ""


@pytest.mark.skipif(sys.platform == "win32", reason="no sockets in folders")
def test_a_socket_is_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path may have 100 letters
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind("s.png")
        assert names(find_images(tmp_path).left[SPECIAL], tmp_path) == ["s.png"]


def test_folders_as_deep_as_a_path_may_be(tmp_path: Path) -> None:
    """No recursion ends the walk: a thousand folders in one another."""
    folders = [os.path.join(tmp_path, *["d"] * depth) for depth in range(1, 1201)]
    for folder in folders:
        os.mkdir(folder)
    Path(folders[-1], "0.png").touch()
    assert len(find_images(tmp_path, below=True).images) == 1
    os.remove(os.path.join(folders[-1], "0.png"))
    for folder in reversed(folders):  # pytest's own way to remove it recurses
        os.rmdir(folder)


def test_work_grows_with_the_number_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is asked for once: no list is walked again for each of its entries."""
    put(tmp_path, *(f"{i % 10}/{i}.png" for i in range(1000)))
    scanned: list[str] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: scanned.append(str(folder)) or scandir(folder))
    assert len(find_images(tmp_path, below=True).images) == 1000
    assert len(scanned) == len(set(scanned)) == 11
