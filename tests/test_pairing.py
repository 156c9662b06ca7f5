"""Two folders of pictures become pairs: each with its partner, bit for bit; what is none is named."""

import os
import re
import unicodedata
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_folder import ODD_NAMES

from atme.data import PairedImages
from atme.images import read_image, write_image
from atme.prepare.pair import Written, match, write_pairs


def picture(seed: int, shape: tuple[int, ...] = (16, 24, 3), kind: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(kind).max, shape, kind)


def write_picture(path: Path, pixels: np.ndarray) -> None:
    """As its ending says; endings of JPEG that are seldom are written too."""
    kind = {".jfif": ".jpg", ".jpe": ".jpg"}.get(path.suffix.lower(), path.suffix.lower())
    path.write_bytes(cv2.imencode(kind, pixels[..., ::-1])[1].tobytes())


def folders(root: Path, a: list[str], b: list[str]) -> tuple[Path, Path]:
    for half, names in (("a", a), ("b", b)):
        for name in names:
            path = root / half / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_picture(path, picture(sum(os.fsencode(name)) + (half == "b")))
    return root / "a", root / "b"


@pytest.mark.parametrize(
    ("by", "a", "b", "names"),
    [
        ("name", ["1.png", "2.png"], ["1.png", "2.png", "3.png"], ["1", "2"]),
        ("stem", ["1.jpg", "2.png"], ["1.png", "2.png"], ["1", "2"]),
        ("{}_A,{}_B", ["1_A.png", "x.png"], ["1_B.jpg"], ["1"]),
        ("photo-{},{}.map", ["photo-é 1.png"], ["é 1.map.png"], ["é 1"]),
        ("stem", ["city/1.png", "town/1.png"], ["city/1.png", "town/1.png"], ["city_1", "town_1"]),
        ("{}_A,{}_B", ["city/1_A.png"], ["city/1_B.png"], ["city_1"]),
        ("img{},map{}", ["city/img1.png", "img2.png"], ["city/map1.png", "map2.png"], ["2", "city_1"]),
        ("a/{},b/{}", ["a/1.png", "1.png"], ["b/1.png"], ["1"]),
        ("stem", ["1.jfif", "2.jpe"], ["1.png", "2.PNG"], ["1", "2"]),
    ],
)
def test_matches(by: str, a: list[str], b: list[str], names: list[str], tmp_path: Path) -> None:
    matches = match(*folders(tmp_path, a, b), by=by)
    assert [pair.name for pair in matches.pairs] == names
    known = {path for pair in matches.pairs for path in (pair.a, pair.b)}
    everything = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert known | set(matches.alone) == everything
    assert not known & set(matches.alone)


