"""The check finds every fault that is planted, in its pair and nowhere else, and nothing on earth."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from planted import (
    EARTH,
    PLANTED,
    PLANTED_IN_TWO,
    SHOWY,
    TEST,
    TRAIN,
    check,
    found,
    one_color,
    redrawn,
    shifted,
    with_halves,
)

from atme.prepare.check.faults import MEANING


def test_finds_nothing_on_earth() -> None:
    report = check(EARTH)
    assert report.faults == ()
    assert report.pairs == {"train": 101, "test": 30}
    assert report.has_manifest  # so every byte was compared, too


def test_finds_nothing_on_earth_in_two_folders(halved: Path) -> None:
    assert check(halved).faults == ()


@pytest.mark.parametrize("name", PLANTED)
def test_finds_the_fault_and_no_other(name: str, earth: Path) -> None:
    plant, kind, where = PLANTED[name]
    plant(earth)
    faults = found(earth)
    assert (kind, where) in faults
    assert {place for _, place in faults} == {where}


@pytest.mark.parametrize("name", PLANTED_IN_TWO)
def test_finds_the_fault_between_two_files(name: str, halved: Path) -> None:
    plant, words = PLANTED_IN_TWO[name]
    plant(halved)
    (fault,) = check(halved).faults
    assert (fault.kind, fault.entry.split, fault.entry.name) == ("unreadable", "train", SHOWY.stem)
    assert words in fault.detail


def test_at_least_fifteen_faults_of_every_kind_are_planted() -> None:
    assert len(PLANTED) + len(PLANTED_IN_TWO) >= 15
    assert {kind for _, kind, _ in PLANTED.values()} == set(MEANING) - {"classes"}  # see test_check_labels.py


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
    with pytest.raises(ValueError, match="no pictures in it"):
        check(tmp_path)
