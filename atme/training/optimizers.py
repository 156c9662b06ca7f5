"""The optimizers of a run: tried before it starts, and continued with the moments of a checkpoint.

Moments come from the checkpoint; hyper-parameters, such as rates and betas, from the options.

Adam and AdamW move all weights in one pass over memory (``fused``), unless the options say how: half of the time on a
CPU, and less with fused_adam.py, with other bits in the last digits.

What a network marks with a ``share_of_rate`` (networks/pretrained.py) is a group of its own, which remembers its share.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy, deepcopy
from types import MappingProxyType
from typing import Any

import torch
from jsonargparse import Namespace
from torch import nn
from torch.optim import Adam, AdamW, Optimizer

from atme.models import Networks
from atme.models.roles import CRITIC, Side
from atme.training import fused_adam

Maker = Callable[[Iterable[Any]], Optimizer]
"""Makes an optimizer of parameters, or of groups of them."""

SHARE = "share_of_rate"

_REFUSALS = (TypeError, ValueError, RuntimeError, AssertionError, KeyError)
"""What optimizers raise where they cannot work."""


def make(makers: Namespace, networks: Networks, *, device: torch.device) -> dict[Side, Optimizer]:
    """One optimizer for each side that has weights to move; the scheme's own weights move with the generator's.

    Raises:
        ValueError: if one cannot train these networks in this loop, or if the generator has nothing to learn.
    """
    sides = {role: _learned(module) for role, module in networks.items() if role != "scheme"}
    sides["generator"] += _learned(networks.scheme)
    shares = dict(share for module in networks.values() for share in _shares(module))
    if not sides["generator"]:
        raise ValueError("generator: none of its weights is learned; use one that has some")
    played = {side: parameters for side, parameters in sides.items() if parameters}
    by_side = {side: _maker(makers, side) for side in played}
    for side, parameters in played.items():
        _try(side, by_side[side], parameters, device)
    return {side: _made(by_side[side], parameters, shares) for side, parameters in played.items()}


def _shares(module: nn.Module) -> Iterator[tuple[nn.Parameter, float]]:
    """The parameters that move with a share of the learning rate, and the share."""
    for layer in module.modules():
        share = getattr(layer, SHARE, 1.0)
        yield from ((parameter, share) for parameter in layer.parameters() if share != 1)


def _grouped(parameters: Sequence[nn.Parameter], shares: Mapping[nn.Parameter, float]) -> list[Any]:
    """Parameters as they are where all move alike; else in groups by their share, what moves with all of it first."""
    groups: dict[float, list[nn.Parameter]] = {1.0: []}
    for parameter in parameters:
        groups.setdefault(shares.get(parameter, 1.0), []).append(parameter)
    if len(groups) == 1:
        return list(parameters)
    return [{"params": group, SHARE: share} for share, group in groups.items() if group]


def _learned(module: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def _maker(makers: Namespace, side: Side) -> Maker:
    """What makes the optimizer of a side: a further role without one of its own moves as the generator does."""
    own = makers if side in ("generator", CRITIC) else makers.networks
    maker: Maker = own[side] if side in own else makers["generator"]
    return maker


def _made(
    maker: Maker, parameters: Sequence[nn.Parameter], shares: Mapping[nn.Parameter, float] = MappingProxyType({})
) -> Optimizer:
    """The optimizer, fused where the options leave that open.

    ``fused`` is set after it was made: it then leaves the loss scale of fp16 to the scaler, as others do.
    """
    optimizer = maker(_grouped(parameters, shares))
    for group in optimizer.param_groups:
        if SHARE in group:
            group["lr"] = group["lr"] * group[SHARE]
    if type(optimizer) in (Adam, AdamW) and all(optimizer.defaults[how] is None for how in ("fused", "foreach")):
        optimizer.defaults["fused"] = True
        for group in optimizer.param_groups:
            group["fused"] = True
    fused_adam.prepare(optimizer)
    return optimizer


def option(side: Side) -> str:
    """The option that says how a side moves."""
    return f"optimizers.{side}" if side in ("generator", CRITIC) else f"optimizers.networks.{side}"


def saved(optimizer: Optimizer) -> dict[str, Any]:
    """What a checkpoint keeps of an optimizer: moments, and what they were made by."""
    return optimizer.state_dict() | {"kind": _name(optimizer), "defaults": _defaults(optimizer)}


def go_on(optimizer: Optimizer, side: Side, state: Mapping[str, Any]) -> None:
    """Take moments from a checkpoint, and leave hyper-parameters as the options have them.

    What an optimizer changes in its groups by itself is kept; only values whose options changed are set anew.

    Args:
        optimizer: a new one.
        side: whose it is.
        state: what `saved` kept, now or in earlier versions, which kept the state alone.

    Raises:
        ValueError: if the moments are of another optimizer.
    """
    kind, then, now = state.get("kind"), json.loads(state.get("defaults", "{}")), json.loads(_defaults(optimizer))
    if kind is not None and kind != _name(optimizer):
        raise ValueError(f"{option(side)}: the checkpoint's moments are those of {kind}, not of {_name(optimizer)}")
    changed = {key: value for key, value in optimizer.defaults.items() if key not in then or then[key] != now[key]}
    groups = [{**group, **changed} for group in state["param_groups"]]
    if "lr" in changed:
        groups = [{key: value for key, value in group.items() if key != "initial_lr"} for group in groups]
        groups = [group | {"lr": group["lr"] * group.get(SHARE, 1)} for group in groups]
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for first, moments in state["state"].items():
        _try_moments(optimizer, side, moments, of=parameters[first])
        break
    optimizer.load_state_dict({"state": state["state"], "param_groups": groups})


def _try(side: Side, maker: Maker, parameters: Sequence[nn.Parameter], device: torch.device) -> None:
    """Let an optimizer move a few numbers as the loop would, and see that it heeds the learning rate."""
    sizes = sorted({parameter.ndim for parameter in parameters})
    numbers = [nn.Parameter(torch.ones((2,) * ndim, device=device)) for ndim in sizes]
    try:
        optimizer = _made(maker, numbers)
        moved = [_moves(optimizer, numbers, rate=rate) for rate in (None, 0.0, 0.0)]  # ASGD's rate lags one step
    except _REFUSALS as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ValueError(f"{option(side)}: it cannot train these networks ({reason}); {_INSTEAD}") from error
    if moved[-1]:
        raise ValueError(
            f"{option(side)}: {_name(optimizer)} heeds no learning rate, so that training.rate would say what is "
            f"not done; {_INSTEAD}"
        )


def _try_moments(optimizer: Optimizer, side: Side, saved: Mapping[str, Any], *, of: nn.Parameter) -> None:
    """Whether a copy of the optimizer can step from moments of these names."""
    number, trial = nn.Parameter(torch.ones((2,) * of.ndim, device=of.device)), copy(optimizer)
    group = {"capturable": False, **optimizer.param_groups[0], "params": [number]}  # asked of a copy where a GPU is
    trial.param_groups, trial.state = [group], defaultdict(dict)
    for key, value in optimizer.state.get(of, {}).items():  # Adagrad's are there from the start before PyTorch 2.12
        whole = isinstance(value, torch.Tensor) and value.shape == of.shape
        trial.state[number][key] = torch.full_like(number, float(value.flatten()[0])) if whole else deepcopy(value)
    _moves(trial, [number], rate=None)
    full = trial.state[number]
    trial.state[number] = {key: full[key] if saved[key] is not None else None for key in full.keys() & saved.keys()}
    try:
        _moves(trial, [number], rate=None)
    except _REFUSALS as error:
        raise ValueError(f"{option(side)}: the checkpoint's moments lack what these options need ({error})") from error


def _moves(optimizer: Optimizer, numbers: list[nn.Parameter], *, rate: float | None) -> bool:
    """Whether a step, at another rate if one is given, changes anything."""
    for group in optimizer.param_groups if rate is not None else ():
        group["lr"] = rate
    for number in numbers:
        number.grad = torch.full_like(number, 0.5)
    before = [number.detach().clone() for number in numbers]
    optimizer.step()
    return any(not torch.equal(old, new) for old, new in zip(before, numbers, strict=True))


_INSTEAD = "use for example torch.optim.Adam, AdamW, RMSprop or SGD"


def _defaults(optimizer: Optimizer) -> str:
    """The hyper-parameters that an optimizer was made with; as JSON, which is the same text for the same values."""
    return json.dumps(optimizer.defaults, default=repr, sort_keys=True)


def _name(optimizer: Optimizer) -> str:
    return f"{type(optimizer).__module__}.{type(optimizer).__qualname__}"
