"""How fast is it, beside what it stands in for and beside what the machine could do, and where does the time go?

    python analysis/benchmark.py unet|update|games|translate|folder|ceilings|beside|all [--quick] [--output FOLDER]

| question | what it measures |
|---|---|
| `unet` | the diffusion U-Net, forward and backward, beside denoising-diffusion-pytorch 1.0.2; peak memory |
| `update` | ATME's update beside a plain one around that package's U-Net; its share of the machine's ceiling; where its
time goes, by phase and by kind of operation; growth with pixels; peak memory (benchmark_update.py) |
| `games` | every game's update at 64, 128 and 256 px, one picture and eight |
| `translate` | translation of one picture, beside that package's U-Net |
| `folder` | pictures of a folder as `atme translate` takes them, beside one by one (benchmark_folder.py) |
| `ceilings` | matrix products and convolutions, as fast as this machine does them |
| `beside` | the demo's update beside one and two busy processes, by how it shares the cores (benchmark_beside.py) |

`--output` takes tables as JSON, and pictures of where the time goes. `--quick` asks for small networks and few rounds:
minutes instead of an hour. `--clock false` leaves out the turns on all cores, which mean nothing on a busy machine.
What is timed and how: benchmark_timing.py. Ratios hold within one run. Peak memory is that of a fresh process for each
contender, over what it took before the network was made.
"""

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as `atme` sets it, before torch is loaded
os.environ.setdefault("ACCELERATE_USE_CPU", "true")

import torch
from benchmark_beside import beside
from benchmark_ceilings import ceilings
from benchmark_folder import folder
from benchmark_games import Play, Published, flops, translating
from benchmark_peaks import beside_the_first, peak_in_fresh_process
from benchmark_timing import clock_of, quickly, show, turns, write
from benchmark_update import LIGHT, sized, update
from denoising_diffusion_pytorch import Unet
from jsonargparse import auto_cli

from atme.machine import keep_freed_memory
from atme.networks import UNet

GAMES = ("pix2pix", "atme", "diffusion_gan", "atme_diffusion", "ddgan")


def unet(
    *,
    quick: bool = False,
    clock: bool = True,
    output: Path | None = None,
    dim: int = 64,
    size: int = 256,
    rounds: int = 9,
) -> None:
    """Forward and backward of the diffusion U-Net, one image.

    Args:
        quick: a small network, a small image, few rounds.
        clock: whether all cores are timed too, by the clock.
        output: folder for the figures; null for none.
        dim: width of both networks; multiples 1, 2, 4, 8.
        size: height and width of the image.
        rounds: of which the medians are shown; one more warms up.
    """
    dim, size, rounds = (16, 64, 2) if quick else (dim, size, rounds)
    # First of all: a new process begins with the peak of the one that starts it.
    peaks = {name: peak_in_fresh_process(_unet_work, name, dim, size) for name in UNETS}
    taken = turns({name: _unet_work(name, dim, size) for name in UNETS}, rounds=rounds, clocks=clock)
    beside_the_first(f"the U-Net forward and backward, dim {dim}, {size} px", taken, peaks, clock=clock)
    write(output, "unet", {"dim": dim, "size": size, "rounds": rounds, "figures": taken, "peak_bytes": peaks})


UNETS = {"package, float32": (Unet, False), "atme, float32": (UNet, False), "atme, bf16": (UNet, True)}


def _unet_work(name: str, dim: int, size: int) -> Callable[[], object]:
    make, bfloat16 = UNETS[name]
    network = make(dim) if make is Unet else make(dim=dim, head="ddpm")
    image, level = torch.randn(1, 3, size, size), torch.tensor([0.3])

    def work() -> None:
        network.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            translated = network(image, level)
        translated.float().square().mean().backward()

    return work


