"""Games without a critic, with one that rests, with several maps, features, or a third network.

All of them are played by the loop, the checkpoints, the reports and the translators that pix2pix is played by.
"""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import my_models
import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from test_pix2pix import a_pair, make_state, play, small
from test_training import command, same_bits, train

from atme import history
from atme.cli import main
from atme.losses import ADVERSARIAL
from atme.models import Networks, Pix2Pix
from atme.models.moves import judge
from atme.noise import DecisionMemory, Game, Identity, Judged, Sequence
from atme.run_folder import checkpoints, read_log
from atme.training.average import Average

Preset = Callable[..., Path]
Said = pytest.CaptureFixture[str]

OWN = {
    "model": {"class_path": "my_models.Encoded"},
    "generator": {"class_path": "my_models.Small"},
    "discriminator": {"class_path": "my_models.TwoScales"},
    "networks": {"encoder": {"class_path": "my_models.Small", "init_args": {"dim": 2}}},
    "noise": {"class_path": "my_models.FeatureNoise"},
}
REGRESSION = {"model": {"class_path": "atme.Regression"}, "noise": {"class_path": "atme.Identity"}}
RESTING = {"model": {"class_path": "atme.Pix2Pix", "init_args": {"start": 0.5, "lambda_gan": {"start": 0, "end": 2}}}}
RESTING |= {"noise": {"class_path": "atme.DecisionMemory", "init_args": {"amplitude": {"start": 0, "end": 1}}}}
NOISY = [  # what is seen of pairs that were augmented is diffused, from the first update on, in a chain that grows
    {
        "class_path": "atme.FeatureDiffusion",
        "init_args": {"clean": 0, "fade_in": False, "ada_kimg": 0.01, "interval": 1},
    },
    {"class_path": "atme.DiffAugment"},
]
FEATURES = OWN | {"noise": {"class_path": "atme.Sequence", "init_args": {"schemes": NOISY}}}
GAMES = {"own": OWN, "regression": REGRESSION, "resting": RESTING, "features": FEATURES}


@pytest.fixture(params=GAMES)
def game(request: pytest.FixtureRequest, preset: Preset) -> Path:
    return preset(**GAMES[request.param])


