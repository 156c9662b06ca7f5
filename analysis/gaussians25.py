"""Does diffusing what the discriminator reads keep a GAN from losing modes? 25 Gaussians in the plane.

The demonstration of Diffusion-GAN (Wang et al., ICLR 2023, arXiv 2206.02262): 25 normal laws on the grid
{−2, …, 2}², sd 0.05; generator and discriminator are perceptrons, two hidden layers of 128, leaky ReLU. Plain
GAN and Diffusion-GAN share initial weights, real points, latent draws and steps; they differ in the scheme
alone, ``Identity`` or ``Diffusion``, which is played through its doors as in ``atme train``.

    python analysis/gaussians25.py --output runs/gaussians25
    python analysis/gaussians25.py --output runs/gaussians25 --grid

The rest is chosen here: cross-entropy, non-saturating; Adam (0.5, 0.999), its rate constant for half of the
steps and then falling to 0; σ = 0.5, half the distance between neighboring modes, so that diffused neighbors
overlap (σ = 0.05, meant for images, would never reach the next mode); d_target 0.4; t/1000 is the third input
of the discriminator, 0 for the plain GAN; samples are drawn with the running average of the weights of the
generator (0.999), in both games.

A mode is caught when at least one of 10,000 samples lies within 3 sd of its center; such samples are of high
quality. All games of a setting are trained side by side, as slices of the same tensors.
"""

import dataclasses
import itertools
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

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
SAMPLES = 10_000
NAMES = {"plain": "Plain GAN", "diffusion": "Diffusion-GAN"}
COLORS = {"plain": "tab:blue", "diffusion": "tab:orange"}

RATES, LATENTS, SDS, STEPS = (5e-4, 1.5e-3), (2, 16), (0.05, 0.025), (4000, 8000)
"""The grid: learning rates, latent sizes, sd (the modes stand 1 apart), and steps."""


@dataclass(frozen=True)
class Setting:
    """What both games share, and the chain of the one that diffuses.

    Args:
        learning_rate: of both networks.
        latent: numbers that the generator reads for one point.
        sd: standard deviation of a mode.
        steps: updates of each network.
        batch: real points, and samples, of one update.
        width: units of each of the two hidden layers.
        sigma: standard deviation of the noise at the end of a long chain.
        d_target: mean sign of the discriminator on real points, above which the chain grows.
        timestep_aware: whether the discriminator is told t.
    """

    learning_rate: float = 1.5e-3
    latent: int = 2
    sd: float = 0.05
    steps: int = 32_000
    batch: int = 128
    width: int = 128
    sigma: float = 0.5
    d_target: float = 0.4
    timestep_aware: bool = True


@dataclass
class Record:
    """One game: its course, each list with one entry per look, and its last samples."""

    scheme: str
    seed: int
    step: list[int] = dataclasses.field(default_factory=list)
    modes: list[int] = dataclasses.field(default_factory=list)
    high_quality: list[float] = dataclasses.field(default_factory=list)
    d_on_real: list[float] = dataclasses.field(default_factory=list)
    """Mean σ(D) on real points as D saw them, over the steps since the last look."""
    d_on_fake: list[float] = dataclasses.field(default_factory=list)
    T: list[int] = dataclasses.field(default_factory=list)
    lost: list[list[float]] = dataclasses.field(default_factory=list)
    """Centers of the modes that no sample reached at the last look."""
    samples: list[list[float]] = dataclasses.field(default_factory=list)
    """The first 2,000 of the last 10,000 samples."""


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


def score(samples: Tensor, *, sd: float) -> tuple[Tensor, float]:
    """Which modes (n, 2) samples catch, (25,) bool, and the share of samples within 3 sd of a mode."""
    distance = torch.cdist(samples, CENTERS)  # (n, 25)
    near = distance < 3 * sd
    return near.any(dim=0), float(near.any(dim=1).float().mean())


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
    """Networks and their Adam, whose rate is constant for half of the steps, and then falls to 0."""
    networks = Perceptrons([ends[0], setting.width, setting.width, ends[1]], seeds=seeds)
    adam = Adam(networks.parameters(), setting.learning_rate, (0.5, 0.999), fused=True)
    half = setting.steps // 2
    return Side(networks, adam, LambdaLR(adam, Rate(epochs=half, decay_epochs=setting.steps - half)))


