"""Every preset is read, built, and played for one step: small, but with all of its own settings."""

import functools
from pathlib import Path

import pytest
import torch
import yaml
from accelerate import Accelerator
from jsonargparse import Namespace

from atme.cli import main
from atme.data.batches import Batches
from atme.data.options import read_data_options
from atme.data.recipes import find_recipe
from atme.losses import Palette
from atme.metrics.classes import names
from atme.models.build import Measured, build
from atme.reports.cost import Cost, cost
from atme.shipped.presets import read_preset
from atme.training import optimizers, options
from atme.training.options import TrainingOptions
from atme.training.rate import Rate
from atme.training.state import State

ROOT = Path(__file__).parents[1]
PRESETS = sorted((ROOT / "options").glob("*.yaml"))
AUGMENTATIONS = sorted((ROOT / "options" / "augmentation").glob("*.yaml"))
NARROW = {"dim": 8, "ngf": 4, "init_dim": None}
"""Widths are set to these; nothing else is changed."""


def narrowed(preset: Path) -> dict[str, object]:
    read = yaml.safe_load(preset.read_text())
    for side in {"generator", "discriminator"} & read.keys():
        arguments = read[side].setdefault("init_args", {})
        read[side]["init_args"] = {name: NARROW.get(name, value) for name, value in arguments.items()}
    read["data"] |= {"workers": 0}
    read["training"] |= {"device": "cpu", "precision": "float32"}
    return read


def instantiated(preset: Path) -> Namespace:
    parser = options.parser()
    return parser.instantiate(parser.parse_object(narrowed(preset)))


def test_there_are_presets() -> None:
    assert {"earth_atme_demo", "earth_atme", "earth_pix2pix", "earth_pix2pix_demo"} <= {p.stem for p in PRESETS}


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.stem)
def test_a_preset_plays_a_step(preset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    chosen = instantiated(preset)
    size = chosen.data.crop_size
    model, networks = build(chosen, Measured(3, 3, 4, size, size, 1))
    made = optimizers.make(chosen.optimizers, networks, device=torch.device("cpu"))
    state = State(
        networks, made, accelerator=Accelerator(cpu=True), average=None, seed=0, steps=100, palette=palette(chosen)
    )
    state.step = round(100 * getattr(model, "start", 0))  # a discriminator may rest at first
    with state.at(0):
        step = model.step(state, pair(size))
    assert all(torch.isfinite(value) for value in step.losses.values())
    if "discriminator" in networks:
        assert 1.2 < float(step.losses["objective"]) < 1.8


def palette(chosen: Namespace) -> Palette | None:
    """Of a game whose targets are labels, each class as frequent as the others."""
    labels = chosen.data.kinds.target
    if labels is None:
        return None
    colors = torch.tensor(labels.colors) / 127.5 - 1
    return Palette.of(colors, torch.ones(len(colors)), ignored=colors[:0])


IMAGES = 1000
"""Pairs that costs are computed for: what a scheme remembers grows with their number, and nothing else."""


@functools.cache
def played(game: str, size: int, batch: int, precision: str) -> Cost:
    """The cost of a step of a game, at full width. Presets of several datasets share a game."""
    parser = options.parser()
    chosen = parser.instantiate(parser.parse_object(yaml.safe_load(game)))
    measured = Measured(3, 3, IMAGES, size, size, 1)
    return cost(lambda: build(chosen, measured), measured, batch=batch, precision=precision)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.stem)
def test_a_preset_says_what_it_costs(preset: Path) -> None:
    """As computed: ``atme presets`` reads it from there, so as to answer at once."""
    read = yaml.safe_load(preset.read_text())
    game = {key: read[key] for key in ("model", "generator", "discriminator", "noise", "optimizers") if key in read}
    training = TrainingOptions(**{**read["training"], "rate": Rate(**read["training"]["rate"])})
    precision = "bf16" if training.precision == "auto" else training.precision  # docs/training.md says so
    found = played(yaml.safe_dump(game), read["data"]["crop_size"], training.batch_size, precision)
    pairs = find_recipe(read["data"]["root"]).splits["train"]
    order = Batches(pairs, batch_size=training.batch_size, epochs=training.rate.total, accumulate=training.accumulate)
    steps = training.steps or order.steps
    gib = (found.total - found.memory + found.memory * pairs / IMAGES) / 2**30
    flops = found.flops * training.accumulate / 1e9
    truth = f"Cost: {flops:,.{0 if flops >= 10 else 1}f} GFLOP an update, {steps:,} updates, {gib:.1f} GiB."
    claims = [float(words.split()[0].replace(",", "")) for words in read_preset(preset.stem, preset).cost]
    assert claims == pytest.approx([flops, steps, gib], rel=0.02, abs=0.1), f"{preset}: write: {truth}"


