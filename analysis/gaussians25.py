"""Does diffusing what the discriminator reads keep a GAN from losing modes? 25 Gaussians in the plane.

The demonstration of Diffusion-GAN (Wang et al., ICLR 2023, arXiv 2206.02262): 25 normal laws on the grid {−2, …, 2}²,
sd 0.05; generator and discriminator are perceptrons, two hidden layers of 128, leaky ReLU. Plain GAN and Diffusion-GAN
share initial weights, real points, latent draws and steps; they differ in the scheme alone, ``Identity`` or
``Diffusion``, which is played through its doors as in ``atme train``.

    python analysis/gaussians25.py --output runs/gaussians25
    python analysis/gaussians25.py --output runs/gaussians25 --grid

The rest is chosen here, mostly on seeds 10 to 15 (docs/gaussians25.md): cross-entropy, non-saturating; Adam (0.5,
0.999), its rate constant for three quarters of the steps and then falling to 0; a latent space of 16 dimensions; σ =
0.5, half the distance between neighboring modes, so that diffused neighbors overlap (σ = 0.05, meant for images, would
never reach the next mode); T from 90 to 1000, t uniform, d_target 0.4; t/1000 is the third input of the discriminator,
0 for the plain GAN; samples are drawn with the running average of the weights of the generator (0.999), in both games.

A sample visits a mode when it lies within 3 sd of its center, and is of high quality then; a mode is caught when at
least one of 10,000 samples visits it. All games of a setting are trained side by side, as slices of the same tensors.
"""

import dataclasses
import itertools
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jsonargparse import ArgumentParser
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from atme.losses import cross_entropy_fake, cross_entropy_real
from atme.noise import Game, Identity, Injection, Verdicts
from atme.noise.diffusion import Diffusion
from atme.training.rate import Rate

CENTERS = torch.cartesian_prod(torch.arange(-2.0, 3.0), torch.arange(-2.0, 3.0))
LONGEST = 1000
"""T_max, and the unit of the discriminator's third input."""
SAMPLES, SHOWN = 10_000, 2_000
"""Samples of a look, and how many of the last ones the figure shows."""
NAMES = {"plain": "Plain GAN", "diffusion": "Diffusion-GAN"}
COLORS = {"plain": "tab:blue", "diffusion": "tab:orange"}
CHANGES: list[dict[str, Any]] = [
    {"learning_rate": 1e-3},
    {"learning_rate": 4e-3},
    {"latent": 2},
    {"sd": 0.025},
    {"sd": 0.1},
    {"steps": 8_000},
]
"""The grid: the setting that was asked for, and each of these changes of it, one at a time. The modes stand 1 apart."""


@dataclass(frozen=True)
class Setting:
    """What both games share, and the chain of the one that diffuses.

    Args:
        learning_rate: of both networks.
        latent: numbers that the generator reads for one point.
        sd: standard deviation of a mode, below 1/6.
        steps: updates of each network.
        batch: real points, and samples, of one update.
        width: units of each of the two hidden layers.
        sigma: standard deviation of the noise at the end of a long chain.
        d_target: mean sign of the discriminator on real points, above which the chain grows.
        explore: how t is drawn along the chain, ``uniform`` or ``priority`` (∝ t).
        t_min: shortest chain.
        timestep_aware: whether the discriminator is told t.

    Raises:
        ValueError: if the circles of 3 sd around the modes meet.
    """

    learning_rate: float = 2e-3
    latent: int = 16
    sd: float = 0.05
    steps: int = 16_000
    batch: int = 128
    width: int = 128
    sigma: float = 0.5
    d_target: float = 0.4
    explore: Literal["uniform", "priority"] = "uniform"
    t_min: int = 90
    timestep_aware: bool = True

    def __post_init__(self) -> None:
        if 6 * self.sd >= 1:
            raise ValueError(f"sd {self.sd}: circles of 3 sd around neighboring modes meet; choose less than 1/6")


@dataclass(frozen=True)
class Look:
    """One game after so many steps."""

    step: int
    modes: int
    """Modes caught, of 25."""
    high_quality: float
    """Share of the samples that visit a mode."""
    rarest: int
    """Visits of the mode that has the fewest, of 10,000 samples; an even generator has 400 in each."""
    d_on_real: float
    """Mean σ(D) on real points as D saw them, over the steps since the last look."""
    d_on_fake: float
    T: int


@dataclass
class Record:
    """One game: its course, and how it ended."""

    scheme: str
    seed: int
    looks: list[Look] = field(default_factory=list)
    visits: list[int] = field(default_factory=list)
    """Visits of each of CENTERS at the last look."""
    samples: list[list[float]] = field(default_factory=list)
    """The first of the last samples."""


# Playing