@given(names=st.sets(st.integers(0, 30), min_size=1), others=st.sets(st.integers(0, 30), min_size=1))
@settings(max_examples=20, deadline=None)
def test_pairs_are_what_both_sides_have(
    names: set[int], others: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("match")
    both = names & others | {99}
    a, b = folders(root, [f"{n}_A.png" for n in names | {99}], [f"{n}_B.png" for n in others | {99}])
    matches = match(a, b, by="{}_A,{}_B")
    assert {int(pair.name) for pair in matches.pairs} == both
    assert len(matches.alone) == len(names ^ others)


@pytest.mark.parametrize(
    ("by", "a", "b", "words"),
    [
        ("name", ["1.png"], ["1.jpg"], "no two names match by name"),
        ("stem", ["1.png", "1.jpg"], ["1.png"], "same partner as 1.jpg"),
        ("{}_A", ["1.png"], ["1.png"], "no rule to match by"),
        ("A,B", ["1.png"], ["1.png"], "no rule to match by"),
        ("{}{},{}", ["1.png"], ["1.png"], "no rule to match by"),
        ("sorted", ["1.png"], ["1.png"], "no rule to match by"),
        ("name", [], ["1.png"], "cannot be looked into"),
        ("name", ["1.png"], ["2.png"], r"no two names match by name \(such as 1\.png and 2\.png\); try another --by"),
    ],
)
def test_what_does_not_match_is_named(by: str, a: list[str], b: list[str], words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        match(*folders(tmp_path, a, b), by=by)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(ValueError, match="no pictures in it"):
        match(tmp_path / "a", tmp_path / "a", by="name")


def written(tmp_path: Path, layout: str, *, by: str = "stem") -> Path:
    a, b = folders(tmp_path, ["1.png", "up/2.png", "3.png"], ["1.png", "up/2.png", "3.png"])
    write_pairs(match(a, b, by=by).pairs, tmp_path / "out", layout=layout, workers=2)
    return tmp_path / "out"


@pytest.mark.parametrize("by", ["stem", "name"])
def test_both_layouts_hold_the_same_pairs_bit_for_bit(tmp_path: Path, by: str) -> None:
    two = PairedImages(written(tmp_path / "two", "two_folders", by=by))
    one = PairedImages(written(tmp_path / "one", "side_by_side", by=by))
    assert one.names == two.names == ("1", "3", "up_2")
    for index in range(3):
        assert one[index].source.equal(two[index].source)
        assert one[index].target.equal(two[index].target)
    assert (tmp_path / "two/out/trainB/up_2.png").read_bytes() == (tmp_path / "two/b/up/2.png").read_bytes()


def test_links_become_files(tmp_path: Path) -> None:
    a, b = folders(tmp_path, ["real.png"], ["1.png"])
    (a / "1.png").symlink_to(a / "real.png")
    pairs = match(a, b, by="name", split="val").pairs
    write_pairs(pairs, tmp_path / "out", layout="two_folders", workers=1)
    copied = tmp_path / "out/valA/1.png"
    assert not copied.is_symlink()
    assert (read_image(copied) == read_image(a / "real.png")).all()


def broken(path: Path) -> None:
    path.write_bytes(b"no picture")


def smaller(path: Path) -> None:
    write_image(path, picture(1, (16, 22, 3)))


def gray(path: Path) -> None:
    write_image(path, picture(1, (16, 24, 1)))


def deep(path: Path) -> None:
    write_image(path, picture(1, (16, 24, 3), np.uint16))


@pytest.mark.parametrize(
    ("spoil", "layout", "words"),
    [
        (broken, "two_folders", "2.png: not an image"),
        (smaller, "two_folders", "has 24×16 pixels and its partner .* 22×16"),
        (smaller, "side_by_side", "has 24×16 pixels and its partner .* 22×16"),
        (gray, "side_by_side", "3 channels of 8 bits and 1 channels of 8 bits"),
        (deep, "side_by_side", "3 channels of 8 bits and 3 channels of 16 bits"),
    ],
)
def test_bad_pairs_are_left_out_and_named(spoil, layout: str, words: str, tmp_path: Path) -> None:
    names = ["1.png", "2.png", "3.png"]
    a, b = folders(tmp_path, names, names)
    spoil(b / "2.png")
    written = write_pairs(match(a, b, by="name").pairs, tmp_path / "out", layout=layout, workers=2)
    assert written.splits == {"train": 2}
    (bad,) = written.bad
    assert re.search(words, bad)
    assert PairedImages(tmp_path / "out").names == ("1", "3")
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", "out"}


@pytest.mark.parametrize("layout", ["two_folders", "side_by_side"])
def test_all_pairs_are_bad_and_nothing_appears(layout: str, tmp_path: Path) -> None:
    names = [f"{i:02}.png" for i in range(12)]
    a, b = folders(tmp_path, names, names)
    for path in b.iterdir():
        broken(path)
    with pytest.raises(ValueError, match=r"12 pairs do not fit: .*00\.png.* and 2 more"):
        write_pairs(match(a, b, by="name").pairs, tmp_path / "out", layout=layout, workers=2)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}


def test_a_split_whose_pairs_are_all_bad_leaves_no_folder(tmp_path: Path) -> None:
    names = ["train/1.png", "test/1.png"]
    a, b = folders(tmp_path, names, names)
    broken(a / "test/1.png")
    written = write_pairs(match(a, b, by="name").pairs, tmp_path / "out", layout="two_folders", workers=1)
    assert written.splits == {"train": 1}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["trainA", "trainB"]


def test_gray_maps_of_color_pictures_go_into_two_folders(tmp_path: Path) -> None:
    a, b = folders(tmp_path, ["1.png"], ["1.png"])
    gray(b / "1.png")
    write_pairs(match(a, b, by="name").pairs, tmp_path / "out", layout="two_folders", workers=1)
    pairs = PairedImages(tmp_path / "out")
    assert (pairs.source_channels, pairs.target_channels) == (3, 1)


class TestSplitsBelow:
    """What is divided stays divided: test pictures do not end in train."""

    @pytest.mark.parametrize("name", ["{split}", "{split}{half}", "{split}_{half}", "{SPLIT}"])
    def test_are_kept(self, tmp_path: Path, name: str) -> None:
        sides = [
            [
                f"{name.format(split=split, SPLIT=split.title(), half=half)}/{i}.png"
                for split in ("train", "test", "val")
            ]
            for half in "AB"
            for i in "12"
        ]
        pairs = match(*folders(tmp_path, sides[0] + sides[1], sides[2] + sides[3]), by="name").pairs
        assert sorted((pair.split, pair.name) for pair in pairs) == [
            (split, i) for split in ("test", "train", "val") for i in "12"
        ]
        out = tmp_path / "out"
        assert write_pairs(pairs, out, layout="side_by_side", workers=1).splits == dict.fromkeys(
            ("test", "train", "val"), 2
        )
        assert PairedImages(out, split="test").names == ("1", "2")

    def test_the_rest_is_trained_on(self, tmp_path: Path) -> None:
        names = ["0.png", "city/1.png", "test/2.png"]
        pairs = match(*folders(tmp_path, names, names), by="stem").pairs
        assert {(pair.split, pair.name) for pair in pairs} == {("train", "0"), ("train", "city_1"), ("test", "2")}

    def test_a_test_picture_without_partner_stays_out(self, tmp_path: Path) -> None:
        a, b = folders(tmp_path, ["train/1.png", "test/1.png", "test/2.png"], ["train/1.png", "test/1.png"])
        matches = match(a, b, by="name")
        assert {(pair.split, pair.name) for pair in matches.pairs} == {("train", "1"), ("test", "1")}
        assert matches.alone == (a / "test/2.png",)

    def test_unless_a_split_is_named(self, tmp_path: Path) -> None:
        names = ["train/1.png", "test/1.png"]
        pairs = match(*folders(tmp_path, names, names), by="name", split="val").pairs
        assert {(pair.split, pair.name) for pair in pairs} == {("val", "train_1"), ("val", "test_1")}

    def test_other_folders_are_no_splits(self, tmp_path: Path) -> None:
        names = ["berlin/1.png", "trainstation/1.png"]
        pairs = match(*folders(tmp_path, names, names), by="name").pairs
        assert {(pair.split, pair.name) for pair in pairs} == {("train", "berlin_1"), ("train", "trainstation_1")}

    @pytest.mark.parametrize("split", ["", ".", ".x", "a/b", "A", "@eaDir", "train_"])
    def test_no_name_of_a_split(self, tmp_path: Path, split: str) -> None:
        with pytest.raises(ValueError, match=r"--split .*: no name of a split; write one such as"):
            match(*folders(tmp_path, ["1.png"], ["1.png"]), by="name", split=split)


class TestNamesWritten:
    def test_none_is_hidden(self, tmp_path: Path) -> None:
        a, b = folders(tmp_path, ["img.1.png", "img2.png"], ["map.1.png", "map2.png"])
        matches = match(a, b, by="img{},map{}")
        assert [pair.name for pair in matches.pairs] == ["1", "2"]
        assert matches.remarks == ("1 named without the dot that would hide them (.1 as 1)",)
        write_pairs(matches.pairs, tmp_path / "out", layout="two_folders", workers=1)
        assert PairedImages(tmp_path / "out").names == ("1", "2")

    @pytest.mark.parametrize(
        ("a", "b", "by", "words"),
        [
            (["up/1.png", "up_1.png"], ["up/1.png", "up_1.png"], "stem", "up_1 would be written twice, for"),
            (["img.1.png", "img1.png"], ["map.1.png", "map1.png"], "img{},map{}", "1 would be written twice, for"),
            (["x.png", "X.png"], ["x.png", "X.png"], "name", "x would be written twice, for"),
            (["1.png", "1.jpg"], ["1.png", "1.jpg"], "name", "1 would be written twice, for"),
            (["img..png"], ["map..png"], "img{},map{}", "no name would be left of it; match it by another --by"),
            ([f"{'d' * 200}/{'n' * 60}.png"], [f"{'d' * 200}/{'n' * 60}.png"], "name", "too long a name; shorten it"),
        ],
    )
    def test_each_stands_alone_also_where_case_is_ignored(
        self, tmp_path: Path, a: list[str], b: list[str], by: str, words: str
    ) -> None:
        with pytest.raises(ValueError, match=words):
            match(*folders(tmp_path, a, b), by=by)

    def test_all_that_collide_are_named(self, tmp_path: Path) -> None:
        names = [f"{folder}{i}.png" for folder in ("up/", "up_") for i in range(12)]
        with pytest.raises(ValueError, match=r"12 names do not fit: .* and 2 more"):
            match(*folders(tmp_path, names, names), by="name")

    def test_all_that_would_have_one_partner_are_named(self, tmp_path: Path) -> None:
        names = [f"{i}.{ending}" for ending in ("png", "bmp") for i in range(3)]
        with pytest.raises(ValueError, match=r"3 files do not fit: .*0\.png: would have the same partner as 0\.bmp"):
            match(*folders(tmp_path, names, ["0.png"]), by="stem")

    @pytest.mark.parametrize("by", ["name", "stem", "{}x,{}y"])
    def test_forms_of_unicode_and_case(self, tmp_path: Path, by: str) -> None:
        nfc, nfd = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
        end = ("x", "y") if "{" in by else ("", "")
        a, b = folders(tmp_path, [f"{nfc}{end[0]}.png", f"IMG{end[0]}.PNG"], [f"{nfd}{end[1]}.png", f"img{end[1]}.png"])
        matches = match(a, b, by=by)
        assert [pair.name for pair in matches.pairs] == ["IMG", nfc]
        assert matches.alone == ()
        (remark,) = matches.remarks
        assert remark.startswith("1 paired though the case of their names differs (IMG")

    def test_names_of_any_bytes(self, tmp_path: Path) -> None:
        names = [name for name in ODD_NAMES if len(name) < 200 and not name.startswith("Mu\u0308")]
        a, b = folders(tmp_path, names, names)
        pairs = match(a, b, by="name").pairs
        assert write_pairs(pairs, tmp_path / "out", layout="two_folders", workers=1) == Written(
            {"train": len(names)}, ()
        )
        assert len(PairedImages(tmp_path / "out")) == len(names)


def test_a_folder_that_cannot_be_opened_is_no_reason_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = folders(tmp_path, ["1.png", "closed/2.png"], ["1.png", "closed/2.png"])
    scandir = os.scandir

    def closed(folder: Path) -> object:
        if Path(folder) == a / "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(ValueError, match=r"a/closed: cannot be opened; allow it, or move it elsewhere"):
        match(a, b, by="name")


def test_a_folder_that_is_taken_stays_as_it_is(tmp_path: Path) -> None:
    out = written(tmp_path, "two_folders")
    before = sorted(out.rglob("*"))
    with pytest.raises(ValueError, match="exists already"):
        written(tmp_path, "two_folders")
    assert sorted(out.rglob("*")) == before
