"""The study of the 25 Gaussians, small: its scores on known points, its games, its files."""

import importlib.util
import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

SCRIPT = Path(__file__).parents[1] / "analysis" / "gaussians25.py"


@pytest.fixture(scope="module")
def study() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gaussians25", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def small(study: ModuleType) -> Any:
    return study.Setting(steps=24, batch=16, width=8)


def test_the_real_law_catches_all_modes_with_the_known_share(study: ModuleType) -> None:
    """Within 3 sd of its center lies 1 − exp(−4.5) of a normal law in the plane."""
    rng = torch.Generator().manual_seed(0)
    samples = study.CENTERS.repeat(400, 1) + 0.05 * torch.randn(10_000, 2, generator=rng)
    caught, share = study.score(samples, sd=0.05)
    assert caught.all()
    assert share == pytest.approx(1 - math.exp(-4.5), abs=0.005)


def test_one_sample_within_three_sd_catches_a_mode(study: ModuleType) -> None:
    samples = torch.tensor([[0.14, 0.0], [1.16, 1.0], [0.5, 0.5], [-2.0, 1.9]])
    caught, share = study.score(samples, sd=0.05)
    assert study.CENTERS[caught].tolist() == [[-2, 2], [0, 0]]
    assert share == 0.5


def test_real_points_are_the_real_law(study: ModuleType, small: Any) -> None:
    real = torch.cat([real[0] for real, _ in study.draws(replace(small, steps=200), [3])])
    caught, share = study.score(real, sd=0.05)
    assert caught.all()
    assert share == pytest.approx(0.989, abs=0.01)


def test_stacked_perceptrons_are_perceptrons(study: ModuleType) -> None:
    stack = study.Perceptrons([3, 8, 8, 1], seeds=[5, 6])
    x = torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(0))
    for i in range(2):
        layers: list[nn.Module] = []
        for weight, bias in zip(stack.weights, stack.biases, strict=True):
            linear = nn.Linear(weight.shape[1], weight.shape[2])
            linear.load_state_dict({"weight": weight[i].T, "bias": bias[i, 0]})
            layers += [linear, nn.LeakyReLU(0.2)]
        torch.testing.assert_close(stack(x)[i], nn.Sequential(*layers[:-1])(x[i]))


def test_a_game_does_not_depend_on_its_neighbors(study: ModuleType, small: Any) -> None:
    together, alone = study.train(small, seeds=[0, 1], looks=2), study.train(small, seeds=[1], looks=2)
    for one, other in zip(together[1::2], alone, strict=True):
        assert (one.scheme, one.seed) == (other.scheme, other.seed)
        assert one.T == other.T
        assert one.d_on_real == pytest.approx(other.d_on_real, abs=1e-3)
        torch.testing.assert_close(torch.tensor(one.samples), torch.tensor(other.samples), atol=1e-4, rtol=1e-4)


def test_the_schemes_alone_part_the_games_of_a_seed(
    study: ModuleType, small: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no diffusion in either they are the same game, bit for bit; with it they are not."""
    plain, diffused = study.train(small, seeds=[0], looks=1)
    assert plain.samples != diffused.samples
    monkeypatch.setattr(study, "make_scheme", lambda record, setting, make=study.make_scheme: make(plain, setting))
    plain, twin = study.train(small, seeds=[0], looks=1)
    assert plain.samples == twin.samples


def test_the_discriminator_is_told_t_or_not(study: ModuleType, small: Any) -> None:
    scheme = study.make_scheme(study.Record("diffusion", 0), small)
    points, read = torch.zeros(1, 16, 2), []

    def discriminator(x: torch.Tensor) -> torch.Tensor:
        read.append(x)
        return x[..., :1]

    for aware in (True, False):
        study.judge_by(discriminator, [scheme], [torch.Generator().manual_seed(0)], points, aware=aware)
    times = (read[0][..., 2] * study.LONGEST).round().long()
    assert set(times.flatten().tolist()) <= set(scheme.times.tolist())
    assert times.max() > 0
    assert (read[1][..., 2] == 0).all()
    assert torch.equal(read[0][..., :2], read[1][..., :2])


def test_contrast_needs_two_losses_and_no_other(study: ModuleType) -> None:
    def records(plain: list[int], diffusion: list[int]) -> list[Any]:
        games = [("plain", seed, modes) for seed, modes in enumerate(plain)]
        games += [("diffusion", seed, modes) for seed, modes in enumerate(diffusion)]
        return [study.Record(scheme, seed, modes=[modes]) for scheme, seed, modes in games]

    assert study.contrast(records([24, 25, 9], [25, 25, 25]))
    assert not study.contrast(records([25, 25, 9], [25, 25, 25]))
    assert not study.contrast(records([24, 20, 9], [25, 24, 25]))


def test_the_command_writes_figure_and_numbers(study: ModuleType, tmp_path: Path) -> None:
    small = ["--steps", "24", "--batch", "8", "--width", "8", "--seeds", "[0, 4]"]
    study.main(["--output", str(tmp_path / "new"), *small])
    study.main(["--output", str(tmp_path / "again"), *small])
    assert (tmp_path / "new" / "gaussians25.png").read_bytes().startswith(b"\x89PNG")
    text = (tmp_path / "new" / "gaussians25.json").read_text()
    assert text == (tmp_path / "again" / "gaussians25.json").read_text()
    found = json.loads(text)
    assert [(game["scheme"], game["seed"]) for game in found["games"]] == [
        ("plain", 0),
        ("plain", 4),
        ("diffusion", 0),
        ("diffusion", 4),
    ]
    for game in found["games"]:
        assert len(game["step"]) == len(game["modes"]) == len(game["d_on_real"]) == 24
        assert game["step"][-1] == 24
        assert all(0 <= modes <= 25 for modes in game["modes"])


def test_the_grid_writes_a_row_for_each_setting(
    study: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, values in {"LATENTS": (2, 3), "SDS": (0.05,), "STEPS": (8,)}.items():
        monkeypatch.setattr(study, name, values)
    study.main(["--output", str(tmp_path), "--grid", "--batch", "8", "--width", "8", "--seeds", "[0]"])
    rows = (tmp_path / "grid.md").read_text().splitlines()
    found = json.loads((tmp_path / "grid.json").read_text())
    assert len(rows) - 2 == len(found) == 2 * len(study.RATES)
    assert {game["setting"]["latent"] for game in found} == {2, 3}
    assert len({row.count("|") for row in rows}) == 1