def pair(size: int):  # type: ignore[no-untyped-def]
    from atme.data import Pair

    rng = torch.Generator().manual_seed(0)
    images = [torch.rand(1, 3, size, size, generator=rng) * 2 - 1 for _ in range(2)]
    return Pair(images[0], images[1], torch.tensor([2]), torch.eye(2, 3)[None], ("a",))


def test_every_file_is_one_or_the_other() -> None:
    assert sorted((ROOT / "options").rglob("*.yaml")) == sorted(PRESETS + AUGMENTATIONS)


@pytest.mark.parametrize("recipe", sorted((ROOT / "datasets").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_recipe_suggests_a_preset_that_exists(recipe: Path) -> None:
    suggested = yaml.safe_load(recipe.read_text())["preset"]
    preset = yaml.safe_load((ROOT / "options" / f"{suggested}.yaml").read_text())
    assert preset["data"]["root"] == recipe.stem
    assert preset["data"].get("test_split", "test") in yaml.safe_load(recipe.read_text())["splits"]


@pytest.mark.parametrize("augmentation", AUGMENTATIONS, ids=lambda path: path.stem)
def test_an_augmentation_goes_beside_a_preset(
    augmentation: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(ROOT)
    files = (ROOT / "options" / "earth_atme_demo.yaml", augmentation)
    parser = options.parser()
    both = parser.instantiate(parser.parse_args([f"--config={file}" for file in files]))
    plain = parser.instantiate(parser.parse_args([f"--config={files[0]}"]))
    views = [chosen.data.open_train(seed=0) for chosen in (both, plain)]
    drawn = [[dataset[epoch, 0] for epoch in range(8)] for dataset in views]
    moved = any(not torch.equal(a.view, b.view) for a, b in zip(*drawn, strict=True))
    colored = any(
        a.source.shape != b.source.shape or not torch.equal(a.source, b.source) for a, b in zip(*drawn, strict=True)
    )
    assert moved == (augmentation.stem in ("flip_crop", "dihedral", "resized_crops"))
    assert colored == (augmentation.stem != "flip")
    picture = tmp_path / "preview.png"
    arguments = ["data", "preview", "earth", "--preset", str(augmentation), "--output", str(picture)]
    assert main([*arguments, "--pairs", "2", "--views", "1"]) == 0
    assert picture.stat().st_size > 10_000


TURNED = {"direction": "AtoB", "source_kind": "image", "target_kind": "labels", "one_hot": False}


@pytest.mark.parametrize("preset", [path for path in PRESETS if "one_hot" in path.read_text()], ids=lambda p: p.stem)
def test_labels_are_read_one_hot_and_scored_the_other_way(preset: Path) -> None:
    """What the comment says turns photographs into labels, which have scores of classes."""
    there, back = read_data_options(preset), read_data_options(preset, **TURNED)
    said = " ".join(f"--data.{key} {str(value).lower() if value is False else value}" for key, value in TURNED.items())
    assert said in " ".join(line.strip().lstrip("# ") for line in preset.read_text().splitlines())
    assert there.kinds.one_hot
    assert there.kinds.source == back.kinds.target
    assert back.kinds.target is not None
    assert {"accuracy", "iou"} < set(names(back.kinds.target))


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.stem)
def test_a_preset_is_a_protocol(preset: Path) -> None:
    """Its first comment says what to expect; its run folder has its name."""
    lines = preset.read_text().splitlines()
    comment = " ".join(line for line in lines if line.startswith("#"))
    assert "Expected" in comment
    assert "PENDING" not in comment
    assert yaml.safe_load(preset.read_text())["run"]["dir"] == f"runs/{preset.stem}"


def test_presets_without_noise_differ_in_the_noise_alone() -> None:
    """The controlled comparison: one section apart."""
    paths = [ROOT / "options" / f"earth_{name}_demo.yaml" for name in ("atme", "pix2pix")]
    one, other = (yaml.safe_load(path.read_text()) for path in paths)
    assert {key for key in one if one[key] != other[key]} == {"run", "noise"}
