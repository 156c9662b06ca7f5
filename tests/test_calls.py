"""How often the generator is called for a translation, where a model leaves a choice."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from test_denoising_gan import game
from test_pix2pix import a_pair
from test_roles import OWN
from test_training import train
from torch import Tensor, nn

from atme.cli import main
from atme.images import read_image
from atme.inference import Translator
from atme.models import DenoisingGAN
from atme.models.translation import require_calls
from atme.noise.schedules import forward_chain

Preset = Callable[..., Path]
Said = pytest.CaptureFixture[str]

DENOISING = {
    "model": {"class_path": "atme.DenoisingGAN", "init_args": {"steps": 3}},
    "generator__init_args__latent": 4,
    "discriminator__init_args__timestep_aware": True,
    "noise": {"class_path": "atme.Identity"},
}


class Told(nn.Module):
    """A generator that remembers at which times it was called, and always answers the same."""

    stride, out_channels, latent = 1, 3, 4

    def __init__(self, answer: Tensor) -> None:
        super().__init__()
        self.answer, self.times = answer, list[int]()

    def forward(self, image: Tensor, t: Tensor, z: Tensor) -> Tensor:
        self.times.append(int(t[0]))
        return self.answer


class TestChain:
    def test_all_times_are_the_chain(self) -> None:
        chain = forward_chain("vp", steps=4, betas=(0.1, 20.0))
        assert chain.thinned((1, 2, 3, 4)) is chain

    @pytest.mark.parametrize("times", [(4,), (2, 4), (1, 4), (1, 2, 4), (3, 4)])
    def test_some_have_what_is_left_of_the_target_in_common(self, times: tuple[int, ...]) -> None:
        chain = forward_chain("vp", steps=4, betas=(0.1, 20.0))
        np.testing.assert_allclose(chain.thinned(times).alpha_bar, chain.alpha_bar[[0, *times]], rtol=1e-12)

    def test_a_leap_is_two_steps(self) -> None:
        """From y_2 straight to y_0 over y_1: the same mean and variance, worked out by the laws of Gaussians."""
        chain = forward_chain("vp", steps=3, betas=(0.1, 20.0))
        c, k, v = chain.posterior
        leap = tuple(float(each[1]) for each in chain.thinned((1, 3)).posterior)  # from y_3 to y_1, given y_0
        by_way_of_2 = (c[1] + k[1] * c[2], k[1] * k[2], v[1] + k[1] ** 2 * v[2])
        np.testing.assert_allclose(leap, by_way_of_2, rtol=1e-12)


class TestDenoisingGAN:
    @pytest.mark.parametrize(("calls", "times"), [(None, [3, 2, 1, 0]), (4, [3, 2, 1, 0]), (2, [3, 1]), (1, [3])])
    def test_it_calls_at_these_times_and_ends_with_the_last_answer(self, calls: int | None, times: list[int]) -> None:
        answer, networks = torch.full((2, 3, 32, 32), 0.25), game()
        told = Told(answer)
        networks = type(networks)(told, networks.discriminator, networks.scheme)
        _, made = DenoisingGAN(steps=4).translate(networks, a_pair(), calls=calls)
        assert told.times == times
        torch.testing.assert_close(made, answer)

    @pytest.mark.parametrize("calls", [0, 5, -1])
    def test_others_are_refused(self, calls: int) -> None:
        with pytest.raises(ValueError, match=r"calls: .*translates in 1, 2, 3, 4; choose one of these"):
            require_calls(DenoisingGAN(steps=4), calls)


def test_as_many_as_trained_with_are_the_same_bits(preset: Preset, tmp_path: Path) -> None:
    assert train(preset(**DENOISING), tmp_path / "run") == 0
    picture = torch.rand(1, 3, 32, 32)
    made = {n: Translator.from_run(tmp_path / "run", calls=n).tensor(picture) for n in (None, 3, 2)}
    assert torch.equal(made[None], made[3])
    assert not torch.equal(made[None], made[2])


def test_translate_and_evaluate_ask_for_them(preset: Preset, tmp_path: Path, pairs_folder: Path, capsys: Said) -> None:
    """A stranger's model, of which one to three can be asked for."""
    run, picture = tmp_path / "run", str(pairs_folder / "test" / "test_0.png")
    assert train(preset(**OWN), run) == 0
    made = {}
    for calls in (1, 3):
        output = tmp_path / f"{calls}.png"
        assert main(["translate", str(run), picture, str(output), "--calls", str(calls), "--trust"]) == 0
        made[calls] = read_image(output)
    assert not np.array_equal(made[1], made[3])
    words = ["evaluate", str(run), "--scores", "l1", "--train_pairs", "0", "--trust"]
    assert main([*words, "--calls", "1,3"]) == 0
    assert main(words) == 0
    files = {path.name for path in (run / "evaluation").glob("*.json")}
    assert files == {"test.json", "test_calls_1.json", "test_calls_3.json"}
    found = {name: json.loads((run / "evaluation" / name).read_text()) for name in files}
    assert found["test.json"]["l1"] == found["test_calls_1.json"]["l1"] != found["test_calls_3.json"]["l1"]
    assert found["test_calls_3.json"]["protocol"]["calls"] == 3
    assert "calls" not in found["test.json"]["protocol"]  # as it was before they could be asked for
    capsys.readouterr()
    assert main([*words, "--calls", "2,4"]) == 2
    said = capsys.readouterr().err.strip()
    assert said == "atme: calls: 4, and this Encoded translates in 1, 2, 3; choose one of these"
    assert not (run / "evaluation" / "test_calls_2.json").exists()  # all are refused before one is scored


def test_a_model_of_one_way_says_so(run: Path, tmp_path: Path, pairs_folder: Path, capsys: Said) -> None:
    picture = str(pairs_folder / "test" / "test_0.png")
    assert main(["translate", str(run), picture, str(tmp_path / "a.png"), "--calls", "2"]) == 2
    assert "calls: 2, and Pix2Pix has one way to translate; leave it out" in capsys.readouterr().err
