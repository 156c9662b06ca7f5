"""What this machine can do at most: matrix products and convolutions, forward and backward, in each precision.

The ceiling that updates are measured against is the convolution of 64 to 64 channels at 256 px, 3×3 with a border and
a bias, channels last, one image, forward and backward to its input and its weights.
"""

import time
from collections.abc import Callable
from statistics import median

import torch
from benchmark_timing import Figure, clock_of, show, turns
from torch import Tensor, nn

CEILING = "convolution 64 → 64, 256 px"
SHAPES = {CEILING: (64, 256), "convolution 32 → 32, 64 px": (32, 64), "convolution 256 → 256, 32 px": (256, 32)}
PRODUCTS = {"product of 512": 512, "product of 2048": 2048}
PRECISIONS = {"float32": torch.float32, "bf16": torch.bfloat16}


def convolution(channels: int, size: int, *, dtype: torch.dtype, device: str = "cpu") -> Callable[[], object]:
    """Forward and backward of a 3×3 convolution on one image."""
    layer = nn.Conv2d(channels, channels, 3, padding=1).to(device, dtype, memory_format=torch.channels_last)
    image = torch.randn(1, channels, size, size, dtype=dtype, device=device)
    image = image.contiguous(memory_format=torch.channels_last).requires_grad_()
    gradient = torch.randn_like(image)

    def work() -> None:
        layer.zero_grad(set_to_none=True)
        image.grad = None
        layer(image).backward(gradient)

    return work


def product(side: int, *, dtype: torch.dtype, device: str = "cpu") -> Callable[[], object]:
    """A matrix times a matrix."""
    a, b = (torch.randn(side, side, dtype=dtype, device=device) for _ in range(2))
    return lambda: torch.mm(a, b)


def convolution_flops(channels: int, size: int) -> float:
    """Of forward and both backward passes; a multiply-add counts as two."""
    return 3 * 2.0 * 9 * channels**2 * size**2


def ceilings(*, rounds: int, clocks: bool = True) -> dict[str, dict[str, float]]:
    """GFLOP/s of each piece of work in each precision, by one thread and by all cores, and print them."""
    work, flops = {}, {}
    for kind, dtype in PRECISIONS.items():
        for name, (channels, size) in SHAPES.items():
            work[f"{name}, {kind}"] = repeated(convolution(channels, size, dtype=dtype), 8)
            flops[f"{name}, {kind}"] = 8 * convolution_flops(channels, size)
        for name, side in PRODUCTS.items():
            work[f"{name}, {kind}"] = repeated(product(side, dtype=dtype), 8)
            flops[f"{name}, {kind}"] = 8 * 2.0 * side**3
    taken = turns(work, rounds=rounds, clocks=clocks)
    found = {name: speeds(taken[name], flops[name]) for name in work}
    show(
        "what the machine can do, GFLOP/s",
        ("work", "one thread", "±", clock_of(clocks)),
        [
            (name, f"{each['one_thread']:.0f}", f"{taken[name].spread:.0%}", f"{each['all_cores']:.0f}")
            for name, each in found.items()
        ],
    )
    return found | (on_gpu(rounds=rounds) if torch.cuda.is_available() else {})


def repeated(work: Callable[[], object], times: int) -> Callable[[], object]:
    """The same, several times in a row: a single one may be shorter than a clock's tick."""
    return lambda: [work() for _ in range(times)]


def speeds(taken: Figure, flops: float) -> dict[str, float]:
    """GFLOP/s."""
    return {"one_thread": flops / taken.processor / 1e9, "all_cores": flops / taken.clock / 1e9}


def on_gpu(*, rounds: int) -> dict[str, dict[str, float]]:
    """TFLOP/s of the widest product and of the convolution on a GPU, with TF32 and without, in fp16 and bf16."""
    found = {}
    for kind, dtype, tf32 in (
        ("float32", torch.float32, False),
        ("TF32", torch.float32, True),
        ("fp16", torch.float16, False),
        ("bf16", torch.bfloat16, False),
    ):
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        for name, work, flops in (
            ("product of 8192", product(8192, dtype=dtype, device="cuda"), 2.0 * 8192**3),
            (CEILING, convolution(64, 256, dtype=dtype, device="cuda"), convolution_flops(64, 256)),
        ):
            found[f"GPU, {name}, {kind}"] = {"gpu": flops / median(synchronous(work, rounds)) / 1e9}
    show("what the GPU can do, TFLOP/s", ("work", ""), [(n, f"{each['gpu'] / 1e3:.1f}") for n, each in found.items()])
    return found


def synchronous(work: Callable[[], Tensor | object], rounds: int) -> list[float]:
    """Seconds of clock of each round, after one that warms up."""
    seconds = []
    for _ in range(rounds + 1):
        torch.cuda.synchronize()
        before = time.perf_counter()
        work()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - before)
    return seconds[1:]
