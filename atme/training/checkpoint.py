"""Checkpoints: a folder for each saved step, written whole or not at all.

    checkpoints/step_00000400/
        generator.safetensors  discriminator.safetensors  scheme.safetensors    weights, memory, statistics
        average_generator.safetensors  average_scheme.safetensors               where weights are averaged
        optimizers.pt                                                           moments, and fp16's loss scale
        state.json                                                              format, step, seed, sizes, pairs, best

A game without discriminator has no file of it, and one of further roles has a file of each.

A folder is written beside its place under another name and renamed when all its bytes are on disk: a kill, or
a full disk, leaves the checkpoints before it as they were.
"""

import json
import os
import shutil
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim import Optimizer

import atme
from atme.models.build import Measured
from atme.models.roles import Side
from atme.names import as_word
from atme.run_folder import FORMAT, checkpoint_path, checkpoints, read_state
from atme.training import optimizers
from atme.training.changes import Flat
from atme.training.origin import Origin
from atme.training.search import Search
from atme.training.state import State
from atme.training.weights import weight_shapes

_UNFINISHED = ".unfinished_"

_DAMAGED = (
    *(OSError, SafetensorError, RuntimeError, UnpicklingError, EOFError),  # of a file
    *(KeyError, TypeError, AttributeError, AssertionError),  # of what is in it
)


def save(state: State, measured: Measured, run: Path, *, keep: int, pairs: dict[str, Any]) -> Path:
    """Write a checkpoint and remove all but the last ``keep`` and the best one.

    Args:
        state: what is saved.
        measured: sizes that the networks were built with.
        run: the run's folder.
        keep: checkpoints that stay beside the best one, this one included; at least 1.
        pairs: by what the training pairs are known again.

    Returns:
        The checkpoint's folder.

    Raises:
        OSError: if it cannot be written; the earlier ones are untouched.
    """
    place = checkpoint_path(run, state.step)
    assert not place.exists()
    unfinished = place.with_name(f"{_UNFINISHED}{place.name}")
    sweep(run)
    unfinished.mkdir(parents=True)
    try:
        _write(state, measured, unfinished, pairs)
    except (OSError, SafetensorError, RuntimeError) as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        whole = "earlier ones are whole" if checkpoints(run) else "there is no earlier one"
        mend = "mend that, such as by making room, and go on with --training.resume auto"
        raise OSError(f"{place}: the checkpoint could not be written ({error}); {whole}; {mend}") from error
    unfinished.rename(place)
    _sync(place.parent)
    best = state.search.best and checkpoint_path(run, state.search.best.step)
    for old in checkpoints(run)[:-keep]:
        if old != best:
            shutil.rmtree(old)
    return place


def note(state: State, run: Path) -> None:
    """Write what a look found that was owed to this step into its checkpoint, which is there already."""
    path = checkpoint_path(run, state.step) / "state.json"
    unfinished = path.with_name(f"{_UNFINISHED}{path.name}")
    unfinished.write_text(json.dumps(read_state(path.parent) | _search(state), indent=2))
    _sync(unfinished)
    unfinished.replace(path)
    _sync(path.parent)


def load(state: State, origin: Origin, *, now: Flat) -> None:
    """Go on from a checkpoint, in place.

    Args:
        state: a new one.
        origin: where it goes on from.
        now: the run's options, by dotted keys.

    Raises:
        ValueError: if a file is missing or damaged, or the option by which a network or an optimizer differs.
    """
    place = origin.checkpoint
    if place is None:
        return
    _refuse_other_networks(state, origin, now)
    try:
        for name, module in state.bare.items():
            module.load_state_dict(load_file(place / f"{name}.safetensors"))
        for name, average in state.averages.items():
            average.load_state_dict(load_file(place / f"average_{name}.safetensors"))
        kept = torch.load(place / "optimizers.pt", weights_only=True, map_location="cpu")
        scale = kept["scaler"]
        if state.accelerator.scaler is not None and scale is not None:  # of a run in another precision there is none
            state.accelerator.scaler.load_state_dict(scale)
        about = read_state(place)
        state.step, state.search = about["step"], Search.from_dict(about.get("search", {}))
        moments = {side: kept[side] for side in state.optimizers}
    except _DAMAGED as error:
        raise ValueError(_unreadable(place, error)) from error
    for side, optimizer in state.optimizers.items():
        _go_on(optimizer, side, moments[side], origin, now)


