"""Every public door of data, networks, noise, losses and process: a wrong value ends in a ValueError that names it.

Each door is tried with one argument at a time set to values of every wrong kind. What is accepted is fine; what is
refused is refused in our words, with the name of the argument, and what may stand there instead.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import atme.data
from atme import losses, networks, noise, process
from atme.data import Augmentation, Batches, DataOptions, DeviceAugmentation, Pair, PairedImages, TestView, loader
from atme.data.kinds import PICTURES
from atme.images import write_image
from atme.noise.memory import move
from atme.noise.schedules import forward_chain

NAN, INF = float("nan"), float("inf")
WRONG: tuple[Any, ...] = (
    *(None, "x", "", b"x", -1, 0, 1.5, -0.5, NAN, INF, -INF, True, [], (1, 2, 3), (0, 0), (NAN, 1.0)),
    *([None], ["x"], {}, object(), np.zeros(3), torch.zeros(2), torch.full((2, 3), NAN), lambda *_: None),
)
GAME = noise.Game(
    images=5, size=(32, 48), batch=2, verdict_shape=lambda h, w: (h // 4 - 2, w // 4 - 2), verdict_stride=4
)
IMAGE = torch.rand(2, 3, 32, 48) * 2 - 1
EYE = torch.eye(2, 3).repeat(2, 1, 1)
PAIR = Pair(IMAGE, -IMAGE, torch.tensor([1, 3]), EYE, ("a", "b"))
LOGITS = torch.randn(2, 1, 6, 10)
SERIES = np.random.default_rng(0).standard_normal((60, 4)).cumsum(axis=0)

Door = tuple[Callable[..., Any], dict[str, Any]]


def forwarding(network: nn.Module, name: str = "forward") -> Callable[..., Any]:
    """The door of a network, with the names of its arguments."""
    return getattr(network.eval(), name)


SMALL = {"dim": 8, "dim_mults": (1, 2), "groups": 4}
CHAIN = {"d_target": 0.6, "ada_kimg": 1.0, "interval": 4, "t_min": 2, "t_max": 9, "entries": 6, "clean": 3, "seed": 0}
"""What schemes with an adaptive chain share."""

DOORS: dict[str, Door] = {
    "Augmentation": (Augmentation, {"load_size": 20, "crop_size": 16, "transforms": [], "source_transforms": []}),
    "TestView": (TestView, {"load_size": 20, "crop_size": 16, "interpolation": ("bilinear", "bilinear")}),
    "DeviceAugmentation": (
        DeviceAugmentation,
        {"load_size": 20, "crop_size": 16, "crop_scale": (0.5, 1.0), "crop_ratio": (0.8, 1.2), "transforms": []}
        | {"source_transforms": [], "interpolation": ("bilinear", "nearest")},
    ),
    "Batches": (
        Batches,
        {"images": 9, "batch_size": 2, "epochs": 2, "accumulate": 1, "rank": 0, "world": 1, "seed": 0, "start_step": 0},
    ),
    "Game": (
        noise.Game,
        {"images": 5, "size": (32, 48), "batch": 2, "verdict_stride": 4, "verdict_start": 4.0}
        | {"verdict_shape": GAME.verdict_shape},
    ),
    "Identity": (noise.Identity, {"game": GAME}),
    "Brownian": (noise.Brownian, {"game": GAME, "step": 0.1, "seed": 0}),
    "Brownian.path": (noise.Brownian(GAME).path, {"image": 1, "epochs": 3}),
    "Brownian.before_generator": (noise.Brownian(GAME).before_generator, {"pair": PAIR}),
    "DecisionMemory": (
        noise.DecisionMemory,
        {"game": GAME, "initial": "published", "translate_with": "refine", "ripple_seed": 0, "level_scale": 1.0}
        | {"widths": (8, 8, 8)},
    ),
    "DecisionMemory.before_generator": (
        noise.DecisionMemory(GAME, widths=(8, 8, 8)).before_generator,
        {"pair": PAIR, "verdict": LOGITS},
    ),
    "move": (
        move,
        {"decision": LOGITS, "then": EYE, "now": EYE, "size": (32, 48), "stride": 4, "start": None},
    ),
    "Diffusion": (
        noise.Diffusion,
        {
            "game": GAME,
            "schedule": "linear",
            "betas": (1e-4, 0.02),
            "sigma": 0.05,
            "explore": "uniform",
            "diffuse": "both",
        }
        | CHAIN,
    ),
    "FeatureDiffusion": (
        noise.FeatureDiffusion,
        {"game": GAME, "schedule": "linear", "betas": (1e-4, 0.01), "sigma": 0.5, "explore": "uniform"} | CHAIN,
    ),
    "DiffAugment": (noise.DiffAugment, {"game": GAME, "policy": ("color",), "probability": 0.5}),
    "Sequence": (noise.Sequence, {"game": GAME, "schemes": [noise.Identity]}),
    "forward_chain": (forward_chain, {"schedule": "linear", "steps": 8, "sigma": 1.0, "betas": (1e-4, 0.02)}),
    "Encoder": (
        networks.Encoder,
        {"network": "tf_efficientnet_lite0", "in_channels": 3, "strides": (2,), "weights": "none"},
    ),
    "Encoder.forward": (forwarding(networks.Encoder(strides=(2,), weights="none")), {"image": IMAGE}),
    "PatchGAN": (
        networks.PatchGAN,
        {"source_channels": 3, "target_channels": 3, "layers": 2, "dim": 4, "norm": "instance"},
    ),
    "ProjectedDiscriminator": (
        networks.ProjectedDiscriminator,
        {"source_channels": 3, "target_channels": 3, "scales": 1, "mixing": "scales", "dim": 4, "head_width": 16}
        | {
            "head_layers": 1,
            "norm": "group",
            "enlarge": 1,
            "network": "tf_efficientnet_lite0",
            "weights": "none",
            "seed": 0,
        },
    ),
    "ProjectedDiscriminator.forward": (
        forwarding(networks.ProjectedDiscriminator(3, 3, scales=1, head_width=16, weights="none", timestep_aware=True)),
        {"source": IMAGE, "image": IMAGE, "level": torch.zeros(2)},
    ),
    "UNet": (
        networks.UNet,
        {"in_channels": 3, "out_channels": 3, "init_dim": 8, "embedding": "fixed", "learned_sinusoidal_dim": 4}
        | {"time_dim_mult": 2, "latent": 4, "head": "atme", "eps": 1e-5}
        | SMALL,
    ),
    "PretrainedUNet": (
        networks.PretrainedUNet,
        {"in_channels": 3, "out_channels": 3, "encoder": "tf_efficientnet_lite0", "weights": "none"}
        | {"widths": (8, 8, 8), "freeze": ("stem",), "encoder_rate": 0.5, "groups": 4, "embedding": "fixed"}
        | {"learned_sinusoidal_dim": 4, "level_width": 16, "latent": 4, "head": "atme", "eps": 1e-5},
    ),
    "Pix2PixUNet": (
        networks.Pix2PixUNet,
        {"in_channels": 3, "out_channels": 3, "num_downs": 3, "ngf": 4, "norm": "batch"},
    ),
    "Pix2PixResNet": (
        networks.Pix2PixResNet,
        {"in_channels": 3, "out_channels": 3, "blocks": 1, "ngf": 4, "norm": "batch"},
    ),
    "WNet": (networks.WNet, {"widths": (8, 8, 8), "groups": 4}),
    "initialize": (networks.initialize, {"module": nn.Conv2d(1, 1, 1), "scheme": "normal", "gain": 0.02}),
    "PatchGAN.forward": (
        forwarding(networks.PatchGAN(3, 3, layers=1, dim=4, timestep_aware=True)),
        {"source": IMAGE, "image": IMAGE, "level": torch.zeros(2)},
    ),
    "PatchGAN.verdict_shape": (networks.PatchGAN(3, 3, layers=1, dim=4).verdict_shape, {"height": 32, "width": 48}),
    "UNet.forward": (
        forwarding(networks.UNet(3, 3, latent=4, **SMALL)),
        {"image": IMAGE, "level": torch.zeros(2), "latent": torch.zeros(2, 4)},
    ),
    "Pix2PixUNet.forward": (
        forwarding(networks.Pix2PixUNet(3, 3, num_downs=2, ngf=4)),
        {"image": IMAGE, "level": torch.zeros(2)},
    ),
    "Pix2PixResNet.forward": (
        forwarding(networks.Pix2PixResNet(3, 3, blocks=1, ngf=4)),
        {"image": IMAGE, "level": torch.zeros(2)},
    ),
    "WNet.forward": (forwarding(networks.WNet(widths=(8, 8, 8))), {"verdict": LOGITS, "size": (32, 48)}),
    "entropy": (losses.entropy, {"logits": LOGITS}),
    "cross_entropy_real": (losses.cross_entropy_real, {"logits": LOGITS}),
    "cross_entropy_fake": (losses.cross_entropy_fake, {"logits": LOGITS}),
    "augmented_dickey_fuller": (process.augmented_dickey_fuller, {"series": SERIES, "longest_lag": 2}),
    "autocorrelation": (process.autocorrelation, {"series": SERIES, "lags": 3, "alpha": 0.01}),
    "autocorrelations": (process.autocorrelations, {"series": SERIES, "lags": 3}),
    "corrected": (process.corrected, {"pvalue": np.array([0.1, 0.5]), "correction": "holm"}),
    "ljung_box": (process.ljung_box, {"series": SERIES, "lags": 3}),
    "pixel_correlation": (process.pixel_correlation, {"series": SERIES}),
    "questions": (process.questions, {"alpha": 0.01}),
    "shapiro_wilk": (process.shapiro_wilk, {"series": SERIES}),
    "suite": (process.suite, {"W": SERIES / 100, "window": (0, 60), "transform": "atanh", "alpha": 0.01}),
    "variance_growth": (process.variance_growth, {"series": SERIES}),
    "variance_ratio": (process.variance_ratio, {"series": SERIES, "q": 2}),
} | {
    f"ADVERSARIAL.{game}.{term}": (getattr(terms, term), {"real": LOGITS, "fake": LOGITS})
    for game, terms in losses.ADVERSARIAL.items()
    for term in ("of_discriminator", "of_generator")
}
POSITIONAL = ("entropy", "cross_entropy", "ADVERSARIAL")


def called(door: Callable[..., Any], name: str, arguments: dict[str, Any]) -> Any:
    if name.startswith(POSITIONAL):
        return door(*arguments.values())
    return door(**arguments)


def complaint(name: str, door: Callable[..., Any], arguments: dict[str, Any]) -> str | None:
    """What is wrong with how a call ended; None if it was accepted or refused in our words."""
    try:
        called(door, name, arguments)
    except ValueError as error:
        return None if ";" in str(error) else f"no remedy: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


CASES = [(name, argument) for name, (_, arguments) in DOORS.items() for argument in arguments]


@pytest.mark.parametrize("name", DOORS)
def test_a_door_opens(name: str) -> None:
    """With what it asks for it gives something, but for the one that works in place."""
    door, arguments = DOORS[name]
    assert (called(door, name, arguments) is None) == (name == "initialize")


@pytest.mark.parametrize(("name", "argument"), CASES)
@pytest.mark.filterwarnings("ignore")
def test_a_wrong_value_is_refused_in_our_words(name: str, argument: str) -> None:
    door, arguments = DOORS[name]
    found = {repr(wrong)[:40]: complaint(name, door, arguments | {argument: wrong}) for wrong in WRONG}
    assert {value: said for value, said in found.items() if said} == {}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    (folder / "train").mkdir()
    for number in range(3):
        picture = np.random.default_rng(number).integers(0, 255, (20, 40, 3), np.uint8)
        write_image(folder / f"train/{number}.png", picture)
    return folder


OPENED = {"split": "train", "direction": "AtoB", "layout": "auto", "augment": None, "seed": 0, "cache": "none"}
OPENED |= {"kinds": PICTURES}


@pytest.mark.parametrize("argument", ["root", *OPENED])
def test_pairs_are_opened_in_our_words(root: Path, argument: str) -> None:
    door: Callable[..., Any] = PairedImages
    found = {repr(w)[:40]: complaint("", door, {"root": root} | OPENED | {argument: w}) for w in WRONG}
    assert {value: said for value, said in found.items() if said} == {}


CHOSEN = ("direction", "layout", "test_view", "augment_on", "source_interpolation", "target_interpolation", "cache")
CHOSEN += ("source_kind", "target_kind", "label_resizing")
SIZED = (
    "load_size",
    "crop_size",
    "test_size",
    "crop_scale",
    "crop_ratio",
    "workers",
    "transforms",
    "source_transforms",
)


@pytest.mark.parametrize("argument", CHOSEN + SIZED)
def test_options_are_refused_in_our_words(root: Path, argument: str) -> None:
    def door(**options: Any) -> None:
        data = DataOptions(**{"root": str(root), "test_split": "train", "crop_size": 8} | options)
        for opened in (data.open_train(seed=0), data.open_test(), data.open_fixed()):
            assert len(opened) == 3

    device = {"augment_on": "device"} if argument.startswith("crop_") else {}
    scale = {"crop_scale": (0.5, 1.0)} if argument == "crop_ratio" else {}
    found = {repr(w)[:40]: complaint("", door, device | scale | {argument: w}) for w in WRONG}
    assert {value: said for value, said in found.items() if said} == {}


def test_samples_that_make_no_batch(root: Path) -> None:
    sample = PairedImages(root)[0]
    unknown = Pair(sample.source, None, None, sample.view, sample.name)
    for samples in ([], [sample, unknown]):
        with pytest.raises(ValueError, match=r"samples: .*; give"):
            Pair.collate(samples)


@pytest.mark.parametrize("argument", ["dataset", "batches", "workers"])
def test_a_loader_is_made_in_our_words(root: Path, argument: str) -> None:
    arguments = {"dataset": PairedImages(root), "batches": Batches(3, batch_size=1, epochs=1), "workers": 0}
    wrong = [-1, 1.5, "x", None] if argument == "workers" else WRONG
    found = {repr(w)[:40]: complaint("", loader, arguments | {argument: w}) for w in wrong}
    assert {value: said for value, said in found.items() if said} == {}


@pytest.mark.parametrize("argument", ["real", "fake", "share"])
def test_a_penalty_is_refused_in_our_words(argument: str) -> None:
    right = {"real": IMAGE, "fake": -IMAGE, "share": torch.rand(2, 1, 1, 1)}

    def door(**images: Any) -> None:
        losses.gradient_penalty(
            lambda image: image.mean(1, keepdim=True), images["real"], images["fake"], share=images["share"]
        )

    door(**right)
    found = {repr(w)[:40]: complaint("", door, right | {argument: w}) for w in WRONG}
    assert {value: said for value, said in found.items() if said} == {}


def test_images_of_another_game() -> None:
    for scheme in (noise.Brownian(GAME), noise.DecisionMemory(GAME, widths=(8, 8, 8))):
        for index in ([5, 0], [-1, 0]):
            pair = Pair(IMAGE, None, torch.tensor(index), EYE, ("a", "b"))
            with pytest.raises(ValueError, match=r"pair\.index: .*5 training images; give None"):
                scheme(pair)


def test_every_public_name_was_tried() -> None:
    """A new public class or function belongs in this file, or among those that only carry values."""
    carry = {
        "Pair",
        "Recipe",
        "Corrupted",
        "Judged",
        "Features",
        "Verdicts",
        "Injection",
        "Examination",
        "Finding",
        "Question",
    }
    carry |= {"Control", "Correction", "Transform", "CONTROLS", "find_root", "PairedImages", "DataOptions", "loader"}
    rooms = (atme.data, networks, noise, process)
    public = {name for room in rooms for name in room.__all__}
    tried = {name.split(".")[0] for name in DOORS}
    assert public - carry <= tried
