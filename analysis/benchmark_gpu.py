"""What an update and a translation cost on a GPU, what bounds them there, and what each switch buys.

    python analysis/benchmark_gpu.py all|ceilings|update|bound|steps|compiled|data [--quick] [--output FOLDER]

| question | what it measures |
|---|---|
| `ceilings` | matrix products and convolutions, as fast as this GPU does them |
| `update` | ATME's update at 256 px, by batch, precision and layout: images/s, peak memory, share of the bf16 product's
rate; beside a plain one around the U-Net of denoising-diffusion-pytorch 1.0.2 |
| `bound` | how much of an update the GPU works, how often it is started and waited for, and what it works on |
| `steps` | norm, scale and SiLU: fused.py's step with a derivative of its own, beside PyTorch's operations |
| `compiled` | the same update and translation through torch.compile |
| `data` | images/s from files and from memory, cut by the CPU or by the GPU |

By the clock, after everything that was started has ended; medians. Arithmetic counts as `benchmark_update.PAPER` for
each picture. Pairs lie on the GPU but where `data` is asked for.
"""

import gc
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

import torch
from benchmark_ceilings import on_gpu
from benchmark_games import Play, Published, translating
from benchmark_timing import quickly, show, write
from benchmark_update import LIGHT, PAPER, sized
from jsonargparse import auto_cli
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from atme.data import loader
from atme.networks import fused
from atme.networks.block import plain

Work = Callable[[], object]
GPU = torch.device("cuda")
PRECISIONS = {"float32": False, "TF32": True, "bf16": True, "fp16": True}
"""Whether matrix products of float32 may be rounded to TF32, which cuDNN's convolutions then are, too."""
TOO_LARGE = {("float32", 32), ("float32", 64), ("TF32", 64), ("fp16", 64)}
"""Left out, for they take long and tell little."""


def still(batch: int, *words: str, preset: str = "earth_atme", dim: int = 64, size: int = 256) -> Play:
    """An update of one batch that lies on the GPU already."""
    play = Play(preset, *sized(dim, size), f"--training.batch_size={batch}", "--training.device=cuda", *words)
    play._batches = cycle([next(play._batches).to(GPU, channels_last=play.start.options.channels_last)])
    return play


def seconds(work: Work, *, least: float = 1.5, rounds: int = 3) -> float:
    """A piece of work's median of rounds, each of some pieces in a row, after some that warm up."""
    for _ in range(3):
        work()
    torch.cuda.synchronize()
    before = time.perf_counter()
    work()
    torch.cuda.synchronize()
    times = max(1, int(least / rounds / (time.perf_counter() - before)))
    found = []
    for _ in range(rounds):
        before = time.perf_counter()
        for _ in range(times):
            work()
        torch.cuda.synchronize()
        found.append((time.perf_counter() - before) / times)
    return median(found)


def peak(work: Work) -> int:
    """Bytes that lay on the GPU at most while a piece of work was done, weights and moments included."""
    torch.cuda.reset_peak_memory_stats()
    work()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated()