def test_killed_and_resumed_it_ends_with_the_same_bits(game: Path, tmp_path: Path) -> None:
    """The checkpoint in the middle of a run, gone on from, against the run that was never stopped."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train(game, whole) == 0
    middle = checkpoints(whole)[1]
    assert train(whole / "options.yaml", parts, "--training.resume", str(middle)) == 0
    assert same_bits(checkpoints(whole)[-1], checkpoints(parts)[-1])
    assert not same_bits(middle, checkpoints(parts)[-1])


def test_it_is_shown_translated_exported_and_compared(
    game: Path, tmp_path: Path, pairs_folder: Path, capsys: Said
) -> None:
    run = tmp_path / "run"
    # of one level, since tracing two for all sizes takes most of a minute
    flat = ["--generator.init_args.dim_mults=[1]"] if "atme.networks.UNet" in game.read_text() else []
    assert train(game, run, "--training.precision", "bf16", *flat) == 0
    assert main(["show", str(run / "options.yaml")]) == 0
    out = str(tmp_path / "out")
    assert main(["translate", str(run), str(pairs_folder / "test"), out, "--half", "left", "--trust"]) == 0
    exported = ["--output", str(tmp_path / "exported.onnx"), "--trust"]
    assert main(["export", str(run), *exported]) == 0  # which compares it with the run's own translations
    assert main(["compare", str(run), "--output", str(tmp_path / "compared"), "--trust"]) == 0
    assert "generator: parameters" in capsys.readouterr().out
    found = json.loads((tmp_path / "compared" / "compare.json").read_text())
    assert "nan" not in json.dumps(found).lower()


@pytest.mark.parametrize("name", ["own", "regression"])
def test_two_processes_equal_one(preset: Preset, tmp_path: Path, name: str) -> None:
    """Two processes of one image a step, and one of two images; without noise, which each process draws for itself."""
    one_epoch = {"training__rate": {"epochs": 1, "decay_epochs": 0}, "data__train_split": "eight"}
    options = GAMES[name] | {"noise": {"class_path": "atme.Identity"}} | one_epoch
    assert train(preset(**options, training__batch_size=2), tmp_path / "whole") == 0
    both = preset(**options, training__batch_size=1)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    outcome = subprocess.run(
        [*launch, *command(both, tmp_path / "both")[1:]],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    ours, theirs = (read_log(tmp_path / where) for where in ("both", "whole"))
    for one, other in zip(ours, theirs, strict=True):
        assert one["g_l1"] == pytest.approx(other["g_l1"], rel=1e-3)
    roles = {path.stem for path in checkpoints(tmp_path / "both")[-1].glob("*.safetensors")}
    assert roles >= ({"encoder", "discriminator"} if name == "own" else {"generator"})


class TestWithoutADiscriminator:
    def test_nothing_of_one_is_built_written_or_saved(self, preset: Preset, tmp_path: Path) -> None:
        assert train(preset(**REGRESSION, history__images=0), tmp_path / "run") == 0
        options = yaml.safe_load((tmp_path / "run" / "options.yaml").read_text())
        assert "discriminator" not in options
        assert set(options["optimizers"]) == {"generator"}
        last = checkpoints(tmp_path / "run")[-1]
        assert not list(last.glob("*discriminator*"))
        assert set(torch.load(last / "optimizers.pt", weights_only=True)) == {"generator", "scaler"}
        assert all("objective" not in line for line in read_log(tmp_path / "run"))

    def test_a_section_that_was_written_is_said_to_be_left_out(
        self, preset: Preset, tmp_path: Path, capsys: Said
    ) -> None:
        assert train(preset(**REGRESSION), tmp_path / "run") == 0
        assert "discriminator: Regression plays with none" in capsys.readouterr().err

    @pytest.mark.parametrize("noise", ["DecisionMemory", "Diffusion", "Brownian"])
    def test_noise_that_needs_one_is_refused(self, preset: Preset, tmp_path: Path, capsys: Said, noise: str) -> None:
        file = preset(**REGRESSION | {"noise": {"class_path": f"atme.{noise}"}})
        assert train(file, tmp_path / "run") == 2
        assert "this game has none; set it to atme.Identity" in capsys.readouterr().err
        assert not (tmp_path / "run").exists()

    def test_so_are_recordings_of_verdicts(self, preset: Preset, tmp_path: Path, capsys: Said) -> None:
        assert train(preset(**REGRESSION), tmp_path / "run", "--history.images", "1") == 2
        assert "history.images: Regression has no discriminator" in capsys.readouterr().err

    def test_its_weights_begin_a_game_with_one(self, preset: Preset, tmp_path: Path, capsys: Said) -> None:
        assert train(preset(**REGRESSION), tmp_path / "one") == 0
        assert train(preset(), tmp_path / "two", "--training.start_from", str(tmp_path / "one")) == 0
        assert "there is no discriminator in" in capsys.readouterr().err

    def test_a_game_with_one_is_no_branch_of_it(self, preset: Preset, tmp_path: Path, capsys: Said) -> None:
        """Its weights alone begin one, as the line says; the branch the other way is one."""
        assert train(preset(**REGRESSION), tmp_path / "one") == 0
        assert train(preset(), tmp_path / "two", "--training.resume", str(tmp_path / "one")) == 2
        said = capsys.readouterr().err
        assert "model.class_path: " in said
        assert "or take weights alone, into a new --run.dir, with --training.start_from" in said
        assert train(preset(noise={"class_path": "atme.Identity"}), tmp_path / "three") == 0
        middle = str(checkpoints(tmp_path / "three")[0])
        assert train(preset(**REGRESSION), tmp_path / "four", "--training.resume", middle) == 0

    def test_its_loss_is_the_distance(self, preset: Preset, tmp_path: Path) -> None:
        for loss in ("l1", "l2"):
            assert train(preset(**REGRESSION), tmp_path / loss, "--model.init_args.loss", loss) == 0
            assert read_log(tmp_path / loss)[-1][f"g_{loss}"] > 0
        assert "g_l1" not in read_log(tmp_path / "l2")[-1]


class TestTheCritic:
    def test_it_rests_until_its_start(self, preset: Preset, tmp_path: Path) -> None:
        """12 updates: up to the sixth it is not trained, nor asked, and its optimizer holds no moments."""
        assert train(preset(**RESTING), tmp_path / "run") == 0
        assert [("objective" in line) for line in read_log(tmp_path / "run")] == [False] * 3 + [True] * 3
        first, _, last = checkpoints(tmp_path / "run")
        assert not torch.load(first / "optimizers.pt", weights_only=True)["discriminator"]["state"]
        assert torch.load(last / "optimizers.pt", weights_only=True)["discriminator"]["state"]
        assert float(load_file(last / "scheme.safetensors")["factor"]) == pytest.approx(11 / 12)

    def test_it_is_not_called(self) -> None:
        networks = small(DecisionMemory)
        state = make_state(networks)
        before = copy.deepcopy(networks.discriminator.state_dict())
        networks.discriminator.register_forward_hook(lambda *_: pytest.fail("it was asked"))
        losses = play(state, Pix2Pix(start=0.9), a_pair())
        assert set(losses) == {"g_l1", "w_mean", "w_std"}
        assert all(torch.equal(before[name], value) for name, value in networks.discriminator.state_dict().items())

    @pytest.mark.parametrize("start", [-0.1, 1.0])
    def test_a_start_is_a_share(self, start: float) -> None:
        with pytest.raises(ValueError, match=r"model\.start: .*; give a number"):
            Pix2Pix(start=start)

    def test_something_must_be_learned_before(self) -> None:
        with pytest.raises(ValueError, match=r"nothing is learned before; set lambda_l1"):
            Pix2Pix(start=0.5, lambda_l1=0)

    def test_a_relativistic_one_sees_both_sides(self) -> None:
        """Verdicts that move together change nothing; at equality the terms are log 2, and the readings log 4."""
        terms, logits = ADVERSARIAL["relativistic"], torch.randn(2, 1, 3, 3)
        for k in (0.0, 5.0):
            value = terms.discriminator((logits + k,), (k + 0 * logits,))
            torch.testing.assert_close(value, torch.nn.functional.softplus(-logits).mean())
        losses = play(make_state(small(DecisionMemory)), Pix2Pix(adversarial="relativistic"), a_pair())
        assert losses["d_real"] == pytest.approx(losses["d_fake"])
        assert losses["d_loss"] == pytest.approx(losses["d_real"], rel=1e-5)


def test_a_relativistic_game_has_no_second_pass(preset: Preset, tmp_path: Path, capsys: Said) -> None:
    noise = {"class_path": "atme.DecisionMemory", "init_args": {"translate_with": "refine"}}
    model = {"class_path": "atme.Pix2Pix", "init_args": {"adversarial": "relativistic"}}
    assert train(preset(noise=noise, model=model), tmp_path / "run") == 2
    assert "noise.translate_with: refine reads the verdict on a translation alone" in capsys.readouterr().err


def test_what_is_followed_begins_with_the_critic(preset: Preset, tmp_path: Path) -> None:
    """A history of a run whose critic rests for half of it: decisions of the training steps are unknown till then."""
    assert train(preset(**RESTING), tmp_path / "run", "--history.images", "2") == 0
    training = history.read(tmp_path / "run")["training"]
    known = ~np.isnan(np.asarray(training.decisions)).all(axis=(2, 3))  # (E, K)
    assert not known[np.asarray(training.epochs) == 1].any()
    assert known[np.asarray(training.epochs) == 3].all()
    assert 3 in training.epochs


def two_scales() -> Networks:
    torch.manual_seed(0)
    critic = my_models.TwoScales(3, 3)
    game = Game(3, (32, 32), 2, critic.verdict_shape, 2)
    scheme = Sequence(game, schemes=[my_models.FeatureNoise, lambda each: DecisionMemory(each, widths=(8, 8, 8))])
    return Networks(my_models.Small(3, 3), critic, scheme)


class TestSeveralMaps:
    def test_a_memory_keeps_the_finest(self) -> None:
        networks = two_scales()
        state, pair = make_state(networks), a_pair()
        with state.at(0):
            step = Pix2Pix().step(state, pair)
        assert [tuple(each.shape) for each in step.verdicts.fake] == [(2, 1, 16, 16), (2, 1, 8, 8)]
        memory = networks.scheme.schemes[1]
        assert torch.equal(memory.decisions[[0, 2]], step.verdicts.fake[0])

    def test_each_has_the_same_say(self) -> None:
        real, fake = ((torch.full((1, 1, 8, 8), 3.0), torch.full((1, 1, 2, 2), -3.0)) for _ in range(2))
        both = ADVERSARIAL["hinge"].discriminator(real, fake)
        alone = [ADVERSARIAL["hinge"].discriminator((r,), (f,)) for r, f in zip(real, fake, strict=True)]
        assert float(both) == pytest.approx(float(sum(alone)) / 2)

    def test_a_scheme_acts_on_features(self) -> None:
        """Noise of width 0 changes no verdict, any other does, and images of a call share no noise."""
        critic, (x, y) = my_models.TwoScales(3, 3), (a_pair().source, a_pair().target)
        game = Game(3, (32, 32), 2, critic.verdict_shape, 2)
        clean = judge(critic, Judged(x, y))
        for sigma, same in ((0.0, True), (1.0, False)):
            scheme = Sequence(game, schemes=[Identity, lambda g, s=sigma: my_models.FeatureNoise(g, sigma=s)])
            assert scheme.on_features
            one, two = (judge(critic, each) for each in scheme.before_discriminator(x, y, y, rng=torch.Generator()))
            assert all(torch.equal(a, b) for a, b in zip(clean, one, strict=True)) is same
            assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True)) is same

    def test_a_critic_without_features_is_refused(self, preset: Preset, tmp_path: Path, capsys: Said) -> None:
        assert train(preset(noise={"class_path": "my_models.FeatureNoise"}), tmp_path / "run") == 2
        assert "PatchGAN offers none" in capsys.readouterr().err


class TestFrozenParts:
    def test_they_are_neither_drawn_nor_moved_nor_averaged_and_are_saved(self, preset: Preset, tmp_path: Path) -> None:
        assert train(preset(**OWN), tmp_path / "run") == 0
        for checkpoint in checkpoints(tmp_path / "run"):
            weights = load_file(checkpoint / "discriminator.safetensors")
            assert torch.equal(weights["eyes.1.weight"], torch.full_like(weights["eyes.1.weight"], 1.1))
            assert "mixing" not in weights
        assert set(Average(my_models.TwoScales(3, 3), decay=0.9).weights) == {
            *("heads.0.weight", "heads.0.bias", "heads.1.weight", "heads.1.bias")
        }

    def test_weights_from_elsewhere_are_asked_for_once(
        self, preset: Preset, tmp_path: Path, pairs_folder: Path
    ) -> None:
        """By the training that begins with them; not by one that goes on, a translation, a score, or a look."""
        before, run = my_models.TwoScales.asked_for_weights, tmp_path / "run"
        assert train(preset(**OWN), run) == 0
        assert my_models.TwoScales.asked_for_weights == before + 1
        (checkpoints(run)[-1]).rename(tmp_path / "last")
        assert train(run / "options.yaml", run, "--training.resume", "auto") == 0
        assert same_bits(tmp_path / "last", checkpoints(run)[-1])
        picture = str(pairs_folder / "test" / "test_0.png")
        assert main(["translate", str(run), picture, str(tmp_path / "a.png"), "--trust"]) == 0
        assert main(["evaluate", str(run), "--trust"]) == 0
        assert main(["show", str(run / "options.yaml")]) == 0
        assert my_models.TwoScales.asked_for_weights == before + 1


class TestFurtherRoles:
    def test_they_have_files_averages_and_moments(self, preset: Preset, tmp_path: Path, capsys: Said) -> None:
        assert train(preset(**OWN), tmp_path / "run") == 0
        last = checkpoints(tmp_path / "run")[-1]
        assert (last / "encoder.safetensors").is_file()
        assert (last / "average_encoder.safetensors").is_file()
        assert "encoder" in torch.load(last / "optimizers.pt", weights_only=True)
        assert main(["show", str(tmp_path / "run" / "options.yaml")]) == 0
        assert "encoder: parameters" in capsys.readouterr().out

    def test_one_without_optimizer_moves_as_the_generator_does(self, preset: Preset, tmp_path: Path) -> None:
        own = {"optimizers": {"networks": {"encoder": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}}}}}
        for name, more in (("as_generator", {}), ("own", own)):
            assert train(preset(**OWN, **more), tmp_path / name) == 0
        kinds = [
            torch.load(checkpoints(tmp_path / name)[-1] / "optimizers.pt", weights_only=True)["encoder"]["kind"]
            for name in ("as_generator", "own")
        ]
        assert kinds == ["torch.optim.adam.Adam", "torch.optim.sgd.SGD"]

    def test_an_optimizer_that_does_not_fit_is_named(self, preset: Preset, tmp_path: Path, capsys: Said) -> None:
        own = {"optimizers": {"networks": {"encoder": {"class_path": "torch.optim.LBFGS"}}}}
        assert train(preset(**OWN, **own), tmp_path / "run") == 2
        assert "optimizers.networks.encoder: it cannot train these networks" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("networks", "said"),
        [
            ({}, "networks.encoder: Encoded plays with one; give its class_path"),
            (OWN["networks"] | {"judge": OWN["generator"]}, "networks.judge: Encoded has no such further role"),
        ],
    )
    def test_the_model_says_which(
        self, preset: Preset, tmp_path: Path, capsys: Said, networks: object, said: str
    ) -> None:
        assert train(preset(**OWN | {"networks": networks}), tmp_path / "run") == 2
        assert said in capsys.readouterr().err


def test_the_picture_is_that_of_the_average_of_all_that_translates(preset: Preset, tmp_path: Path) -> None:
    """A translation with the last weights differs from that with the averages: of the encoder too."""
    from atme.inference import Translator

    assert train(preset(**OWN), tmp_path / "run") == 0
    kinds = [Translator.from_run(tmp_path / "run", weights=kind, trust=True) for kind in ("average", "last")]
    weights = [each.networks["encoder"].layers[0].weight.detach().numpy() for each in kinds]
    assert not np.array_equal(*weights)
