"""Checkpoints: a folder for each saved step, written whole or not at all.

    checkpoints/step_00000400/
        generator.safetensors  discriminator.safetensors  scheme.safetensors    weights, memory, statistics
        average_generator.safetensors  average_scheme.safetensors               where weights are averaged
        optimizers.pt                                                           moments, and fp16's loss scale
        state.json                                                              step, seed, measured sizes

A folder is written beside its place under another name and renamed when all its bytes are on disk: a kill, or
a full disk, leaves the checkpoints before it as they were.
"""

import json
import os
import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

import atme
from atme.models.build import Measured
from atme.run_folder import NAMES, checkpoint_path, checkpoints, read_state
from atme.training.state import State

_UNFINISHED = ".unfinished_"


def save(state: State, measured: Measured, run: Path, *, keep: int) -> Path:
    """Write a checkpoint and remove all but the last ``keep``.

    Args:
        state: what is saved.
        measured: sizes that the networks were built with.
        run: the run's folder.
        keep: checkpoints that stay, this one included; at least 1.

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
        _write(state, measured, unfinished)
    except (OSError, SafetensorError, RuntimeError) as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise OSError(f"{place}: the checkpoint could not be written ({error}); earlier ones are whole") from error
    unfinished.rename(place)
    _sync(place.parent)
    for old in checkpoints(run)[:-keep]:
        shutil.rmtree(old)
    return place


def load(state: State, place: Path) -> None:
    """Go on from a checkpoint, in place.

    Raises:
        ValueError: if a file is missing, damaged, or of another network.
    """
    try:
        for name in NAMES:
            getattr(state.bare, name).load_state_dict(load_file(place / f"{name}.safetensors"))
        for name, average in state.averages.items():
            average.load_state_dict(load_file(place / f"average_{name}.safetensors"))
        optimizers = torch.load(place / "optimizers.pt", weights_only=True, map_location="cpu")
        for side, optimizer in state.optimizers.items():
            optimizer.load_state_dict(optimizers[side])
        if state.accelerator.scaler is not None:
            state.accelerator.scaler.load_state_dict(optimizers["scaler"])
        state.step = read_state(place)["step"]
    except (OSError, SafetensorError, RuntimeError, KeyError, AssertionError) as error:
        raise ValueError(
            f"{place}: the checkpoint cannot be read ({_short(error)}); "
            "resume from another one with --training.resume PATH"
        ) from error


def sweep(run: Path) -> None:
    """Remove what a killed process left half written."""
    for path in (run / "checkpoints").glob(f"{_UNFINISHED}*"):
        shutil.rmtree(path)


def _write(state: State, measured: Measured, folder: Path) -> None:
    for name in NAMES:
        _save_weights(getattr(state.bare, name).state_dict(), folder / f"{name}.safetensors")
    for name, average in state.averages.items():
        _save_weights(average.weights, folder / f"average_{name}.safetensors")
    scaler = state.accelerator.scaler
    moments = {side: optimizer.state_dict() for side, optimizer in state.optimizers.items()}
    torch.save(moments | {"scaler": scaler.state_dict() if scaler else None}, folder / "optimizers.pt")
    about = {"step": state.step, "seed": state.seed, "measured": measured.as_dict(), "atme": atme.__version__}
    (folder / "state.json").write_text(json.dumps(about, indent=2))
    for path in folder.iterdir():
        _sync(path)


def _save_weights(weights: dict[str, Tensor], path: Path) -> None:
    save_file({name: weight.detach().cpu().contiguous() for name, weight in weights.items()}, path)


def _sync(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _short(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
