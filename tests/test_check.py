"""The check finds every fault that is planted, nothing on earth, and moves without losing a file.

PLANTED and PLANTED_IN_TWO list the faults: each is put into a part of earth, side by side or in two folders,
and must be found by its kind, in its pair, and nowhere else.
"""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atme.cli import data as verbs
from atme.data.recipes import find_root
from atme.data.scan import Entry, scan
from atme.images import read_image, write_image
from atme.prepare.check.alignment import shift_of
from atme.prepare.check.check import Report, check_folder
from atme.prepare.check.faults import MEANING, Fault
from atme.prepare.check.set_aside import LOG, put_back, set_aside
from atme.prepare.check.similarity import BITS_APART, LEVELS_APART, close_codes, look_of
from atme.prepare.manifest import Manifest, record, write_manifest
from atme.prepare.status import presence, set_aside_folder
from atme.reports.check import write_page

EARTH = find_root("earth")
TRAIN = sorted((EARTH / "train").iterdir())[:16]
TEST = sorted((EARTH / "test").iterdir())[:4]
SHOWY = next(path for path in TRAIN if path.stem == "x0128_y0288")  # with edges all over, in both halves


@pytest.fixture
def earth(tmp_path: Path) -> Path:
    """20 of the pairs of earth, side by side."""
    for split, paths in (("train", TRAIN), ("test", TEST)):
        (tmp_path / "earth" / split).mkdir(parents=True)
        for path in paths:
            shutil.copyfile(path, tmp_path / "earth" / split / path.name)
    return tmp_path / "earth"


@pytest.fixture
def halved(earth: Path) -> Path:
    """The same in two folders: trainA/NAME_A.png and so on."""
    out = earth.with_name("halved")
    for path in sorted(earth.rglob("*.jpg")):
        for half, picture in zip("AB", np.split(read_image(path), 2, axis=1), strict=True):
            place = out / f"{path.parent.name}{half}" / f"{path.stem}_{half}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            write_image(place, picture)
    return out


def check(root: Path) -> Report:
    return check_folder(root, workers=2)


def found(root: Path) -> set[tuple[str, str]]:
    return {(fault.kind, f"{fault.entry.split}/{fault.entry.name}") for fault in check(root).faults}


def test_finds_nothing_on_earth() -> None:
    report = check(EARTH)
    assert report.faults == ()
    assert report.pairs == {"train": 101, "test": 30}
    assert report.has_manifest  # so every byte was compared, too


def test_finds_nothing_on_earth_in_two_folders(halved: Path) -> None:
    assert check(halved).faults == ()


def jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(coded, cv2.IMREAD_UNCHANGED)


def mirrored(picture: np.ndarray) -> np.ndarray:
    a, b = np.split(picture, 2, axis=1)
    return np.concatenate([a[:, ::-1], b[:, ::-1]], axis=1)


def with_halves(change: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]) -> Callable:
    return lambda picture: np.concatenate(change(*np.split(picture, 2, axis=1)), axis=1)


