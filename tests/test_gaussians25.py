"""The study of the 25 Gaussians, small: its scores on known points, its games, its files."""

import json
import math
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import studies
import torch
from matplotlib.figure import Figure
from torch import nn


@pytest.fixture(scope="module")
def study() -> ModuleType:
    return studies.load("gaussians25")


@pytest.fixture(scope="module")
def small(study: ModuleType) -> Any:
    return study.Setting(steps=24, batch=16, width=8)


def test_the_real_law_visits_all_modes_with_the_known_share(study: ModuleType) -> None:
    """Within 3 sd of its center lies 1 − exp(−4.5) of a normal law in the plane."""
    rng = torch.Generator().manual_seed(0)
    samples = study.CENTERS.repeat(400, 1) + 0.05 * torch.randn(10_000, 2, generator=rng)
    visits = study.visits(samples, sd=0.05)
    assert visits.min() > 380
    assert int(visits.sum()) / 10_000 == pytest.approx(1 - math.exp(-4.5), abs=0.005)


def test_a_sample_visits_the_mode_within_three_sd(study: ModuleType) -> None:
    samples = torch.tensor([[0.14, 0.0], [0.0, 0.11], [1.16, 1.0], [0.5, 0.5], [-2.0, 1.9]])
    visits = study.visits(samples, sd=0.05)
    assert study.CENTERS[visits > 0].tolist() == [[-2, 2], [0, 0]]
    assert visits[visits > 0].tolist() == [1, 2]


def test_circles_that_meet_are_refused(study: ModuleType) -> None:
    """One sample would visit two modes, and the share could pass 1."""
    with pytest.raises(ValueError, match=r"sd 0\.2: .*less than 1/6"):
        study.Setting(sd=0.2)


def test_real_points_are_the_real_law(study: ModuleType, small: Any) -> None:
    real = torch.cat([real[0] for real, _ in study.draws(replace(small, steps=200), [3])])
    visits = study.visits(real, sd=0.05)
    assert visits.min() > 0
    assert int(visits.sum()) / len(real) == pytest.approx(0.989, abs=0.01)


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
        assert [look.T for look in one.looks] == [look.T for look in other.looks]
        assert [look.d_on_real for look in one.looks] == pytest.approx(
            [look.d_on_real for look in other.looks], abs=1e-3
        )
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


def test_the_chain_is_that_of_the_setting(study: ModuleType, small: Any) -> None:
    setting = replace(small, sigma=0.25, d_target=0.1, explore="uniform", t_min=7)
    scheme = study.make_scheme(study.Record("diffusion", 3), setting)
    assert {name: getattr(scheme, name) for name in ("sigma", "d_target", "explore", "t_min", "t_max", "seed")} == {
        "sigma": 0.25,
        "d_target": 0.1,
        "explore": "uniform",
        "t_min": 7,
        "t_max": study.LONGEST,
        "seed": 3,
    }


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
    def look(modes: int) -> Any:
        return study.Look(1, modes, 0.5, 0, 0.5, 0.5, 0)

    def records(plain: list[int], diffusion: list[int]) -> list[Any]:
        games = [("plain", seed, modes) for seed, modes in enumerate(plain)]
        games += [("diffusion", seed, modes) for seed, modes in enumerate(diffusion)]
        return [study.Record(scheme, seed, [look(modes)]) for scheme, seed, modes in games]

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
        assert [look["step"] for look in game["looks"]] == list(range(1, 25))
        assert all(0 <= look["modes"] <= 25 for look in game["looks"])
        end = game["looks"][-1]
        assert end["modes"] == sum(visits > 0 for visits in game["visits"])
        assert end["rarest"] == min(game["visits"])
        assert end["high_quality"] == pytest.approx(sum(game["visits"]) / study.SAMPLES, abs=1e-4)


def test_a_mode_that_is_lost_gets_a_ring(study: ModuleType) -> None:
    end = study.Look(1, 23, 0.5, 0, 0.5, 0.5, 0)
    record = study.Record("plain", 0, [end], visits=[0, *[7] * 23, 0], samples=[[0.0, 0.0]])
    ax = Figure().subplots()
    study.draw_samples(ax, record)
    points, rings = ax.collections
    assert points.get_offsets().tolist() == [[0, 0]]
    assert rings.get_offsets().tolist() == [[-2, -2], [2, 2]]


def test_the_grid_writes_a_row_for_each_setting(
    study: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "CHANGES", [{"latent": 3}, {"steps": 4}])
    study.main(["--output", str(tmp_path), "--grid", "--steps", "8", "--batch", "8", "--width", "8", "--seeds", "[0]"])
    head, rule, *rows = (tmp_path / "grid.md").read_text().splitlines()
    found = json.loads((tmp_path / "grid.json").read_text())
    assert [(one["setting"]["latent"], one["setting"]["steps"]) for one in found] == [(16, 8), (3, 8), (16, 4)]
    assert len(rows) == 3
    assert {line.count("|") for line in (head, rule, *rows)} == {head.count("|")}


def test_every_change_of_the_grid_is_one(study: ModuleType) -> None:
    settings = [replace(study.Setting(), **change) for change in [{}, *study.CHANGES]]
    assert len({json.dumps(vars(setting)) for setting in settings}) == len(study.CHANGES) + 1