def games(*, quick: bool = False, clock: bool = True, output: Path | None = None, rounds: int = 3) -> None:
    """Every game's update with the demos' networks at several sizes.

    Args:
        quick: small networks, one size, few rounds.
        clock: whether all cores are timed too, by the clock.
        output: folder for the figures; null for none.
        rounds: of which the medians are shown; one more warms up.
    """
    sizes, batches, rounds = ((64,), (1, 2), 1) if quick else ((64, 128, 256), (1, 8), rounds)
    found: dict[str, dict[str, object]] = {}
    for size in sizes:
        for batch in batches:
            options = (f"--data.crop_size={size}", f"--training.batch_size={batch}", *(LIGHT if quick else ()))
            plays = {game: Play(f"earth_{game}_demo", *options) for game in GAMES}
            taken = turns(plays, rounds=rounds, clocks=clock)
            work = {game: flops(f"earth_{game}_demo", *options) for game in GAMES}
            found[f"{size} px, batch {batch}"] = dict(taken)
            show(
                f"an update at {size} px, batch {batch}, bf16",
                ("", "processor, one thread", "±", "GFLOP", "GFLOP/s", clock_of(clock)),
                [
                    (
                        *(game, f"{f.processor:.3f} s", f"{f.spread:.0%}", f"{work[game] / 1e9:.0f}"),
                        *(f"{work[game] / f.processor / 1e9:.0f}", f"{f.clock:.3f} s"),
                    )
                    for game, f in taken.items()
                ],
            )
    write(output, "games", found)


def translate(
    *,
    quick: bool = False,
    clock: bool = True,
    output: Path | None = None,
    dim: int = 64,
    size: int = 256,
    rounds: int = 9,
) -> None:
    """Translation of one picture by ATME: W, and the generator.

    Args:
        quick: a small network, a small picture, few rounds.
        clock: whether all cores are timed too, by the clock.
        output: folder for the figures; null for none.
        dim: width of the generators.
        size: height and width of the picture.
        rounds: of which the medians are shown; one more warms up.
    """
    dim, size, rounds = (16, 64, 2) if quick else (dim, size, rounds)
    play, published = Play("earth_atme", *sized(dim, size)), Published(dim=dim, size=size)
    package, image = Unet(dim), torch.rand(1, 3, size, size) * 2 - 1
    pair = next(play._batches)

    def ours(bfloat16: bool) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            play.start.model.translate(play.state.bare, pair)

    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode())
        stack.enter_context(translating(play))
        taken = turns(
            {
                "package's U-Net, float32": lambda: package(image, torch.tensor([0.3])),
                "plain, package's U-Net with W and head, float32": published.translated,
                "atme, float32": lambda: ours(False),
                "atme, bf16": lambda: ours(True),
            },
            rounds=rounds,
            clocks=clock,
        )
    beside_the_first(f"a translation, dim {dim}, {size} px", taken, {}, clock=clock)
    write(output, "translate", {"dim": dim, "size": size, "figures": taken})


def _ceilings(*, quick: bool = False, clock: bool = True, output: Path | None = None, rounds: int = 7) -> None:
    """What the machine can do: products and convolutions.

    Args:
        quick: few rounds.
        clock: whether all cores are timed too, by the clock.
        output: folder for the figures; null for none.
        rounds: of which the medians are shown; one more warms up.
    """
    write(output, "ceilings", {"gflop_per_s": ceilings(rounds=2 if quick else rounds, clocks=clock)})


def everything(*, quick: bool = False, clock: bool = True, output: Path | None = None) -> None:
    """All questions, one after the other.

    Args:
        quick: small networks and few rounds.
        clock: whether all cores are timed too, by the clock.
        output: folder for figures and pictures; null for none.
    """
    for question in (unet, update, games, translate, _ceilings):
        question(quick=quick, clock=clock, output=output)
    if clock:
        beside(quick=quick, output=output)
        folder(quick=quick, output=output)


QUESTIONS: dict[str, Callable[..., None]] = {
    "unet": unet,
    "update": update,
    "games": games,
    "translate": translate,
    "folder": folder,
    "ceilings": _ceilings,
    "beside": beside,
    "all": everything,
}


if __name__ == "__main__":
    keep_freed_memory()
    sys.argv[1:] = quickly(sys.argv[1:])
    auto_cli(QUESTIONS)
