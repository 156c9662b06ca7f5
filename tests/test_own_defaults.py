"""A class that is named in place of the usual one begins with its own defaults; what was written is kept."""

from pathlib import Path
from typing import Any

import pytest

from atme.cli.arguments import parse
from atme.training import options

BRIEF = "model: {class_path: atme.Pix2Pix, init_args: {lambda_l1: 50.0}}\n"
OTHER = "model: atme.DenoisingGAN\noptimizers: {generator: torch.optim.AdamW}\n"
OWN = 0.0
"""`lambda_l1` of a denoising diffusion GAN; pix2pix, the usual model, has 100."""


def chosen(folder: Path, presets: list[str], words: list[str]) -> Any:
    files = [folder / f"{number}.yaml" for number, _ in enumerate(presets)]
    for file, text in zip(files, presets, strict=True):
        file.write_text(text)
    named = [f"--config={file}" for file in files]
    return parse(options.parser(), [*named, *words], classes=options.CLASSES)


@pytest.mark.parametrize(
    ("presets", "words", "expected"),
    [
        ([], [], 100.0),
        ([], ["--model", "atme.DenoisingGAN"], OWN),
        ([], ["--model=atme.DenoisingGAN"], OWN),
        ([], ["--model.class_path", "atme.DenoisingGAN"], OWN),
        ([], ["--model", "{class_path: atme.DenoisingGAN}"], OWN),
        ([], ["--model", "atme.Pix2Pix", "--model", "atme.DenoisingGAN"], OWN),
        ([], ["--model", "atme.DenoisingGAN", "--model.init_args.lambda_l1", "3"], 3.0),
        ([OTHER], [], OWN),
        (["model: {class_path: atme.DenoisingGAN, init_args: {steps: 2}}\n"], [], OWN),
        ([OTHER], ["--model", "atme.Pix2Pix"], 100.0),
        ([BRIEF], [], 50.0),
        ([BRIEF], ["--model", "atme.DenoisingGAN"], 50.0),
        ([BRIEF, OTHER], [], 50.0),
        ([OTHER, "model: atme.Pix2Pix\n"], [], 100.0),
    ],
)
def test_a_class_brings_its_own_defaults(presets: list[str], words: list[str], expected: float, tmp_path: Path) -> None:
    assert chosen(tmp_path, presets, words).model.init_args.lambda_l1 == expected


def test_an_optimizer_brings_its_own_defaults(tmp_path: Path) -> None:
    """The usual Adam has pix2pix's rate and betas, and no weight decay."""
    found = chosen(tmp_path, [OTHER], ["--optimizers.discriminator", "torch.optim.SGD"]).optimizers
    assert found.generator.init_args.weight_decay == 0.01
    assert found.generator.init_args.betas == (0.9, 0.999)
    assert found.discriminator.init_args.momentum == 0
    usual = chosen(tmp_path, [], ["--optimizers.generator.init_args.lr", "1e-3"]).optimizers.generator.init_args
    assert (usual.lr, usual.betas) == (1e-3, (0.5, 0.999))


def test_so_does_one_in_a_mapping() -> None:
    found = options.parser().parse_object({"model": {"class_path": "atme.DenoisingGAN"}}).model
    assert found.init_args.lambda_l1 == OWN


@pytest.mark.parametrize("path", ["atme.Nope", "nowhere.Model", "DenoisingGAN", "{class_path: [}"])
def test_what_is_no_class_is_refused_as_before(path: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^model"):
        chosen(tmp_path, [], ["--model", path])
