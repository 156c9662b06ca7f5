"""Folders of pairs: four layouts are found, and what does not fit is named before anything is decoded."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atme.data.layout import Layout, find_layout, list_pairs
from atme.images import write_image

TWO_FOLDERS: dict[str, Callable[[Path, str, str], Path]] = {
    "split/A": lambda root, split, side: root / split / side,
    "A/split": lambda root, split, side: root / side / split,
    "splitA": lambda root, split, side: root / f"{split}{side}",
}


def put(*paths: Path) -> None:
    """Small images at these paths."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, np.zeros((4, 8, 3), np.uint8))


class TestFinding:
    def test_side_by_side(self, tmp_path: Path) -> None:
        put(tmp_path / "train/b.png", tmp_path / "train/a.jpg", tmp_path / "test/c.png")
        found = find_layout(tmp_path)
        assert found == Layout("side_by_side", (tmp_path / "train",))
        assert str(found) == f"side_by_side in {tmp_path / 'train'}"
        assert list_pairs(found).names == ("a", "b")
        assert list_pairs(found).paths == ((tmp_path / "train/a.jpg",), (tmp_path / "train/b.png",))
        assert list_pairs(find_layout(tmp_path, split="test")).names == ("c",)

    @pytest.mark.parametrize("kind", TWO_FOLDERS)
    @pytest.mark.parametrize("layout", ["auto", "two_folders"])
    def test_two_folders(self, tmp_path: Path, kind: str, layout: str) -> None:
        a, b = (TWO_FOLDERS[kind](tmp_path, "val", side) for side in "AB")
        put(a / "2.jpg", a / "10.png", b / "10.png", b / "2.webp")
        found = find_layout(tmp_path, split="val", layout=layout)
        assert found == Layout("two_folders", (a, b))
        assert list_pairs(found).names == ("10", "2")
        assert list_pairs(found).paths == ((a / "10.png", b / "10.png"), (a / "2.jpg", b / "2.webp"))

    def test_names_with_the_side(self, tmp_path: Path) -> None:
        put(*(tmp_path / f"train{side}/{i}_{side}.jpg" for side in "AB" for i in (1, 2, 10)))
        files = list_pairs(find_layout(tmp_path))
        assert files.names == ("1", "10", "2")
        assert files.paths[1] == (tmp_path / "trainA/10_A.jpg", tmp_path / "trainB/10_B.jpg")

    def test_names_that_only_look_like_it(self, tmp_path: Path) -> None:
        put(*(tmp_path / f"train{side}/{name}.png" for side in "AB" for name in ("plan_A", "plan_B")))
        assert list_pairs(find_layout(tmp_path)).names == ("plan_A", "plan_B")

    def test_other_files_are_left_alone(self, tmp_path: Path) -> None:
        put(tmp_path / "train/a.png")
        for name in ("Thumbs.db", "notes.txt", ".a.png", "a.png.part"):
            (tmp_path / "train" / name).write_text("no image")
        assert list_pairs(find_layout(tmp_path)).names == ("a",)

    @settings(max_examples=30, deadline=None)
    @given(names=st.sets(st.text("abz019_-. ", min_size=1, max_size=6).map(lambda t: f"n{t}n"), min_size=1))
    def test_all_layouts_list_the_same_names(self, tmp_path_factory: pytest.TempPathFactory, names: set[str]) -> None:
        root, listed = tmp_path_factory.mktemp("names"), []
        folders = {
            kind: [place(root / kind[-1], "train", side) for side in "AB"] for kind, place in TWO_FOLDERS.items()
        }
        folders["side_by_side"] = [root / "s" / "train"]
        for each in folders.values():
            for folder in each:
                folder.mkdir(parents=True, exist_ok=True)
                for name in names:
                    (folder / f"{name}.png").touch()
            listed.append(list_pairs(Layout("two_folders", tuple(each))).names)
        assert listed == [tuple(sorted(names))] * 4


class TestMissing:
    def test_no_such_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=f"{tmp_path / 'none'}: no such folder; give"):
            find_layout(tmp_path / "none")

    def test_the_splits_that_exist_are_named(self, tmp_path: Path) -> None:
        put(tmp_path / "val/a.png", tmp_path / "test/A/a.png", tmp_path / "test/B/a.png")
        put(
            tmp_path / "holdA/a.png",
            tmp_path / "holdB/a.png",
            tmp_path / "A/old/a.png",
            tmp_path / "B/old/a.png",
        )
        with pytest.raises(ValueError, match=r"no split 'train' in layout auto; there are: hold, old, test, val$"):
            find_layout(tmp_path)

    def test_a_split_in_another_layout(self, tmp_path: Path) -> None:
        put(tmp_path / "train/a.png")
        with pytest.raises(ValueError, match=r"no split 'train' in layout two_folders; there are: train"):
            find_layout(tmp_path, layout="two_folders")

    def test_no_splits_at_all(self, tmp_path: Path) -> None:
        put(tmp_path / "a.png")
        with pytest.raises(ValueError, match=f"{tmp_path}: no split 'train' .*; make ROOT/train"):
            find_layout(tmp_path)

    @pytest.mark.parametrize("other", TWO_FOLDERS)
    def test_two_layouts_at_once(self, tmp_path: Path, other: str) -> None:
        put(
            tmp_path / "train/a.png",
            *(TWO_FOLDERS[other](tmp_path, "train", side) / "a.png" for side in "AB"),
        )
        with pytest.raises(ValueError, match=r"two splits 'train': side_by_side in .* and two_folders in .*; choose"):
            find_layout(tmp_path)
        assert find_layout(tmp_path, layout="side_by_side").name == "side_by_side"
        assert find_layout(tmp_path, layout="two_folders").name == "two_folders"

    def test_an_empty_folder(self, tmp_path: Path) -> None:
        (tmp_path / "train").mkdir()
        with pytest.raises(ValueError, match=f"{tmp_path / 'train'}: no images in this folder; put"):
            list_pairs(find_layout(tmp_path))
        (tmp_path / "train/A").mkdir()
        put(tmp_path / "train/B/a.png")
        with pytest.raises(ValueError, match=f"{tmp_path / 'train/A'}: no images in this folder; put"):
            list_pairs(find_layout(tmp_path))

    def test_the_folder_of_one_side(self, tmp_path: Path) -> None:
        put(tmp_path / "trainA/a.png")
        with pytest.raises(ValueError, match=f"{tmp_path / 'trainB'}: no such folder; it would"):
            list_pairs(find_layout(tmp_path))

    def test_a_partner(self, tmp_path: Path) -> None:
        put(*(tmp_path / f"train/A/{name}.png" for name in "abcd"), tmp_path / "train/B/a.png")
        with pytest.raises(ValueError, match=r"A/b\.png: no partner in .*B \(and 2 more are alone\); add it"):
            list_pairs(find_layout(tmp_path))
        put(*(tmp_path / f"train/B/{name}.png" for name in "bcde"))
        with pytest.raises(ValueError, match=rf"B/e\.png: no partner in {tmp_path / 'train/A'}; add it"):
            list_pairs(find_layout(tmp_path))

    def test_two_files_of_one_name(self, tmp_path: Path) -> None:
        put(tmp_path / "train/a.png", tmp_path / "train/a.jpg")
        with pytest.raises(ValueError, match=r"a\.png: a\.jpg has the same name; rename"):
            list_pairs(find_layout(tmp_path))
