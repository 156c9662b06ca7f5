"""A run whose views are cut on the device: exact when it goes on, and another run where another place is asked for."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from atme.cli import main
from atme.data.options import read_data_options
from atme.data.sizes import resize
from atme.images import to_array, to_tensor
from atme.inference import Translator
from atme.run_folder import checkpoints

DEVICE = {"data__augment_on": "device", "data__crop_scale": [0.4, 0.9], "data__crop_ratio": [0.8, 1.25]}


def train(preset: Path, run: Path, *more: str) -> int:
    return main(["train", "--config", str(preset), "--run.dir", str(run), *more])


def weights(run: Path) -> dict[str, bytes]:
    last = checkpoints(run)[-1]
    return {
        f"{path.stem}.{key}": value.tobytes()
        for path in last.glob("*.safetensors")
        for key, value in load_file(path).items()
    }


def test_going_on_ends_with_the_same_bits(preset: Callable[..., Path], tmp_path: Path) -> None:
    run, begun = tmp_path / "run", tmp_path / "begun"
    assert train(preset(**DEVICE), run) == 0
    shutil.copytree(run, begun)
    for later in checkpoints(begun)[1:]:
        shutil.rmtree(later)
    assert (
        train(preset(**DEVICE), begun, "--training.resume", "auto", "--data.workers", "1", "--data.cache", "ram") == 0
    )
    assert weights(begun) == weights(run)
    assert train(preset(), tmp_path / "other") == 0
    assert weights(tmp_path / "other") != weights(run)


def test_another_place_is_another_run(
    preset: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    once = ("--training.rate.epochs", "1", "--training.rate.decay_epochs", "0", "--training.sample_every", "0")
    assert train(preset(), run, *once) == 0
    assert train(preset(data__augment_on="device"), run, *once, "--training.resume", "auto") == 2
    assert "data.augment_on" in capsys.readouterr().err


def test_a_translator_resizes_labels_as_training_did(preset: Callable[..., Path], tmp_path: Path) -> None:
    options = {"data__test_size": [32, 40], "data__source_interpolation": "nearest", "training__rate__epochs": 1}
    assert train(preset(**DEVICE, **options), tmp_path / "run", "--training.rate.decay_epochs", "0") == 0
    translator = Translator.from_run(tmp_path / "run")
    labels = np.random.default_rng(0).integers(0, 255, (90, 70, 3), np.uint8)
    small = resize(labels, (32, 40), how="nearest")
    assert set(map(tuple, small.reshape(-1, 3))) <= set(map(tuple, labels.reshape(-1, 3)))
    expected = resize(to_array(translator.tensor(to_tensor(small)[None])[0]), (90, 70))
    assert np.array_equal(translator.pixels(labels, name="labels"), expected)


def test_on_the_command_line(preset: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    crop = ["--data.augment_on", "device", "--data.crop_scale", "[0.5, 1]", "--data.target_interpolation", "nearest"]
    assert main(["show", str(preset()), *crop]) == 0
    assert "nearest" in capsys.readouterr().out


CHOICE = """
data:
  transforms:
    - class_path: albumentations.OneOf
      init_args:
        transforms:
          - {class_path: albumentations.D4, init_args: {p: 1.0}}
          - {class_path: albumentations.VerticalFlip}
  source_transforms:
    - class_path: albumentations.SomeOf
      init_args: {n: 1, transforms: [{class_path: albumentations.InvertImg}, {class_path: albumentations.RandomGamma}]}
"""


def test_a_choice_of_transforms_in_a_preset(tmp_path: Path, pairs_folder: Path) -> None:
    file = tmp_path / "choice.yaml"
    file.write_text(CHOICE)
    train = read_data_options(file, root=str(pairs_folder), crop_size=16).open_train(seed=0)
    assert len({train[epoch, 0].source.numpy().tobytes() for epoch in range(6)}) > 1
