"""On a GPU, `ATME_TEST_DEVICE=cuda`: networks give what a CPU gives; games learn at every precision, and go on exactly.

Every other test that trains the tiny preset trains it there, too. Without a GPU these are skipped.
"""

import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from conftest import DEVICE
from test_training import same_bits
from torch import Tensor, nn

from atme.cli import main
from atme.inference import Translator
from atme.networks import PatchGAN, Pix2PixUNet, PretrainedUNet, ProjectedDiscriminator, UNet, WNet
from atme.run_folder import checkpoints, read_log

pytestmark = pytest.mark.skipif(DEVICE == "cpu", reason="ATME_TEST_DEVICE names no GPU")

Preset = Callable[..., Path]

NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[tuple[int, ...], ...]]] = {
    "diffusion U-Net": (lambda: UNet(dim=16, dim_mults=(1, 2), groups=4), ((2, 3, 24, 32), (2,))),
    "with recompute": (lambda: UNet(dim=16, dim_mults=(1, 2), groups=4, recompute=True), ((2, 3, 24, 32), (2,))),
    "pix2pix's U-Net": (lambda: Pix2PixUNet(num_downs=4, ngf=8, dropout=False), ((2, 3, 32, 32), (2,))),
    "PatchGAN": (lambda: PatchGAN(layers=2, dim=8), ((2, 3, 32, 32), (2, 3, 32, 32))),
    "W": (WNet, ((2, 1, 6, 6),)),
    "pretrained U-Net": (lambda: PretrainedUNet(weights="none", widths=(8, 8, 16, 16)), ((2, 3, 64, 64), (2,))),
    "projected": (lambda: ProjectedDiscriminator(weights="none"), ((2, 3, 64, 64), (2, 3, 64, 64))),
}
GAMES = {
    "pix2pix": {"noise__class_path": "atme.Identity", "noise__init_args": {}},
    "ATME": {},
    "Diffusion-GAN": {"noise__class_path": "atme.Diffusion", "noise__init_args": {"ada_kimg": 0.01}},
}


def joined(made: Tensor | tuple[Tensor, ...]) -> Tensor:
    """Verdicts at several scales as one list of numbers."""
    return made if isinstance(made, Tensor) else torch.cat([each.flatten() for each in made])


def values(network: nn.Module, reads: list[Tensor]) -> list[Tensor]:
    """A translation with gradients, one without, and the gradients of what is read and of all weights, on the CPU."""
    reads = [each.clone().requires_grad_() for each in reads]
    beside = {"size": (24, 32)} if isinstance(network, WNet) else {}
    made = joined(network(*reads, **beside))
    made.square().mean().backward()
    with torch.no_grad():
        again = joined(network(*reads, **beside))
    weights = [weight.grad for weight in network.parameters()]
    return [each.detach().cpu() for each in (made, again, reads[0].grad, *weights) if each is not None]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_the_same_function_there(name: str) -> None:
    torch.manual_seed(0)
    make, shapes = NETWORKS[name]
    here = make().double().eval()
    reads = [torch.randn(shape, dtype=torch.float64) for shape in shapes]
    there = deepcopy(here).to(DEVICE)
    torch.testing.assert_close(
        values(there, [each.to(DEVICE) for each in reads]), values(here, reads), rtol=1e-7, atol=1e-9
    )


@pytest.mark.parametrize("accumulate", [1, 4])
@pytest.mark.parametrize("precision", ["float32", "bf16", "fp16"])
@pytest.mark.parametrize("game", GAMES)
def test_games_learn_at_every_precision(
    game: str, precision: str, accumulate: int, preset: Preset, tmp_path: Path
) -> None:
    options = preset(
        **GAMES[game],
        training__precision=precision,
        training__accumulate=accumulate,
        training__batch_size=1 if accumulate > 1 else 2,  # of seven pairs
        training__log_every=1,
        training__rate={"epochs": 60, "decay_epochs": 0},
        training__steps=60,
        optimizers={"generator": {"class_path": "torch.optim.Adam", "init_args": {"lr": 2e-3, "betas": [0.5, 0.99]}}},
    )
    assert main(["train", "--config", str(options), "--run.dir", str(tmp_path / "run")]) == 0
    lines = read_log(tmp_path / "run")
    assert all(np.isfinite([line["objective"], line["g_l1"]]).all() for line in lines)
    l1 = [line["g_l1"] for line in lines]
    assert np.mean(l1[-6:]) < 0.8 * np.mean(l1[:3])


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_run_goes_on_with_the_same_bits_at_every_precision(precision: str, preset: Preset, tmp_path: Path) -> None:
    """In float32: test_training.py."""
    words = ["train", "--config", str(preset(training__precision=precision)), "--run.dir"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert main([*words, str(whole)]) == 0
    shutil.copytree(whole, parts)
    for later in checkpoints(parts)[1:]:
        shutil.rmtree(later)
    assert main([*words, str(parts), "--training.resume", "auto"]) == 0
    assert same_bits(checkpoints(whole)[-1], checkpoints(parts)[-1])


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_translations_are_those_of_a_cpu(precision: Literal["float32", "bf16"], run: Path) -> None:
    image = torch.rand(2, 3, 32, 32) * 2 - 1
    here = Translator.from_run(run, device="cpu").tensor(image)
    there = Translator.from_run(run, device=DEVICE, precision=precision).tensor(image).cpu()
    assert (here - there).abs().max() < (1e-3 if precision == "float32" else 0.05)
