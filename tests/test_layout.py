"""Where splits lie: one table of layouts, each found, and two at once told apart or refused."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from atme.data.layout import WHOLE, Layout, find_layout, has_split, split_names, split_of_folder

Place = Callable[[Path, str, str], Path]

TWO_FOLDERS: dict[str, Place] = {
    "train/A": lambda root, split, side: root / split / side,
    "A/train": lambda root, split, side: root / side / split,
    "trainA": lambda root, split, side: root / f"{split}{side}",
    "train_A": lambda root, split, side: root / f"{split}_{side}",
    "A/trainA": lambda root, split, side: root / side / f"{split}{side}",
    "A/train_A": lambda root, split, side: root / side / f"{split}_{side}",
}


def put(*paths: Path) -> None:
    """Files of these names: nothing is read of them."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def put_split(root: Path, form: str, split: str = "train") -> tuple[Path, ...]:
    """A split of one pair; the folders that it lies in."""
    place = TWO_FOLDERS.get(form)
    folders = (root / split,) if place is None else tuple(place(root, split, side) for side in "AB")
    put(*(folder / "1.png" for folder in folders))
    return folders


class TestFinding:
    @pytest.mark.parametrize("split", ["train", "val", "USA", "fold 1", "prüf"])
    @pytest.mark.parametrize("form", ["side_by_side", *TWO_FOLDERS])
    def test_every_layout(self, tmp_path: Path, form: str, split: str) -> None:
        folders = put_split(tmp_path, form, split)
        name = "side_by_side" if form == "side_by_side" else "two_folders"
        for layout in ("auto", name, form):
            found = find_layout(tmp_path, split=split, layout=layout)
            assert found == Layout(name, folders, form)
        assert str(found) == f"{name} in {' and '.join(map(str, folders))}"
        assert split_names(tmp_path) == [split]
        assert has_split(tmp_path, split)
        assert not has_split(tmp_path, "other")

    @pytest.mark.parametrize("form", ["side_by_side", *TWO_FOLDERS])
    def test_splits_side_by_side_in_every_layout(self, tmp_path: Path, form: str) -> None:
        for split in ("train", "val", "test"):
            put_split(tmp_path, form, split)
        put(tmp_path / "@eaDir/1.png", tmp_path / ".hidden/1.png", tmp_path / "empty/notes.txt")
        assert split_names(tmp_path) == ["test", "train", "val"]

    @pytest.mark.parametrize("form", ["side_by_side", *TWO_FOLDERS])
    def test_a_name_in_another_form_of_unicode(self, tmp_path: Path, form: str) -> None:
        put_split(tmp_path, form, unicodedata.normalize("NFD", "prüf"))
        assert find_layout(tmp_path, split=unicodedata.normalize("NFC", "prüf")).form == form

    def test_a_folder_that_is_not_divided(self, tmp_path: Path) -> None:
        put(tmp_path / "one/1.png", tmp_path / "two/A/1.png", tmp_path / "two/B/1.png")
        assert split_names(tmp_path / "one") == split_names(tmp_path / "two") == [WHOLE]
        assert find_layout(tmp_path / "one", split=WHOLE).folders == (tmp_path / "one",)
        two = find_layout(tmp_path / "two", split=WHOLE)
        assert two == Layout("two_folders", (tmp_path / "two/A", tmp_path / "two/B"), "train/A")

    def test_a_split_of_a_part(self, tmp_path: Path) -> None:
        put_split(tmp_path / "fold1", "trainA")
        put_split(tmp_path / "fold2", "side_by_side")
        assert find_layout(tmp_path, split="fold1/train").form == "trainA"
        assert find_layout(tmp_path, split="fold2/train").form == "side_by_side"


class TestHalves:
    """A folder's name may end in A without holding halves."""

    @pytest.mark.parametrize("name", ["USA", "CHINA", "DATA", "plan_A"])
    def test_a_split_that_ends_so(self, tmp_path: Path, name: str) -> None:
        put(tmp_path / name / "1.png")
        assert split_names(tmp_path) == [name]
        assert find_layout(tmp_path, split=name) == Layout("side_by_side", (tmp_path / name,), "side_by_side")

    @pytest.mark.parametrize("name", ["trainA", "train_A", "valB", "test_B", "A/trainA", "B/test_B"])
    def test_half_of_a_usual_split(self, tmp_path: Path, name: str) -> None:
        put(tmp_path / name / "1.png")
        (split,) = split_names(tmp_path)
        assert split == name.rpartition("/")[2][:-1].rstrip("_")
        assert len(find_layout(tmp_path, split=split).folders) == 2

    def test_a_partner_makes_halves_of_any_name(self, tmp_path: Path) -> None:
        put(tmp_path / "USA/1.png", tmp_path / "USB/1.png")
        assert split_names(tmp_path) == ["US"]

    @pytest.mark.parametrize(
        ("name", "half", "split"),
        [
            ("train", "A", "train"),
            ("Test", "B", "test"),
            ("trainA", "A", "train"),
            ("val_B", "B", "val"),
            ("trainA", "B", None),
            ("city", "A", None),
            ("A", "A", None),
            ("USA", "A", None),
        ],
    )
    def test_what_a_folder_is_called(self, name: str, half: str, split: str | None) -> None:
        assert split_of_folder(name, half) == split