def shifted(right: int, down: int) -> Callable:
    """B moved, as by a careless crop; what is missing repeats the border."""

    def move(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        matrix = np.float32([[1, 0, right], [0, 1, down]])
        return a, cv2.warpAffine(b, matrix, b.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)

    return with_halves(move)


def one_color(picture: np.ndarray) -> np.ndarray:
    return np.broadcast_to(np.uint8([90, 140, 200]), picture.shape)


def redrawn(source: Path, change: Callable[[np.ndarray], np.ndarray], to: str = "") -> Callable[[Path], None]:
    """Puts a changed picture in place of a file, or into another one, as PNG, which loses nothing."""

    def plant(root: Path) -> None:
        path = root / source.parent.name / source.name
        picture = change(read_image(path))
        if to:
            write_image(root / to, picture)
        else:
            path.unlink()
            write_image(path.with_suffix(".png"), np.ascontiguousarray(picture))

    return plant


def bytes_of(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def plant(root: Path) -> None:
        path = root / "train" / SHOWY.name
        path.write_bytes(change(path.read_bytes()))

    return plant


def unchanged(picture: np.ndarray) -> np.ndarray:
    return picture


def half_of_test(root: Path) -> None:
    """A training pair whose A is that of a test pair, with another B."""
    a = np.split(read_image(root / "test" / TEST[0].name), 2, axis=1)[0]
    b = np.split(read_image(root / "train" / TRAIN[5].name), 2, axis=1)[1]
    write_image(root / "train" / "half.png", np.concatenate([a, b], axis=1))


def manifest_of(root: Path) -> None:
    write_manifest(root, Manifest("here", archive_sha256=None, splits={"train": len(TRAIN)}, files=record(root)))


def one_bit(root: Path) -> None:
    manifest_of(root)
    path = root / "train" / SHOWY.name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def lost(root: Path) -> None:
    manifest_of(root)
    (root / "train" / SHOWY.name).unlink()


HERE = f"train/{SHOWY.stem}"
PLANTED: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "no image": (bytes_of(lambda _: b"<html>404 Not Found</html>"), "unreadable", HERE),
    "empty file": (bytes_of(lambda _: b""), "unreadable", HERE),
    "cut file": (bytes_of(lambda content: content[: len(content) * 2 // 3]), "unreadable", HERE),
    "odd width": (redrawn(SHOWY, lambda picture: picture[:, :-1]), "unreadable", HERE),
    "another size": (redrawn(SHOWY, lambda picture: picture[::2, ::2]), "size", HERE),
    "gray among color": (redrawn(SHOWY, lambda picture: picture[..., :1]), "channels", HERE),
    "transparent among opaque": (redrawn(SHOWY, lambda p: np.dstack([p, p[..., 0]])), "channels", HERE),
    "16 bits among 8": (redrawn(SHOWY, lambda picture: picture.astype(np.uint16) * 257), "bits", HERE),
    "blank A": (redrawn(SHOWY, with_halves(lambda a, b: (one_color(a), b))), "blank", HERE),
    "blank B": (redrawn(SHOWY, with_halves(lambda a, b: (a, one_color(b)))), "blank", HERE),
    "A twice, no B": (redrawn(SHOWY, with_halves(lambda a, b: (a, a))), "same halves", HERE),
    "B 4 px beside A": (redrawn(SHOWY, shifted(4, 0)), "misaligned", HERE),
    "B 4 px above A": (redrawn(SHOWY, shifted(0, -4)), "misaligned", HERE),
    "B 17 px across": (redrawn(SHOWY, shifted(-12, 12)), "misaligned", HERE),
    "copy in train": (redrawn(SHOWY, unchanged, to="train/x9999.png"), "duplicate", "train/x9999"),
    "coarse copy in train": (
        redrawn(SHOWY, lambda p: jpeg(p, 30), to="train/x9999.png"),
        "duplicate",
        "train/x9999",
    ),
    "mirrored copy in train": (redrawn(SHOWY, mirrored, to="train/x9999.png"), "duplicate", "train/x9999"),
    "test pair in train": (redrawn(TEST[0], unchanged, to="train/x9999.png"), "leak", "train/x9999"),
    "coarse test pair in train": (
        redrawn(TEST[0], lambda p: jpeg(p, 30), to="train/x9999.png"),
        "leak",
        "train/x9999",
    ),
    "mirrored test pair in train": (redrawn(TEST[0], mirrored, to="train/x9999.png"), "leak", "train/x9999"),
    "A of a test pair in train": (half_of_test, "leak", "train/half"),
    "one bit changed since it was fetched": (one_bit, "changed", HERE),
    "a file lost since it was fetched": (lost, "missing", f"train/{SHOWY.name}"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_finds_the_fault_and_no_other(name: str, earth: Path) -> None:
    plant, kind, where = PLANTED[name]
    plant(earth)
    faults = found(earth)
    assert (kind, where) in faults
    assert {place for _, place in faults} == {where}


def cut_off(root: Path) -> None:
    (root / "trainB" / f"{SHOWY.stem}_B.png").unlink()


def no_source(root: Path) -> None:
    (root / "trainA" / f"{SHOWY.stem}_A.png").unlink()


def other_size(root: Path) -> None:
    path = root / "trainB" / f"{SHOWY.stem}_B.png"
    write_image(path, read_image(path)[:-2])


def name_twice(root: Path) -> None:
    path = root / "trainB" / f"{SHOWY.stem}_B.png"
    write_image(path.with_suffix(".jpg"), read_image(path))


PLANTED_IN_TWO: dict[str, tuple[Callable[[Path], None], str]] = {
    "no B": (cut_off, "has no partner in trainB"),
    "no A": (no_source, "has no partner in trainA"),
    "halves of two sizes": (other_size, "halves differ in size"),
    "two files of one name": (name_twice, "have the same name"),
}


@pytest.mark.parametrize("name", PLANTED_IN_TWO)
def test_finds_the_fault_between_two_files(name: str, halved: Path) -> None:
    plant, words = PLANTED_IN_TWO[name]
    plant(halved)
    (fault,) = check(halved).faults
    assert (fault.kind, fault.entry.split, fault.entry.name) == ("unreadable", "train", SHOWY.stem)
    assert words in fault.detail


def test_at_least_fifteen_faults_of_every_kind_are_planted() -> None:
    assert len(PLANTED) + len(PLANTED_IN_TWO) >= 15
    assert {kind for _, kind, _ in PLANTED.values()} == set(MEANING)


def test_finds_all_faults_at_once(earth: Path) -> None:
    for number, name in enumerate(("gray among color", "blank B", "B 4 px above A")):
        pick = TRAIN[number]
        change = {
            "gray among color": lambda picture: picture[..., :1],
            "blank B": with_halves(lambda a, b: (a, one_color(b))),
            "B 4 px above A": shifted(0, -4),
        }[name]
        redrawn(pick, change)(earth)
    kinds = [fault.kind for fault in check(earth).faults]
    assert set(kinds) >= {"channels", "blank"}
    assert kinds == sorted(kinds, key=list(MEANING).index)


def test_blank_pairs_are_blank_not_alike(earth: Path) -> None:
    for number, path in enumerate(TRAIN[:2]):
        redrawn(path, lambda picture, gray=100 + number: np.full_like(picture, gray))(earth)
    assert found(earth) == {("blank", f"train/{path.stem}") for path in TRAIN[:2]}


def test_pairs_of_many_sizes_are_no_fault(earth: Path) -> None:
    for number, path in enumerate(TRAIN[:12]):
        redrawn(path, lambda picture, rows=number + 1: picture[: -2 * rows])(earth)
    assert "size" not in {kind for kind, _ in found(earth)}


def test_a_flat_folder_is_one_split(earth: Path) -> None:
    report = check(earth / "train")
    assert report.pairs == {".": len(TRAIN)}
    assert not report.faults


@pytest.mark.parametrize("layout", ["A/train", "train/A"])
def test_every_layout_of_two_folders(halved: Path, layout: str) -> None:
    for half in "AB":
        place = halved.with_name("other") / layout.replace("A", half)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(halved / f"train{half}", place)
    assert check(halved.with_name("other")).pairs == {"train": len(TRAIN)}


def test_other_folders_are_passed_over(earth: Path) -> None:
    for name in ("notes", "DATA", ".cache"):
        (earth / name).mkdir()
        (earth / name / "readme.txt").touch()
    assert check(earth).pairs == {"test": len(TEST), "train": len(TRAIN)}


def test_what_is_no_dataset_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such folder"):
        check(tmp_path / "absent")
    with pytest.raises(ValueError, match="no images in it"):
        check(tmp_path)


def close(shift: tuple[int, int] | None, right: int, down: int) -> bool:
    """Within a pixel: some maps of earth lie a pixel beside their photograph."""
    return shift is not None and max(abs(shift[0] - right), abs(shift[1] - down)) <= 1


class TestShift:
    @pytest.mark.parametrize("right", [-20, -4, 0, 5])
    @pytest.mark.parametrize("down", [-13, 0, 4])
    def test_is_the_one_that_was_planted(self, right: int, down: int) -> None:
        a, b = np.split(read_image(SHOWY), 2, axis=1)
        inner, outer = slice(32, 224), (slice(32 + down, 224 + down), slice(32 + right, 224 + right))
        shift = shift_of(a[inner, inner], b[outer])
        assert shift is None if (right, down) == (0, 0) else close(shift, right, down)

    def test_most_shifts_are_found_and_no_aligned_pair_is_reported(self) -> None:
        rng = np.random.default_rng(0)
        seen = []
        for path in sorted(EARTH.rglob("*.jpg"))[::3]:
            a, b = np.split(read_image(path), 2, axis=1)
            assert shift_of(a, b) is None
            right, down = (
                int(size * sign) for size, sign in zip(rng.integers(4, 21, 2), rng.choice([-1, 1], 2), strict=True)
            )
            seen.append(close(shift_of(a, np.roll(b, (-down, -right), (0, 1))), right, down))
        assert np.mean(seen) > 0.75

    def test_two_pixels_are_forgiven_and_three_are_not(self) -> None:
        a = np.split(read_image(SHOWY), 2, axis=1)[0]
        assert shift_of(a, np.roll(255 - a, (2, -2), (0, 1))) is None
        assert shift_of(a, np.roll(255 - a, (2, -3), (0, 1))) == (3, -2)

    def test_what_lies_in_two_places_is_where_it_belongs(self) -> None:
        a = np.split(read_image(SHOWY), 2, axis=1)[0]
        double = cv2.addWeighted(a, 0.5, np.roll(a, 12, axis=1), 0.5, 0)
        assert shift_of(a, np.roll(double, 12, axis=1)) is not None
        assert shift_of(a, double) is None
        assert shift_of(a, np.roll(double, -12, axis=1)) is None

    def test_unrelated_halves_have_none(self) -> None:
        paths = sorted(EARTH.rglob("*.jpg"))[::6]
        a = [np.split(read_image(path), 2, axis=1)[0] for path in paths]
        b = [np.split(read_image(path), 2, axis=1)[1] for path in paths[3:] + paths[:3]]
        assert sum(shift_of(x, y) is not None for x, y in zip(a, b, strict=True)) <= 1

    @pytest.mark.parametrize("shape", [(8, 8), (23, 300), (25, 31), (1500, 1200)])
    def test_any_size(self, shape: tuple[int, int]) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
        assert shift_of(noise, noise) is None
        assert shift_of(noise, 255 - noise[..., :1]) is None

    def test_gray_and_deep_halves(self) -> None:
        a, b = np.split(read_image(SHOWY), 2, axis=1)
        moved = np.roll(b, (6, -9), (0, 1)).astype(np.uint16) * 257
        assert shift_of(a[..., :1], moved) == (9, -6)


class TestLook:
    @given(seed=st.integers(0, 2**32 - 1), size=st.tuples(st.integers(32, 90), st.integers(32, 90)))
    @settings(max_examples=25, deadline=None)
    def test_the_mirrored_hash_is_the_hash_of_the_mirrored_picture(self, seed: int, size: tuple[int, int]) -> None:
        picture = cv2.GaussianBlur(np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8), (0, 0), 3)
        straight, other = look_of(picture), look_of(np.ascontiguousarray(picture[:, ::-1]))
        assert apart(straight.mirrored, other.hash) <= 2  # values at the median may fall to either side
        assert apart(straight.hash, other.mirrored) <= 2

    @pytest.mark.parametrize(
        "change",
        [
            lambda p: jpeg(p, 30),
            lambda p: cv2.resize(p, (128, 128), interpolation=cv2.INTER_AREA),
            lambda p: p.astype(np.uint16) * 257,
            lambda p: cv2.GaussianBlur(p, (0, 0), 1),
        ],
        ids=["quality 30", "half the size", "16 bits", "blurred"],
    )
    def test_stays_what_it_is(self, change: Callable[[np.ndarray], np.ndarray]) -> None:
        for path in TRAIN:
            a = np.ascontiguousarray(np.split(read_image(path), 2, axis=1)[0])
            before, after = look_of(a), look_of(change(a))
            assert apart(before.hash, after.hash) <= BITS_APART // 2
            assert np.abs(before.thumbnail.astype(int) - after.thumbnail).mean() <= LEVELS_APART

    def test_one_picture_in_two_colors_is_two_pictures(self, earth: Path) -> None:
        redrawn(SHOWY, lambda picture: picture[..., ::-1], to="train/x9999.png")(earth)
        a, b = (read_image(earth / "train" / name) for name in (SHOWY.name, "x9999.png"))
        assert apart(look_of(a).hash, look_of(b).hash) <= 16  # gray alone hardly tells them apart
        assert found(earth) == set()

    @given(rows=st.integers(1, 60), others=st.integers(1, 60), seed=st.integers(0, 2**32 - 1))
    @settings(max_examples=30, deadline=None)
    def test_finds_all_close_codes_and_only_those(self, rows: int, others: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        codes = rng.integers(0, 256, (rows, 16), dtype=np.uint8)
        near = codes[rng.integers(0, rows, others)]
        flips = rng.random((others, 128)) < rng.uniform(0, 0.2, (others, 1))
        near ^= np.packbits(flips, axis=1)
        brute = {(i, j) for i in range(rows) for j in range(others) if apart(codes[i], near[j]) <= BITS_APART}
        assert close_codes(codes, near) == sorted(brute)


def apart(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.unpackbits(one ^ other).sum())


class TestSetAside:
    def faulty(self, root: Path, kind: str = "blank") -> list[Fault]:
        entry = next(entry for entry in scan(root)["train"] if entry.name == SHOWY.stem)
        return [Fault(kind, entry, "planted")]

    def test_both_halves_move_together_and_come_back(self, halved: Path) -> None:
        before = contents(halved)
        moved = set_aside(halved, self.faulty(halved), pairs={"train": len(TRAIN)})
        aside = set_aside_folder(halved)
        names = {f"train{half}/{SHOWY.stem}_{half}.png" for half in "AB"}
        assert {path.relative_to(aside).as_posix() for path in moved} == names
        assert set(before) - set(contents(halved)) == names
        assert check(halved).faults == ()
        put_back(halved)
        assert contents(halved) == before
        assert not aside.exists()

    def test_the_log_says_what_went_where_and_why(self, earth: Path) -> None:
        set_aside(earth, self.faulty(earth), pairs={"train": len(TRAIN)})
        (line,) = (set_aside_folder(earth) / LOG).read_text().splitlines()
        name = f"train/{SHOWY.name}"
        assert json.loads(line) == {"from": name, "to": name, "kind": "blank", "detail": "planted"}

    def test_a_second_file_of_the_same_name_does_not_replace_the_first(self, earth: Path) -> None:
        path = earth / "train" / SHOWY.name
        for content in (path.read_bytes(), b"another"):
            path.write_bytes(content)
            set_aside(earth, self.faulty(earth), pairs={"train": len(TRAIN)})
        assert {len(p.read_bytes()) for p in set_aside_folder(earth).rglob("*.jpg")} == {
            7,
            SHOWY.stat().st_size,
        }
        with pytest.raises(FileExistsError):
            (set_aside_folder(earth) / "train").mkdir()

    def test_nothing_is_put_over_a_file_that_is_there(self, earth: Path) -> None:
        set_aside(earth, self.faulty(earth), pairs={"train": len(TRAIN)})
        (earth / "train" / SHOWY.name).write_bytes(b"mine")
        with pytest.raises(ValueError, match="a file was put where another belongs"):
            put_back(earth)
        assert (earth / "train" / SHOWY.name).read_bytes() == b"mine"

    def test_most_of_a_split_is_not_moved(self, earth: Path) -> None:
        faults = [replace(fault, entry=entry) for entry in scan(earth)["train"] for fault in self.faulty(earth)]
        before = contents(earth)
        with pytest.raises(ValueError, match="16 of 16 pairs of train would be set aside"):
            set_aside(earth, faults, pairs={"train": len(TRAIN)})
        assert contents(earth) == before
        set_aside(earth, faults[:8], pairs={"train": len(TRAIN)})
        assert len(contents(earth)) == len(before) - 8

    def test_nothing_to_put_back(self, earth: Path) -> None:
        with pytest.raises(ValueError, match=r"moves\.jsonl: not there; nothing of .*earth was set aside"):
            put_back(earth)

    def test_a_manifest_forgives_what_was_set_aside(self, earth: Path) -> None:
        manifest_of(earth)
        assert presence(earth).words == "here, complete"
        set_aside(earth, self.faulty(earth), pairs={"train": len(TRAIN)})
        assert presence(earth).words == "here, complete, 1 files set aside"
        assert check(earth).faults == ()
        (earth / "train" / TRAIN[0].name).unlink()
        assert presence(earth).state == "damaged"


def contents(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


class TestVerb:
    def test_exit_codes(self, earth: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert verbs.check(str(earth)) == 0
        assert "nothing suspicious" in capsys.readouterr().out
        PLANTED["blank B"][0](earth)
        assert verbs.check(str(earth)) == 1
        assert HERE in capsys.readouterr().out

    def test_fix_then_undo(self, earth: Path, capsys: pytest.CaptureFixture[str]) -> None:
        PLANTED["blank B"][0](earth)
        before = contents(earth)
        assert verbs.check(str(earth), fix=True) == 1
        assert "1 files moved to" in capsys.readouterr().out
        assert verbs.check(str(earth)) == 0
        assert verbs.check(str(earth), undo=True) == 0
        assert contents(earth) == before

    def test_a_dataset_may_be_named(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert verbs.check("earth", workers=1) == 0

    def test_workers(self, earth: Path) -> None:
        with pytest.raises(ValueError, match="--workers -1"):
            verbs.check(str(earth), workers=-1)


def test_the_page_stands_alone_and_shows_every_fault(earth: Path, tmp_path: Path) -> None:
    planted = ("blank B", "coarse test pair in train")
    for name in planted:
        PLANTED[name][0](earth)
    redrawn(TRAIN[0], shifted(0, 9))(earth)
    (earth / "train" / TRAIN[1].name).write_bytes(b"<script>alert(1)</script>")
    report = check(earth)
    write_page(report, tmp_path / "pages" / "check.html")
    page = (tmp_path / "pages" / "check.html").read_text()
    for fault in report.faults:
        assert f"<b>{fault.entry.split}/{fault.entry.name}</b>" in page
        assert MEANING[fault.kind] in page
    assert page.count("data:image/jpeg;base64,") == page.count("<img ") >= 4
    assert "not readable" in page
    assert "http" not in page
    assert "<script" not in page


def test_the_page_of_a_good_dataset(earth: Path, tmp_path: Path) -> None:
    write_page(check(earth), tmp_path / "check.html")
    page = (tmp_path / "check.html").read_text()
    assert "Nothing suspicious" in page
    assert "<img" not in page


def test_names_are_escaped(earth: Path, tmp_path: Path) -> None:
    os.rename(earth / "train" / SHOWY.name, earth / "train" / "[bold]&lt;<i>.jpg")
    (earth / "train" / "[bold]&lt;<i>.jpg").write_bytes(b"")
    report = check(earth)
    write_page(report, tmp_path / "check.html")
    assert "[bold]&amp;lt;&lt;i&gt;" in (tmp_path / "check.html").read_text()
    assert verbs.check(str(earth)) == 1


def test_many_faults_are_listed_not_shown(earth: Path, tmp_path: Path) -> None:
    entry = Entry("train", "x", (earth / "train" / SHOWY.name,))
    faults = tuple(Fault("blank", replace(entry, name=f"x{n}"), "planted") for n in range(60))
    write_page(replace(check(earth), faults=faults), tmp_path / "check.html")
    page = (tmp_path / "check.html").read_text()
    assert page.count("<img ") == 48
    assert all(f"<b>x{n}</b>" in page or f"<b>train/x{n}</b>" in page for n in range(60))
