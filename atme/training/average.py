"""An exponential moving average of weights, to translate with.

    θ̄ ← d θ̄ + (1 − d) θ,    d = min(decay, (1 + step) / (10 + step)),

whose early steps average over a tenth of the run so far, so that a short run is not held to its random
start. Buffers (a memory, running statistics) are not averaged: they are the network's own.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import Parameter


class Average:
    """The average of the parameters of one module that are learned, in float32.

    Args:
        module: whose parameters are averaged.
        decay: d in [0, 1).

    Raises:
        ValueError: for a decay outside of [0, 1).
    """

    def __init__(self, module: nn.Module, *, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"training.average: {decay} is no decay; give a number from 0 to below 1, or null")
        self.decay = decay
        self.weights = {name: p.detach().float().clone() for name, p in _learned(module)}

    @torch.no_grad()
    def update(self, module: nn.Module, *, step: int) -> None:
        """Take in the weights after ``step`` updates."""
        if not self.weights:
            return
        decay = min(self.decay, (1 + step) / (10 + step))
        now = [module.get_parameter(name).detach().float() for name in self.weights]
        torch._foreach_lerp_(list(self.weights.values()), now, 1 - decay)

    @contextmanager
    def swapped_in(self, module: nn.Module) -> Iterator[None]:
        """Let a module work with the averaged weights for a while."""
        self._swap(module)
        try:
            yield
        finally:
            self._swap(module)

    def load_state_dict(self, weights: Mapping[str, Tensor]) -> None:
        """Go on from saved averages, in place."""
        assert weights.keys() == self.weights.keys()
        for name, value in weights.items():
            self.weights[name].copy_(value)

    @torch.no_grad()
    def _swap(self, module: nn.Module) -> None:
        for name in self.weights:
            parameter = module.get_parameter(name)
            parameter.data, self.weights[name] = self.weights[name].to(parameter.dtype), parameter.data


def _learned(module: nn.Module) -> Iterator[tuple[str, Parameter]]:
    return ((name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad)
