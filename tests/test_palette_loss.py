"""The palette loss, by hand and in every game: it asks for the class's color, and the output stays a picture."""

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from atme.cli import main
from atme.data import DataOptions
from atme.images import write_image
from atme.images.labels import Labels
from atme.losses import NEAR, Palette, palette_loss
from atme.models import Regression
from atme.training.palette import palette_of

COLORS = {"ground": [236, 230, 222], "road": [255, 255, 255], "highway": [255, 158, 32], "water": [168, 204, 255]}
LABELS = Labels.of(COLORS)
IN_RANGE = torch.tensor(LABELS.colors) / 127.5 - 1


def palette(ignored: int = 0) -> Palette:
    kept = len(IN_RANGE) - ignored
    return Palette.of(IN_RANGE[:kept], torch.ones(kept), ignored=IN_RANGE[kept:])


def painted(classes: torch.Tensor) -> torch.Tensor:
    """(B, H, W) classes as (B, 3, H, W)."""
    return IN_RANGE[classes].permute(0, 3, 1, 2)


class TestTheLoss:
    @settings(max_examples=20, deadline=None)
    @given(number=st.integers(0, 2**32), ignored=st.integers(0, 1))
    def test_it_is_the_cross_entropy_of_distances(self, number: int, ignored: int) -> None:
        rng = torch.Generator().manual_seed(number)
        image = torch.rand(2, 3, 5, 4, generator=rng, dtype=torch.float64) * 2 - 1
        truth = torch.randint(4, (2, 5, 4), generator=rng)
        colors = palette(ignored)
        apart = (image[:, None] - colors.colors.double()[None, :, :, None, None]).square().sum(2)  # (B, K, H, W)
        each = -F.log_softmax(-apart / NEAR, dim=1)
        known = truth < len(colors.colors)
        expected = (each.gather(1, truth.clamp(max=3 - ignored)[:, None])[:, 0] * known).mean()
        found = palette_loss(image.float(), painted(truth), colors)
        assert float(found) == pytest.approx(float(expected), rel=1e-3)

    def test_rare_classes_weigh_more_by_the_root_of_their_share(self) -> None:
        found = Palette.of(IN_RANGE[:2], torch.tensor([900_000, 100_000]), ignored=IN_RANGE[:0]).weights
        assert float(found[1] / found[0]) == pytest.approx(3.0, rel=1e-3)
        assert float(found @ torch.tensor([0.9, 0.1])) == pytest.approx(1.0, rel=1e-3)

    def test_it_pulls_from_the_wrong_color_to_the_right_one(self) -> None:
        image = painted(torch.zeros(1, 1, 1, dtype=torch.long)).clone().requires_grad_(True)
        palette_loss(image, painted(torch.full((1, 1, 1), 2)), palette()).backward()
        assert image.grad is not None
        step = -image.grad[0, :, 0, 0]
        assert float(F.cosine_similarity(step, IN_RANGE[2] - IN_RANGE[0], dim=0)) > 0.99

    def test_at_its_color_a_class_has_nearly_all(self) -> None:
        """On values in [-1, 1]; on those in [0, 1] a ground of its own color would be half road."""
        shares = {}
        for scale in (1.0, 0.5):
            apart = torch.cdist(IN_RANGE * scale, IN_RANGE * scale).square()
            shares[scale] = float(torch.softmax(-apart / NEAR, dim=1).diagonal().min())
        assert shares[1.0] > 0.9
        assert shares[0.5] < 0.7

    def test_it_is_the_mean_of_its_parts(self) -> None:
        """So two processes, or an accumulated batch, find what one does."""
        image, target = torch.rand(4, 3, 8, 8) * 2 - 1, painted(torch.randint(4, (4, 8, 8)))
        halves = [palette_loss(image[part], target[part], palette(1)) for part in (slice(2), slice(2, 4))]
        assert float(sum(halves) / 2) == pytest.approx(float(palette_loss(image, target, palette(1))), rel=1e-5)

    def test_it_is_as_exact_in_half_precision(self) -> None:
        image, target = torch.rand(1, 3, 8, 8) * 2 - 1, painted(torch.randint(4, (1, 8, 8)))
        plain = palette_loss(image, target, palette())
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(palette_loss(image, target, palette()), plain)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root, rng = tmp_path_factory.mktemp("palette"), np.random.default_rng(0)
    for split in ("train", "test"):
        (root / split).mkdir()
        for i in range(4):
            at = rng.integers(0, 4, (4, 4), np.uint8).repeat(8, 0).repeat(8, 1)[..., None]
            photograph = rng.integers(0, 255, (32, 32, 3), np.uint8, True)
            write_image(root / split / f"{i}.png", np.concatenate([photograph, LABELS.painted(at)], axis=1))
    return root


