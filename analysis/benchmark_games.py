"""Games as benchmarks: a preset's own data, networks and optimizers, one update at a time, and what stands for others.

`Play` is an update as the training loop does it, timed by phase. `Published` is the same game in plain PyTorch around
the PyPI U-Net, in float32. The published ATME code, that U-Net with another head, W, PatchGAN and two Adams, is no
part of this project: this stand-in is what comparisons are made with, and tables say so.
"""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from denoising_diffusion_pytorch import Unet
from denoising_diffusion_pytorch.denoising_diffusion_pytorch import Block
from torch import Tensor, nn
from torch.nn import functional as F

from atme.data import Pair, loader
from atme.losses import cross_entropy_fake, cross_entropy_real
from atme.models.build import build
from atme.networks import PatchGAN
from atme.reports.cost import cost
from atme.training.device import precision_of
from atme.training.options import parser
from atme.training.start import Start, prepare

PHASES = ("data", "corrupt", "generate", "discriminator", "generator", "optimizers", "remember")


def prepared(preset: str, *settings: str) -> Start:
    """A preset of options/ with some keys set anew, ready to begin; nothing is written."""
    options = parser()
    read = options.parse_args(
        ["--config", f"options/{preset}.yaml", "--run.dir", "runs/benchmark_that_is_not_there", *settings]
    )
    return prepare(options.instantiate(read), text=options.dump(read))


def flops(preset: str, *settings: str) -> int:
    """Floating-point operations of one update, counted from the networks as they are built; see `atme show`."""
    options = parser()
    read = options.instantiate(options.parse_args(["--config", f"options/{preset}.yaml", *settings]))
    measured = prepared(preset, *settings).measured
    precision = precision_of(read.training)
    counted = cost(lambda: build(read, measured), measured, batch=read.training.batch_size, precision=precision)
    return counted.flops


class Play:
    """One preset, update after update; called, it does one.

    Args:
        preset: its name.
        settings: keys set anew, as on the command line.

    Attributes:
        laps: seconds of processor and phase of the updates so far, one list a phase.
    """

    def __init__(self, preset: str, *settings: str) -> None:
        self.start = prepared(preset, "--data.workers", "0", *settings)
        self.state = self.start.state
        self.device = self.state.accelerator.device
        self._batches = self._endless()
        self.laps: dict[str, list[float]] = defaultdict(list)
        self._now: dict[str, float] = {}
        self._since = 0.0
        for optimizer in self.state.optimizers.values():
            optimizer.register_step_pre_hook(lambda *_: self._lap(self._side))
            optimizer.register_step_post_hook(lambda *_: self._lap("optimizers"))
        self._side = ""

    def __call__(self) -> None:
        """One update, timed by phase."""
        self._now, self._since = dict.fromkeys(PHASES, 0.0), time.process_time()
        pair = next(self._batches).to(self.device, channels_last=self.start.options.channels_last)
        self._lap("data")
        with self.state.at(0):
            self.start.model.step(_Watched(self), pair)
        self._lap("remember")
        self.state.finish_step()
        self._lap("optimizers")
        for phase, seconds in self._now.items():
            self.laps[phase].append(seconds)

    def _lap(self, phase: str) -> None:
        now = time.process_time()
        self._now[phase] += now - self._since
        self._since = now

    def _endless(self) -> Iterator[Pair]:
        while True:
            yield from loader(self.start.train, self.start.batches, workers=0, pin_memory=False)


class _Watched:
    """The training state as a model sees it, with a lap after each phase."""

    def __init__(self, play: Play) -> None:
        self._play = play

    def __getattr__(self, name: str) -> Any:
        return getattr(self._play.state, name)

    def scheme(self, pair: Pair) -> Any:
        corrupted = self._play.state.scheme(pair)
        self._play._lap("corrupt")
        return corrupted

    def generator(self, *read: Tensor) -> Any:
        fake = self._play.state.generator(*read)
        self._play._lap("generate")
        return fake

    def update(self, side: str, loss: Tensor) -> None:
        self._play._side = side  # backward and forward of the losses end where the optimizer begins
        self._play.state.update(side, loss)

    def gather(self, verdicts: Any) -> Any:
        self._play._lap("remember")
        return self._play.state.gather(verdicts)


class Published:
    """An update of the stand-in for the published ATME code; called, it does one.

    Args:
        dim: width of the generator and the discriminator.
        size: height and width of the images.
        batch: images of an update.
    """

    def __init__(self, *, dim: int = 64, size: int = 256, batch: int = 1) -> None:
        self.generator, self.w = PublishedGenerator(dim), PublishedW(size)
        self.discriminator = PatchGAN(dim=dim)
        of_g = [*self.generator.parameters(), *self.w.parameters()]
        self.optimizers = {
            "G": torch.optim.Adam(of_g, lr=2e-4, betas=(0.5, 0.999)),
            "D": torch.optim.Adam(self.discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999)),
        }
        self.source, self.target = (torch.rand(batch, 3, size, size) * 2 - 1 for _ in range(2))
        self.verdict = torch.zeros(batch, 1, *self.discriminator.verdict_shape(size, size))

    def __call__(self) -> None:
        """One update: D on the translation and on the target, then G and W, then the memory."""
        fake = self.translated()
        self._judges(False)
        read = (self.discriminator(self.source, each) for each in (fake.detach(), self.target))
        d_fake, d_real = read
        self._update("D", 0.5 * (cross_entropy_fake(d_fake) + cross_entropy_real(d_real)))
        self._judges(True)
        g_fake = self.discriminator(self.source, fake)
        self._update("G", cross_entropy_real(g_fake) + 100 * (fake - self.target).abs().mean())
        self.verdict = g_fake.detach()

    def translated(self) -> Tensor:
        """(B, 3, H, W)."""
        w = self.w(self.verdict)
        return self.generator(self.source * (1 + w), w.mean((1, 2, 3)))

    def _judges(self, frozen: bool) -> None:
        for parameter in self.discriminator.parameters():
            parameter.requires_grad_(not frozen)

    def _update(self, side: str, loss: Tensor) -> None:
        self.optimizers[side].zero_grad()
        loss.backward()
        self.optimizers[side].step()


class PublishedGenerator(nn.Module):
    """The package's U-Net with ATME's head: one more residual block, a 1×1 convolution and tanh."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.unet = Unet(dim)
        self.unet.final_conv = nn.Identity()
        self.head = nn.Sequential(Block(dim, dim), Block(dim, dim))
        self.last = nn.Conv2d(dim, 3, 1)

    def forward(self, image: Tensor, level: Tensor) -> Tensor:
        hidden = self.unet(image, level)
        return torch.tanh(self.last(hidden + self.head(hidden)))


class PublishedW(nn.Module):
    """Three of the package's blocks, at a quarter, half and all of the image's size."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block(1, 32), Block(32, 64), Block(64, 32)])
        self.last = nn.Conv2d(32, 1, 1)
        self.sizes = (size // 4, size // 2, size)

    def forward(self, verdict: Tensor) -> Tensor:
        for size, block in zip(self.sizes, self.blocks, strict=True):
            verdict = block(F.interpolate(verdict, (size, size), mode="bilinear"))
        return torch.tanh(self.last(verdict))


@contextmanager
def translating(play: Play) -> Iterator[None]:
    """The networks as translations use them."""
    with play.state.translating(averaged=False):
        yield