class TestTwoAtOnce:
    @pytest.mark.parametrize("other", TWO_FOLDERS)
    def test_two_layouts(self, tmp_path: Path, other: str) -> None:
        put_split(tmp_path, "side_by_side")
        put_split(tmp_path, other)
        with pytest.raises(ValueError, match=r"2 splits 'train': side_by_side in .* and two_folders in .*; say which"):
            find_layout(tmp_path)
        assert find_layout(tmp_path, layout="side_by_side").name == "side_by_side"
        assert find_layout(tmp_path, layout="two_folders").name == "two_folders"
        assert find_layout(tmp_path, layout=other).form == other

    def test_two_folders_in_two_ways(self, tmp_path: Path) -> None:
        for form in TWO_FOLDERS:
            put_split(tmp_path, form)
        named = r"layout trainA or train_A or train/A or A/train or A/trainA or A/train_A \(--data.layout"
        with pytest.raises(ValueError, match=f"6 splits 'train': .*; say which with {named}"):
            find_layout(tmp_path, layout="two_folders")
        for form in TWO_FOLDERS:
            assert find_layout(tmp_path, layout=form).form == form

    def test_a_folder_without_pictures_is_no_rival(self, tmp_path: Path) -> None:
        put_split(tmp_path, "A/train")
        put(tmp_path / "train/A/notes.txt", tmp_path / "trainA/.DS_Store", tmp_path / "train_B/@eaDir/1.png")
        assert find_layout(tmp_path).form == "A/train"

    def test_a_picture_beside_the_halves_is_one(self, tmp_path: Path) -> None:
        """Whether it is a pair or a cover, nobody but the user can tell."""
        put_split(tmp_path, "train/A")
        assert find_layout(tmp_path).form == "train/A"
        put(tmp_path / "train/cover.png")
        with pytest.raises(ValueError, match="2 splits"):
            find_layout(tmp_path)
        assert find_layout(tmp_path, layout="two_folders").form == "train/A"


class TestMissing:
    def test_no_such_folder(self, tmp_path: Path) -> None:
        for door in (find_layout, split_names):
            with pytest.raises(ValueError, match=f"{tmp_path / 'none'}: no such folder; give"):
                door(tmp_path / "none")

    def test_the_splits_that_exist_are_named(self, tmp_path: Path) -> None:
        put(tmp_path / "val/a.png")
        for form, split in (("train/A", "test"), ("trainA", "hold"), ("A/train", "old"), ("A/train_A", "new")):
            put_split(tmp_path, form, split)
        with pytest.raises(ValueError, match=r"no split 'train' in layout auto; there are: hold, new, old, test, val$"):
            find_layout(tmp_path)

    def test_a_split_in_another_layout(self, tmp_path: Path) -> None:
        put(tmp_path / "train/a.png")
        with pytest.raises(ValueError, match=r"no split 'train' in layout two_folders; there are: train"):
            find_layout(tmp_path, layout="two_folders")

    def test_no_splits_at_all(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=f"{tmp_path}: no split 'train' .*; make ROOT/train"):
            find_layout(tmp_path)

    @pytest.mark.parametrize("names", [["a.png"], ["A/a.png", "B/a.png"]])
    def test_what_is_not_divided(self, tmp_path: Path, names: list[str]) -> None:
        put(*(tmp_path / name for name in names))
        words = rf"its pairs are not divided; run: atme data split {tmp_path} NEW, and give NEW$"
        with pytest.raises(ValueError, match=words):
            find_layout(tmp_path)
        assert find_layout(tmp_path, split=".")

    def test_the_folder_of_the_split_instead_of_the_dataset_s(self, tmp_path: Path) -> None:
        put(tmp_path / "train/a.png")
        with pytest.raises(ValueError, match=f"no split 'train' .*; give the folder above it, {tmp_path}$"):
            find_layout(tmp_path / "train")
        assert find_layout(tmp_path)
