"""One folder that holds everything, and every verb: all agree on which of its files are pictures, and say the rest."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from test_folder import ODD_NAMES, leftovers

from atme.cli import main
from atme.data import PairedImages
from atme.data.options import DataOptions
from atme.images import find_images, write_image
from atme.inference.files import jobs
from atme.prepare.check.check import check_folder
from atme.prepare.pair import match, write_pairs
from atme.prepare.split import divide, one_split, write_splits
from atme.reports.preview import draw_preview

Preset = Callable[..., Path]

NAMES = [name for name in ODD_NAMES if not name.startswith("Mu\u0308")]
DIRECTLY = {"0", "linked", *(Path(name).stem for name in NAMES)}
BELOW = DIRECTLY | {"deep/down/1", "as.png/4"}


def fill(folder: Path, *, width: int = 16, shade: int = 0) -> Path:
    """Everything that a file system allows, and pictures where names promise some."""
    leftovers(folder)
    for name in NAMES:
        (folder / name).touch()
    (folder / "linked.png").symlink_to(folder / "0.png")
    rng = np.random.default_rng(0)
    for path in find_images(folder, below=True).images:
        if not path.is_symlink():
            picture = rng.integers(0, 256, (16, width, 3), np.uint8) ^ shade
            write_image(folder / "new.png", np.asarray(picture, np.uint8))
            (folder / "new.png").rename(path)
    return folder


@pytest.fixture(params=["two_folders", "side_by_side"])
def dataset(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A split of it, in either layout."""
    root = tmp_path / "dataset"
    if request.param == "side_by_side":
        fill_new(root / "train", width=32)
    else:
        for half, shade in (("A", 0), ("B", 255)):
            fill_new(root / f"train{half}", shade=shade)
    return root


def fill_new(folder: Path, **how: int) -> Path:
    folder.mkdir(parents=True)
    return fill(folder, **how)


@pytest.fixture
def halves(tmp_path: Path) -> tuple[Path, Path]:
    return fill_new(tmp_path / "a"), fill_new(tmp_path / "b", shade=255)


def checked(root: Path) -> set[str]:
    names: list[str] = []

    def track(inspections, total):
        for each in inspections:
            assert each.error is None
            names.append(each.entry.name)
            yield each

    check_folder(root, workers=1, track=track)
    assert len(names) == len(set(names))
    return set(names)


def divided(root: Path) -> set[str]:
    splits = divide(one_split(root)[0].entries, val=2, test=3, group=None, seed=0)
    out = root.parent / "out"
    write_splits(splits, out, workers=1)
    return {name for split in splits for name in PairedImages(out, split=split).names}


OF_PAIRS: dict[str, Callable[[Path], set[str]]] = {
    "PairedImages": lambda root: set(PairedImages(root).names),
    "train": lambda root: set(DataOptions(root=str(root)).open_train(seed=0).names),
    "evaluate": lambda root: set(DataOptions(root=str(root)).open_test("train").names),
    "check": checked,
    "split": divided,
}


@pytest.mark.parametrize("verb", OF_PAIRS)
def test_verbs_of_datasets_read_the_same_pictures(verb: str, dataset: Path) -> None:
    assert OF_PAIRS[verb](dataset) == DIRECTLY


def test_preview_shows_the_same_pairs(dataset: Path) -> None:
    assert draw_preview(DataOptions(root=str(dataset)), pairs=100, views=1).pairs == len(DIRECTLY)


def paired(a: Path, b: Path) -> set[str]:
    pairs = match(a, b, by="name").pairs
    assert write_pairs(pairs, a.parent / "out", layout="side_by_side", workers=1).splits == {"train": len(pairs)}
    assert set(PairedImages(a.parent / "out").names) == {pair.name for pair in pairs}
    return {str(pair.a.relative_to(a).with_suffix("")) for pair in pairs}


def translated(a: Path, b: Path) -> set[str]:
    planned = jobs(a, a.parent / "out").pairs
    assert {place.relative_to(a.parent / "out") for _, place in planned} == {
        path.relative_to(a).with_suffix(".png") for path, _ in planned
    }
    return {str(path.relative_to(a).with_suffix("")) for path, _ in planned}


