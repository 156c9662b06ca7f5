"""Splits are a division: every pair in exactly one, neighbors together, the same for the same seed."""

import math
import shutil
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from atme.data import PairedImages
from atme.data.scan import Entry
from atme.prepare.split import beside, divide, one_split, wanted, write_splits

TILES = [f"x{x:02}_y{y:02}" for x in range(10) for y in range(8)]


def entries(names: list[str]) -> list[Entry]:
    return [Entry("train", name, (Path(f"{name}.png"),)) for name in names]


def names(splits: dict[str, list[Entry]]) -> dict[str, set[str]]:
    return {split: {pair.name for pair in pairs} for split, pairs in splits.items()}


@given(total=st.integers(1, 200), val=st.integers(0, 60), test=st.integers(0, 60), seed=st.integers(0, 2**32))
def test_a_division_of_the_asked_sizes(total: int, val: int, test: int, seed: int) -> None:
    assume(val + test < total)
    pairs = entries([str(n) for n in range(total)])
    splits = divide(pairs, val=val, test=test, group=None, seed=seed)
    sizes = {split: len(found) for split, found in splits.items()}
    asked = {"train": total - val - test, "val": val, "test": test}
    assert sizes == {split: count for split, count in asked.items() if count}
    assert sorted((pair for found in splits.values() for pair in found), key=str) == sorted(pairs, key=str)


@given(test=st.integers(8, 70), val=st.integers(0, 70), seed=st.integers(0, 1000))
def test_groups_stay_together(test: int, val: int, seed: int) -> None:
    assume(test + val <= 72 and (val == 0 or val >= 8))
    splits = divide(entries(TILES), val=val, test=test, group=r"^(x\d+)_", seed=seed)
    columns = {split: {name[:3] for name in found} for split, found in names(splits).items()}
    for split in columns:
        for other in columns:
            assert split == other or not columns[split] & columns[other]
    assert len(splits["test"]) == test // 8 * 8  # as many whole columns as fit


def test_without_groups_neighbors_are_divided() -> None:
    splits = names(divide(entries(TILES), val=0, test=16, group=None, seed=0))
    assert {name[:3] for name in splits["test"]} & {name[:3] for name in splits["train"]}


def test_a_function_of_the_seed_alone() -> None:
    def drawn(pairs: list[Entry], seed: int) -> dict[str, set[str]]:
        return names(divide(pairs, val=8, test=8, group=None, seed=seed))

    pairs = entries(TILES)
    assert drawn(pairs, 0) == drawn(pairs[::-1], 0)
    assert drawn(pairs, 0) != drawn(pairs, 1)


@pytest.mark.parametrize(
    ("amount", "expected"), [(0, 0), (0.1, 10), (0.255, 26), (0.999, 100), (1, 1), (37.0, 37), (200, 200)]
)
def test_shares_and_counts(amount: float, expected: int) -> None:
    assert wanted(amount, 100, option="--val") == expected