def train(setting: Setting, *, seeds: Sequence[int], looks: int = 25) -> list[Record]:
    """Play every seed with and without diffusion, and score it so many times, last at the end."""
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
        outputs.append(torch.stack([on_real, on_fake]).detach().sigmoid().mean(dim=(2, 3)))
        if step * looks // setting.steps > (step - 1) * looks // setting.steps:
            look(records, schemes, average, torch.stack(outputs).mean(0), step=step, setting=setting)
            outputs.clear()
    return records


def make_scheme(record: Record, setting: Setting) -> Injection:
    """The scheme of one game; the plane has no size and no map of verdicts, so these are 1."""
    game = Game(1, (1, 1), setting.batch, verdict_shape=lambda height, width: (1, 1), verdict_stride=1)
    if record.scheme == "plain":
        return Identity(game)
    return Diffusion(game, sigma=setting.sigma, d_target=setting.d_target, t_max=LONGEST, seed=record.seed)


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
        scheme.remember(Verdicts(on_real[:, :, None, None], on_fake[:, :, None, None], index, view))


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
    """Score 10,000 samples of each game."""
    z = torch.randn(SAMPLES, setting.latent, generator=_stream(0, 4)).expand(len(records), -1, -1)
    for i, (record, scheme, samples) in enumerate(zip(records, schemes, g(z), strict=True)):
        caught, high_quality = score(samples, sd=setting.sd)
        record.step.append(step)
        record.modes.append(int(caught.sum()))
        record.high_quality.append(round(high_quality, 4))
        record.d_on_real.append(round(float(outputs[0, i]), 4))
        record.d_on_fake.append(round(float(outputs[1, i]), 4))
        record.T.append(int(scheme.readings().get("diffusion.T", 0)))
        record.lost, record.samples = CENTERS[~caught].tolist(), samples[:2000].tolist()
    print(f"step {step}: modes {[r.modes[-1] for r in records]}, T {[r.T[-1] for r in records]}", flush=True)


def _stream(seed: int, part: int) -> torch.Generator:
    return torch.Generator().manual_seed(10 * seed + part)


def contrast(records: list[Record]) -> bool:
    """Whether in the end the plain GAN lost modes in two seeds at least, and Diffusion-GAN in none."""
    lost = {scheme: sum(r.modes[-1] < 25 for r in records if r.scheme == scheme) for scheme in NAMES}
    return lost["plain"] >= 2 and lost["diffusion"] == 0


def numbers(setting: Setting, records: list[Record]) -> dict[str, object]:
    """What a figure or a table was made of, without the points."""
    games = [{name: value for name, value in vars(r).items() if name not in ("lost", "samples")} for r in records]
    return {"setting": dataclasses.asdict(setting), "contrast": contrast(records), "games": games}


