"""ATME's update: how long it takes, which share of the machine's ceiling that is, and where the time goes."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from benchmark_ceilings import CEILING, convolution_flops, repeated, speeds
from benchmark_ceilings import convolution as ceiling_work
from benchmark_games import PHASES, Play, Published, flops
from benchmark_kinds import KINDS, by_kind, draw
from benchmark_peaks import beside_the_first, peak_in_fresh_process
from benchmark_timing import Figure, clock_of, show, threads, turns, write

PAPER = 735e9
"""Floating-point operations of ATME's update at 256 px, batch 1, dim 64, as first built; it counts as so many whatever
an implementation leaves out."""

LIGHT = ("--generator.init_args.dim", "16", "--discriminator.init_args.dim", "16")
"""Words of small networks."""


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
    floors = {f"ceiling, {kind}": repeated(ceiling_work(64, 256, dtype=d), 4) for kind, d in PRECISIONS.items()}
    taken = turns({**plays, **floors}, rounds=rounds, clocks=clock)
    works = PAPER if (dim, size) == (64, 256) else flops("earth_atme", *sized(dim, size))
    top = {kind: speeds(taken[f"ceiling, {kind}"], 4 * convolution_flops(64, 256)) for kind in PRECISIONS}
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


PRECISIONS = {"float32": torch.float32, "bf16": torch.bfloat16}


def sized(dim: int, size: int) -> tuple[str, ...]:
    """Words of widths of both networks, and of a size in pixels."""
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
    return Play("earth_atme", *sized(dim, size), *settings)


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
    """An update in bf16 at several sizes, and what a pixel costs: beside the largest, and beside a line through 0.

    The line is the one from which the sizes differ least, in parts of it.
    """
    names = {f"{size} px": size for size in sizes}
    # sources of the bundled data have 256 pixels: larger ones are enlarged, which is no part of what is timed
    taken = turns({name: _Step(dim, size) for name, size in names.items()}, rounds=rounds, clocks=False)
    each = {name: taken[name].processor / size**2 for name, size in names.items()}
    largest, line = each[f"{max(sizes)} px"], (min(each.values()) + max(each.values())) / 2
    show(
        "growth with pixels, bf16",
        ("", "update", "a pixel, of the largest's", "off a line"),
        [
            (name, f"{taken[name].processor:.2f} s", f"{each[name] / largest:.2f}", f"{each[name] / line - 1:+.0%}")
            for name in names
        ],
    )
    return taken


class _Step:
    """ATME's update on one pair that stands still."""

    def __init__(self, dim: int, size: int) -> None:
        whole = {"data.load_size": size, "data.crop_size": size}
        self.play = Play(
            "earth_atme", *sized(dim, size), *(f"--{k}={v}" for k, v in whole.items()), "--training.precision=bf16"
        )

    def __call__(self) -> None:
        self.play()
