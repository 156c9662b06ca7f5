"""Whether passes over whole maps are those of cpp/, for maps on a CPU, or PyTorch's operations one after the other.

PyTorch's operations read and write a map once each, where a loop in C++ does a few of them at once (passes.py). It
needs a C++ compiler, as most machines for development have and clean ones have not; compiling takes some seconds once,
and what was compiled is found again by the next process.

``ATME_COMPILE=0`` leaves it out, on the same machine with other bits: sums are taken in another order. What is traced
to leave this package has no place for any of it, nor for fused.py: `plainly` switches to PyTorch's own operations.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

import torch

from atme.networks import compiler

DTYPES = (torch.float32, torch.float64, torch.bfloat16)
"""Of maps that there are passes for."""

WEIGHTS = (
    (torch.float32, torch.float32),
    (torch.float32, torch.bfloat16),
    (torch.float64, torch.float64),
)
"""Of weights, as they are and as the convolution reads them, that there are passes for."""

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


def take(image: torch.Tensor) -> bool:
    """Whether this map is one for the passes in C++, here."""
    return image.device.type == "cpu" and image.dtype in DTYPES and available()


def take_weights(weight: torch.Tensor, kind: torch.dtype) -> bool:
    """Whether these weights are for the passes in C++, here, to be standardized in a precision."""
    return weight.device.type == "cpu" and (weight.dtype, kind) in WEIGHTS and available()


@cache
def reason() -> str | None:
    """Why nothing is compiled here, for the log; None if it is."""
    if os.environ.get("ATME_COMPILE") == "0":
        return "ATME_COMPILE is 0"
    try:
        library()
    except OSError as error:  # whatever is missing: compiler, headers, a folder to write to
        return f"nothing can be compiled here ({str(error).strip().splitlines()[0]})"
    return None


@cache
def library() -> ctypes.CDLL:
    """What was compiled.

    Raises:
        OSError: as `compiler.load` says.
    """
    return compiler.load()


def precise(values: torch.Tensor) -> torch.Tensor:
    """In float32 at least."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
