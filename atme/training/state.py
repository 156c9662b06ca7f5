"""All that changes during training, in one object: what a checkpoint saves and a resumed run goes on from.

Randomness is not part of it: the seed of a step is a function of (seed, step, micro-batch, rank), and the
order of samples one of (seed, epoch), so that a run that goes on draws what an uninterrupted one would.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import Tensor, nn
from torch.optim import Optimizer

from atme.losses import Palette
from atme.models import Networks
from atme.models.roles import CRITIC, Side
from atme.noise import Verdicts
from atme.training.average import Average
from atme.training.search import Search


class State:
    """Networks, optimizers, average of weights, and the number of updates so far.

    Args:
        networks: the modules of the game; moved to the accelerator's device.
        optimizers: one for each side that has weights to move; the generator's holds the scheme's parameters too.
        accelerator: device, precision, and the other processes.
        average: decay of the average of the weights of all but the discriminator; None for no average.
        seed: of the whole run.
        steps: updates of the whole run, by which its progress is told.
        palette: the classes that targets are made of, if the game asks for them.
    """

    def __init__(
        self,
        networks: Networks,
        optimizers: dict[Side, Optimizer],
        *,
        accelerator: Accelerator,
        average: float | None,
        seed: int,
        steps: int = 1,
        palette: Palette | None = None,
    ) -> None:
        self.accelerator, self.seed, self.step, self._weight = accelerator, seed, 0, 1.0
        self.search = Search()
        self.bare, self._steps = networks, steps
        self._wrapped = {role: _prepare(module, accelerator) for role, module in networks.items()}
        self.optimizers = optimizers
        for optimizer in optimizers.values():
            optimizer.load_state_dict(optimizer.state_dict())  # what it made of weights on the CPU follows them
        self.averages = self._averages(average)
        self.rng = torch.Generator(accelerator.device)
        self.palette = None if palette is None else palette.to(accelerator.device)

    def _averages(self, decay: float | None) -> dict[str, Average]:
        if decay is None:
            return {}
        return {role: Average(module, decay=decay) for role, module in self.bare.items() if role != CRITIC}

    @property
    def generator(self) -> Any:
        """The generator, averaging gradients over processes."""
        return self.role("generator")

    @property
    def discriminator(self) -> Any:
        """The discriminator, averaging gradients over processes."""
        return self.role(CRITIC)

    @property
    def scheme(self) -> Any:
        """The noise scheme, averaging gradients over processes."""
        return self.role("scheme")

    def role(self, name: str) -> Any:
        """The network of a role, averaging gradients over processes."""
        return self._wrapped[name]

    @property
    def progress(self) -> float:
        """The share of the run's updates that are done."""
        return self.step / self._steps

    @contextmanager
    def at(self, micro: int, *, weight: float = 1.0) -> Iterator[None]:
        """One micro-batch of the step under way: its own randomness, its share of the gradients.

        Args:
            micro: which of the step.
            weight: what its mean loss counts for, 1 on average over the micro-batches of all processes.
        """
        address = [self.seed, self.step, micro, self.accelerator.process_index]
        seed = int(np.random.SeedSequence(address).generate_state(1, np.uint64)[0] >> 1)
        torch.manual_seed(seed)
        self.rng.manual_seed(seed)
        self._weight = weight
        with self.accelerator.accumulate(*self._wrapped.values()):
            yield

    def update(self, side: Side, loss: Tensor) -> None:
        """Move one side's weights; with accumulation, at the step's last micro-batch."""
        self.accelerator.backward(loss if self._weight == 1 else self._weight * loss)
        if not self.accelerator.sync_gradients:
            return
        scaler, optimizer = self.accelerator.scaler, self.optimizers[side]
        if scaler is None:
            optimizer.step()
        else:
            scaler.step(optimizer)
        optimizer.zero_grad()

    def begin_step(self, rate: float) -> None:
        """Tell the scheme how far the run is, and set every learning rate to a share of the one it started from."""
        self.bare.scheme.advance(self.progress)
        self.set_rate(rate)

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
            average.update(self.bare[name], step=self.step)

    def gather(self, verdicts: Verdicts) -> Verdicts:
        """The verdicts of all processes, whose batches may differ in size by one."""
        if self.accelerator.num_processes == 1:
            return verdicts
        index = self._gather(verdicts.index, fill=-1)
        there = index >= 0
        real, fake = (tuple(self._gather(each)[there] for each in side) for side in (verdicts.real, verdicts.fake))
        return Verdicts(real, fake, index[there], self._gather(verdicts.view)[there])

    def _gather(self, part: Tensor, *, fill: int = 0) -> Tensor:
        even = self.accelerator.pad_across_processes(part, dim=0, pad_index=fill)
        gathered: Tensor = self.accelerator.gather(even)
        return gathered

    def of_main(self, number: float) -> float:
        """The main process's number, on every process."""
        if self.accelerator.num_processes == 1:
            return number
        told: Tensor = broadcast(torch.tensor([number], device=self.accelerator.device))
        return float(told)

    @contextmanager
    def translating(self, *, averaged: bool = True) -> Iterator[Networks]:
        """The networks as a translation uses them: evaluation mode, averaged weights, the run's precision.

        Args:
            averaged: whether the averages of the weights are used, where there are any.
        """
        with ExitStack() as stack:
            for name, average in self.averages.items() if averaged else ():
                stack.enter_context(average.swapped_in(self.bare[name]))
            stack.enter_context(torch.no_grad())
            stack.enter_context(self.accelerator.autocast())
            for module in self.bare.values():
                stack.callback(module.train)
                module.eval()
            yield self.bare


def _prepare(module: nn.Module, accelerator: Accelerator) -> Any:
    """Wrap a module for the other processes, if it has anything to learn."""
    if any(parameter.requires_grad for parameter in module.parameters()):
        return accelerator.prepare_model(module)
    return module.to(accelerator.device)
