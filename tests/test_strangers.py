"""Folders that nobody had in mind: what is said of them can be copied into a shell, and what is advised is taken."""

import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import smooth
from plans import PAIRS, facts

from atme.cli import main
from atme.cli.planning import in_words
from atme.images import write_image
from atme.names import as_word
from atme.planning import fingerprint
from atme.planning.decide import decide
from atme.planning.fingerprint import Splits, take_fingerprint
from atme.planning.plan import Plan
from atme.planning.words import screen
from atme.prepare import palette

Said = pytest.CaptureFixture[str]


def halves(root: Path, count: int, *, folders: tuple[str, str] = ("A", "B"), side: int = 24) -> Path:
    """Pairs in two folders, B the negative of A."""
    rng = np.random.default_rng(0)
    for folder in folders:
        (root / folder).mkdir(parents=True)
    for number in range(count):
        a = smooth(rng, side, side)
        for folder, picture in zip(folders, (a, 255 - a), strict=True):
            write_image(root / folder / f"{number:03}.png", picture)
    return root


@pytest.mark.parametrize("name", ["plain", "my pairs", "-dash", "a'b", "$HOME", "ümlaut; ls", "x/y.z"])
def test_a_name_is_one_word_of_a_shell_and_no_option(name: str) -> None:
    (word,) = shlex.split(as_word(name))
    assert Path(word) == Path(name)
    assert not word.startswith("-")


def test_a_plan_is_repeated_by_what_it_says() -> None:
    """Hours, direction and layout are part of it."""
    words = shlex.split(in_words("my pairs", hours=0.5, direction="BtoA", layout="A/train"))
    assert words == ["atme", "plan", "my pairs", "--hours", "0.5", "--direction", "BtoA", "--layout", "A/train"]


@pytest.mark.parametrize(
    ("root", "count", "splits", "folders"),
    [
        ("my pairs", 3, {".": 3}, ("A", "B")),
        ("-pairs", 24, {".": 24}, ("A", "B")),
        ("divided", 12, {"train": 12, "other": 12}, ("A/train", "B/train")),
    ],
)
def test_pairs_are_held_out_as_it_advises(
    root: str,
    count: int,
    splits: dict[str, int],
    folders: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also few of them, of which a tenth is none; and of a folder with other splits."""
    monkeypatch.chdir(tmp_path)
    for split in splits:
        halves(tmp_path / root, count, folders=(folders[0].replace("train", split), folders[1].replace("train", split)))
    names = Splits(next(iter(splits)), None, None, splits)
    known = facts(root=f"./{root}", pairs=count, splits=names, upright=None)
    decided = decide(known)
    lines = screen(Plan(known, decided, decided, decided))
    (command,) = (line.strip() for line in lines if "atme data split" in line)
    assert main(shlex.split(command)[1:]) == 0
    (made,) = tmp_path.glob("*_split")
    found = take_fingerprint(str(made)).splits
    assert found.validation == "val"
    assert found.counts["val"] >= 1


def test_of_one_pair_none_can_be_held_out() -> None:
    known = facts(pairs=1, upright=None, splits=Splits(".", None, None, {".": 1}))
    decided = decide(known)
    assert "of one, none can be held out" in " ".join(screen(Plan(known, decided, decided, decided)))


def test_a_split_without_pictures_is_none(tmp_path: Path) -> None:
    """In every layout, as in the one of A|B pictures."""
    for name, of_a, of_b in (("within", "A/train", "B/train"), ("above", "train/A", "train/B")):
        root = halves(tmp_path / name, 4, folders=(of_a, of_b))
        for folder in (of_a, of_b):
            (root / folder.replace("train", "val")).mkdir(parents=True)
        found = take_fingerprint(str(root))
        assert found.splits.validation is None
        assert found.splits.counts == {"train": 4}
        assert main(["data", "split", str(root), f"{root}_new", "--val", "1", "--test", "0"]) == 0


def test_a_class_is_known_wherever_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids and exact colors: one of a picture that is not among those that are looked at, and one of the test split."""
    monkeypatch.setattr(fingerprint, "MOST", 6)
    monkeypatch.setattr(fingerprint, "_LEAST", 2)
    colored = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    for split, count in (("train", 20), ("test", 3)):
        for number in range(count):
            mask = np.zeros((16, 16, 1), np.uint8)
            mask[:, number % 8 :] = 1
            mask[0, 0] = 2 if split == "train" and number == 1 else 3 if split == "test" else 0
            for half, picture in (("A", mask), ("B", colored[mask[..., 0]])):
                (tmp_path / f"{split}{half}").mkdir(exist_ok=True)
                write_image(tmp_path / f"{split}{half}" / f"{number:02}.png", picture)
    for direction in ("AtoB", "BtoA"):
        found = take_fingerprint(str(tmp_path), direction=direction)
        assert found.looked_at == 6
        ids, colors = found.palettes if direction == "AtoB" else found.palettes[::-1]
        assert ids is not None
        assert colors is not None
        assert sorted(ids.values) == [(0,), (1,), (2,), (3,)]
        assert len(colors.values) == 4


def test_of_a_photograph_few_shades_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many colors it has: large photographs are of millions."""
    asked = []
    apart = palette._apart
    monkeypatch.setattr(palette, "_apart", lambda colors, one: (asked.append(len(colors)), apart(colors, one))[1])
    assert palette.find_palette([smooth(np.random.default_rng(0), 300, 300)]) is None
    assert asked
    assert sum(asked) < 20 * asked[0]


def test_pictures_of_several_channels_are_no_labels() -> None:
    gray = np.zeros((4, 4, 1), np.uint8)
    assert palette.find_palette([gray, gray.repeat(3, axis=2)]) is None
    assert palette.find_palette([gray.repeat(3, axis=2), gray]) is None


def test_one_odd_picture_does_not_decide_on_the_size(tmp_path: Path) -> None:
    """Of a dozen of 48 pixels, one is thin: it is squeezed as the others are."""
    halves(tmp_path, 12, side=48)
    for half in "AB":
        write_image(tmp_path / half / "thin.png", smooth(np.random.default_rng(0), 12, 400))
    found = take_fingerprint(str(tmp_path))
    assert found.usual == 48
    assert max(side for side, _ in found.detail) == 32


def test_a_run_is_scored_on_its_own_test_split(preset: Callable[..., Path], tmp_path: Path, capsys: Said) -> None:
    """Without a word more; and where that is what it was trained on, a line says so."""
    rate = {"epochs": 1, "decay_epochs": 0}
    for split, trained in (("eight", "train"), ("train", "train")):
        file = preset(data__test_split=split, training__rate=rate)
        run = tmp_path / split
        assert main(["train", "--config", str(file), "--run.dir", str(run)]) == 0
        capsys.readouterr()
        assert main(["evaluate", str(run), "--scores", "l1"]) == 0
        assert (run / "evaluation" / f"{split}.json").is_file()
        assert (f"split {split} was trained on" in capsys.readouterr().err) == (split == trained)


def test_whatever_the_name_the_preset_is_text(tmp_path: Path) -> None:
    import yaml

    for name in ("esc\x1b[31m", "line\nbreak", "tab\t", "yes", "# no"):
        known = replace(facts(), pairs=replace(PAIRS, root=name))
        decided = decide(known)
        text = Plan(known, decided, decided, decided).preset
        (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
        assert yaml.safe_load((tmp_path / "mine.yaml").read_text("utf-8"))["data"]["root"] == name
