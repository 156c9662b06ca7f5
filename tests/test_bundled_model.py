"""The model that comes along: small, found by its name wherever one works, and a model like any other."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from atme import Translator, shipped
from atme.cli import main
from atme.images import read_image
from atme.inference.pretrained import WRITTEN

FOLDER = shipped.folder("models") / "earth"
PAIRS = shipped.folder("datasets") / "earth" / "test"


@pytest.fixture
def tile(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """A photograph in a folder of its own, and its true map."""
    pair = read_image(sorted(PAIRS.iterdir())[7])
    width = pair.shape[1] // 2
    Image.fromarray(pair[:, :width]).save(tmp_path / "photo.jpg", quality=95)
    return tmp_path / "photo.jpg", pair[:, width:]


def test_it_is_small_and_whole() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(WRITTEN)
    assert (FOLDER / "model.safetensors").stat().st_size <= 6e6
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 6.5e6


def test_it_draws_a_map_of_a_photograph(
    tile: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, truth = tile
    monkeypatch.chdir(photo.parent)
    (photo.parent / "earth").mkdir()  # the dataset's name, too: a folder that is no run
    assert main(["translate", "earth", "photo.jpg", "map.png"]) == 0, capsys.readouterr().err
    made = read_image("map.png").astype(float)
    levels = np.median(truth.reshape(-1, 3), axis=0)
    assert np.abs(made - truth).mean() < 0.75 * np.abs(levels - truth).mean()


def test_a_run_that_lies_there_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(FOLDER, "earth")
    config = json.loads(Path("earth/config.json").read_text())
    Path("earth/config.json").write_text(json.dumps(config | {"step": 7}))
    assert Translator.from_run("earth", device="cpu").source.step == 7
    assert Translator.from_pretrained("earth", device="cpu").source.step == 7
    monkeypatch.chdir("/")
    assert Translator.from_pretrained("earth", device="cpu").source.step == config["step"]


def test_who_mistypes_is_told_its_name(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "photo.png")
    assert main(["translate", "earht", str(tmp_path), str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.endswith("or the name of a model that comes along: earth\n")
    with pytest.raises(ValueError, match=r"a model that comes along \(earth\)"):
        Translator.from_pretrained("earht/")


def test_its_scores_are_written_where_one_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = tmp_path / "few" / "test"
    few.mkdir(parents=True)
    for path in sorted(PAIRS.iterdir())[:2]:
        Image.open(path).resize((128, 64)).save(few / f"{path.stem}.png")
    monkeypatch.chdir(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in FOLDER.iterdir()}
    assert main(["evaluate", "earth", "--data.root", "few"]) == 0
    assert json.loads(Path("evaluation/earth/test.json").read_text())["protocol"]["pairs"] == 2
    assert {path: path.stat().st_mtime_ns for path in FOLDER.iterdir()} == before


def test_one_trains_on_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for split in ("train", "test"):
        (tmp_path / "few" / split).mkdir(parents=True)
        Image.open(sorted(PAIRS.iterdir())[0]).resize((64, 32)).save(tmp_path / "few" / split / "1.png")
    monkeypatch.chdir(tmp_path)
    short = [
        "--data.crop_size",
        "32",
        "--training.rate.epochs",
        "1",
        "--training.rate.decay_epochs",
        "0",
        "--training.batch_size",
        "1",
    ]
    start = ["--training.start_from", "earth", "--data.root", "few", "--data.workers", "0"]
    assert main(["train", "--config", "earth_atme_small", "--run.dir", "runs/mine", *start, *short]) == 0
    given, made = (Translator.from_run(place, device="cpu") for place in ("earth", "runs/mine"))
    before, after = (list(each.networks.generator.parameters()) for each in (given, made))
    moved = [float((one - other).detach().abs().max()) for one, other in zip(before, after, strict=True)]
    assert 0 < max(moved) < 0.01


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_the_room_takes_rounded_weights(tmp_path: Path, dtype: str) -> None:
    translator = Translator.from_pretrained("earth", device="cpu")
    translator.save_pretrained(tmp_path / "whole")
    translator.save_pretrained(tmp_path / "half", dtype=dtype)  # type: ignore[arg-type]
    whole, half = ((tmp_path / name / "model.safetensors").stat().st_size for name in ("whole", "half"))
    assert half < 0.51 * whole
    source = torch.rand(1, 3, 32, 32) * 2 - 1
    rounded = Translator.from_pretrained(tmp_path / "half", device="cpu").tensor(source)
    same = Translator.from_pretrained(tmp_path / "whole", device="cpu").tensor(source)
    assert torch.equal(same, translator.tensor(source))
    assert (rounded - same).abs().max() < (1e-6 if dtype == "float16" else 0.1)
    with pytest.raises(ValueError, match="dtype: 'int8' is none; use one of float32, float16, bfloat16"):
        translator.save_pretrained(tmp_path / "third", dtype="int8")  # type: ignore[arg-type]
