"""How fast is it, beside what it stands in for and beside what the machine could do, and where does the time go?

    python analysis/benchmark.py unet|update|games|translate|folder|ceilings|beside|all [--quick] [--output FOLDER]

| question | what it measures |
|---|---|
| `unet` | the diffusion U-Net, forward and backward, beside denoising-diffusion-pytorch 1.0.2; peak memory |
| `update` | ATME's update beside a plain one around that package's U-Net; its share of the machine's ceiling; where its
time goes, by phase and by kind of operation; growth with pixels; peak memory |
| `games` | every game's update at 64, 128 and 256 px, one picture and eight |
| `translate` | translation of one picture, beside that package's U-Net |
| `folder` | pictures of a folder as `atme translate` takes them, beside one by one (benchmark_folder.py) |
| `ceilings` | matrix products and convolutions, as fast as this machine does them |
| `beside` | the demo's update beside one and two busy processes |

`--output` takes tables as JSON, and pictures of where the time goes. `--quick` asks for small networks and few rounds:
minutes instead of an hour. `--clock false` leaves out the turns on all cores, which mean nothing on a busy machine.
What is timed and how: benchmark_timing.py. Ratios hold within one run. Peak memory is that of a fresh process for each
contender, over what it took before the network was made.
"""

import os
import resource
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as `atme` sets it, before torch is loaded
os.environ.setdefault("ACCELERATE_USE_CPU", "true")

import torch
from benchmark_ceilings import CEILING, ceilings, convolution_flops, repeated, speeds
from benchmark_ceilings import convolution as ceiling_work
from benchmark_folder import folder
from benchmark_games import PHASES, Play, Published, flops, translating
from benchmark_kinds import KINDS, by_kind, draw
from benchmark_timing import Figure, clock_of, show, threads, turns, write
from denoising_diffusion_pytorch import Unet
from jsonargparse import auto_cli

from atme.machine import cores, keep_freed_memory
from atme.networks import UNet

PAPER = 735e9
"""Floating-point operations of ATME's update at 256 px, batch 1, dim 64, as first built; it counts as so many whatever
an implementation leaves out."""

LIGHT = ("--generator.init_args.dim", "16", "--discriminator.init_args.dim", "16")
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


