"""The page "Translate": its commands, run one after the other with the model that comes along."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from conftest import smooth
from test_docs import commands

from atme.cli import main
from atme.images import read_image, write_image

PAGE = Path(__file__).parents[1] / "docs" / "translate.md"


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the pictures that the page names, and from which it is run."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    (tmp_path / "photos" / "more").mkdir(parents=True)
    for place in ("photo.jpg", "scan.tif", "photos/0.png", "photos/more/1.png"):
        write_image(tmp_path / place, smooth(rng, 32, 40))
    return tmp_path


def test_its_commands_run(pictures: Path) -> None:
    shown = commands(PAGE)
    assert len(shown) >= 8
    for command in shown:
        _, *words = shlex.split(command)
        assert main([*words, "--device", "cpu"]) == 0, command
        made = pictures / words[3]
        assert made.is_file() or len(list(made.rglob("*.*"))) == 2, command
    assert read_image(pictures / "pairs" / "0.png").shape == (32, 80, 3)
    assert not np.array_equal(read_image(pictures / "again.png"), read_image(pictures / "map.png"))
