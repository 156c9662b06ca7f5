"""Functions over whole maps, compiled into one pass over memory where a C++ compiler is, for maps on a CPU.

PyTorch's operations read and write a map once each. `torch.compile` makes one loop of a few of them; it needs a C++
compiler, as most machines for development have and clean ones have not. Compiling takes some ten seconds once; what was
compiled is found again by the next process.

``ATME_COMPILE=0`` leaves it out, on the same machine with other bits: sums are taken in another order. What is traced
to leave this package has no place for any of it, nor for fused.py: `plainly` switches to PyTorch's own operations.
"""

import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
T = TypeVar("T")

VARIANTS = 64
"""Of one kernel: each precision has its own, one image another one than several, and each layout in memory."""


def kernel(function: Callable[P, T]) -> Callable[P, T]:
    """The function as one compiled loop, without gradients; to be called only where `available`.

    Args:
        function: of tensors and numbers, without branches that depend on values.
    """

    @cache
    def compiled() -> Callable[P, T]:
        # else two sides that happen to be equal are taken for one number, and another picture is compiled anew
        torch.fx.experimental._config.use_duck_shape = False
        torch._dynamo.config.recompile_limit = max(VARIANTS, torch._dynamo.config.recompile_limit)
        return torch.compile(function, dynamic=True, fullgraph=True)

    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        # what is compiled depends on these, too
        bare = [each.detach() if isinstance(each, torch.Tensor) else each for each in args]
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            return compiled()(*bare, **kwargs)  # type: ignore[arg-type]

    return call


_left_out: ContextVar[bool] = ContextVar("left_out", default=False)


@contextmanager
def left_out() -> Iterator[None]:
    """Do without for a while: nothing is compiled, also of what is asked for the first time."""
    token = _left_out.set(True)
    try:
        yield
    finally:
        _left_out.reset(token)


_plainly: ContextVar[bool] = ContextVar("plainly", default=False)


@contextmanager
def plainly() -> Iterator[None]:
    """Within, networks are PyTorch's own operations, one after the other, on a CPU too: others can run these."""
    token = _plainly.set(True)
    try:
        yield
    finally:
        _plainly.reset(token)


def in_one_step(image: torch.Tensor) -> bool:
    """Whether what follows a convolution of this map is done in one step, with a derivative of its own (fused.py)."""
    return image.device.type == "cpu" and not _plainly.get()


def available() -> bool:
    """Whether kernels are to be used here."""
    return not _left_out.get() and reason() is None


@cache
def reason() -> str | None:
    """Why kernels are not compiled here, for the log; None if they are."""
    if os.environ.get("ATME_COMPILE") == "0":
        return "ATME_COMPILE is 0"
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # it warns of a GPU that is not there
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            probe = torch.compile(_probe, dynamic=True, fullgraph=True)(torch.ones(2, 3))
    except Exception as error:  # whatever is missing: compiler, headers, a folder to write to
        return f"nothing can be compiled here ({str(error).strip().splitlines()[0]})"
    assert probe.tolist() == [6.0, 6.0]
    return None


def _probe(x: torch.Tensor) -> torch.Tensor:
    return (x + 1).sum(1)


def precise(values: torch.Tensor) -> torch.Tensor:
    """In float32 at least: within a kernel a register, no array."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
