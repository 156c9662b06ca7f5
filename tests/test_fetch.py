"""A dataset arrives whole, from whichever mirror does, or it does not appear at all."""

import errno
import hashlib
import io
import os
import signal
import socket
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from filelock import FileLock
from local_mirror import Answer, local_mirror
from local_mirror import Mirror as Server

from atme.data.recipes import Mirror, Recipe
from atme.prepare.disk import DiskError
from atme.prepare.fetch import archives, checksums
from atme.prepare.fetch.download import Patience
from atme.prepare.fetch.fetch import Fetched, Watch, fetch_recipe
from atme.prepare.manifest import changed_files, missing_files, read_manifest

SPLITS = {"train": 3, "val": 2}


def picture(seed: int, width: int = 32) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (16, width, 3), np.uint8)
    return cv2.imencode(".jpg", noise)[1].tobytes()


SIDE_BY_SIDE = {f"toy/{split}/{n}.jpg": picture(n) for split, count in SPLITS.items() for n in range(1, count + 1)}
TWO_FOLDERS = {
    f"toy/{split}{half}/{n}_{half}.jpg": picture(n, width=16)
    for split, count in SPLITS.items()
    for half in "AB"
    for n in range(1, count + 1)
}


def tar_gz(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    return buffer.getvalue()


TAR, ZIP = tar_gz(SIDE_BY_SIDE), zipped(TWO_FOLDERS)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    with local_mirror() as server:
        yield server


def recipe_for(*mirrors: Mirror) -> Recipe:
    return Recipe(
        name="toy",
        title="Toys",
        root=Path("toy"),
        layout="side_by_side",
        splits=SPLITS,
        direction="AtoB",
        license="none",
        citation="none",
        source="nowhere",
        preset="toy_atme",
        mirrors=mirrors,
    )


def tar_mirror(url: str) -> Mirror:
    return Mirror(url, size=len(TAR))


def zip_mirror(url: str) -> Mirror:
    return Mirror(url, size=len(ZIP), sha256=hashlib.sha256(ZIP).hexdigest(), layout="two_folders")


def fetch(recipe: Recipe, root: Path, said: list[str] | None = None) -> Fetched:
    patience = Patience(stall=0.3, attempts=2, sleep=lambda _: None)
    watch = Watch(say=(said if said is not None else []).append)
    return fetch_recipe(recipe, root / "toy", patience=patience, watch=watch)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json")
    return {f"toy/{path.relative_to(folder)}": path.read_bytes() for path in files}


def is_whole(folder: Path, expected: dict[str, bytes]) -> bool:
    manifest = read_manifest(folder)
    return (
        manifest is not None
        and contents(folder) == expected
        and {f"toy/{name}" for name in manifest.files} == set(expected)
        and not missing_files(folder, manifest)
        and not changed_files(folder, manifest, names=list(manifest.files))
    )


@pytest.mark.parametrize(
    ("path", "archive", "mirror", "files"),
    [("/toy.tar.gz", TAR, tar_mirror, SIDE_BY_SIDE), ("/toy.zip", ZIP, zip_mirror, TWO_FOLDERS)],
    ids=["side by side", "two folders"],
)
class TestBothLayouts:
    def test_whole(self, server: Server, tmp_path: Path, path: str, archive: bytes, mirror, files) -> None:
        fetched = fetch(recipe_for(mirror(server.serve(path, Answer(archive)))), tmp_path)
        assert is_whole(tmp_path / "toy", files)
        assert fetched.splits == SPLITS
        assert fetched.recorded == (fetched.mirror.sha256 is None)
        assert (tmp_path / "checksums.json").exists() == fetched.recorded
        hidden = {path.name for path in tmp_path.iterdir() if path.name.startswith(".")}
        assert hidden <= ({".checksums.json.lock"} if fetched.recorded else set())

    def test_cut_and_resumed(self, server: Server, tmp_path: Path, path: str, archive, mirror, files) -> None:
        url = server.serve(path, Answer(archive, cut=len(archive) // 2), Answer(archive))
        fetch(recipe_for(mirror(url)), tmp_path)
        assert is_whole(tmp_path / "toy", files)
        assert [span for _, span in server.asked] == [None, f"bytes={len(archive) // 2}-"]

    def test_cut_without_ranges(self, server: Server, tmp_path: Path, path: str, archive, mirror, files) -> None:
        url = server.serve(path, Answer(archive, cut=len(archive) // 2), Answer(archive, ranges=False))
        fetch(recipe_for(mirror(url)), tmp_path)
        assert is_whole(tmp_path / "toy", files)

    def test_is_read_as_pairs(self, server: Server, tmp_path: Path, path: str, archive, mirror, files) -> None:
        from atme.data import PairedImages

        fetch(recipe_for(mirror(server.serve(path, Answer(archive)))), tmp_path)
        for split, count in SPLITS.items():
            assert len(PairedImages(tmp_path / "toy", split=split)) == count

    @pytest.mark.parametrize("damage", ["cut", "another file"])
    def test_what_is_broken_does_not_appear(
        self, server: Server, tmp_path: Path, path: str, archive, mirror, files, damage: str
    ) -> None:
        broken = archive[: len(archive) // 2] if damage == "cut" else b"<html>" + archive[6:]
        url = server.serve(path, Answer(broken))
        given = replace(mirror(url), size=len(broken))
        with pytest.raises(ValueError, match="no mirror delivered"):
            fetch(recipe_for(given), tmp_path)
        assert not (tmp_path / "toy").exists()


def test_404_then_mirror(server: Server, tmp_path: Path) -> None:
    gone, there = server.serve("/gone.tar.gz", Answer(status=404)), server.serve("/toy.zip", Answer(ZIP))
    said: list[str] = []
    fetched = fetch(recipe_for(tar_mirror(gone), zip_mirror(there)), tmp_path, said)
    assert is_whole(tmp_path / "toy", TWO_FOLDERS)
    assert fetched.mirror.url == there
    assert any("404" in line for line in said)


def test_stalled_then_mirror(server: Server, tmp_path: Path) -> None:
    stalled = server.serve("/stalled.tar.gz", Answer(TAR, cut=0, stall=True))
    there = server.serve("/toy.tar.gz", Answer(TAR))
    fetch(recipe_for(tar_mirror(stalled), tar_mirror(there)), tmp_path)
    assert is_whole(tmp_path / "toy", SIDE_BY_SIDE)


def test_a_wrong_checksum_hands_over_and_is_not_kept(server: Server, tmp_path: Path) -> None:
    other = zipped(TWO_FOLDERS | {"toy/trainA/1_A.jpg": picture(99, width=16)})
    forged = zip_mirror(server.serve("/forged.zip", Answer(other)))
    forged = replace(forged, size=len(other))
    with pytest.raises(ValueError, match=r"SHA-256 is \w+, not \w+ as published"):
        fetch(recipe_for(forged), tmp_path)
    assert not (tmp_path / "toy").exists()
    honest = zip_mirror(server.serve("/toy.zip", Answer(ZIP)))
    fetch(recipe_for(forged, honest), tmp_path)
    assert is_whole(tmp_path / "toy", TWO_FOLDERS)


def test_the_first_good_fetch_records_the_checksum_and_binds_later_ones(server: Server, tmp_path: Path) -> None:
    url = server.serve("/toy.tar.gz", Answer(TAR))
    assert fetch(recipe_for(tar_mirror(url)), tmp_path).recorded
    assert checksums.recorded(tmp_path, url) == hashlib.sha256(TAR).hexdigest()
    (tmp_path / "toy").rename(tmp_path / "away")
    other = tar_gz(SIDE_BY_SIDE | {"toy/train/1.jpg": picture(99)})
    server.serve("/toy.tar.gz", Answer(other, tag='"two"'))
    with pytest.raises(ValueError, match=r"recorded in .*checksums\.json by an earlier fetch"):
        fetch(recipe_for(replace(tar_mirror(url), size=len(other))), tmp_path)
    server.serve("/toy.tar.gz", Answer(TAR, tag='"three"'))
    assert not fetch(recipe_for(tar_mirror(url)), tmp_path).recorded


def test_a_bad_archive_records_no_checksum(server: Server, tmp_path: Path) -> None:
    short = tar_gz(dict(list(SIDE_BY_SIDE.items())[1:]))
    url = server.serve("/toy.tar.gz", Answer(short))
    with pytest.raises(ValueError, match="holds 2 pairs of train where the recipe says 3"):
        fetch(recipe_for(Mirror(url, size=len(short))), tmp_path)
    assert checksums.recorded(tmp_path, url) is None
    assert not (tmp_path / "toy").exists()


def test_a_missing_partner_or_split_is_seen(server: Server, tmp_path: Path) -> None:
    alone = {name: content for name, content in TWO_FOLDERS.items() if name != "toy/trainB/2_B.jpg"}
    no_val = {name: content for name, content in SIDE_BY_SIDE.items() if "/val/" not in name}
    for files, words in ((alone, "no partner"), (no_val, "no split 'val'")):
        archive = zipped(files)
        url = server.serve("/toy.zip", Answer(archive))
        layout = "two_folders" if files is alone else "side_by_side"
        with pytest.raises(ValueError, match=f"something else than the recipe says: .*{words}"):
            fetch(recipe_for(Mirror(url, size=len(archive), layout=layout)), tmp_path)


def test_a_tolerance_forgives_a_rough_count_only(server: Server, tmp_path: Path) -> None:
    mirror = tar_mirror(server.serve("/toy.tar.gz", Answer(TAR)))
    rough = replace(recipe_for(mirror), splits={"train": 4, "val": 2}, tolerance=0.25)
    assert fetch(rough, tmp_path).splits == {"train": 3, "val": 2}
    with pytest.raises(ValueError, match="where the recipe says 4"):
        fetch(replace(rough, tolerance=0.24), tmp_path / "again")


@pytest.mark.parametrize("wrap", ["", "other-name/"])
def test_archives_may_be_wrapped_in_any_folder_or_none(server: Server, tmp_path: Path, wrap: str) -> None:
    archive = zipped({name.replace("toy/", wrap): content for name, content in SIDE_BY_SIDE.items()})
    url = server.serve("/toy.zip", Answer(archive))
    fetch(recipe_for(Mirror(url, size=len(archive))), tmp_path)
    assert is_whole(tmp_path / "toy", SIDE_BY_SIDE)


def test_a_dangerous_archive_is_refused(server: Server, tmp_path: Path) -> None:
    evil = zipped(SIDE_BY_SIDE | {"../../evil.jpg": b"!"})
    url = server.serve("/toy.zip", Answer(evil))
    with pytest.raises(ValueError, match="climbs out"):
        fetch(recipe_for(Mirror(url, size=len(evil))), tmp_path / "root")
    assert not list(tmp_path.rglob("evil.jpg"))
    assert not (tmp_path / "root" / "toy").exists()


@pytest.mark.parametrize(
    "bad",
    [
        zipped(SIDE_BY_SIDE | {f"toy/train/{300 * 'x'}.jpg": b"!"}),
        zipped(SIDE_BY_SIDE | {f"{n}/": b"" for n in range(5000)}),
        ZIP.replace(b"PK\x01\x02", b"PK\x01\x01"),
        b"",
    ],
    ids=["a name of 300 letters", "5,000 folders", "damaged", "empty"],
)
def test_a_bad_archive_hands_over(server: Server, tmp_path: Path, bad: bytes) -> None:
    given = Mirror(server.serve("/bad.zip", Answer(bad)), about=max(1000, len(bad)))
    there = tar_mirror(server.serve("/toy.tar.gz", Answer(TAR)))
    fetched = fetch(recipe_for(given, there), tmp_path)
    assert fetched.mirror == there
    assert is_whole(tmp_path / "toy", SIDE_BY_SIDE)


def test_a_manifest_in_the_archive_gives_way(server: Server, tmp_path: Path) -> None:
    archive = zipped(SIDE_BY_SIDE | {"toy/manifest.json": b"{}"})
    fetch(recipe_for(Mirror(server.serve("/toy.zip", Answer(archive)), size=len(archive))), tmp_path)
    assert is_whole(tmp_path / "toy", SIDE_BY_SIDE)


def test_an_address_may_be_long(server: Server, tmp_path: Path) -> None:
    fetch(recipe_for(tar_mirror(server.serve(f"/{300 * 'x'}.tar.gz", Answer(TAR)))), tmp_path)
    assert is_whole(tmp_path / "toy", SIDE_BY_SIDE)


def test_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each machine is looked up once, nobody waits, and one line says what is the matter."""
    asked = []

    def no_name(host: str, *_: object) -> None:
        asked.append(host)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", no_name)
    monkeypatch.setenv("no_proxy", "*")
    mirrors = [
        Mirror(url, size=5) for url in ("http://a/1.zip", "https://b/1.zip", "http://a/2.zip", "https://b/2.zip")
    ]
    waits: list[float] = []
    with pytest.raises(ValueError, match="toy: this machine seems to be offline; connect it and run it again"):
        fetch_recipe(recipe_for(*mirrors), tmp_path / "toy", patience=Patience(sleep=waits.append))
    assert asked == ["a", "b"]
    assert waits == []
    assert list(tmp_path.iterdir()) == []


def test_one_machine_that_is_lost_does_not_make_this_one_offline(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tar_mirror(server.serve("/gone.tar.gz", Answer(status=404)))
    look_up = socket.getaddrinfo

    def lost(host: str, *rest: object, **options: object) -> object:
        if host == "lost":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(host, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", lost)
    with pytest.raises(ValueError, match=r"no mirror delivered.*lost.*Name or service not known.*404"):
        fetch(recipe_for(tar_mirror("http://lost/toy.tar.gz"), gone), tmp_path)


def test_a_folder_that_is_a_link_is_filled(server: Server, tmp_path: Path) -> None:
    (tmp_path / "disk" / "toy").mkdir(parents=True)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "toy").symlink_to(tmp_path / "disk" / "toy")
    url = server.serve("/toy.tar.gz", Answer(TAR))
    fetch(recipe_for(tar_mirror(url)), tmp_path / "data")
    assert is_whole(tmp_path / "disk" / "toy", SIDE_BY_SIDE)
    assert checksums.recorded(tmp_path / "data", url) is not None


def test_too_little_room_is_told_before_anything_is_asked(server: Server, tmp_path: Path) -> None:
    mirror = tar_mirror(server.serve("/toy.tar.gz", Answer(TAR)))
    needed = len(TAR) + int(1.1 * len(TAR))
    with pytest.raises(DiskError, match=r"toy needs .* make room"):
        fetch_recipe(recipe_for(mirror), tmp_path / "toy", free=lambda _: needed - 1)
    assert server.asked == []
    fetch_recipe(recipe_for(mirror), tmp_path / "toy", free=lambda _: needed)


def test_a_disk_full_while_unpacking(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = server.serve("/toy.tar.gz", Answer(TAR))

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(archives, "_create", full)
    with pytest.raises(DiskError, match="No space left on device"):
        fetch(recipe_for(tar_mirror(url)), tmp_path)
    assert not (tmp_path / "toy").exists()
    assert not (tmp_path / ".toy.partial" / "made").exists()  # the room is given back
    monkeypatch.undo()
    asked = len(server.asked)
    fetch(recipe_for(tar_mirror(url)), tmp_path)
    assert is_whole(tmp_path / "toy", SIDE_BY_SIDE)
    assert len(server.asked) == asked  # the archive was kept


def test_a_folder_that_is_taken_stays_as_it_is(server: Server, tmp_path: Path) -> None:
    mirror = tar_mirror(server.serve("/toy.tar.gz", Answer(TAR)))
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="exists already"):
        fetch(recipe_for(mirror), tmp_path)
    assert [path.name for path in (tmp_path / "toy").iterdir()] == ["mine.txt"]


def test_two_fetches_at_once(server: Server, tmp_path: Path) -> None:
    mirror = tar_mirror(server.serve("/toy.tar.gz", Answer(TAR)))
    (tmp_path / ".toy.partial").mkdir()
    with (
        FileLock(tmp_path / ".toy.partial" / "lock"),
        pytest.raises(ValueError, match="another process is making it"),
    ):
        fetch(recipe_for(mirror), tmp_path)


def test_a_recipe_without_archives_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="register there"):
        fetch(replace(recipe_for(), by_hand="register there"), tmp_path)


# One process fetches again and again; its children die by SIGKILL when so many bytes have passed, in either
# stage, or file operations, each of which counts as 64 bytes. The first one lives, and tells what passes.
VICTIM = """
import os, random, signal, sys
from pathlib import Path
from test_fetch import recipe_for, tar_mirror
from atme.data import layout
from atme.prepare.fetch import archives, download
from atme.prepare.fetch.fetch import Watch, fetch_recipe

archives.CHUNK = download.CHUNK = 64
url, *folders = sys.argv[1:]

def fetch(folder, left):
    passed, before = 0, 0
    def more(count):
        nonlocal passed, left
        passed += count
        if passed > left:
            left = float("inf")  # killing is an operation, too
            os.kill(os.getpid(), signal.SIGKILL)
    def arriving(here, total):
        nonlocal before
        more(max(0, here - before))
        before = here
    operations = ("open", "os", "shutil")
    sys.addaudithook(lambda event, _: more(64) if event.partition(".")[0] in operations else None)
    fetch_recipe(recipe_for(tar_mirror(url)), Path(folder), watch=Watch(arriving=arriving, unpacking=more))
    return passed

def in_child(folder, left):
    answer, question = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(question, str(fetch(folder, left)).encode())
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), answer

code, answer = in_child(folders[0], float("inf"))
total = int(os.read(answer, 100))
print(code)
rng = random.Random(0)
for n, folder in enumerate(folders[1:]):
    print(in_child(folder, (n + rng.random()) * total / 20)[0])  # one in each twentieth
"""


def test_killed_at_a_random_byte_twenty_times(server: Server, tmp_path: Path) -> None:
    url = server.serve("/toy.tar.gz", Answer(TAR))
    folders = [tmp_path / str(n) / "toy" for n in range(21)]
    for folder in folders:
        folder.parent.mkdir()
    run = subprocess.run(
        [sys.executable, "-c", VICTIM, url, *map(str, folders)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["tests", *sys.path])},
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == ["0"] + [str(-signal.SIGKILL)] * 20
    absent = [folder for folder in folders if not folder.exists()]
    assert 0 < len(absent) <= 20
    assert all(is_whole(folder, SIDE_BY_SIDE) for folder in folders if folder not in absent)
    for folder in absent:
        fetch_recipe(recipe_for(tar_mirror(url)), folder)
        assert is_whole(folder, SIDE_BY_SIDE)
    assert any(span for _, span in server.asked)  # some went on at the byte where they were killed
