"""`atme data pair`, `split` and `preview` as a user types them: from folders of pictures to a dataset to train on."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from atme.cli import main
from atme.data import PairedImages
from atme.images import read_image, write_image


def run(line: str) -> int:
    """Runs ``atme data …``; words are split at spaces."""
    return main(["data", *line.split()])


def refused(line: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of a refusal, before which nothing was written."""
    before = sorted(Path().rglob("*"))
    capsys.readouterr()
    assert run(line) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert sorted(Path().rglob("*")) == before
    return said.err


@pytest.fixture
def photos(tmp_path: Path, pairs_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two folders of pictures that belong together, by name: photos/field1_3.png and maps/field1_3.png."""
    monkeypatch.chdir(tmp_path)
    for number, path in enumerate(sorted((pairs_folder / "train").iterdir())):
        for folder, half in zip(("photos", "maps"), np.split(read_image(path), 2, axis=1), strict=True):
            (tmp_path / folder).mkdir(exist_ok=True)
            write_image(tmp_path / folder / f"field{number // 2}_{number}.png", np.ascontiguousarray(half))
    return tmp_path


def test_from_two_folders_to_a_checked_dataset(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("pair photos maps pairs --by stem") == 0
    assert run("split pairs mydata --val 1 --test 0.3 --group ^(field[0-9]+)_") == 0
    assert run("check mydata --page report.html") == 0
    assert run("preview mydata --pairs 9 --views 1") == 0
    said = capsys.readouterr()
    assert "pairs: 7 pairs in train\n" in said.out
    assert "mydata: train 4, val 1, test 2 pairs\n" in said.out
    assert "nothing suspicious\n" in said.out
    assert "preview.png: 4 pairs, 1 views of each\n" in said.out
    assert said.err == ""
    assert {split: len(PairedImages("mydata", split=split)) for split in ("train", "val", "test")} == {
        "train": 4,
        "val": 1,
        "test": 2,
    }
    assert (photos / "report.html").is_file()


class TestPair:
    def test_what_has_no_partner_is_said(self, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for name in ("field0_0", "field0_1", "field1_2", "field1_3", "field2_4", "field2_5"):
            (photos / "maps" / f"{name}.png").unlink()
        assert run("pair photos maps pairs --layout side_by_side") == 0
        said = capsys.readouterr().out
        assert "pairs: 1 pairs in train" in said
        assert "left out, without a partner: photos/field0_0.png, photos/field0_1.png" in said
        assert "and 1 more" in said

    def test_bad_pairs_are_named_and_the_others_written(self, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for name in ("field0_0", "field1_2"):
            (photos / "maps" / f"{name}.png").write_bytes(b"no picture")
        assert run("pair photos maps pairs") == 1
        said = capsys.readouterr()
        assert said.out == "pairs: 5 pairs in train\n"
        assert said.err.startswith("left out: 2 pairs do not fit: maps/field0_0.png: not an image")
        assert "maps/field1_2.png: not an image" in said.err
        assert len(PairedImages("pairs")) == 5

    def test_the_remedy_for_another_kind_of_map_works(self, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for path in (photos / "maps").iterdir():
            write_image(path, read_image(path)[:, :, :1])
        assert "use --layout two_folders" in refused("pair photos maps pairs --layout side_by_side", capsys)
        assert run("pair photos maps pairs --layout two_folders") == 0

    def test_what_is_divided_stays_divided(self, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for folder in ("photos", "maps"):
            for number, path in enumerate(sorted((photos / folder).iterdir())):
                split = photos / folder / ("test" if number > 4 else "train")
                split.mkdir(exist_ok=True)
                path.rename(split / path.name)
        assert run("pair photos maps pairs") == 0
        assert capsys.readouterr().out == "pairs: 2 pairs in test, 5 pairs in train\n"
        assert PairedImages("pairs", split="test").names == ("field2_5", "field3_6")
        assert run("pair photos maps all --split train") == 0
        assert len(PairedImages("all")) == 7

    def test_a_folder_of_other_formats(self, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for path in (photos / "photos").iterdir():
            path.rename(path.with_suffix(".HEIC"))
        said = refused("pair photos maps pairs", capsys)
        assert "photos: no pictures in it (left alone: 7 in formats that are not read (field0_0.HEIC" in said
        assert "convert them to PNG or JPEG first" in said


class TestSplit:
    def test_asks_for_sense(self, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
        run("pair photos maps pairs")
        assert "--val 1.5: write a share below 1" in refused("split pairs out --val 1.5", capsys)
        assert "photos/absent: no such folder" in refused("split photos/absent out", capsys)

    def test_all_bad_pictures_are_named(self, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
        run("pair photos maps pairs")
        for name in ("field0_0", "field1_2"):
            (photos / "pairs" / "trainB" / f"{name}.png").write_bytes(b"no picture")
        said = refused("split pairs out", capsys)
        assert "2 files do not fit: pairs/trainB/field0_0.png: not an image" in said
        assert "pairs/trainB/field1_2.png: not an image" in said

    @pytest.mark.parametrize("group", ["^(field0)", "^(field0)?"])
    def test_a_group_that_is_not_everywhere(self, group: str, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
        run("pair photos maps pairs")
        said = refused(f"split pairs out --group {group}", capsys)
        assert "its group is not found in 5 names (field1_2, field1_3, " in said


@pytest.mark.parametrize("layout", ["side_by_side", "A/train"])
def test_two_layouts_are_told_apart_by_the_remedy(
    layout: str, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("pair photos maps one --layout side_by_side")
    for half, folder in (("A", "photos"), ("B", "maps")):
        shutil.copytree(folder, photos / "one" / half / "train")
    for verb in ("split one new", "check one", "preview one"):
        said = refused(verb, capsys)
        assert "say which with layout side_by_side or A/train (--data.layout of a run, --layout of atme data)" in said
        assert run(f"{verb} --layout {layout}") == 0