@pytest.mark.parametrize("amount", [-1, -0.1, 1.5, 20.2, math.inf, math.nan])
def test_neither_share_nor_count(amount: float) -> None:
    with pytest.raises(ValueError, match=f"--val {amount}: write a share below 1"):
        wanted(amount, 100, option="--val")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"test": 80}, "train: gets no pair"),
        ({"test": 7, "group": r"^(x\d+)_"}, r"test: gets no pair \(80 pairs in 10 groups of 8 or more"),
        ({"test": 8, "val": 3, "group": r"^(x\d+)_"}, "val: gets no pair"),
        ({"test": 8, "group": "("}, "no regular expression"),
        ({"test": 8, "group": "x"}, "has 0 groups in parentheses"),
        ({"test": 8, "group": "(x)(0)"}, "has 2 groups in parentheses"),
        ({"test": 8, "group": "(x0[0-8])"}, r"its group is not found in 8 names \(x09_y00, x09_y01, .*\); write one"),
        ({"test": 8, "group": "(x00_y00)?"}, r"its group is not found in 79 names \(x00_y01, .* and 69 more"),
    ],
)
def test_what_cannot_be_is_named(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        divide(entries(TILES), **{"val": 0, "group": None, "seed": 0, **options})


@pytest.mark.parametrize("halves", [("",), ("A", "B")])
@pytest.mark.parametrize("flat", [True, False])
def test_files_are_copied_and_read_as_pairs(
    pairs_folder: Path, tmp_path: Path, halves: tuple[str, ...], flat: bool
) -> None:
    source = tmp_path / "source"
    pictures = sorted((pairs_folder / "train").iterdir())
    for half in halves:
        folder = source / (half if flat else f"train{half}")
        folder.mkdir(parents=True, exist_ok=True)
        for path in pictures:
            (folder / path.name).write_bytes(path.read_bytes())
    before = {path: path.stat().st_mtime_ns for path in source.rglob("*.png")}
    splits = divide(one_split(source)[0].entries, val=1, test=2, group=None, seed=0)
    write_splits(splits, tmp_path / "out", workers=2)
    sizes = {split: len(PairedImages(tmp_path / "out", split=split)) for split in ("train", "val", "test")}
    assert sizes == {"train": 4, "val": 1, "test": 2}
    assert {path: path.stat().st_mtime_ns for path in source.rglob("*.png")} == before
    copies = list((tmp_path / "out").rglob("*.png"))
    assert len(copies) == 7 * len(halves)
    assert not any(path.is_symlink() or path.stat().st_nlink > 1 for path in copies)


def test_what_is_divided_or_incomplete_is_refused(pairs_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"divided already, into .*test, train"):
        one_split(pairs_folder)
    for half, stems in (("A", "123"), ("B", "1")):
        (tmp_path / f"train{half}").mkdir()
        for stem in stems:
            (tmp_path / f"train{half}" / f"{stem}.png").touch()
    with pytest.raises(ValueError, match=r"2 files do not fit: .*2\.png: has no partner in trainB.*3\.png: has no"):
        one_split(tmp_path)


def test_all_bad_pictures_are_named_before_anything_is_written(pairs_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(pairs_folder / "train", tmp_path / "train")
    first, second, *_ = sorted((tmp_path / "train").iterdir())
    first.write_bytes(first.read_bytes()[:-20])
    second.write_bytes(b"no picture")
    with pytest.raises(ValueError, match=rf"2 files do not fit: {first}: truncated .* {second}: not an image"):
        one_split(tmp_path)


def test_names_that_would_be_one_where_case_is_ignored(tmp_path: Path) -> None:
    pairs = [Entry("train", name, (tmp_path / "train" / f"{name}.png",)) for name in ("a", "A", "b")]
    with pytest.raises(ValueError, match=r"A\.png would be written twice, for .*a\.png too; rename one of them"):
        write_splits({"train": pairs}, tmp_path / "out", workers=1)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_taken_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(ValueError, match="exists already"):
        write_splits({"train": []}, tmp_path, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_one_split_of_several_is_divided_and_the_others_stay(pairs_folder: Path, tmp_path: Path) -> None:
    listing, others = one_split(pairs_folder, "train")
    splits = beside(divide(listing.entries, val=2, test=0, group=None, seed=0), others)
    write_splits(splits, tmp_path / "out", workers=1)
    names = {split: set(PairedImages(tmp_path / "out", split=split).names) for split in splits}
    assert {split: len(found) for split, found in names.items()} == {"train": 5, "val": 2, "test": 3, "eight": 8}
    assert names["train"] | names["val"] == set(PairedImages(pairs_folder, split="train").names)
    for split in ("test", "eight"):
        assert names[split] == set(PairedImages(pairs_folder, split=split).names)


def test_a_split_that_would_be_two_is_refused(pairs_folder: Path) -> None:
    listing, others = one_split(pairs_folder, "train")
    with pytest.raises(ValueError, match=r"test: the folder has such a split already.*; give --test 0"):
        beside(divide(listing.entries, val=0, test=2, group=None, seed=0), others)
    listing, others = one_split(pairs_folder, "eight")
    with pytest.raises(ValueError, match=r"train: the folder has such a split already.*; rename its folders"):
        beside(divide(listing.entries, val=2, test=0, group=None, seed=0), others)
    with pytest.raises(ValueError, match=r"split: .* has no val; give one of eight, test, train"):
        one_split(pairs_folder, "val")
