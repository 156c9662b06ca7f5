"""Compiled kernels: the U-Net with and without, what is said where nothing can be compiled, and a run that goes on."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from atme.cli import main
from atme.networks import UNet, kernels
from atme.networks.standard_weights import standardized
from atme.run_folder import read_log


def values(network: UNet, image: Tensor) -> list[Tensor]:
    """A translation, and the gradients of all weights."""
    network.zero_grad()
    translated = network(image, torch.full((len(image),), 0.3, dtype=image.dtype))
    translated.square().mean().backward()
    return [translated.detach(), *(p.grad.clone() for p in network.parameters() if p.grad is not None)]


def test_the_unet_is_the_same_function_compiled(compiled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = UNet(dim=8, dim_mults=(1, 2), groups=4).double()
    image = torch.randn(2, 3, 10, 14, dtype=torch.float64)
    ours = values(network, image)
    monkeypatch.setattr(kernels, "available", lambda: False)
    plain = values(network, image)
    torch.testing.assert_close(ours, plain, rtol=1e-8, atol=1e-10)
    with torch.no_grad():
        network.down[0].attention.norm.scale[0] += 1e-3  # the control
    assert not torch.allclose(values(network, image)[0], plain[0], rtol=1e-8, atol=1e-10)


def test_it_is_said_why_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels.reason.cache_clear()
    assert kernels.reason() == "ATME_COMPILE is 0"
    monkeypatch.delenv("ATME_COMPILE")
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", "")
    kernels.library.cache_clear()
    kernels.reason.cache_clear()
    assert kernels.reason() == "nothing can be compiled here (no C++ compiler)"
    assert not kernels.available()
    kernels.reason.cache_clear()


def test_a_machine_without_a_compiler_trains(preset: Callable[..., Path], tmp_path: Path) -> None:
    path = {"PATH": str(Path(sys.executable).parent), "CXX": "/nowhere/g++", "HOME": str(tmp_path)}
    path |= {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache"), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "atme", "train", "--config", str(preset()), "--run.dir", str(tmp_path / "run")]
    ended = subprocess.run([*command, "--training.rate.epochs=1"], env=path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "no kernels: nothing can be compiled here" in ended.stderr.splitlines()[0]
    assert (tmp_path / "run/checkpoints").is_dir()


def test_a_compiled_run_goes_on_exactly(preset: Callable[..., Path], tmp_path: Path, compiled: None) -> None:
    config = str(preset(training__precision="bf16"))
    short = ["--training.rate.decay_epochs=0", "--training.rate.epochs"]
    assert main(["train", "--config", config, "--run.dir", str(tmp_path / "whole"), *short, "2"]) == 0
    assert read_log(tmp_path / "whole")[0]["kernels"] == "compiled"
    assert main(["train", "--config", config, "--run.dir", str(tmp_path / "parts"), *short, "1"]) == 0
    more = ["--training.resume", "auto"]
    assert main(["train", "--config", config, "--run.dir", str(tmp_path / "parts"), *short, "2", *more]) == 0
    weights = [
        load_file(max((tmp_path / run / "checkpoints").iterdir()) / "generator.safetensors")
        for run in ("whole", "parts")
    ]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_only_maps_and_weights_of_a_cpu_are_for_the_passes(compiled: None) -> None:
    """Elsewhere, an address is none that they can read: the process would end."""
    elsewhere = torch.empty(2, 8, 4, 4, device="meta")
    assert kernels.take(torch.empty(2, 8, 4, 4))
    assert kernels.take_weights(torch.empty(8, 8, 3, 3), torch.float32)
    assert not kernels.take(elsewhere)
    assert not kernels.take_weights(elsewhere, torch.float32)
    (made,), _ = standardized(torch.empty(8, 8, 3, 3, device="meta"), [8], torch.float32, eps=1e-5)
    assert made.shape == (8, 8, 3, 3)
