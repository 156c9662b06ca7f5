"""Fused steps on a CPU: Adam's and AdamW's in C++ of our own where it can be compiled, and guards for PyTorch's.

What a step of PyTorch's lists, weights, gradients, moments, is moved here, or shown to PyTorch as it lies in memory:

- PyTorch 2.14's fused steps take it for granted that gradients and moments are laid out as their weights are, and where
  one has channels last and another has not, they move weights by the gradients of others, without a word. Moments of
  a run of the other ``channels_last`` are such.
- Of weights with channels last they copy each gradient first, which takes longer than the step.
- Their one pass over memory waits for it: asking for the numbers ahead takes a seventh less (cpp/adam.cpp).
"""

import math
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam, AdamW, Optimizer

from atme.networks import kernels, passes

_MOMENTS = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")


def prepare(optimizer: Optimizer) -> None:
    """Let a fused optimizer step as said above; others are left as they are."""
    if not optimizer.defaults.get("fused"):
        return
    list_all = getattr(optimizer, "_init_group", None)  # not of PyTorch's public words: without it, copies are made
    if list_all is None or type(optimizer) not in (Adam, AdamW):
        optimizer.register_step_pre_hook(lambda optimizer, *_: _lay_out_alike(optimizer))
        return

    def listed(group: dict[str, Any], *given: Any) -> Any:
        found = list_all(group, *given)
        lists = [each for each in given if isinstance(each, list)]  # AdamW's of PyTorch 2.6 has `amsgrad` among them
        _lay_lists_alike(optimizer, *lists[:-1])
        if _can_move(optimizer, group, *lists):
            _move(group, *lists, decoupled=group.get("decoupled_weight_decay", type(optimizer) is AdamW))
            for each in lists:
                each.clear()
        else:
            for each in lists:
                each[:] = map(_in_order, each)
        return found

    optimizer._init_group = listed  # type: ignore[attr-defined]


def _can_move(optimizer: Optimizer, group: dict[str, Any], weights: list[Tensor], *others: list[Tensor]) -> bool:
    """Whether the step of these is one for the pass in C++, here."""
    unusual = any(group.get(option) for option in ("amsgrad", "differentiable"))
    if unusual or getattr(optimizer, "grad_scale", None) is not None or not kernels.available():
        return False
    numbers = [weights, *others[:-1]]  # the last are steps
    return all(_dense(weight) for weight in weights) and all(
        value.dtype == torch.float32 and value.device.type == "cpu" for values in numbers for value in values
    )


def _move(
    group: dict[str, Any],
    weights: list[Tensor],
    gradients: list[Tensor],
    means: list[Tensor],
    squares: list[Tensor],
    _: list[Tensor],
    steps: list[Tensor],
    *,
    decoupled: bool,
) -> None:
    """Adam's step (Kingma and Ba 2015, arXiv 1412.6980, algorithm 1), AdamW's (arXiv 1711.05101, algorithm 2).

    With g the gradient, turned where it is maximized: Adam adds w times the decay to it, AdamW shrinks w by lr times
    the decay first. Then m = β₁ m + (1 − β₁) g and v = β₂ v + (1 − β₂) g²; w falls by lr m / (1 − β₁ᵗ) divided by
    √(v / (1 − β₂ᵗ)) + ε.
    """
    if not weights:
        return
    rate, decay, (beta1, beta2) = float(group["lr"]), float(group["weight_decay"]), map(float, group["betas"])
    torch._foreach_add_(steps, 1)

    @cache
    def corrections(step: float) -> tuple[float, float]:
        return rate / (1 - beta1**step), math.sqrt(1 - beta2**step)

    arrays = [
        (weight.data_ptr(), gradient.data_ptr(), mean.data_ptr(), square.data_ptr(), weight.numel())
        for weight, gradient, mean, square in zip(weights, gradients, means, squares, strict=True)
    ]
    passes.call(
        "adam",
        [],
        torch.tensor(arrays, dtype=torch.int64),
        torch.tensor([corrections(step) for step in torch.stack(steps).tolist()], dtype=torch.float64),
        len(weights),
        beta1,
        beta2,
        1 - rate * decay if decoupled else 1.0,
        0.0 if decoupled else decay,
        -1.0 if group["maximize"] else 1.0,
        float(group["eps"]),
    )
    for weight in weights:  # whoever keeps what was made of them can tell
        torch.autograd.graph.increment_version(weight)


def _lay_lists_alike(optimizer: Optimizer, weights: list[Tensor], *values: list[Tensor]) -> None:
    """Give listed gradients and moments their weights' layout in memory; moments also where they are kept."""
    gradients, *moments = values
    for k, (weight, gradient) in enumerate(zip(weights, gradients, strict=True)):
        gradients[k] = _laid_out(gradient, weight)
    for name, listed in zip(_MOMENTS, moments, strict=True):
        for k, (weight, moment) in enumerate(zip(weights, listed, strict=False)):
            if moment.stride() != weight.stride():
                optimizer.state[weight][name] = listed[k] = _laid_out(moment, weight)


def _lay_out_alike(optimizer: Optimizer) -> None:
    """Do so with all that an optimizer has."""
    for weight in (weight for group in optimizer.param_groups for weight in group["params"]):
        if weight.grad is not None:
            weight.grad = _laid_out(weight.grad, weight)
        moments = optimizer.state.get(weight, {})
        for name, moment in moments.items():
            moments[name] = _laid_out(moment, weight)


def _laid_out(values: Any, weight: Tensor) -> Any:
    """Values as they are, or, where they are as many as the weights, in their layout."""
    if not isinstance(values, Tensor) or values.shape != weight.shape or values.stride() == weight.stride():
        return values
    return torch.empty_like(weight, dtype=values.dtype).copy_(values)


def _dense(weight: Tensor) -> bool:
    """Whether weights fill the memory that they lie in."""
    return weight.is_contiguous() or (weight.ndim == 4 and weight.is_contiguous(memory_format=torch.channels_last))


def _in_order(values: Tensor) -> Tensor:
    """(A, B, H, W) that have B last in memory as (A, H, W, B), others as they are."""
    last = values.ndim == 4 and values.is_contiguous(memory_format=torch.channels_last)
    return values.permute(0, 2, 3, 1) if last else values