def run_grid(setting: Setting, *, seeds: Sequence[int], output: Path) -> None:
    """Train every setting of the grid, and write grid.md and grid.json as they come."""
    lines = [
        "| rate | latent | sd | steps | plain GAN | within 3 sd | Diffusion-GAN | within 3 sd | contrast |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    found = []
    for latent, sd, rate, steps in itertools.product(LATENTS, SDS, RATES, STEPS):
        one = replace(setting, learning_rate=rate, latent=latent, sd=sd, steps=steps)
        print(one, flush=True)
        records = train(one, seeds=seeds, looks=4)
        lines.append(grid_line(one, records))
        found.append(numbers(one, records))
        (output / "grid.md").write_text("\n".join(lines) + "\n")
        (output / "grid.json").write_text(json.dumps(found, indent=1))


def grid_line(setting: Setting, records: list[Record]) -> str:
    """One row of the table: what was caught in the end, the seeds in their order."""
    cells = [f"{setting.learning_rate:g}", str(setting.latent), f"{setting.sd:g}", str(setting.steps)]
    for scheme in NAMES:
        of_scheme = [r for r in records if r.scheme == scheme]
        cells.append(", ".join(str(r.modes[-1]) for r in of_scheme))
        cells.append(", ".join(f"{r.high_quality[-1]:.2f}" for r in of_scheme))
    return "| " + " | ".join([*cells, "yes" if contrast(records) else "no"]) + " |"


def draw(records: list[Record], *, sd: float) -> Figure:
    """A row for each scheme: samples of each seed, the discriminator's outputs, and the modes caught."""
    seeds = len(records) // len(NAMES)
    figure = Figure(figsize=(2.6 * seeds + 6.4, 5.8), layout="constrained")
    axes = figure.subplots(2, seeds + 2, squeeze=False, width_ratios=[1] * seeds + [1.25, 1.25])
    for row, scheme in zip(axes, NAMES, strict=True):
        of_scheme = [r for r in records if r.scheme == scheme]
        for ax, record in zip(row, of_scheme, strict=False):
            draw_samples(ax, record, sd=sd)
        row[0].set_ylabel(NAMES[scheme], fontsize=12, fontweight="bold")
        draw_outputs(row[-2], of_scheme)
        draw_modes(row[-1], of_scheme)
    return figure


def draw_samples(ax: Axes, record: Record, *, sd: float) -> None:
    """The last samples; a ring marks every mode that none of the 10,000 reached."""
    x, y = torch.tensor(record.samples).T.tolist()
    ax.scatter(x, y, s=1.5, color=COLORS[record.scheme], alpha=0.5, linewidths=0, rasterized=True)
    for u, v in record.lost:
        ax.scatter(u, v, s=90, facecolors="none", edgecolors="crimson", linewidths=1.2)
    ax.set(xlim=(-2.6, 2.6), ylim=(-2.6, 2.6), xticks=range(-2, 3), yticks=range(-2, 3), aspect="equal")
    ax.set_title(
        f"seed {record.seed}: {record.modes[-1]} of 25 modes,\n{record.high_quality[-1]:.0%} within 3 sd",
        fontsize=9,
    )


def draw_outputs(ax: Axes, records: list[Record]) -> None:
    """Mean σ(D) on real and fake points over training; 1/2 is a discriminator that cannot tell."""
    for record in records:
        first = record is records[0]
        ax.plot(record.step, record.d_on_real, color="black", lw=1.2, label="on real" if first else None)
        ax.plot(record.step, record.d_on_fake, color="black", lw=1.2, ls=":", label="on fake" if first else None)
    ax.axhline(0.5, color="0.7", lw=0.8, zorder=0)
    ax.set(ylim=(0, 1), xlabel="step", title="mean output of D")
    ax.legend(frameon=False, loc="upper left", ncols=2)


def draw_modes(ax: Axes, records: list[Record]) -> None:
    """Modes caught over training, a line for each seed."""
    for record, style in zip(records, itertools.cycle(["-", "--", ":"]), strict=False):
        color = COLORS[record.scheme]
        ax.plot(record.step, record.modes, style, color=color, lw=1.4, label=f"seed {record.seed}")
    ax.axhline(25, color="0.7", lw=0.8, zorder=0)
    ax.set(ylim=(0, 26.5), yticks=range(0, 26, 5), xlabel="step", title="modes caught, of 25")
    ax.legend(frameon=False, loc="lower right")


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, play, and write figure, table and numbers."""
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, required=True, help="folder for the figure and the numbers")
    parser.add_argument("--seeds", type=list[int], default=[0, 1, 2])
    parser.add_argument(
        "--grid",
        action="store_true",
        help="train over the grid, in place of learning_rate, latent, sd and steps, and write its table",
    )
    parser.add_class_arguments(Setting)
    options = parser.parse_args(arguments)
    setting = Setting(**{field.name: options[field.name] for field in dataclasses.fields(Setting)})
    options.output.mkdir(parents=True, exist_ok=True)
    if options.grid:
        run_grid(setting, seeds=options.seeds, output=options.output)
        return
    records = train(setting, seeds=options.seeds)
    draw(records, sd=setting.sd).savefig(options.output / "gaussians25.png", dpi=150)
    (options.output / "gaussians25.json").write_text(json.dumps(numbers(setting, records), indent=1))


if __name__ == "__main__":
    torch.set_num_threads(1)  # networks this small are slower with more
    main()
