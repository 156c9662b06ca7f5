"""Two folders of pictures become pairs: each with its partner, bit for bit, or nothing at all."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atme.data import PairedImages
from atme.images import read_image, write_image
from atme.prepare.pair import Match, match, write_pairs


def picture(seed: int, shape: tuple[int, ...] = (16, 24, 3), kind: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(kind).max, shape, kind)


def folders(root: Path, a: list[str], b: list[str]) -> tuple[Path, Path]:
    for half, names in (("a", a), ("b", b)):
        for name in names:
            path = root / half / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, picture(sum(name.encode()) + (half == "b")))
    return root / "a", root / "b"


@pytest.mark.parametrize(
    ("by", "a", "b", "names"),
    [
        ("name", ["1.png", "2.png"], ["1.png", "2.png", "3.png"], ["1", "2"]),
        ("stem", ["1.jpg", "2.png"], ["1.png", "2.png"], ["1", "2"]),
        ("{}_A,{}_B", ["1_A.png", "x.png"], ["1_B.jpg"], ["1"]),
        ("photo-{},{}.map", ["photo-é 1.png"], ["é 1.map.png"], ["é 1"]),
        ("stem", ["city/1.png", "town/1.png"], ["city/1.png", "town/1.png"], ["city/1", "town/1"]),
        ("{}_A,{}_B", ["city/1_A.png"], ["city/1_B.png"], ["city/1"]),
    ],
)
def test_matches(by: str, a: list[str], b: list[str], names: list[str], tmp_path: Path) -> None:
    matches = match(*folders(tmp_path, a, b), by=by)
    assert [pair.name for pair in matches.pairs] == names
    known = {path for pair in matches.pairs for path in (pair.a, pair.b)}
    everything = set(tmp_path.rglob("*.png")) | set(tmp_path.rglob("*.jpg"))
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
        ("name", [], ["1.png"], "no such folder"),
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
    write_pairs(match(a, b, by=by).pairs, tmp_path / "out", split="train", layout=layout, workers=2)
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
    write_pairs(match(a, b, by="name").pairs, tmp_path / "out", split="val", layout="two_folders", workers=1)
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
def test_one_bad_pair_and_nothing_appears(spoil, layout: str, words: str, tmp_path: Path) -> None:
    a, b = folders(tmp_path, ["1.png", "2.png"], ["1.png", "2.png"])
    spoil(b / "2.png")
    with pytest.raises(ValueError, match=words):
        write_pairs(match(a, b, by="name").pairs, tmp_path / "out", split="train", layout=layout, workers=2)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}


def test_gray_maps_of_color_pictures_go_into_two_folders(tmp_path: Path) -> None:
    a, b = folders(tmp_path, ["1.png"], ["1.png"])
    gray(b / "1.png")
    write_pairs(match(a, b, by="name").pairs, tmp_path / "out", split="train", layout="two_folders", workers=1)
    pairs = PairedImages(tmp_path / "out")
    assert (pairs.source_channels, pairs.target_channels) == (3, 1)


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    pairs = [Match(name, tmp_path, tmp_path) for name in ("up/1", "up_1")]
    with pytest.raises(ValueError, match="up_1 would be written twice"):
        write_pairs(pairs, tmp_path / "out", split="train", layout="two_folders", workers=1)


def test_a_folder_that_is_taken_stays_as_it_is(tmp_path: Path) -> None:
    out = written(tmp_path, "two_folders")
    before = sorted(out.rglob("*"))
    with pytest.raises(ValueError, match="exists already"):
        written(tmp_path, "two_folders")
    assert sorted(out.rglob("*")) == before