def _refuse_other_networks(state: State, origin: Origin, now: Flat) -> None:
    """Compare names and shapes of all weights before one of them is taken."""
    place = origin.checkpoint
    assert place is not None
    if state.averages and not (place / "average_generator.safetensors").is_file():
        changed = origin.changed(now, "training.average") or f"training.average: {place} has no averages"
        raise ValueError(f"{changed}; {_alone(place)}")
    for name, module in state.bare.items():
        own = {key: list(value.shape) for key, value in module.state_dict().items()}
        path = place / f"{name}.safetensors"
        try:
            given = weight_shapes(path)
        except (OSError, SafetensorError) as error:
            changed = "" if path.exists() else origin.changed(now, "model.")
            raise ValueError(f"{changed}; {_alone(place)}" if changed else _unreadable(place, error)) from error
        if own != given:
            changed = origin.changed(now, *_sections(name)) or f"{name}: {place} holds another network"
            fit = name == "scheme" and all(given.get(key) in (None, own[key]) for key, _ in module.named_parameters())
            raise ValueError(f"{changed}; {_alone(place) if fit else 'set it back, or begin anew in a new --run.dir'}")


def _alone(place: Path) -> str:
    """The way out for whoever wants the change."""
    return f"set it back, or take weights alone, into a new --run.dir, with --training.start_from {as_word(place)}"


def _go_on(optimizer: Optimizer, side: Side, moments: dict[str, Any], origin: Origin, now: Flat) -> None:
    assert origin.checkpoint is not None
    try:
        optimizers.go_on(optimizer, side, moments)
    except (ValueError, KeyError, TypeError) as error:
        changed = origin.changed(now, f"{optimizers.option(side)}.") or str(error)
        raise ValueError(f"{changed}, and its moments serve no other optimizer; {_alone(origin.checkpoint)}") from error


def sweep(run: Path) -> None:
    """Remove what a killed process left half written."""
    for path in (run / "checkpoints").glob(f"{_UNFINISHED}*"):
        shutil.rmtree(path)


def _write(state: State, measured: Measured, folder: Path, pairs: dict[str, Any]) -> None:
    for name, module in state.bare.items():
        _save_weights(module.state_dict(), folder / f"{name}.safetensors")
    for name, average in state.averages.items():
        _save_weights(average.weights, folder / f"average_{name}.safetensors")
    scaler = state.accelerator.scaler
    moments = {side: optimizers.saved(optimizer) for side, optimizer in state.optimizers.items()}
    torch.save(moments | {"scaler": scaler.state_dict() if scaler else None}, folder / "optimizers.pt")
    about = {"step": state.step, "seed": state.seed, "measured": measured.as_dict(), "pairs": pairs} | _search(state)
    (folder / "state.json").write_text(json.dumps(about | {"format": FORMAT, "atme": atme.__version__}, indent=2))
    for path in folder.iterdir():
        _sync(path)


def _search(state: State) -> dict[str, Any]:
    return {"search": state.search.as_dict()}


def _save_weights(weights: dict[str, Tensor], path: Path) -> None:
    save_file({name: weight.detach().cpu().contiguous() for name, weight in weights.items()}, path)


def _sync(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on disk.

    Windows syncs only what may be written, and opens no folder.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    except PermissionError:
        if path.is_dir():
            return
        raise
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sections(role: str) -> tuple[str, ...]:
    """The options that decide the names and shapes of a network's weights."""
    match role:
        case "scheme":
            return ("noise.", "discriminator.", "model.")
        case "generator" | "discriminator":
            return (f"{role}.", "model.")
        case _:
            return (f"networks.{role}.", "model.")


def _unreadable(place: Path, error: Exception) -> str:
    return (
        f"{place}: the checkpoint cannot be read ({_short(error)}); remove this folder, and --training.resume auto "
        "goes on from the checkpoint before it"
    )


def _short(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