def update(
    *, quick: bool = False, clock: bool = True, output: Path | None = None, dim: int = 64, rounds: int = 7
) -> None:
    """ATME's update at 256 px and in the demo: how long, which share of the ceiling, and where the time goes.

    Args:
        quick: small networks, small images, few rounds.
        clock: whether all cores are timed too, by the clock.
        output: folder for figures and pictures; null for none.
        dim: width of generator and discriminator at 256 px.
        rounds: of which the medians are shown; one more warms up.
    """
    dim, size, rounds = (16, 64, 2) if quick else (dim, 256, rounds)
    peaks = {name: peak_in_fresh_process(_update_work, name, dim, size) for name in UPDATES}
    plays = {name: _update_work(name, dim, size) for name in UPDATES}
    floors = {f"ceiling, {kind}": repeated(ceiling_work(64, 256, dtype=d), 4) for kind, d in _PRECISIONS.items()}
    taken = turns({**plays, **floors}, rounds=rounds, clocks=clock)
    works = PAPER if (dim, size) == (64, 256) else flops("earth_atme", *_sized(dim, size))
    top = {kind: speeds(taken[f"ceiling, {kind}"], 4 * convolution_flops(64, 256)) for kind in _PRECISIONS}
    updates = {name: each for name, each in taken.items() if name in plays}
    beside_the_first(f"an update of ATME, dim {dim}, {size} px, batch 1", updates, peaks, clock=clock)
    shares = {name: shares_of(updates[name], works, top["bf16" if "bf16" in name else "float32"]) for name in plays}
    show(
        f"GFLOP/s of an update ({works / 1e9:.0f} GFLOP), and its share of the {CEILING}",
        ("", "one thread", "of the ceiling", clock_of(clock), "of the ceiling"),
        [
            (n, f"{s['one_thread']:.0f}", f"{s['of_one']:.2f}", f"{s['all_cores']:.0f}", f"{s['of_all']:.2f}")
            for n, s in shares.items()
        ],
    )
    demo = Play("earth_atme_demo", *(LIGHT if quick else ()))
    turns({"demo": demo}, rounds=rounds, clocks=False)
    timed = {n: play for n, play in plays.items() if isinstance(play, Play)} | {"demo, 8 of 64 px, bf16": demo}
    phases, kinds = where_time_goes(timed, updates=1 if quick else 3)
    pixels = growth(dim=dim, sizes=(32, 64) if quick else (128, 256, 512), rounds=max(2, rounds // 2))
    write(
        output,
        "update",
        {"dim": dim, "size": size, "gflop": works / 1e9, "figures": updates, "peak_bytes": peaks, "ceilings": top}
        | {"shares": shares, "phases": phases, "kinds": kinds, "pixels": pixels},
    )
    if output is not None:
        draw(phases, title="an update by phase: processor time of one thread", to=output / "phases.png")
        draw(kinds, title="an update by kind of operation: processor time of one thread", to=output / "kinds.png")


_PRECISIONS = {"float32": torch.float32, "bf16": torch.bfloat16}


def _sized(dim: int, size: int) -> tuple[str, ...]:
    options = {"data.load_size": "null", "data.crop_size": size, "generator.init_args.dim": dim}
    return tuple(f"--{key}={value}" for key, value in {**options, "discriminator.init_args.dim": dim}.items())


UPDATES: dict[str, tuple[str, ...] | None] = {
    "plain, package's U-Net, float32": None,
    "atme, float32": ("--training.precision=float32",),
    "atme, float32, recompute": ("--training.precision=float32", "--generator.init_args.recompute=true"),
    "atme, bf16": ("--training.precision=bf16",),
    "atme, bf16, recompute": ("--training.precision=bf16", "--generator.init_args.recompute=true"),
}


def _update_work(name: str, dim: int, size: int) -> Callable[[], object]:
    settings = UPDATES[name]
    if settings is None:
        return Published(dim=dim, size=size)
    return Play("earth_atme", *_sized(dim, size), *settings)


def shares_of(taken: Figure, works: float, top: Mapping[str, float]) -> dict[str, float]:
    """GFLOP/s by one thread and all cores, and their shares of the ceiling's."""
    speed = speeds(taken, works)
    return speed | {"of_one": speed["one_thread"] / top["one_thread"], "of_all": speed["all_cores"] / top["all_cores"]}


def where_time_goes(plays: Mapping[str, Play], *, updates: int) -> tuple[dict[str, dict[str, float]], ...]:
    """Seconds by phase, and shares by kind of operation, of each; printed too."""
    phases, kinds = {}, {}
    for name, play in plays.items():
        play.laps.clear()
        with threads(1):
            turns({name: play}, rounds=2 * updates, clocks=False)
            phases[name] = {phase: sorted(play.laps[phase])[len(play.laps[phase]) // 2] for phase in PHASES}
            kinds[name] = by_kind(play, updates=updates)
    show("seconds by phase", ("", *PHASES), [(n, *(f"{p[phase]:.3f}" for phase in PHASES)) for n, p in phases.items()])
    show("shares by kind", ("", *KINDS), [(n, *(f"{k[kind]:.0%}" for kind in KINDS)) for n, k in kinds.items()])
    return phases, kinds


def growth(*, dim: int, sizes: tuple[int, ...], rounds: int) -> dict[str, Figure]:
    """An update in bf16 at several sizes, and what a pixel costs beside the middle one."""
    names = {f"{size} px": size for size in sizes}
    # sources of the bundled data have 256 pixels: larger ones are enlarged, which is no part of what is timed
    taken = turns({name: _Step(dim, size) for name, size in names.items()}, rounds=rounds, clocks=False)
    each = {name: taken[name].processor / size**2 for name, size in names.items()}
    middle = sorted(each.values())[len(each) // 2]
    show(
        "growth with pixels, bf16",
        ("", "update", "of a pixel's cost"),
        [(name, f"{taken[name].processor:.2f} s", f"{each[name] / middle:.2f}") for name in names],
    )
    return taken


class _Step:
    """ATME's update on one pair that stands still."""

    def __init__(self, dim: int, size: int) -> None:
        whole = {"data.load_size": size, "data.crop_size": size}
        self.play = Play(
            "earth_atme", *_sized(dim, size), *(f"--{k}={v}" for k, v in whole.items()), "--training.precision=bf16"
        )

    def __call__(self) -> None:
        self.play()


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
    play, published = Play("earth_atme", *_sized(dim, size)), Published(dim=dim, size=size)
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


def beside(*, quick: bool = False, output: Path | None = None, rounds: int = 5) -> None:
    """The demo's update alone, and beside one and two processes that keep a core busy each: clock on all cores.

    Args:
        quick: a small network, few rounds.
        output: folder for the figures; null for none.
        rounds: of which the medians are shown; one more warms up.
    """
    play, rounds = Play("earth_atme_demo", *(LIGHT if quick else ())), 2 if quick else rounds
    found: dict[str, Figure] = {}
    for busy in (0, 1, 2):
        with ExitStack() as stack:
            for _ in range(busy):
                process = get_context("spawn").Process(target=_work_for_ever, daemon=True)
                process.start()
                stack.callback(process.join)
                stack.callback(process.terminate)
            found[f"beside {busy}"] = turns({"demo": play}, rounds=rounds)["demo"]
    first = found["beside 0"].clock
    show(
        "the demo's update beside busy processes",
        ("", f"clock, {cores()} threads", "times as long"),
        [(name, f"{each.clock:.2f} s", f"{each.clock / first:.2f}") for name, each in found.items()],
    )
    write(output, "beside", {"figures": found})


def _work_for_ever() -> None:
    while True:
        pass


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


def peak_in_fresh_process(make: Callable[..., Callable[[], object]], *arguments: object) -> float:
    """Bytes that two rounds of work take at their peak."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as process:
        return process.submit(_peak, make, *arguments).result()


def _peak(make: Callable[..., Callable[[], object]], *arguments: object) -> float:
    keep_freed_memory()  # as a training does
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    work = make(*arguments)
    for _ in range(2):
        work()
    return 1024.0 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


def beside_the_first(title: str, taken: Mapping[str, Figure], peaks: Mapping[str, float], *, clock: bool) -> None:
    """Print figures; the first row is what the others are measured against."""
    first = next(iter(taken.values()))
    rows = []
    for name, each in taken.items():
        row = [name, f"{each.processor:.2f} s", f"{each.spread:.0%}", f"{first.processor / each.processor:.2f}"]
        row += [f"{each.clock:.2f} s", f"{first.clock / each.clock:.2f}"]
        rows.append(row + ([f"{peaks[name] / 1e9:.2f} GB"] if name in peaks else []))
    columns = ["", "one thread", "±", "as fast", clock_of(clock), "as fast"]
    show(title, columns + (["peak"] if peaks else []), rows)


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
    sys.argv[1:] = ["--quick=true" if word == "--quick" else word for word in sys.argv[1:]]
    auto_cli(QUESTIONS)
