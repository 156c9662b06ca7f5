"""The picture of what each noise does: drawn from tiny runs, and of the right games only."""

from pathlib import Path
from typing import Any

import pytest
import studies
import torch
from test_denoising_gan import GAME

from atme.cli import main
from atme.data import PairedImages
from atme.images import read_image


def trained(preset: Any, run: Path, **changes: object) -> Path:
    assert main(["train", "--config", str(preset(**changes)), "--run.dir", str(run)]) == 0
    return run


def test_the_picture_is_drawn(preset: Any, tmp_path: Path, pairs_folder: Path) -> None:
    study = studies.load("which_noise")
    memory = trained(preset, tmp_path / "memory")
    denoising = trained(preset, tmp_path / "denoising", **GAME)
    picture = tmp_path / "new" / "which_noise.png"
    study.study(memory, denoising, output=picture, index=1, root=str(pairs_folder))
    assert read_image(picture).std() > 20
    with pytest.raises(ValueError, match="no run of a denoising"):
        study.study(memory, memory, output=picture, index=1, root=str(pairs_folder))

    pair = PairedImages(pairs_folder, split="test")[1]
    _, _, (_, w), (_, read) = study.decision_memory(memory, pair)
    torch.testing.assert_close(read, pair.source * (1 + w))
    (_, noise), (_, guess), (_, between), (_, answer) = study.backward(denoising, pair)
    assert noise.std() > 0.8
    assert guess.shape == between.shape == answer.shape == pair.target.shape  # type: ignore[union-attr]
    clean, *diffused = (panel for _, panel in study.diffusion(pair.target))
    spread = [float((each - clean).std()) for each in diffused]
    assert spread == sorted(spread)


def test_a_game_without_w_is_refused(preset: Any, tmp_path: Path, pairs_folder: Path) -> None:
    plain = trained(preset, tmp_path / "plain", noise={"class_path": "atme.Identity"})
    with pytest.raises(ValueError, match="makes no W"):
        studies.load("which_noise").decision_memory(plain, PairedImages(pairs_folder, split="test")[0])