def precise(name: str) -> tuple[str, ...]:
    """Words of a precision; TF32 is switched on or off."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = PRECISIONS[name]
    return (f"--training.precision={'float32' if name == 'TF32' else name}",)


def rate_of_products() -> float:
    """FLOP/s of a bf16 matrix product of 8,192."""
    a, b = (torch.randn(8192, 8192, dtype=torch.bfloat16, device=GPU) for _ in range(2))
    return 2 * 8192**3 / seconds(lambda: a @ b, least=0.5)


def ceilings(*, quick: bool = False, output: Path | None = None) -> None:
    """What this GPU does at most.

    Args:
        quick: few rounds.
        output: folder for the figures; null for none.
    """
    write(output, "gpu_ceilings", {"gflop_per_s": on_gpu(rounds=3 if quick else 20), "product": rate_of_products()})


def update(*, quick: bool = False, output: Path | None = None, batches: tuple[int, ...] = (1, 8, 32, 64)) -> None:
    """ATME's update at 256 px.

    Args:
        quick: small networks, small images, few of them.
        output: folder for the figures; null for none.
        batches: pictures of an update.
    """
    dim, size, batches = (16, 64, batches[:2]) if quick else (64, 256, batches)
    product, found = rate_of_products(), {}
    nothing: tuple[str, ...] = ()
    switches: dict[str, tuple[str, tuple[str, ...]]] = {name: (name, nothing) for name in PRECISIONS} | {
        "bf16, channels first": ("bf16", ("--training.channels_last=false",)),
        "bf16, bits may differ": ("bf16", ("--training.deterministic=false",)),
        "bf16, recompute": ("bf16", ("--generator.init_args.recompute=true",)),
    }
    for name, (precision, more) in switches.items():
        for batch in batches if not more else batches[:2]:
            if (precision, batch) in TOO_LARGE:
                continue
            words = precise(precision)
            measured(found, f"{name}, {batch}", lambda b=batch, w=(*words, *more): still(b, *w, dim=dim, size=size))
    for batch in batches[:2]:
        precise("TF32")
        measured(found, f"plain, TF32, {batch}", lambda b=batch: placed(Published(dim=dim, size=size, batch=b)))
    rows = []
    for name, each in found.items():
        batch = int(name.rsplit(" ", 1)[1])
        if "seconds" not in each:
            rows.append((name, str(each["error"]), "", "", ""))
            continue
        each |= {"images_per_s": batch / each["seconds"], "of_product": PAPER * batch / each["seconds"] / product}
        speed = f"{1e3 * each['seconds']:.1f} ms", f"{each['images_per_s']:.1f}"
        rows.append((name, *speed, f"{each['peak_bytes'] / 2**30:.2f} GiB", f"{each['of_product']:.1%}"))
        write(output, "gpu_update", {"dim": dim, "size": size, "product": product, "figures": found})
    show("an update of ATME", ("", "update", "images/s", "peak", "of the product's rate"), rows)


def measured(found: dict[str, Any], name: str, make: Callable[[], Work]) -> None:
    """Seconds and bytes of a piece of work, or why there are none."""
    gc.collect()  # a training's parts know one another
    torch.cuda.empty_cache()
    try:
        work = make()
        found[name] = {"seconds": seconds(work), "peak_bytes": peak(work)}
    except (torch.OutOfMemoryError, RuntimeError) as error:
        found[name] = {"error": str(error).splitlines()[0]}
    print(name, found[name], flush=True)


def placed(published: Published) -> Published:
    """The stand-in for the published code, on the GPU."""
    for network in (published.generator, published.w, published.discriminator):
        network.to(GPU)
    published.source, published.target = published.source.to(GPU), published.target.to(GPU)
    published.verdict = published.verdict.to(GPU)
    return published


def bound(*, quick: bool = False, output: Path | None = None) -> None:
    """Does the GPU wait, and on what does it work?

    Args:
        quick: small networks.
        output: folder for the figures; null for none.
    """
    found = {}
    for batch in (1, 8):
        play = still(batch, *precise("bf16"), **({"dim": 16, "size": 64} if quick else {}))
        each, updates = seconds(play), 5
        with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
            for _ in range(updates):
                play()
            torch.cuda.synchronize()
        kernels: dict[str, float] = {}
        calls: dict[str, int] = {}
        for event in seen.key_averages():
            on_device = event.self_device_time_total / updates / 1e6
            if on_device and event.device_type == torch.autograd.DeviceType.CUDA and not event.is_user_annotation:
                kernels[event.key] = on_device
            if event.key.startswith("cuda"):
                calls[event.key] = event.count / updates
        most = sorted(kernels.items(), key=lambda item: -item[1])
        found[f"batch {batch}"] = {"seconds": each, "works": sum(kernels.values()), "calls": calls} | {
            "kernels": dict(most[:40])
        }
        show(
            f"an update in bf16, batch {batch}: {1e3 * each:.1f} ms, of which the GPU works "
            f"{1e3 * sum(kernels.values()):.1f}; calls of an update {calls}",
            ("kernel", "ms"),
            [(name[:90], f"{1e3 * value:.2f}") for name, value in most[:25]],
        )
        write(output, "gpu_bound", found)


def steps(*, quick: bool = False, output: Path | None = None) -> None:
    """GroupNorm, scale and shift and SiLU, forward and backward: is the step with its own derivative right and fast?

    Args:
        quick: a small map.
        output: folder for the figures; null for none.
    """
    found = {}
    for batch, kind in ((1, torch.bfloat16), (8, torch.bfloat16), (8, torch.float32)):
        found[f"batch {batch}, {kind}"] = steps_of(batch, 64 if quick else 256, kind)
    show("norm, scale, SiLU", ("", *next(iter(found.values()))), [(n, *map(str, f.values())) for n, f in found.items()])
    write(output, "gpu_steps", found)


def steps_of(batch: int, size: int, kind: torch.dtype) -> dict[str, float]:
    """Milliseconds of each way, and how far its gradient is from float64's."""
    norm = nn.GroupNorm(8, 64).to(GPU)
    image = torch.randn(batch, 64, size, size, device=GPU, dtype=kind).contiguous(memory_format=torch.channels_last)
    heard = torch.randn(batch, 128, device=GPU)
    gradient = torch.randn_like(image)

    def one_after_the_other(image: Tensor, heard: Tensor, norm: nn.GroupNorm) -> Tensor:
        with torch.autocast("cuda", torch.bfloat16, enabled=image.dtype == torch.bfloat16):
            return plain(image, norm, heard)

    def in_one_step(image: Tensor, heard: Tensor, norm: nn.GroupNorm) -> Tensor:
        return fused.normalize_scale_silu(image, None, norm, heard)

    def slope(way: Callable[..., Tensor], image: Tensor, heard: Tensor, norm: nn.GroupNorm) -> Tensor:
        image = image.detach().requires_grad_()
        way(image, heard, norm).backward(gradient.to(image.dtype))
        assert image.grad is not None
        return image.grad

    exact = slope(one_after_the_other, image.double(), heard.double(), nn.GroupNorm(8, 64).to(GPU).double())
    found: dict[str, float] = {}
    ways = {"operations": one_after_the_other, "one step": in_one_step, "compiled": torch.compile(one_after_the_other)}
    for name, way in ways.items():
        found[f"{name}, ms"] = round(1e3 * seconds(lambda w=way: slope(w, image, heard, norm), least=0.4), 3)
        off = (slope(way, image, heard, norm).double() - exact).norm() / exact.norm()
        found[f"{name}, off"] = float(f"{float(off):.1e}")
    return found