class Perceptrons(nn.Module):
    """N perceptrons side by side, leaky ReLU between their layers; each starts as its seed says."""

    def __init__(self, sizes: Sequence[int], *, seeds: Sequence[int]) -> None:
        super().__init__()
        rngs = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for before, after in itertools.pairwise(sizes):
            bound = 1 / math.sqrt(before)
            for parameters, rows in ((self.weights, before), (self.biases, 1)):
                draws = [torch.rand(rows, after, generator=rng) for rng in rngs]
                parameters.append(nn.Parameter((2 * torch.stack(draws) - 1) * bound))

    def forward(self, x: Tensor) -> Tensor:
        """(N, B, sizes[0]) to (N, B, sizes[-1])."""
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, F.leaky_relu(x, 0.2) if i else x, weight)  # (N, B, sizes[i + 1])
        return x


@dataclass(frozen=True)
class Side:
    """The generators, or the discriminators, of all games."""

    networks: Perceptrons
    adam: Adam
    rate: LambdaLR

    def update(self, loss: Tensor) -> None:
        """Move these networks, and gather no gradients for the others."""
        weights = list(self.networks.parameters())
        for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            weight.grad = slope
        self.adam.step()
        self.rate.step()


def make_side(ends: tuple[int, int], setting: Setting, *, seeds: Sequence[int]) -> Side:
    """Networks and their Adam, whose rate is constant for three quarters of the steps, and then falls to 0."""
    networks = Perceptrons([ends[0], setting.width, setting.width, ends[1]], seeds=seeds)
    adam = Adam(networks.parameters(), setting.learning_rate, (0.5, 0.999), fused=True)
    constant = setting.steps * 3 // 4
    return Side(networks, adam, LambdaLR(adam, Rate(epochs=constant, decay_epochs=setting.steps - constant)))


def make_scheme(record: Record, setting: Setting) -> Injection:
    """The scheme of one game; the plane has no size and no map of verdicts, so these are 1."""
    game = Game(1, (1, 1), setting.batch, verdict_shape=lambda height, width: (1, 1), verdict_stride=1)
    if record.scheme == "plain":
        return Identity(game)
    return Diffusion(
        game,
        sigma=setting.sigma,
        explore=setting.explore,
        d_target=setting.d_target,
        t_min=setting.t_min,
        t_max=LONGEST,
        seed=record.seed,
    )


def train(setting: Setting, *, seeds: Sequence[int], looks: int = 25) -> list[Record]:
    """Play every seed with and without diffusion, and look at it so many times, last at the end."""
    records = [Record(scheme, seed) for scheme in NAMES for seed in seeds]
    schemes = [make_scheme(record, setting) for record in records]
    rngs = [_stream(record.seed, 3) for record in records]
    g = make_side((setting.latent, 2), setting, seeds=[10 * record.seed for record in records])
    d = make_side((3, 1), setting, seeds=[10 * record.seed + 1 for record in records])
    average = AveragedModel(g.networks, multi_avg_fn=get_ema_multi_avg_fn(0.999))
    judge = partial(judge_by, d.networks, schemes, rngs, aware=setting.timestep_aware)
    outputs: list[Tensor] = []
    for step, (real, z) in enumerate(draws(setting, seeds), start=1):
        fake = g.networks(z)  # (N, B, 2)
        on_fake, on_real = judge(fake.detach(), real)  # (N, B, 1)
        d.update(len(records) * (cross_entropy_real(on_real) + cross_entropy_fake(on_fake)))
        (seen,) = judge(fake)
        g.update(len(records) * cross_entropy_real(seen))
        average.update_parameters(g.networks)
        remember(schemes, on_real.detach(), seen.detach())
        outputs.append(torch.stack([on_real, on_fake], dim=-1).detach().sigmoid().mean(dim=(1, 2)))  # (N, 2)
        if step * looks // setting.steps > (step - 1) * looks // setting.steps:
            look(records, schemes, average, torch.stack(outputs).mean(0), step=step, setting=setting)
            outputs.clear()
    return records