UNET = {"class_path": "atme.UNet", "init_args": {"dim": 8, "dim_mults": [1, 2]}}
GAMES = {
    "Regression": {"model": {"class_path": "atme.Regression", "init_args": {"palette": 0.1}}},
    "Pix2Pix": {"model": {"class_path": "atme.Pix2Pix", "init_args": {"palette": 0.1}}},
    "Pix2Pix, at first alone": {"model": {"class_path": "atme.Pix2Pix", "init_args": {"palette": 0.1, "start": 0.9}}},
    "DenoisingGAN": {
        "model": {"class_path": "atme.DenoisingGAN", "init_args": {"palette": 0.1, "steps": 2}},
        "generator": {"class_path": "atme.UNet", "init_args": {"dim": 8, "dim_mults": [1, 2], "latent": 4}},
        "discriminator": {
            "class_path": "atme.PatchGAN",
            "init_args": {"layers": 1, "dim": 4, "timestep_aware": True, "norm": "none"},
        },
        "noise": {"class_path": "atme.Identity"},
    },
}


def preset(folder: Path, **sections: object) -> dict[str, object]:
    return {
        "data": {"root": str(folder), "workers": 0, "target_kind": "labels", "target_labels": COLORS},
        "model": {"class_path": "atme.Pix2Pix"},
        "generator": UNET,
        "discriminator": {"class_path": "atme.PatchGAN", "init_args": {"layers": 1, "dim": 4}},
        "noise": {"class_path": "atme.DecisionMemory", "init_args": {"widths": [8, 8, 8]}},
        "training": {
            "rate": {"epochs": 1, "decay_epochs": 0},
            "batch_size": 2,
            "device": "cpu",
            "log_every": 1,
            "sample_every": 0,
        },
        **sections,
    }


@pytest.mark.parametrize("game", GAMES)
def test_every_game_asks_for_it(folder: Path, tmp_path: Path, game: str) -> None:
    """What is logged is its value, and its weight moves the generator."""
    runs = {}
    for weight in (0.1, 0.0):
        options = deepcopy(preset(folder, **GAMES[game]))
        options["model"]["init_args"]["palette"] = weight  # type: ignore[index]
        if game == "Regression":
            options["noise"] = {"class_path": "atme.Identity"}
        (tmp_path / "preset.yaml").write_text(yaml.safe_dump(options))
        run = tmp_path / f"run{weight}"
        assert main(["train", "--config", str(tmp_path / "preset.yaml"), "--run.dir", str(run)]) == 0
        runs[weight] = [yaml.safe_load(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert all(0 < line["g_palette"] < 100 for line in runs[0.1])
    assert "g_palette" not in runs[0.0][0]
    assert runs[0.1][0]["g_l1"] == runs[0.0][0]["g_l1"]
    assert runs[0.1][-1]["g_l1"] != runs[0.0][-1]["g_l1"]


def test_targets_that_are_pictures_have_none(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = preset(folder, **GAMES["Pix2Pix"], data={"root": str(folder), "workers": 0})
    (tmp_path / "preset.yaml").write_text(yaml.safe_dump(options))
    assert main(["train", "--config", str(tmp_path / "preset.yaml"), "--run.dir", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "model.palette: 0.1, and the targets are pictures; set data.target_kind labels" in said
    assert not (tmp_path / "run").exists()


def test_shares_are_those_of_the_training_pictures(folder: Path) -> None:
    """At the size that they are loaded at, without ignored classes."""
    labels = {"target_kind": "labels", "target_labels": COLORS, "ignore": ["water"]}
    train = DataOptions(root=str(folder), **labels).open_train(seed=0)  # type: ignore[arg-type]
    found = palette_of(Regression(palette=0.1), train)
    assert found is not None
    assert palette_of(Regression(), train) is None
    counts = np.zeros(3)
    for pair in (train[i] for i in range(len(train))):
        assert pair.target is not None
        classes = (pair.target[:, None] - IN_RANGE.T[:, :, None, None]).square().sum(0).argmin(0)
        counts += np.bincount(classes.reshape(-1).numpy(), minlength=4)[:3]
    root = np.sqrt(counts / counts.sum())
    assert found.weights.numpy() == pytest.approx(1 / root / root.sum(), rel=1e-2)
    assert found.ignored.tolist() == [pytest.approx((np.array(COLORS["water"]) / 127.5 - 1).tolist())]
