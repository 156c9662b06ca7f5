"""What a preset costs, without training it: parameters, FLOPs and memory of one step.

One step is played with fake tensors, which have shapes and no values: PyTorch's own counter adds up the products
of convolutions and matrices, forward and backward, and the tensors kept for the backward passes are counted
from when they are saved until their graph is gone.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, UntypedStorage, nn
from torch._ops import OpOverload
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils.flop_counter import FlopCounterMode

from atme.data import Pair
from atme.losses import Palette
from atme.models import Networks, TranslationModel
from atme.models.build import Measured
from atme.models.roles import Side
from atme.networks import kernels
from atme.networks.pretrained import origins
from atme.noise import Verdicts


@dataclass(frozen=True)
class Cost:
    """Of one update of the weights on one process."""

    parameters: dict[str, int]
    """For each network, how many numbers are learned."""
    origins: dict[str, str]
    """For each network that begins with weights from elsewhere, where these come from, and their license."""
    flops: int
    """Floating-point operations of forward and backward passes; a multiply-add counts as two."""
    weights: int
    """Bytes of weights, gradients and both of Adam's moments, in float32; of weights alone where they are frozen."""
    memory: int
    """Bytes of what a scheme remembers, and of running statistics."""
    activations: int
    """Bytes that the backward passes keep at once, at most, before sharing and fusing."""

    @property
    def total(self) -> int:
        """Bytes in all: an estimate of the peak."""
        return self.weights + self.memory + self.activations


class Rehearsal:
    """Stands in for the training state: plays the backward passes, and moves no weights."""

    def __init__(self, networks: Networks, palette: Palette) -> None:
        self.palette: Palette | None = palette
        self.bare, self.role = networks, networks.__getitem__
        self.rng, self.step, self.progress = torch.Generator(), 0, 1.0  # at its end all of a game is played

    @property
    def generator(self) -> nn.Module:
        """It translates."""
        return self.bare.generator

    @property
    def discriminator(self) -> nn.Module:
        """It judges."""
        return self.bare.discriminator

    @property
    def scheme(self) -> nn.Module:
        """It corrupts."""
        return self.bare.scheme

    def update(self, side: Side, loss: Tensor) -> None:
        """Run the backward pass alone."""
        loss.backward()

    def gather(self, verdicts: Verdicts) -> Verdicts:
        """There is but one process."""
        return verdicts


def cost(
    build: Callable[[], tuple[TranslationModel, Networks]], measured: Measured, *, batch: int, precision: str
) -> Cost:
    """Measure one step of ``batch`` images.

    Args:
        build: makes the model and its networks.
        measured: sizes of a sample.
        batch: images per micro-batch.
        precision: ``float32``, ``bf16`` or ``fp16``.
    """
    half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    model, networks = build()
    modules = networks.values()
    there = [each for module in modules for each in (*module.parameters(), *module.buffers())]
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        kept = Kept(map(mode.from_tensor, there))
        autocast = torch.autocast("cpu", half or torch.bfloat16, enabled=half is not None)
        # what is compiled takes no fake tensors
        with kernels.left_out(), _flop_counter() as counter, kept.counted(), autocast, _Numbers():  # type: ignore[no-untyped-call]
            colors = torch.zeros(2, measured.target_channels)
            palette = Palette(colors, torch.ones(2), colors[:0])  # any: what colors cost is next to nothing
            model.step(Rehearsal(networks, palette), _pair(measured, batch))
    parameters = {name: _learned(module) for name, module in networks.items()}
    frozen = sum(p.nbytes for module in modules for p in module.parameters() if not p.requires_grad)
    return Cost(
        parameters=parameters,
        origins=origins(networks),
        flops=counter.get_total_flops(),
        weights=sum(parameters.values()) * 4 * 4 + frozen,
        memory=sum(buffer.nbytes for module in modules for buffer in module.buffers()),
        activations=kept.peak,
    )


class _Numbers(TorchDispatchMode):
    """Numbers that a game keeps, such as the length of a chain, are read as they are: PyTorch 2.11 would refuse."""

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default and not isinstance(args[0], FakeTensor):
            with _disable_current_modes():
                return args[0].item()
        return func(*args, **(kwargs or {}))


def _flop_counter() -> FlopCounterMode:
    """A counter for the step as a whole: its count by modules does not survive a penalty on gradients."""
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = _OneModule()  # type: ignore[assignment]
    return counter


class _OneModule:
    """Stands in for the counter's tracker of modules: all is counted as one."""

    parents = ("Global",)

    def __enter__(self) -> None:
        """Nothing to track."""

    def __exit__(self, *_: object) -> None:
        """Nothing was tracked."""


class Kept:
    """Counts the bytes that are kept for backward passes, each storage once, while any graph holds it.

    Args:
        but: what is there anyway: weights and buffers.
    """

    def __init__(self, but: Iterable[Tensor] = ()) -> None:
        self.bytes = 0
        """Kept now."""
        self.peak = 0
        """The most that was kept at once."""
        self._there = {tensor.untyped_storage() for tensor in but}
        self._holders: Counter[UntypedStorage] = Counter()

    def counted(self) -> saved_tensors_hooks:
        """Within it, what a forward pass keeps is counted until its graph lets go of it."""
        return saved_tensors_hooks(lambda tensor: _Saved(tensor, self), lambda saved: saved.tensor)

    def hold(self, storage: UntypedStorage) -> None:
        """One more graph keeps it."""
        if storage in self._there:
            return
        self._holders[storage] += 1
        if self._holders[storage] == 1:
            self.bytes += storage.nbytes()
            self.peak = max(self.peak, self.bytes)

    def release(self, storage: UntypedStorage) -> None:
        """One graph less does."""
        if storage in self._there:
            return
        self._holders[storage] -= 1
        if not self._holders[storage]:
            del self._holders[storage]
            self.bytes -= storage.nbytes()


class _Saved:
    """What a graph keeps of a tensor: it lives as long as the graph does."""

    def __init__(self, tensor: Tensor, kept: Kept) -> None:
        self.tensor = tensor.detach()  # a result that is kept would keep its own graph, for ever
        self._kept, self._storage = kept, tensor.untyped_storage()
        kept.hold(self._storage)

    def __del__(self) -> None:
        self._kept.release(self._storage)


def _pair(measured: Measured, batch: int) -> Pair:
    """A batch of pairs of the measured sizes."""
    size = (measured.height, measured.width)
    return Pair(
        source=torch.zeros(batch, measured.source_channels, *size),
        target=torch.zeros(batch, measured.target_channels, *size),
        index=torch.zeros(batch, dtype=torch.int64),
        view=torch.eye(2, 3).repeat(batch, 1, 1),
        name=("",) * batch,
    )


def _learned(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
