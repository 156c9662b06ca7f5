"""The denoising diffusion GAN: its step worked out in torch, its translation, and what it refuses."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file
from test_pix2pix import SIDE, a_pair, descent, make_state, play
from torch import Tensor, nn

from atme.cli import main
from atme.data import Pair
from atme.images import read_image, write_image
from atme.inference import Translator
from atme.models import DenoisingGAN, Networks, Pix2Pix
from atme.networks import PatchGAN, UNet
from atme.noise import DecisionMemory, Game, Identity
from atme.noise.schedules import forward_chain
from atme.run_folder import checkpoints, read_log

LATENT = 6
GAME = {
    "model": {"class_path": "atme.DenoisingGAN", "init_args": {"steps": 2, "r1_every": 2, "lambda_l1": 1.0}},
    "generator": {
        "class_path": "atme.networks.UNet",
        "init_args": {"dim": 8, "dim_mults": [1, 2], "groups": 4, "latent": LATENT},
    },
    "discriminator": {
        "class_path": "atme.networks.PatchGAN",
        "init_args": {"layers": 2, "dim": 4, "timestep_aware": True},
    },
    "noise": {"class_path": "atme.Identity"},
}


def game(*, latent: int = LATENT, timestep_aware: bool = True) -> Networks:
    torch.manual_seed(0)
    judge = PatchGAN(6, 3, layers=2, dim=4, timestep_aware=timestep_aware)
    shapes = Game(3, (SIDE, SIDE), 2, judge.verdict_shape, 4)
    return Networks(UNet(6, 3, dim=8, dim_mults=(1, 2), groups=4, latent=latent), judge, Identity(shapes))


def by_hand(networks: Networks, pair: Pair, *, rng: torch.Generator, gamma: float, weight: float) -> dict[str, float]:
    """One update of each side, with the mathematics of the paper written out."""
    generator, judge = networks.generator, networks.discriminator
    to_g, to_d = descent(generator.parameters()), descent(judge.parameters())
    beta = torch.tensor([0.921324, 0.999455])  # of the paper's rates, to the digits that its code prints
    assert torch.allclose(beta.double(), torch.from_numpy(forward_chain("vp", steps=2).beta), atol=1e-5)
    beta = torch.from_numpy(forward_chain("vp", steps=2).beta).float()
    kept = torch.cat([torch.ones(1), (1 - beta).cumprod(0)])
    y, x = pair.target, pair.source
    assert y is not None

    def draws() -> Tensor:
        return torch.randn(y.shape, generator=rng)

    def column(values: Tensor, t: Tensor) -> Tensor:
        return values[t][:, None, None, None]

    def real() -> tuple[Tensor, Tensor, Tensor]:
        t = torch.randint(2, (2,), generator=rng)
        now = column(kept.sqrt(), t) * y + column((1 - kept).sqrt(), t) * draws()
        return t, now, column((1 - beta).sqrt(), t) * now + column(beta.sqrt(), t) * draws()

    def fake(t: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
        z = torch.randn((2, LATENT), generator=rng)
        clean = generator(torch.cat([after, x], 1), t, z)
        c = kept[:-1].sqrt() * beta / (1 - kept[1:])
        k = (1 - beta).sqrt() * (1 - kept[:-1]) / (1 - kept[1:])
        v = beta * (1 - kept[:-1]) / (1 - kept[1:])
        return clean, column(c, t) * clean + column(k, t) * after + column(v.sqrt(), t) * draws()

    t, now, after = real()
    _, made = fake(t, after)
    now = now.requires_grad_()
    on_real, on_fake = judge(torch.cat([x, after], 1), now, t), judge(torch.cat([x, after], 1), made.detach(), t)
    (slope,) = torch.autograd.grad(on_real.sum(), now, create_graph=True)
    penalty = gamma / 2 * slope.square().sum((1, 2, 3)).mean()
    d_loss = F.softplus(-on_real).mean() + F.softplus(on_fake).mean() + penalty
    d_loss.backward()
    to_d.step()

    t, _, after = real()
    clean, made = fake(t, after)
    g_gan = F.softplus(-judge(torch.cat([x, after], 1), made, t)).mean()
    l1 = (clean - y).abs().mean()
    to_g.zero_grad()
    (g_gan + weight * l1).backward()
    to_g.step()
    found = {"d_loss": d_loss, "d_r1": penalty, "g_gan": g_gan, "g_l1": l1}
    return {name: float(value.detach()) for name, value in found.items()}


def test_a_step_is_the_papers() -> None:
    networks, pair = game(), a_pair()
    state = make_state(networks, optimizer=descent)
    with state.at(0):
        before = state.rng.get_state()
    ours = play(state, DenoisingGAN(steps=2, r1=3.0, lambda_l1=2.0), pair)
    written_out = game()
    rng = torch.Generator()
    rng.set_state(before)
    theirs = by_hand(written_out, pair, rng=rng, gamma=3.0, weight=2.0)
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, rel=1e-4), name
    assert theirs["d_r1"] > 0
    for one, other in zip(modules(networks), modules(written_out), strict=True):
        for ours_after, theirs_after in zip(one.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(ours_after, theirs_after, rtol=1e-4, atol=1e-6)


def modules(networks: Networks) -> tuple[nn.Module, nn.Module]:
    return networks.generator, networks.discriminator


def test_the_penalty_is_lazy() -> None:
    state = make_state(game())
    model = DenoisingGAN(steps=4, r1_every=3)
    penalties = [play(state, model, a_pair())["d_r1"] for _ in range(7)]
    assert [penalty > 0 for penalty in penalties] == [True, False, False, True, False, False, True]
    assert play(make_state(game()), DenoisingGAN(r1=0.0), a_pair())["d_r1"] == 0


def translate(networks: Networks, source: Tensor, *, seed: int = 0, steps: int = 2) -> Tensor:
    for module in modules(networks):
        module.eval()
    pair = Pair(source, None, None, torch.eye(2, 3).expand(len(source), 2, 3), ("",) * len(source))
    rng = torch.Generator().manual_seed(seed)
    return DenoisingGAN(steps=steps).translate(networks, pair, rng=rng)[1]


def test_a_translation_is_drawn_by_its_seed() -> None:
    networks, source = game(), a_pair().source
    assert torch.equal(translate(networks, source), translate(networks, source))
    assert not torch.equal(translate(networks, source), translate(networks, source, seed=1))


def test_a_translation_does_not_depend_on_its_neighbors() -> None:
    networks, source = game(), a_pair().source
    both = translate(networks, source)
    torch.testing.assert_close(both[1:], translate(networks, source[1:]), rtol=1e-4, atol=1e-5)


def test_the_source_is_looked_at() -> None:
    networks, source = game(), a_pair().source
    assert (translate(networks, source) - translate(networks, -source)).abs().max() > 1e-3


@pytest.mark.parametrize("steps", [1, 2, 4, 8])
def test_it_calls_the_generator_once_a_step_from_noise_on(steps: int) -> None:
    networks, source = game(), a_pair().source
    seen: list[tuple[Tensor, int]] = []
    networks.generator.register_forward_pre_hook(lambda _, inputs: seen.append((inputs[0], int(inputs[1][0]))))
    answer = translate(networks, source, steps=steps)
    assert [t for _, t in seen] == list(reversed(range(steps)))
    noise = seen[0][0][:, :3]
    assert abs(float(noise.mean())) < 5 / noise[0].numel() ** 0.5
    assert float(noise[0].std()) == pytest.approx(1, abs=0.1)
    assert answer.abs().max() <= 1


def test_the_latent_changes_the_answer() -> None:
    networks = game()
    image, t = torch.randn(1, 6, SIDE, SIDE), torch.zeros(1)
    answers = [networks.generator(image, t, torch.randn(1, LATENT)) for _ in range(2)]
    assert (answers[0] - answers[1]).abs().max() > 1e-4
    with pytest.raises(ValueError, match="z of length 6"):
        networks.generator(image, t)


@pytest.mark.parametrize(
    ("networks", "message"),
    [
        (game(latent=0), "generator.latent"),
        (game(timestep_aware=False), "discriminator.timestep_aware"),
        (
            Networks(
                game().generator, game().discriminator, DecisionMemory(Game(3, (32, 32), 2, lambda h, w: (7, 7), 4))
            ),
            "noise: .*atme.Identity",
        ),
    ],
)
def test_networks_that_do_not_fit_are_refused(networks: Networks, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DenoisingGAN().require(networks)


def test_numbers_out_of_range_are_refused() -> None:
    for wrong, message in (({"r1": -1.0}, "model.r1"), ({"r1_every": 0}, "r1_every"), ({"steps": 0}, "steps: 0")):
        with pytest.raises(ValueError, match=message):
            DenoisingGAN(**wrong)  # type: ignore[arg-type]


@pytest.fixture
def run(preset: Any, tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    assert main(["train", "--config", str(preset(**GAME)), "--run.dir", str(folder)]) == 0
    return folder


def test_it_trains_goes_on_and_translates(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two parts make the run that one makes; and a picture has as many answers as are asked for."""
    assert {"d_r1", "g_l1", "objective"} <= read_log(run)[-1].keys()
    half = ["--training.rate.epochs", "2", "--training.rate.decay_epochs", "1"]
    place = ["--training.resume", str(checkpoints(run)[0])]
    again = tmp_path / "again"
    assert main(["train", "--config", str(run / "options.yaml"), "--run.dir", str(again), *half, *place]) == 0
    one, other = (load_file(checkpoints(each)[-1] / "generator.safetensors") for each in (run, again))
    assert all(np.array_equal(one[name], other[name]) for name in one)

    picture = tmp_path / "picture.png"
    write_image(picture, np.random.default_rng(0).integers(0, 256, (35, 41, 3), np.uint8))
    assert main(["translate", str(run), str(picture), str(tmp_path / "out.png"), "--samples", "3"]) == 0
    answers = [read_image(tmp_path / f"out_{i}.png") for i in (1, 2, 3)]
    assert not (tmp_path / "out.png").exists()
    assert answers[0].shape == (35, 41, 3)
    assert all((answers[i] != answers[j]).any() for i, j in ((0, 1), (0, 2), (1, 2)))
    translator = Translator.from_run(run)
    assert not translator.one_answer
    assert (translator.pixels(picture, seed=2) == answers[2]).all()
    assert main(["translate", str(run), str(picture), str(tmp_path / "out.png"), "--seed", "2"]) == 0
    assert (read_image(tmp_path / "out.png") == answers[2]).all()
    assert main(["evaluate", str(run)]) == 0