def draws(setting: Setting, seeds: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
    """Real points (N, B, 2) and latent numbers (N, B, latent) of each step, the same for both schemes."""
    rngs = [_stream(seed, 2) for seed in seeds]
    for _ in range(setting.steps):
        modes = [CENTERS[torch.randint(25, (setting.batch,), generator=rng)] for rng in rngs]
        spread = [setting.sd * torch.randn(setting.batch, 2, generator=rng) for rng in rngs]
        z = [torch.randn(setting.batch, setting.latent, generator=rng) for rng in rngs]
        real = torch.stack(modes) + torch.stack(spread)
        yield real.repeat(len(NAMES), 1, 1), torch.stack(z).repeat(len(NAMES), 1, 1)


def judge_by(
    d: nn.Module, schemes: list[Injection], rngs: list[torch.Generator], *points: Tensor, aware: bool
) -> list[Tensor]:
    """Logits (N, B, 1) on each of the points (N, B, 2), after each game's second door."""
    nothing = points[0].new_zeros(points[0].shape[1], 0)  # the condition x: here there is none
    read: list[list[Tensor]] = [[] for _ in points]
    for scheme, rng, *images in zip(schemes, rngs, *points, strict=True):
        for k, judged in enumerate(scheme.before_discriminator(nothing, *images, rng=rng)):
            clean = judged.level is None or not aware
            t = judged.image.new_zeros(len(nothing)) if clean else judged.level / LONGEST
            read[k].append(torch.cat([judged.image, t[:, None]], dim=1))  # (B, 3)
    together = torch.cat([torch.stack(each) for each in read], dim=1)  # (N, B · len(points), 3)
    return list(d(together).chunk(len(points), dim=1))


def remember(schemes: list[Injection], real: Tensor, fake: Tensor) -> None:
    """The third door of each game, with logits (N, B, 1)."""
    index, view = torch.arange(real.shape[1]), torch.eye(2, 3).expand(real.shape[1], 2, 3)
    for scheme, on_real, on_fake in zip(schemes, real, fake, strict=True):
        scheme.remember(Verdicts((on_real[:, :, None, None],), (on_fake[:, :, None, None],), index, view))


def _stream(seed: int, part: int) -> torch.Generator:
    return torch.Generator().manual_seed(10 * seed + part)


# Scoring


def visits(samples: Tensor, *, sd: float) -> Tensor:
    """How many of the (n, 2) samples lie within 3 sd of each mode: (25,) int64."""
    return (torch.cdist(samples, CENTERS) < 3 * sd).sum(dim=0)


@torch.no_grad()
def look(
    records: list[Record],
    schemes: list[Injection],
    g: nn.Module,
    outputs: Tensor,
    *,
    step: int,
    setting: Setting,
) -> None:
    """Score 10,000 samples of each game; outputs are D's mean ones on real and on fake points, (N, 2)."""
    z = torch.randn(SAMPLES, setting.latent, generator=_stream(0, 4)).expand(len(records), -1, -1)
    for record, scheme, samples, (on_real, on_fake) in zip(records, schemes, g(z), outputs.tolist(), strict=True):
        found = visits(samples, sd=setting.sd)
        modes, share, rarest = int((found > 0).sum()), round(float(found.sum()) / SAMPLES, 4), int(found.min())
        T = int(scheme.readings().get("diffusion.T", 0))
        record.looks.append(Look(step, modes, share, rarest, round(on_real, 4), round(on_fake, 4), T))
        record.visits, record.samples = found.tolist(), samples[:SHOWN].tolist()
    last = [record.looks[-1] for record in records]
    print(f"step {step}: modes {[x.modes for x in last]}, within 3 sd {[x.high_quality for x in last]}", flush=True)


def contrast(records: list[Record]) -> bool:
    """Whether in the end the plain GAN lost modes in two seeds at least, and Diffusion-GAN in none."""
    lost = {scheme: sum(r.looks[-1].modes < 25 for r in records if r.scheme == scheme) for scheme in NAMES}
    return lost["plain"] >= 2 and lost["diffusion"] == 0


def numbers(setting: Setting, records: list[Record]) -> dict[str, object]:
    """What a figure or a table was made of, without the points."""
    games = [
        {"scheme": r.scheme, "seed": r.seed, "visits": r.visits, "looks": [vars(x) for x in r.looks]} for r in records
    ]
    return {"setting": dataclasses.asdict(setting), "contrast": contrast(records), "games": games}


# The grid


def play(setting: Setting, *, seeds: Sequence[int], output: Path) -> list[Record]:
    """Train one setting, and write its figure and its numbers."""
    records = train(setting, seeds=seeds)
    draw(records).savefig(output / "gaussians25.png", dpi=150)
    (output / "gaussians25.json").write_text(json.dumps(numbers(setting, records), indent=1))
    return records


def play_grid(setting: Setting, *, seeds: Sequence[int], output: Path, first: list[Record]) -> None:
    """Train every change of a setting that was played, and write grid.md and grid.json as they come."""
    columns = ["rate", "latent", "sd", "steps"]
    columns += [f"{name}: {what}" for name in NAMES.values() for what in ("modes", "within 3 sd")]
    lines = ["| " + " | ".join([*columns, "contrast"]) + " |", "|---" * (len(columns) + 1) + "|"]
    found = []
    for change in [{}, *CHANGES]:
        one = replace(setting, **change)
        print(one, flush=True)
        records = train(one, seeds=seeds, looks=4) if change else first
        lines.append(grid_line(one, records))
        found.append(numbers(one, records))
        (output / "grid.md").write_text("\n".join(lines) + "\n")
        (output / "grid.json").write_text(json.dumps(found, indent=1))


def grid_line(setting: Setting, records: list[Record]) -> str:
    """One row of the table: what was caught in the end, the seeds in their order."""
    cells = [f"{setting.learning_rate:g}", str(setting.latent), f"{setting.sd:g}", str(setting.steps)]
    for scheme in NAMES:
        ends = [record.looks[-1] for record in records if record.scheme == scheme]
        cells.append(", ".join(str(end.modes) for end in ends))
        cells.append(", ".join(f"{end.high_quality:.2f}" for end in ends))
    return "| " + " | ".join([*cells, "yes" if contrast(records) else "no"]) + " |"


# Drawing


def draw(records: list[Record]) -> Figure:
    """A row for each scheme: samples of each seed, the discriminator's outputs; at the end both courses."""
    seeds = len(records) // len(NAMES)
    figure = Figure(figsize=(2.5 * seeds + 6.6, 5.8), layout="constrained")
    axes = figure.subplots(len(NAMES), seeds + 2, squeeze=False, width_ratios=[1] * seeds + [1.25, 1.25])
    for row, scheme in zip(axes, NAMES, strict=True):
        of_scheme = [record for record in records if record.scheme == scheme]
        for ax, record in zip(row, of_scheme, strict=False):
            draw_samples(ax, record)
        row[0].set_ylabel(NAMES[scheme], fontsize=12, fontweight="bold")
        draw_outputs(row[-2], of_scheme)
    draw_course(axes[0, -1], records, "modes", top=25, title="modes caught, of 25")
    draw_course(axes[1, -1], records, "high_quality", top=1, title="share within 3 sd")
    return figure


def draw_samples(ax: Axes, record: Record) -> None:
    """The last samples; a ring marks every mode that none of the 10,000 visits."""
    x, y = zip(*record.samples, strict=True)
    ax.scatter(x, y, s=1.5, color=COLORS[record.scheme], alpha=0.5, linewidths=0, rasterized=True)
    lost = CENTERS[torch.tensor(record.visits) == 0]
    ax.scatter(lost[:, 0], lost[:, 1], s=90, facecolors="none", edgecolors="crimson", linewidths=1.2)
    ax.set(xlim=(-2.6, 2.6), ylim=(-2.6, 2.6), xticks=range(-2, 3), yticks=range(-2, 3), aspect="equal")
    end = record.looks[-1]
    ax.set_title(f"seed {record.seed}: {end.modes} of 25 modes,\n{end.high_quality:.0%} within 3 sd", fontsize=9)


def draw_outputs(ax: Axes, records: list[Record]) -> None:
    """Mean σ(D) on real and fake points over training; 1/2 is a discriminator that cannot tell."""
    for record in records:
        labels = ("on real", "on fake") if record is records[0] else (None, None)
        step = [x.step for x in record.looks]
        ax.plot(step, [x.d_on_real for x in record.looks], color="black", lw=1.2, label=labels[0])
        ax.plot(step, [x.d_on_fake for x in record.looks], color="black", lw=1.2, ls=":", label=labels[1])
    ax.axhline(0.5, color="0.7", lw=0.8, zorder=0)
    ax.set(ylim=(0, 1), xlabel="step", title="mean output of D")
    ax.legend(frameon=False, loc="upper left", ncols=2)


def draw_course(ax: Axes, records: list[Record], what: str, *, top: float, title: str) -> None:
    """One of the numbers of a look over training, a line for each game."""
    for record in records:
        label = NAMES[record.scheme] if record.seed == records[0].seed else None
        step, value = [x.step for x in record.looks], [getattr(x, what) for x in record.looks]
        ax.plot(step, value, color=COLORS[record.scheme], lw=1.2, label=label)
    ax.axhline(top, color="0.7", lw=0.8, zorder=0)
    ax.set(ylim=(0, 1.06 * top), xlabel="step", title=title)
    ax.legend(frameon=False, loc="lower right", fontsize=9)


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, play, and write figure, table and numbers."""
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, required=True, help="folder for the figure and the numbers")
    parser.add_argument("--seeds", type=list[int], default=[0, 1, 2])
    parser.add_argument("--grid", action="store_true", help="train the changes of the setting too, for their table")
    parser.add_class_arguments(Setting)
    options = parser.parse_args(arguments)
    setting = Setting(**{each.name: options[each.name] for each in dataclasses.fields(Setting)})
    options.output.mkdir(parents=True, exist_ok=True)
    records = play(setting, seeds=options.seeds, output=options.output)
    if options.grid:
        play_grid(setting, seeds=options.seeds, output=options.output, first=records)


if __name__ == "__main__":
    torch.set_num_threads(1)  # networks this small are slower with more
    main()
