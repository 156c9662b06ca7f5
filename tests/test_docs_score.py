"""Every command and every snippet of docs/score.md is run, in a folder that holds what it names."""

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import smooth
from runs import make_run, measured, sections
from test_docs import commands
from test_feature_scores import named, save, seeded_alexnet, seeded_vgg, untrained_inception

from atme.cli import main
from atme.images import write_image
from atme.images.labels import Labels

PAGE = Path(__file__).parents[1] / "docs" / "score.md"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """my_pairs/, the same elsewhere/, two runs of them, and files of weights under the names of the page."""
    root = tmp_path_factory.mktemp("score")
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        (root / "my_pairs" / split).mkdir(parents=True)
        for i in range(2):
            a = smooth(rng, 32, 40)
            write_image(root / "my_pairs" / split / f"{i}.png", np.concatenate([a, 255 - a], axis=1))
    shutil.copytree(root / "my_pairs", root / "elsewhere")
    unet = {"class_path": "atme.UNet", "init_args": {"dim": 8, "dim_mults": [1, 2]}}
    for name, steps in (("first", (400, 800)), ("second", (800,))):
        options = sections(unet, root="my_pairs") | {"run": {"dir": f"runs/{name}"}}
        make_run(root / "runs" / name, options, measured(), steps=steps)
    street = Labels.of({"ground": [236, 230, 222], "street": [255, 255, 255]}, thin=["street"])
    for split in ("train", "test"):
        (root / "streets" / split).mkdir(parents=True)
        for i in range(2):
            b = street.painted(rng.integers(0, 2, (4, 5, 1), np.uint8).repeat(8, 0).repeat(8, 1))
            write_image(root / "streets" / split / f"{i}.png", np.concatenate([smooth(rng, 32, 40), b], axis=1))
    options = sections(unet, root="streets", target_kind="labels", labels=street.as_dict()["classes"], thin=["street"])
    make_run(root / "runs" / "maps", options | {"run": {"dir": "runs/maps"}}, measured(), steps=(800,))
    save(root / "alexnet-owt-7be5be79.pth", named(seeded_alexnet()))
    save(root / "vgg16-397923af.pth", named(seeded_vgg()))
    save(root / "weights-inception-2015-12-05-6726825d.pth", untrained_inception().state_dict())
    return root


@pytest.fixture(autouse=True)
def here(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(prepared)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(prepared / "hub"))


def test_the_page_has_commands() -> None:
    assert len(commands(PAGE)) >= 8


@pytest.mark.parametrize("command", commands(PAGE))
def test_a_command_runs(command: str) -> None:
    assert main(shlex.split(command)[1:]) == 0


def test_the_snippets_run(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S):
        exec(compile(code, "score.md", "exec"), names)
    said = capsys.readouterr().out
    assert "32×40" in said


def test_the_table_names_every_score() -> None:
    from atme.metrics import METRICS

    text = PAGE.read_text()
    assert re.findall(r"^\| `(\w+)` \|", text, re.M) == [*METRICS, "accuracy", "iou"]
    for name, metric in METRICS.items():
        (row,) = re.findall(rf"^\| `{name}` \|.*$", text, re.M)
        assert (f"under {metric.smallest} pixels" in row) == (metric.smallest > 1)
        assert ("alpha" in row) == metric.colors
        assert ("one pair" in row) == metric.of_sets
        assert (f"--weights.{metric.network}" in row) == (metric.network is not None)
