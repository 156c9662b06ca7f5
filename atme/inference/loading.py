"""From a folder on disk to networks that translate."""

from argparse import ArgumentError
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jsonargparse import ArgumentParser
from safetensors import SafetensorError
from torch import Tensor, nn

from atme import outside
from atme.data.recipes import find_root
from atme.data.tested import find_again, tested
from atme.inference.trust import require_ours
from atme.models import Networks, TranslationModel
from atme.models.build import SECTIONS, Measured, add_arguments, build
from atme.models.translation import require_calls
from atme.models.weights import read_network, weights_file
from atme.run_folder import CONFIG, find_run, is_handed, read_options, read_state

Weights = Literal["average", "last"]


@dataclass(frozen=True)
class Source:
    """Where a translator's weights come from."""

    folder: Path
    """Of the weights: a checkpoint, or a folder of ``save_pretrained``."""
    step: int
    """Updates of the weights that were done."""
    weights: Weights
    """``average`` if they are averages over the training, ``last`` if not."""


@dataclass(frozen=True)
class Loaded:
    """What a translator is made of."""

    model: TranslationModel
    networks: Networks
    measured: Measured
    source: Source
    options: dict[str, Any]
    """The sections that built the networks, and what of the data section matters to translations."""
    calls: int | None = None
    """Of the generator, that a translation takes; None for as many as the game is played with."""
    root: Path | None = None
    """Where the run's data lies, if it is known and there."""


def load(place: str | Path, *, weights: Weights, device: str, trust: bool, calls: int | None = None) -> Loaded:
    """Build a run's networks and load their weights, in evaluation mode.

    Args:
        place: a run's folder, that of one of its checkpoints, or one of ``save_pretrained``.
        weights: ``average`` takes the averaged weights where there are any.
        device: ``auto``, or a device's name.
        trust: whether options may name code that is not of this package.
        calls: of the generator for a translation, where a model leaves a choice.

    Raises:
        ValueError: if a file is missing or damaged, or names code that is not trusted.
    """
    if weights not in ("average", "last"):
        raise ValueError(f"weights: {weights!r} are none; use average or last")
    run = find_run(place)
    options, state = read_options(run.folder), read_state(run.checkpoint)
    if not trust:
        require_ours(options, run.folder)
    else:
        classes = {name: options.get(name) for name in SECTIONS}
        outside.use(classes, outside.beside(run.folder))
        outside.require_found(classes, run.folder)
    chosen = {name: options[name] for name in SECTIONS if name in options} | _data(options)
    measured, step = _measured(state, run.checkpoint)
    model, networks = _build({name: chosen[name] for name in SECTIONS if name in chosen}, measured, run.folder)
    require_calls(model, calls)
    averaged = weights == "average" and weights_file(run.checkpoint, "average_generator").exists()
    averaged = averaged and not is_handed(run.checkpoint)  # which holds the one or the other
    for name, module in networks.items():
        # what is remembered of training images is not handed on, and not read
        blank = networks.scheme.memory() if name == "scheme" and is_handed(run.checkpoint) else {}
        _load_weights(module, run.checkpoint, name, given=blank)
        if averaged and weights_file(run.checkpoint, f"average_{name}").exists():
            _load_weights(module, run.checkpoint, f"average_{name}", given=module.state_dict())
        module.to(_device(device)).eval()
    kind: Weights = "average" if averaged or state.get("weights") == "average" else "last"
    source, root = Source(run.checkpoint, step, kind), _root(run.folder, options)
    return Loaded(model, networks, measured, source, chosen, calls, root)


def _data(options: Mapping[str, Any]) -> dict[str, Any]:
    """What of the data section travels with the weights: all that matters to translations, but not where it lay."""
    section = {key: value for key, value in tested(options).items() if key != "root"}
    return {"data": section} if section else {}


def _root(run: Path, options: Mapping[str, Any]) -> Path | None:
    recorded = tested(options).get("root")
    try:
        return None if recorded is None else find_root(find_again(str(recorded), run=run, options=options))
    except ValueError:  # moved or not fetched: whoever needs the data says so
        return None


def _measured(state: Mapping[str, Any], checkpoint: Path) -> tuple[Measured, int]:
    try:
        return Measured(**state["measured"]), int(state["step"])
    except (KeyError, TypeError, ValueError) as error:
        path = checkpoint / (CONFIG if is_handed(checkpoint) else "state.json")
        raise ValueError(f"{path}: is damaged ({error}); use another checkpoint") from error


def _build(options: dict[str, Any], measured: Measured, folder: Path) -> tuple[TranslationModel, Networks]:
    parser = ArgumentParser(exit_on_error=False)
    add_arguments(parser)
    try:
        return build(parser.instantiate(parser.parse_object(options)), measured, pretrained=False)
    except (ArgumentError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{folder}: its options build no networks here ({reason}); see them") from error


def _load_weights(module: nn.Module, folder: Path, name: str, *, given: Mapping[str, Tensor]) -> None:
    """Load a network's file; what it lacks is taken from ``given``."""
    try:
        module.load_state_dict({**given, **read_network(folder, name)})
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        path = weights_file(folder, name)
        raise ValueError(f"{path}: the weights cannot be read ({reason}); use another checkpoint") from error


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.zeros((), device=torch.device(name)).device
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device: {name} cannot be used ({reason}); use cpu or auto") from error
