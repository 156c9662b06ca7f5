"""Where a run is computed: device, precision, threads, processes; and how a machine that lacks one is answered."""

import os
import warnings

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs, gather_object

from atme.machine import Others, cores, multiplies_bfloat16
from atme.networks import kernels
from atme.training.options import Precision, TrainingOptions

_OTHERS = Others()
_MUCH = 0.5
"""Cores that are busy with other programs from where a training's threads should be fewer."""


def accelerator(training: TrainingOptions) -> Accelerator:
    """Device, precision and processes, as this run wants them.

    Raises:
        ValueError: if this machine has no such device, or the device no such precision.
    """
    device, precision = kind_of(training.device), precision_of(training)
    _refuse_precision(precision, device)
    _set_determinism(training.deterministic, device)
    _forget()
    _pass_over_warnings()
    return Accelerator(
        mixed_precision="no" if precision == "float32" else precision,
        gradient_accumulation_steps=training.accumulate,
        cpu=device == "cpu",
        # the memory is kept equal by hand, and broadcasting it at every step would cost its size
        kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
    )


def facts(accelerator: Accelerator) -> dict[str, str | int]:
    """What the log says of the machine: ``device``, ``precision``, ``threads``, and ``processes`` of several.

    On a CPU also ``kernels``: ``compiled``, or why they are not (networks/kernels.py).
    """
    device, name = accelerator.device, ""
    if device.type == "cuda":
        name = f" ({torch.cuda.get_device_name(device)})"
    precision = "float32" if accelerator.mixed_precision == "no" else accelerator.mixed_precision
    found: dict[str, str | int] = {"device": f"{device.type}{name}", "precision": precision}
    found["threads"] = torch.get_num_threads()
    found |= {"processes": accelerator.num_processes} if accelerator.num_processes > 1 else {}
    return found | ({"kernels": kernels.reason() or "compiled"} if device.type == "cpu" else {})


def in_words(facts: dict[str, str | int]) -> str:
    """The same for a reader: ``cpu, float32, 2 threads, kernels compiled``."""
    counts = [
        f"{facts[name]} {name if facts[name] != 1 else name[:-1]}" for name in ("threads", "processes") if name in facts
    ]
    words = [str(facts["device"]), str(facts["precision"]), *counts]
    if "kernels" in facts:
        words.append("kernels compiled" if facts["kernels"] == "compiled" else f"no kernels: {facts['kernels']}")
    return ", ".join(words)


def crowded(accelerator: Accelerator) -> list[str]:
    """What is said where other programs keep cores busy that this training's threads want, and nobody chose a number.

    Threads meet some thousand times in an update, and each meeting waits for the one that has no core.
    """
    threads, busy = torch.get_num_threads(), _OTHERS.busy()
    alone = accelerator.device.type == "cpu" and accelerator.num_processes == 1
    if not alone or threads == 1 or "OMP_NUM_THREADS" in os.environ or busy < _MUCH:
        return []
    fewer = max(1, threads - max(1, round(busy)))
    return [
        f"other programs keep {busy:.1f} of {cores()} cores busy, and threads wait for one another: beside them "
        f"OMP_NUM_THREADS={fewer} atme train … is faster, and so is --processes auto"
    ]


def kind_of(wanted: str) -> str:
    """The device's kind: what was asked for, or what ``auto`` finds.

    Raises:
        ValueError: if this machine has no such device.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return "cuda" if there["cuda"] else "cpu"
    if not there[wanted]:
        raise ValueError(f"training.device: PyTorch finds no {wanted} device here; use auto or cpu")
    return wanted


def precision_of(training: TrainingOptions) -> Precision:
    """The precision: what was asked for, or what ``auto`` is on this machine."""
    if training.precision != "auto":
        return training.precision
    gpu = torch.cuda.is_available() and training.device in ("auto", "cuda")
    if gpu:
        has = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        has = training.device in ("auto", "cpu") and bool(multiplies_bfloat16())
    return "bf16" if has else "float32"


def refuse_several_precisions(processes: Accelerator) -> None:
    """Refuse to train on machines of which each chose another precision.

    Raises:
        ValueError: in each of their processes.
    """
    chosen = {*gather_object([str(processes.mixed_precision)])}
    if len(chosen) > 1:
        raise ValueError("training.precision: auto is bf16 on one of these machines and float32 on another; say which")


def slow_precision(training: TrainingOptions) -> list[str]:
    """What is said where bf16 was asked for, of a processor that has none."""
    if training.precision != "bf16" or kind_of(training.device) != "cpu" or multiplies_bfloat16() is not False:
        return []
    return [
        "training.precision bf16: this processor has no products of bfloat16, and takes several times as long as in "
        "float32; auto takes what is faster"
    ]


def gpus_of(wanted: str) -> int:
    """How many GPUs a training can have on the device that was asked for; 0: it is computed by the cores.

    Raises:
        ValueError: if this machine has no such device.
    """
    return {"cpu": 0, "mps": 1, "cuda": torch.cuda.device_count()}[kind_of(wanted)]


def _refuse_precision(precision: str, device: str) -> None:
    if precision == "fp16" and device != "cuda":
        raise ValueError(f"training.precision: fp16 needs a CUDA GPU, and this is {device}; use bf16 or float32")
    if precision == "bf16" and device == "cuda" and not torch.cuda.is_bf16_supported():
        raise ValueError("training.precision: this GPU has no bf16; use fp16 or float32")


def _forget() -> None:
    """A process may train more than once, at several precisions and on several devices."""
    alone = "LOCAL_RANK" not in os.environ
    AcceleratorState._reset_state(reset_partial_state=alone)


def _pass_over_warnings() -> None:
    """Of several processes, that no user can act on.

    The newest PyTorch has another word for ``broadcast_buffers``, which accelerate and older ones do not know; and a
    1×1 kernel's gradient is the same in either layout.
    """
    warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated", category=FutureWarning)
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides", category=UserWarning)


def _set_determinism(wanted: bool, device: str) -> None:
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # torch.use_deterministic_algorithms(wanted, warn_only=True) would load PyTorch's compiler, for seconds, to tell it
    torch.set_deterministic_debug_mode("warn" if wanted else "default")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = not wanted