OF_PICTURES: dict[str, Callable[[Path, Path], set[str]]] = {
    "find_images": lambda a, b: {
        str(path.relative_to(a).with_suffix("")) for path in find_images(a, below=True).images
    },
    "pair": paired,
    "translate": translated,
}


@pytest.mark.parametrize("verb", OF_PICTURES)
def test_verbs_of_pictures_look_into_subfolders_too(verb: str, halves: tuple[Path, Path]) -> None:
    assert OF_PICTURES[verb](*halves) == BELOW


REASONS = ("hidden (", "kept by a file manager (@eaDir", "in formats that are not read (b.HEIC", "of other endings (")


@pytest.mark.parametrize(
    "line",
    ["data split {} new --val 2 --test 2", "data check {}", "data preview {} --output new.png"],
)
def test_verbs_of_datasets_say_what_they_leave_alone(
    line: str, dataset: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(dataset.parent)
    assert main(line.format(dataset.name).split()) in (0, 1)
    said = capsys.readouterr().err
    assert "left alone: " in said
    assert all(reason in said for reason in REASONS)
    assert ("in no split (" if "check" in line else "in subfolders (") in said


def test_pair_says_what_it_leaves_alone(
    halves: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "pair", *map(str, halves), str(tmp_path / "out")]) == 0
    said = capsys.readouterr().err
    assert all(reason in said for reason in REASONS)


def test_clean_folders_are_not_talked_about(
    pairs_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for line in (["check", "{}"], ["split", "{}/train", "{out}/divided"], ["preview", "{}", "--output", "{out}/p.png"]):
        main(["data", *(word.format(pairs_folder, out=tmp_path) for word in line)])
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_name_of_any_bytes_goes_through_every_refusal(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, and named."""
    monkeypatch.chdir(tmp_path)
    for half in ("trainA", "trainB"):
        Path(half).mkdir()
        Path(half, name).write_bytes(b"no picture")
    for line in ("data pair trainA trainB new", "data split . new", "data preview . --output new.png"):
        assert main(line.split()) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "not an image" in said
    assert main(["data", "check", ".", "--page", "page.html"]) == 1
    assert "unreadable" in capsys.readouterr().out
    assert Path("page.html").read_bytes().decode()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "trainA", "trainB"]


def test_names_of_any_bytes_from_pictures_to_scores(
    tmp_path: Path, preset: Preset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two folders are paired, divided, checked, previewed, trained on, translated, scored and compared."""
    here = tmp_path / "[bold]\n\udcfc"
    here.mkdir()
    monkeypatch.chdir(here)
    rng = np.random.default_rng(0)
    for half in ("a", "b"):
        Path(half).mkdir()
        for name in NAMES:
            write_image(Path(half, "new.png"), rng.integers(0, 256, (36, 36, 3), np.uint8))
            Path(half, "new.png").rename(Path(half, name))
    options = preset(data__root="set", training__rate={"epochs": 1, "decay_epochs": 0})
    said = ""
    for line in (
        "data pair a b pairs",
        "data split pairs set --val 0 --test 2",
        "data check set --page page.html",
        "data preview set --output preview.png",
        f"train --config {options} --run.dir run --history.images 1",
        "translate run a translated",
        "evaluate run",
        "compare run --output compared",
    ):
        assert main(line.split()) in (0, 1), capsys.readouterr().err
        Path("set/trainA/notes.txt").touch() if "split" in line else None
        said = capsys.readouterr().err if line.startswith("train") else said
    assert {path.name for path in Path("translated").iterdir()} == {f"{Path(name).stem}.png" for name in NAMES}
    assert said.count("train: left alone: 1 of other endings (notes.txt)\n") == 1
    for written in ("page.html", "compared/report.html", "compared/compare.json", "run/options.yaml", "run/log.jsonl"):
        assert Path(written).read_bytes().decode()
    monkeypatch.chdir(tmp_path)
    shutil.rmtree(here)  # pytest prints the names of folders that it keeps
