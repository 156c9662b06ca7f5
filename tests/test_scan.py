"""Which files are pairs: one listing, whose faults a check reports, and a run refuses, all at once."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_layout import TWO_FOLDERS, put, put_split

from atme.data.layout import Layout, find_layout
from atme.data.scan import IN_NO_SPLIT, in_no_split, list_pairs, list_split, list_splits, scan
from atme.images.folder import HIDDEN, OTHER, SYSTEM, UNREAD

NFC, NFD = (lambda name, form=form: unicodedata.normalize(form, name) for form in ("NFC", "NFD"))


def troubles(root: Path) -> dict[str, str | None]:
    return {f"{split}/{entry.name}": entry.trouble for split, entries in scan(root).items() for entry in entries}


def words(root: Path) -> str:
    """What a run says of the training split."""
    with pytest.raises(ValueError) as refused:  # noqa: PT011  (its words are what is returned)
        list_pairs(find_layout(root))
    return str(refused.value)


class TestPairs:
    def test_side_by_side(self, tmp_path: Path) -> None:
        put(tmp_path / "train/b.png", tmp_path / "train/a.jpg", tmp_path / "test/c.png")
        files = list_pairs(find_layout(tmp_path))
        assert files.names == ("a", "b")
        assert files.paths == ((tmp_path / "train/a.jpg",), (tmp_path / "train/b.png",))
        assert list_pairs(find_layout(tmp_path, split="test")).names == ("c",)

    @pytest.mark.parametrize("form", TWO_FOLDERS)
    def test_two_folders(self, tmp_path: Path, form: str) -> None:
        a, b = (TWO_FOLDERS[form](tmp_path, "val", side) for side in "AB")
        put(a / "2.jpg", a / "10.png", b / "10.png", b / "2.webp")
        files = list_pairs(find_layout(tmp_path, split="val"))
        assert files.names == ("10", "2")
        assert files.paths == ((a / "10.png", b / "10.png"), (a / "2.jpg", b / "2.webp"))
        assert scan(tmp_path)["val"] == list(list_split(find_layout(tmp_path, split="val"), "val").entries)

    def test_names_with_the_side(self, tmp_path: Path) -> None:
        put(*(tmp_path / f"train{side}/{i}_{side}.jpg" for side in "AB" for i in (1, 2, 10)))
        files = list_pairs(find_layout(tmp_path))
        assert files.names == ("1", "10", "2")
        assert files.paths[1] == (tmp_path / "trainA/10_A.jpg", tmp_path / "trainB/10_B.jpg")

    def test_names_that_only_look_like_it(self, tmp_path: Path) -> None:
        put(*(tmp_path / f"train{side}/{name}.png" for side in "AB" for name in ("plan_A", "plan_B")))
        assert list_pairs(find_layout(tmp_path)).names == ("plan_A", "plan_B")

    @settings(max_examples=30, deadline=None)
    @given(names=st.sets(st.text("abz019_-. ", min_size=1, max_size=6).map(lambda t: f"n{t}n"), min_size=1))
    def test_all_layouts_list_the_same_names(self, tmp_path_factory: pytest.TempPathFactory, names: set[str]) -> None:
        root, listed = tmp_path_factory.mktemp("names"), []
        folders = {form: [place(root / form, "train", side) for side in "AB"] for form, place in TWO_FOLDERS.items()}
        folders["side_by_side"] = [root / "s" / "train"]
        for each in folders.values():
            put(*(folder / f"{name}.png" for folder in each for name in names))
            listed.append(list_pairs(Layout("two_folders", tuple(each))).names)
        assert listed == [tuple(sorted(names))] * len(folders)


class TestNamesThatLookEqual:
    NAMES = ("Müller", "Çelik", "Ångström", "plain", "각")

    @pytest.mark.parametrize("ending", [("", ""), ("_A", "_B")])
    def test_composed_and_decomposed(self, tmp_path: Path, ending: tuple[str, str]) -> None:
        for half, form, end in zip("AB", (NFC, NFD), ending, strict=True):
            put(*(tmp_path / f"train{half}" / f"{form(name)}{end}.png" for name in self.NAMES))
        files = list_pairs(find_layout(tmp_path))
        assert files.names == tuple(sorted(map(NFC, self.NAMES)))
        assert files.remarks == ()
        assert set(troubles(tmp_path).values()) == {None}

    def test_both_forms_on_one_side(self, tmp_path: Path) -> None:
        put(*(tmp_path / "train" / f"{form('é')}.png" for form in (NFC, NFD)))
        assert "have the same name in two forms of Unicode; rename one of them" in words(tmp_path)

    def test_another_case_is_paired_and_said(self, tmp_path: Path) -> None:
        put(
            *(tmp_path / f"trainA/IMG_{i}.JPG" for i in range(5)), *(tmp_path / f"trainB/img_{i}.png" for i in range(5))
        )
        put(tmp_path / "trainA/same.png", tmp_path / "trainB/same.png")
        files = list_pairs(find_layout(tmp_path))
        assert files.names == ("IMG_0", "IMG_1", "IMG_2", "IMG_3", "IMG_4", "same")
        assert files.paths[0] == (tmp_path / "trainA/IMG_0.JPG", tmp_path / "trainB/img_0.png")
        assert files.remarks[0].startswith(
            "5 paired though the case of their names differs (IMG_0.JPG and img_0.png, IM"
        )
        assert set(troubles(tmp_path).values()) == {None}

    @pytest.mark.parametrize(
        ("a", "b", "alone"),
        [
            (["X"], ["x", "X"], ["x"]),  # the same name comes first
            (["Ab"], ["aB", "AB"], ["AB", "Ab", "aB"]),
            (["Ab", "aB"], ["ab"], ["Ab", "aB", "ab"]),
        ],
    )
    def test_where_several_come_into_question_none_is_guessed(
        self, tmp_path: Path, a: list[str], b: list[str], alone: list[str]
    ) -> None:
        for half, names in (("A", a), ("B", b)):
            put(*(tmp_path / f"train{half}/{name}.png" for name in names))
        assert sorted(name for name, trouble in troubles(tmp_path).items() if trouble) == [f"train/{n}" for n in alone]


class TestWhatIsLeft:
    def test_is_named_with_its_reason(self, tmp_path: Path) -> None:
        put_split(tmp_path, "trainA")
        for half in "AB":
            folder = tmp_path / f"train{half}"
            put(folder / "._1.png", folder / "@eaDir/1.png/THUMB.png", folder / "notes.txt", folder / "2.gif")
        files, listing = list_pairs(find_layout(tmp_path)), list_splits(tmp_path)["train"]
        assert files.names == ("1",)
        assert {reason: len(paths) for reason, paths in listing.left.items()} == {
            HIDDEN: 2,
            SYSTEM: 2,
            OTHER: 2,
            UNREAD: 2,
        }
        assert files.remarks == listing.remarks
        assert "2 in formats that are not read (2.gif, 2.gif)" in files.remarks[0]

    def test_of_a_whole_dataset(self, tmp_path: Path) -> None:
        put_split(tmp_path, "A/train")
        put_split(tmp_path, "A/train", "test")
        put(tmp_path / "cover.png", tmp_path / "A/stray.png", tmp_path / "manifest.json", tmp_path / ".git/x.png")
        left = in_no_split(tmp_path, list_splits(tmp_path).values())
        assert left[IN_NO_SPLIT] == (tmp_path / "A/stray.png", tmp_path / "cover.png")
        assert left[OTHER] == (tmp_path / "manifest.json",)
        assert left[HIDDEN] == (tmp_path / ".git",)


class TestMissing:
    def test_an_empty_folder(self, tmp_path: Path) -> None:
        (tmp_path / "train").mkdir()
        assert words(tmp_path).startswith(f"{tmp_path / 'train'}: no pictures in it; give")
        put(tmp_path / "train/a.HEIC", tmp_path / "train/b.jp2")
        assert "2 in formats that are not read (a.HEIC, b.jp2)); convert them to PNG or JPEG" in words(tmp_path)
        put(tmp_path / "train/A/notes.txt", tmp_path / "train/B/a.png")
        assert words(tmp_path).startswith(f"{tmp_path / 'train/A'}: no pictures in it (left alone: 1 of other")

    def test_the_folder_of_one_side(self, tmp_path: Path) -> None:
        put(tmp_path / "trainA/a.png")
        assert words(tmp_path).startswith(f"{tmp_path / 'trainB'}: no such folder; it would hold the partners")
        assert troubles(tmp_path) == {"train/a": "has no partner in trainB"}

    @pytest.mark.parametrize("form", TWO_FOLDERS)
    def test_all_without_a_partner_are_named(self, tmp_path: Path, form: str) -> None:
        a, b = put_split(tmp_path, form)
        put(*(a / f"{name}.png" for name in "bcd"), b / "e.png", b / "b.gif")
        said = words(tmp_path)
        assert said.startswith(f"4 files do not fit: {a / 'b.png'}: has no partner in ")
        assert f"{b / 'e.png'}: has no partner in " in said
        assert said.endswith("move this one away (left alone: 1 in formats that are not read (b.gif))")
        assert {name for name, trouble in troubles(tmp_path).items() if trouble} == {f"train/{n}" for n in "bcde"}

    def test_of_many_the_first_ten_and_the_count(self, tmp_path: Path) -> None:
        put_split(tmp_path, "trainA")
        put(*(tmp_path / f"trainA/x{i:02}.png" for i in range(25)))
        said = words(tmp_path)
        assert said.startswith("25 files do not fit: ")
        assert said.count("has no partner in trainB") == 10
        assert "and 15 more" in said

    def test_two_files_of_one_name(self, tmp_path: Path) -> None:
        put(tmp_path / "train/a.png", tmp_path / "train/a.jpg")
        assert words(tmp_path) == f"{tmp_path / 'train/a.png'}: a.jpg and a.png have the same name; rename one of them"

    def test_no_pictures_anywhere(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="no pictures in it"):
            scan(tmp_path)
        put(tmp_path / "deep/er/a.png")
        with pytest.raises(ValueError, match=r"1 in subfolders \(a\.png\)\); give .*deep/er, or move"):
            scan(tmp_path)

    def test_all_splits_that_lie_in_two_layouts(self, tmp_path: Path) -> None:
        for split in ("train", "test"):
            put_split(tmp_path, "side_by_side", split)
            put_split(tmp_path, "A/train", split)
        with pytest.raises(
            ValueError, match=r"2 splits do not fit: .*'test': .*'train': .* layout side_by_side or A/tr"
        ):
            scan(tmp_path)
        assert scan(tmp_path, layout="A/train")["test"][0].paths == (
            tmp_path / "A/test/1.png",
            tmp_path / "B/test/1.png",
        )
        assert scan(tmp_path, layout="side_by_side")["train"][0].paths == (tmp_path / "train/1.png",)