def compiled(*, quick: bool = False, output: Path | None = None, batches: tuple[int, ...] = (1, 8)) -> None:
    """An update and a translation, eager, and through torch.compile.

    Args:
        quick: small networks.
        output: folder for the figures; null for none.
        batches: pictures of an update.
    """
    sizes: dict[str, Any] = {"dim": 16, "size": 64} if quick else {}
    found: dict[str, float] = {}
    both = {
        batch: (still(batch, *precise("bf16"), **sizes), still(batch, *precise("bf16"), **sizes)) for batch in batches
    }
    for batch, (_, play) in both.items():
        before = time.perf_counter()
        for network in play.state.bare.values():
            network.compile(dynamic=False)
        for _ in range(3):
            play()
            torch.cuda.synchronize()
            print(f"an update after {time.perf_counter() - before:.0f} s", flush=True)
        found[f"compiling, batch {batch}"] = time.perf_counter() - before
        print(found, flush=True)
    for batch, plays in both.items():
        for name, play in zip(("eager", "compiled"), plays, strict=True):
            found[f"update, batch {batch}, {name}"] = seconds(play)
            with translating(play):
                translate = partial(play.start.model.translate, play.state.bare, next(play._batches))
                found[f"translation, batch {batch}, {name}"] = seconds(translate, least=0.6)
        print(found, flush=True)
    show("an update and a translation in bf16", ("", "ms"), [(n, f"{1e3 * each:.1f}") for n, each in found.items()])
    write(output, "gpu_compiled", found)


def data(*, quick: bool = False, output: Path | None = None) -> None:
    """How fast pairs come, on their way to the GPU: 286 px cut to 256, batch 32.

    Args:
        quick: few pairs.
        output: folder for the figures; null for none.
    """
    found = {}
    ways = {
        "files, 0 workers": ("--data.workers=0",),
        "files, 8 workers": ("--data.workers=8",),
        "memory, 0 workers": ("--data.workers=0", "--data.cache=ram"),
        "memory, 8 workers": ("--data.workers=8", "--data.cache=ram"),
        "memory, 8 workers, cut by the GPU": ("--data.workers=8", "--data.cache=ram", "--data.augment_on=device"),
    }
    for name, words in ways.items():
        sizes = "--data.load_size=286", "--data.crop_size=256", "--training.batch_size=32"
        play = Play("earth_atme", *sizes, *LIGHT, "--training.device=cuda", *words)
        workers = int(name.split(",")[1].split()[0])
        read = iter(loader(play.start.train, play.start.batches, workers=workers, pin_memory=True))
        for part in islice(read, 8):
            part.to(GPU, channels_last=True)
        torch.cuda.synchronize()
        before, batches = time.perf_counter(), 4 if quick else 30
        for part in islice(read, batches):
            part.to(GPU, channels_last=True)
        torch.cuda.synchronize()
        found[name] = 32 * batches / (time.perf_counter() - before)
        print(name, found[name], flush=True)
    show("pairs in a second", ("", "pairs/s"), [(n, f"{each:.0f}") for n, each in found.items()])
    write(output, "gpu_data", found)


def everything(*, quick: bool = False, output: Path | None = None) -> None:
    """All questions, one after the other.

    Args:
        quick: small networks, small images, few rounds.
        output: folder for the figures; null for none.
    """
    for question in (ceilings, update, bound, steps, data, compiled):
        question(quick=quick, output=output)


QUESTIONS: dict[str, Callable[..., None]] = {
    "ceilings": ceilings,
    "update": update,
    "bound": bound,
    "steps": steps,
    "compiled": compiled,
    "data": data,
    "all": everything,
}


if __name__ == "__main__":
    if not torch.cuda.is_available():
        sys.exit("benchmark_gpu.py: PyTorch finds no CUDA GPU here; benchmark.py measures a CPU")
    sys.argv[1:] = quickly(sys.argv[1:])
    auto_cli(QUESTIONS)
