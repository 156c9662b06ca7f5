"""Every command and the snippet of docs/published-weights.md are run, in a folder that holds what it names."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import smooth
from test_docs import commands
from test_published import published
from test_published_run import atme, write

import atme as package
from atme.cli import main
from atme.images import write_image

PAGE = Path(__file__).parents[1] / "docs" / "published-weights.md"
SHORT = "batch_size: 2\nn_epochs: 1\nn_epochs_decay: 0\ncrop_size: 32\nload_size: 32\ndirection: BtoA\n"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both folders of weights, pairs to score and to train on, pictures to translate."""
    root = tmp_path_factory.mktemp("published")
    rng = np.random.default_rng(0)
    for data in ("my_pairs", "datasets/facades"):
        for split in ("train", "test"):
            (root / data / split).mkdir(parents=True)
            for i in range(2):
                a = smooth(rng, 32, 32)
                write_image(root / data / split / f"{i}.png", np.concatenate([a, 255 - a], axis=1))
    for folder in ("photos", "labels"):
        (root / folder).mkdir()
        write_image(root / folder / f"one_of_{folder}.png", smooth(rng, 40, 32))
    write(root / "published/facades_atme", options=SHORT, **atme())
    generator = published("pix2pix_ngf4.npz", "resnet_9blocks/weights/")
    write(root / "facades_label2photo_pretrained", options=SHORT + "no_dropout: False\n", G=generator)
    return root


@pytest.fixture(autouse=True)
def here(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(prepared)


def test_the_page_has_commands() -> None:
    assert len(commands(PAGE)) >= 6


@pytest.mark.parametrize("command", commands(PAGE))
def test_a_command_runs(command: str) -> None:
    assert main(shlex.split(command)[1:]) == 0


def test_the_snippet_runs() -> None:
    (code,) = re.findall(r"`(atme\.load_published\(.*?\))`", PAGE.read_text())
    path = "published/facades_atme/latest_net_D.pth"
    names = {"atme": package, "torch": torch, "path": path, "network": package.PatchGAN(3, 3, dim=8)}
    before = [weight.clone() for weight in names["network"].parameters()]
    exec(code, names)
    after = list(names["network"].parameters())
    assert all(not torch.equal(one, other) for one, other in zip(before, after, strict=True) if one.ndim == 4)
