"""All that changes during training, in one object: what a checkpoint saves and a resumed run goes on from.

Randomness is not part of it: the seed of a step is a function of (seed, step, micro-batch, rank), and the
order of samples one of (seed, epoch), so that a run that goes on draws what an uninterrupted one would.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim import Optimizer

from atme.models import Networks
from atme.models.translation import Side
from atme.noise import Verdicts
from atme.run_folder import NAMES
from atme.training.average import Average


class State:
    """Networks, optimizers, average of weights, and the number of updates so far.

    Args:
        networks: the three modules; moved to the accelerator's device.
        optimizers: one a side; the generator's holds the scheme's parameters too.
        accelerator: device, precision, and the other processes.
        average: decay of the average of the generator's and the scheme's weights; None for no average.
        seed: of the whole run.
    """

    def __init__(
        self,
        networks: Networks,
        optimizers: dict[Side, Optimizer],
        *,
        accelerator: Accelerator,
        average: float | None,
        seed: int,
    ) -> None:
        self.accelerator, self.seed, self.step = accelerator, seed, 0
        self.bare = networks
        self.generator = _prepare(networks.generator, accelerator)
        self.discriminator = _prepare(networks.discriminator, accelerator)
        self.scheme = _prepare(networks.scheme, accelerator)
        self.optimizers = optimizers
        for optimizer in optimizers.values():
            optimizer.load_state_dict(optimizer.state_dict())  # what it made of weights on the CPU follows them
        self.averages = self._averages(average)
        self.rng = torch.Generator(accelerator.device)

    def _averages(self, decay: float | None) -> dict[str, Average]:
        if decay is None:
            return {}
        averaged = {"generator": self.bare.generator, "scheme": self.bare.scheme}
        return {name: Average(module, decay=decay) for name, module in averaged.items()}

    @contextmanager
    def at(self, micro: int) -> Iterator[None]:
        """One micro-batch of the step under way: its own randomness, its share of the gradients."""
        address = [self.seed, self.step, micro, self.accelerator.process_index]
        seed = int(np.random.SeedSequence(address).generate_state(1, np.uint64)[0] >> 1)
        torch.manual_seed(seed)
        self.rng.manual_seed(seed)
        with self.accelerator.accumulate(self.generator, self.discriminator, self.scheme):
            yield

    def update(self, side: Side, loss: Tensor) -> None:
        """Move one side's weights; with accumulation, at the step's last micro-batch."""
        self.accelerator.backward(loss)
        if not self.accelerator.sync_gradients:
            return
        scaler, optimizer = self.accelerator.scaler, self.optimizers[side]
        if scaler is None:
            optimizer.step()
        else:
            scaler.step(optimizer)
        optimizer.zero_grad()

    def set_rate(self, factor: float) -> None:
        """Set every learning rate to a share of the one it started from."""
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])
                group["lr"] = group["initial_lr"] * factor

    def finish_step(self) -> None:
        """Count an update of the weights, and let the averages take it in.

        The loss scale of fp16 changes here alone: all micro-batches of a step, of both sides, have the same one.
        """
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.update()
        self.step += 1
        for name, average in self.averages.items():
            average.update(getattr(self.bare, name), step=self.step)

    def gather(self, verdicts: Verdicts) -> Verdicts:
        """The verdicts of all processes, whose batches may differ in size by one."""
        if self.accelerator.num_processes == 1:
            return verdicts
        parts = {field.name: getattr(verdicts, field.name) for field in fields(verdicts)}
        whole = {name: self._gather(part, fill=-1 if name == "index" else 0) for name, part in parts.items()}
        real = whole["index"] >= 0
        return Verdicts(**{name: part[real] for name, part in whole.items()})

    def _gather(self, part: Tensor, *, fill: int) -> Tensor:
        even = self.accelerator.pad_across_processes(part, dim=0, pad_index=fill)
        gathered: Tensor = self.accelerator.gather(even)
        return gathered

    @contextmanager
    def translating(self, *, averaged: bool = True) -> Iterator[Networks]:
        """The networks as a translation uses them: evaluation mode, averaged weights, the run's precision.

        Args:
            averaged: whether the averages of the weights are used, where there are any.
        """
        modules = [getattr(self.bare, name) for name in NAMES]
        with ExitStack() as stack:
            for name, average in self.averages.items() if averaged else ():
                stack.enter_context(average.swapped_in(getattr(self.bare, name)))
            stack.enter_context(torch.no_grad())
            stack.enter_context(self.accelerator.autocast())
            for module in modules:
                module.eval()
            yield self.bare
        for module in modules:
            module.train()


def _prepare(module: nn.Module, accelerator: Accelerator) -> Any:
    """Wrap a module for the other processes, if it has anything to learn."""
    if any(parameter.requires_grad for parameter in module.parameters()):
        return accelerator.prepare_model(module)
    return module.to(accelerator.device)