def test_a_game_with_one_answer_gives_no_samples(
    preset: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, picture = tmp_path / "plain", tmp_path / "picture.png"
    assert main(["train", "--config", str(preset()), "--run.dir", str(folder)]) == 0
    write_image(picture, np.zeros((32, 32, 3), np.uint8))
    for more, named in (
        (["--samples", "2"], "samples 2"),
        (["--seed", "1"], "seed 1"),
        (["--samples", "0"], "samples 0"),
    ):
        assert main(["translate", str(folder), str(picture), str(tmp_path / "out.png"), *more]) == 2
        assert named in capsys.readouterr().err
    assert not (tmp_path / "out.png").exists()


def test_half_precision_can_bear_the_penalty(preset: Any, tmp_path: Path) -> None:
    file = preset(**GAME, training__precision="bf16")
    assert main(["train", "--config", str(file), "--run.dir", str(tmp_path / "half")]) == 0
    assert all(np.isfinite(line["d_r1"]) for line in read_log(tmp_path / "half"))


def test_two_processes_play_it(preset: Any, tmp_path: Path) -> None:
    """The penalty's gradient of a gradient, and a generator called twice a step, where gradients are averaged."""
    file, run = (
        preset(**GAME, training__rate={"epochs": 1, "decay_epochs": 0}, training__batch_size=1),
        tmp_path / "run",
    )
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    train = ["-m", "atme", "train", "--config", str(file), "--run.dir", str(run), "--training.log_every", "1"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    outcome = subprocess.run([*launch, *train], env=environment, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    lines = read_log(run)
    assert len(lines) > 2
    assert [line["d_r1"] > 0 for line in lines] == [line["step"] % 2 == 1 for line in lines]
    assert all(1.2 < line["objective"] < 1.8 for line in lines)


def test_a_latent_has_no_place_in_pix2pix() -> None:
    with pytest.raises(ValueError, match=r"generator\.latent: 6, and Pix2Pix"):
        Pix2Pix().require(game())
    with pytest.raises(ValueError, match="latent: -1 "):
        UNet(3, 3, dim=8, dim_mults=(1, 2), groups=4, latent=-1)
