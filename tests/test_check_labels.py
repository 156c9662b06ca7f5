"""`atme data check` and labels: what no class has is found in its pair, and nothing in labels that are sound."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import smooth
from planted import jpeg

from atme.cli import main
from atme.images import read_image, write_image
from atme.images.labels import Labels
from atme.prepare.check.check import Report, check_folder
from atme.reports.check import write_page

COLORS = {"ground": [236, 230, 222], "street": [255, 255, 255], "water": [168, 204, 255], "void": [0, 0, 0]}
IDS = {"ground": 7, "street": 11, "water": 26, "void": 0}
BAD = "train/3"
Said = pytest.CaptureFixture[str]


def areas(number: int) -> np.ndarray:
    """Places of the first three classes, (64, 64, 1), in blocks of 16 pixels."""
    return np.random.default_rng(number).integers(0, 3, (4, 4, 1), np.uint8).repeat(16, 0).repeat(16, 1)


def painted(classes: dict[str, Any], number: int) -> np.ndarray:
    return np.array(list(classes.values()), np.uint8).reshape(4, -1)[areas(number)[..., 0]]


def pairs(root: Path, classes: dict[str, Any] = COLORS, *, quality: int | None = None) -> Path:
    """Six pairs in two folders, a photograph and labels; as JPEG if a quality is given, and PNG else."""
    for number in range(6):
        picture = painted(classes, number)
        for half, pixels in (("A", smooth(np.random.default_rng(number), 64, 64)), ("B", picture)):
            place = root / f"train{half}" / f"{number}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            write_image(place, pixels if quality is None else jpeg(pixels, quality))
    return root


def look(root: Path, classes: dict[str, Any] = COLORS) -> Report:
    return check_folder(root, workers=1, classes=(None, Labels.of(classes)))


def found(report: Report) -> list[tuple[str, str, str]]:
    return [(fault.kind, f"{fault.entry.split}/{fault.entry.name}", fault.detail) for fault in report.faults]


@pytest.mark.parametrize("quality", [None, 90, 60])
def test_labels_as_they_should_be(tmp_path: Path, quality: int | None) -> None:
    """Also through JPEG, which leaves the edges in colors of no class."""
    assert found(look(pairs(tmp_path / "pairs", quality=quality))) == []


def test_ids_are_dark_and_no_fault(tmp_path: Path) -> None:
    root = pairs(tmp_path / "pairs", IDS)
    assert found(look(root, IDS)) == []
    assert {kind for kind, *_ in found(check_folder(root, workers=1))} == {"values"}  # the control
    write_image(root / "trainB" / "3.png", np.full((64, 64, 1), 7, np.uint8))
    assert found(look(root, IDS)) == [("blank", BAD, "B in one color")]


PINK = np.uint8([255, 120, 200])


def with_pink(picture: np.ndarray) -> np.ndarray:
    picture[:8, :8] = PINK
    return picture


BENT = {
    "a class that nobody named": (with_pink, "B: 1.6% of the pixels are near to no class, most often [255, 120, 200]"),
    "a photograph": (lambda _: smooth(np.random.default_rng(9), 64, 64), "of the pixels are near to no class"),
    "noise": (lambda p: np.random.default_rng(0).integers(0, 256, p.shape, np.uint8), "near to no class"),
    "gray": (lambda picture: picture[..., :1], "B: has 1 channels, and its labels are colors, in three channels (RGB)"),
    "16 bits": (lambda p: p.astype(np.uint16) * 257, "B: has 16 bits per value, and colors of labels have 8"),
}


@pytest.mark.parametrize("name", BENT)
def test_what_no_class_has(name: str, tmp_path: Path) -> None:
    change, words = BENT[name]
    root = pairs(tmp_path / "pairs")
    file = root / "trainB" / "3.png"
    write_image(file, change(read_image(file)))
    faults = {kind: (where, said) for kind, where, said in found(look(root))}
    assert faults["classes"][0] == BAD
    assert words in faults["classes"][1]
    assert {where for where, _ in faults.values()} == {BAD}


def test_an_id_that_no_class_has(tmp_path: Path) -> None:
    root = pairs(tmp_path / "pairs", IDS)
    file = root / "trainB" / "3.png"
    picture = read_image(file)
    picture[5, 9] = 33
    write_image(file, picture)
    assert found(look(root, IDS)) == [("classes", BAD, "B: holds the id 33, which no class has")]


@pytest.fixture
def strange(tmp_path: Path) -> Path:
    """Pairs of which one has a color that no class has."""
    file = pairs(tmp_path / "pairs") / "trainB" / "3.png"
    write_image(file, with_pink(read_image(file)))
    return tmp_path / "pairs"


def test_the_command_line(strange: Path, tmp_path: Path, capsys: Said) -> None:
    classes = yaml.safe_dump(COLORS, default_flow_style=True).strip()
    words = ["data", "check", str(strange)]
    assert main(words) == 0
    labelled = [*words, "--data.target_kind", "labels", "--data.labels", classes]
    assert main([*labelled, "--json", str(tmp_path / "found.json")]) == 1
    assert "classes" in capsys.readouterr().out
    told = json.loads((tmp_path / "found.json").read_text())
    assert told["classes"] == {"B": {"classes": COLORS}}
    assert [fault["kind"] for fault in told["faults"]] == ["classes"]
    pink = yaml.safe_dump(COLORS | {"pink": PINK.tolist()}, default_flow_style=True).strip()
    assert main([*words, "--data.target_kind", "labels", "--data.labels", pink]) == 0  # the remedy
    assert main([*labelled, "--fix"]) == 1
    assert "1 classes stay where they are; to move them: --fix --only classes" in capsys.readouterr().out
    assert main([*labelled, "--fix", "--only", "classes"]) == 1
    assert main(labelled) == 0


def test_a_preset_says_which_half(strange: Path, tmp_path: Path, capsys: Said) -> None:
    """Turned around, the labels are those of the source; a preset of pictures is said to know none."""
    for half, other in (("A", "other"), ("B", "A"), ("other", "B")):
        shutil.move(strange / f"train{half}", strange / f"train{other}")
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"data": {"target_kind": "labels", "labels": COLORS}}))
    words = ["data", "check", str(strange), "--preset", str(tmp_path / "mine.yaml")]
    assert main(words) == 1
    assert "6" in capsys.readouterr().out
    assert main([*words, "--data.direction", "BtoA"]) == 1
    assert "A: 1.6% of the pixels" in capsys.readouterr().out.replace("\n", "")
    assert main([*words, "--data.target_kind", "image", "--data.labels", "{}"]) == 0
    assert "both halves are pictures, so no classes are looked for" in capsys.readouterr().err
    assert main(["data", "check", str(strange), "--data.target_kind", "labels"]) == 2
    assert "data.labels: names no class" in capsys.readouterr().err


def test_the_page_shows_where(strange: Path, tmp_path: Path) -> None:
    write_page(look(strange), tmp_path / "check.html")
    page = (tmp_path / "check.html").read_text()
    assert "B, black where no class is near" in page
    assert "most often [255, 120, 200]" in page
    assert page.count("<img ") == 3
