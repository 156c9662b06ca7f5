"""What a preset costs, without training it: parameters, FLOPs and memory of one step.

One step is played with fake tensors, which have shapes and no values: PyTorch's own counter adds up the products
of convolutions and matrices, forward and backward, and the tensors kept for the backward passes are counted
as they are saved.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from atme.data import Pair
from atme.models import Networks, TranslationModel
from atme.models.build import Measured
from atme.models.translation import Side
from atme.noise import Verdicts
from atme.run_folder import NAMES


@dataclass(frozen=True)
class Cost:
    """Of one update of the weights on one process."""

    parameters: dict[str, int]
    """For each network, how many numbers are learned."""
    flops: int
    """Floating-point operations of forward and backward passes; a multiply-add counts as two."""
    weights: int
    """Bytes of weights, gradients and both of Adam's moments, in float32."""
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

    def __init__(self, networks: Networks) -> None:
        self.bare = networks
        self.generator, self.discriminator = networks.generator, networks.discriminator
        self.scheme = networks.scheme
        self.rng, self.step = torch.Generator(), 0

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
    kept = _Kept()
    with FakeTensorMode(allow_non_fake_inputs=True):
        autocast = torch.autocast("cpu", half or torch.bfloat16, enabled=half is not None)
        with _flop_counter() as counter, kept.counted(), autocast:
            model.step(Rehearsal(networks), _pair(measured, batch))
    modules = {name: getattr(networks, name) for name in NAMES}
    parameters = {name: _count(module) for name, module in modules.items()}
    return Cost(
        parameters=parameters,
        flops=counter.get_total_flops(),
        weights=sum(parameters.values()) * 4 * 4,
        memory=sum(buffer.nbytes for module in modules.values() for buffer in module.buffers()),
        activations=kept.bytes,
    )


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


class _Kept:
    """Adds up the bytes that are kept for backward passes, each storage once."""

    def __init__(self) -> None:
        self.bytes = 0
        self._alive: dict[int, int] = {}

    def counted(self) -> saved_tensors_hooks:
        return saved_tensors_hooks(self._pack, lambda tensor: tensor)

    def _pack(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if not isinstance(tensor, nn.Parameter):
            self._alive[storage._cdata] = storage.nbytes()
            self.bytes = max(self.bytes, sum(self._alive.values()))
        return tensor


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


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
