"""The section on labels of docs/your-data.md is run, in a folder that holds what it names."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import smooth

from atme.cli import main
from atme.images import read_image, write_image
from atme.images.labels import Labels

PAGE = Path(__file__).parents[1] / "docs" / "your-data.md"


def section() -> str:
    (text,) = re.findall(r"^## Labels\n(.*?)^## ", PAGE.read_text(), re.M | re.S)
    return text


def test_the_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (preset,) = (code for code in re.findall(r"```yaml\n(.*?)```", section(), re.S) if "# labeled.yaml" in code)
    Path("labeled.yaml").write_text(preset)
    classes = yaml.safe_load(preset)["data"]["labels"]
    labels, rng = Labels.of(classes), np.random.default_rng(0)
    for split in ("trainA", "trainB", "testA", "testB"):
        Path("labeled", split).mkdir(parents=True)
        for i in range(2):
            at = rng.integers(0, 3, (8, 8, 1), np.uint8).repeat(8, 0).repeat(8, 1)
            write_image(
                Path("labeled", split, f"{i}.png"), smooth(rng, 64, 64) if split[-1] == "A" else labels.painted(at)
            )
    Path("photos").mkdir()
    write_image(Path("photos", "a.png"), smooth(rng, 40, 48))
    commands = re.findall(r"^\$ (atme .*)$", section(), re.M)
    assert len(commands) == 4
    for command in commands:
        assert main(shlex.split(command)[1:]) == 0, command
        if "palette" in command:
            found = yaml.safe_load(capsys.readouterr().out)["data"]
            assert sorted(found["labels"].values()) == sorted(classes.values())
    of_labels = read_image("maps-of-labels/a.png").reshape(-1, 3)
    assert {tuple(each) for each in of_labels.tolist()} <= set(labels.colors)
    assert len(np.unique(read_image("maps-of-colors/a.png").reshape(-1, 3), axis=0)) > 3


def test_the_table_names_the_keys() -> None:
    from atme.data import DataOptions

    keys = re.findall(r"^\| (`.*?) \|", section(), re.M)
    for key in (key for cell in keys for key in re.findall(r"`(\w+)[`:]", cell)):
        assert hasattr(DataOptions, key) or key in DataOptions.__dataclass_fields__, key


def test_jpeg_holds_no_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from runs import make_run, measured, sections

    options = sections(target_kind="labels", labels={"a": [0, 0, 0], "b": [255, 255, 255]})
    run = make_run(tmp_path / "run", options, measured())
    write_image(tmp_path / "a.png", np.zeros((16, 16, 3), np.uint8))
    words = ["translate", str(run), str(tmp_path / "a.png"), "--trust", "--as", "labels"]
    assert main([*words[:3], str(tmp_path / "b.jpg"), *words[3:]]) == 2
    assert "b.jpg: JPEG changes colors, and labels are few exact ones; write png" in capsys.readouterr().err
    assert main([*words[:3], str(tmp_path / "b.png"), *words[3:]]) == 0
    assert read_image(tmp_path / "b.png").max() == 0
