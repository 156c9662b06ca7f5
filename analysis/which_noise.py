"""What does each noise do to an image? One picture: what the networks of four games read, for one test pair.

- ATME: the discriminator's verdict on the translation, the W that is made of it, and x·(1 + W), which the generator
  reads. Of a trained run, since untrained networks have no opinion.
- Diffusion-GAN: targets as the discriminator judges them, with the chain short, and as long as it gets.
- Denoising diffusion GAN: the target's way to noise in four steps, and a trained run's way back.

    python analysis/which_noise.py runs/earth_atme_demo runs/earth_ddgan_demo --output which_noise.png
"""

from pathlib import Path

import torch
from jsonargparse import auto_cli
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from atme import DenoisingGAN, Pair, PairedImages, Translator
from atme.noise.schedules import forward_chain

Panel = tuple[str, Tensor]
"""A title, and a picture: (3, H, W) in [-1, 1] in color, or (h, w) of any range by a color map."""

COLUMNS = 4


def study(atme_run: Path, ddgan_run: Path, *, output: Path, index: int = 3, root: str = "earth") -> None:
    """Draw the picture.

    Args:
        atme_run: a trained run of ATME.
        ddgan_run: a trained run of a denoising diffusion GAN.
        output: the picture's file.
        index: of the test pair.
        root: the pairs' folder.

    Raises:
        ValueError: if a run is of another game, or cannot be read.
    """
    pair = PairedImages(root, split="test")[index]
    assert pair.target is not None
    rows: list[tuple[str, list[Panel]]] = [
        ("ATME: the generator reads a source\nthat the last verdict distorts", decision_memory(atme_run, pair)),
        ("Diffusion-GAN: the discriminator\njudges diffused images", diffusion(pair.target)),
        ("Denoising diffusion GAN:\nthe target becomes noise …", forward(pair.target)),
        ("… and noise the target,\nbeside the source", backward(ddgan_run, pair)),
    ]
    figure = Figure(figsize=(9.2, 2.55 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), COLUMNS)
    for line, (title, panels) in zip(axes, rows, strict=True):
        for cell in line:
            cell.axis("off")
        for cell, (name, picture) in zip(line, panels, strict=False):
            show(cell, picture, name)
        line[0].text(-0.1, 0.5, title, transform=line[0].transAxes, rotation=90, ha="center", va="center", fontsize=8.5)
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=110)


def show(cell: Axes, picture: Tensor, title: str) -> None:
    """Draw one panel."""
    cell.set_title(title, fontsize=8.5)
    if picture.ndim == 3:
        cell.imshow(((picture.clamp(-1, 1) + 1) / 2).permute(1, 2, 0).numpy())
        return
    limit = float(picture.abs().max()) or 1.0
    drawn = cell.imshow(picture.numpy(), cmap="RdBu_r", vmin=-limit, vmax=limit)
    below = cell.inset_axes((0.0, -0.08, 1.0, 0.04))
    cell.figure.colorbar(drawn, cax=below, orientation="horizontal").ax.tick_params(labelsize=7)


@torch.no_grad()
def decision_memory(run: Path, pair: Pair) -> list[Panel]:
    """x, D's logits on its translation, W of them, x·(1 + W)."""
    networks = Translator.from_run(run, device="cpu").networks
    unseen = Pair.collate([Pair(pair.source, None, None, pair.view, pair.name)])
    first = networks.scheme(unseen)
    verdict = networks.discriminator(unseen.source, networks.generator(first.image, first.level))
    corrupted = networks.scheme(unseen, verdict)
    if corrupted.map is None:
        raise ValueError(f"{run}: its noise makes no W; give a run of ATME")
    return [
        ("source x", pair.source),
        ("the verdict, in logits:\n+ is taken for real", verdict[0, 0]),
        ("W, made of the verdict", corrupted.map[0, 0]),
        ("read: x·(1 + W)", corrupted.image[0]),
    ]


def diffusion(target: Tensor) -> list[Panel]:
    """The target at a few times of the shortest and of the longest chain that `Diffusion` has by default."""
    noise = torch.randn(target.shape, generator=torch.Generator().manual_seed(0))
    panels = [("half of the time: clean, t = 0", target)]
    for length, t in ((5, 5), (1000, 300), (1000, 1000)):
        chain = forward_chain("linear", steps=length, sigma=SIGMA)
        panels.append((f"t = {t} of T = {length}", chain.sample(target[None], torch.tensor([t]), noise[None])[0]))
    return panels


def forward(target: Tensor) -> list[Panel]:
    """The target on its way to noise, in four steps."""
    chain, rng = forward_chain("vp", steps=4), torch.Generator().manual_seed(0)
    y, panels = target[None], [("target y = y_0", target)]
    for t in range(1, chain.steps + 1):
        y = chain.step(y, torch.tensor([t]), torch.randn(y.shape, generator=rng))
        panels.append((f"y_{t} of K = 4", y[0]))
    return panels[:COLUMNS]


@torch.no_grad()
def backward(run: Path, pair: Pair) -> list[Panel]:
    """A translation on its way from noise: what the generator read at first, and its guesses."""
    translator, model = Translator.from_run(run, device="cpu"), game(run)
    seen: list[tuple[Tensor, Tensor]] = []

    def record(_: nn.Module, inputs: tuple[Tensor, ...], guess: Tensor) -> None:
        seen.append((inputs[0], guess))

    translator.networks.generator.register_forward_hook(record)
    answer = translator.tensor(pair.source[None])[0]
    (first, guess), (second, _) = seen[0], seen[-1]
    return [
        (f"drawn: y_{model.steps}", first[0, :3]),
        ("first guess of y_0", guess[0]),
        ("y_1, drawn around a guess", second[0, :3]),
        ("the answer", answer),
    ]


def game(run: Path) -> DenoisingGAN:
    """The model of a run.

    Raises:
        ValueError: if it is no denoising diffusion GAN.
    """
    model = Translator.from_run(run, device="cpu").model
    if not isinstance(model, DenoisingGAN):
        raise ValueError(f"{run}: is no run of a denoising diffusion GAN; give one of options/earth_ddgan_demo.yaml")
    return model


SIGMA = 0.05
"""Of `Diffusion`, by default."""


if __name__ == "__main__":
    auto_cli(study, as_positional=True)
