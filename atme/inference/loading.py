"""From a folder on disk to networks that translate, and back."""

import json
from argparse import ArgumentError
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch
import yaml
from jsonargparse import ArgumentParser
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

import atme
from atme.data.recipes import find_root
from atme.data.tested import find_again, tested
from atme.inference.trust import require_ours
from atme.models import Networks, TranslationModel
from atme.models.build import SECTIONS, Measured, add_arguments, build
from atme.outputs import require_free
from atme.run_folder import NAMES, find_run, read_options, read_state

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
    root: Path | None = None
    """Where the run's data lies, if it is known and there."""


def load(place: str | Path, *, weights: Weights, device: str, trust: bool) -> Loaded:
    """Build a run's networks and load their weights, in evaluation mode.

    Args:
        place: a run's folder, that of one of its checkpoints, or one of ``save_pretrained``.
        weights: ``average`` takes the averaged weights where there are any.
        device: ``auto``, or a device's name.
        trust: whether options may name code that is not of this package.

    Raises:
        ValueError: if a file is missing or damaged, or names code that is not trusted.
    """
    if weights not in ("average", "last"):
        raise ValueError(f"weights: {weights!r} are none; use average or last")
    run = find_run(place)
    options, state = read_options(run.folder), read_state(run.checkpoint)
    if not trust:
        require_ours(options, run.folder)
    chosen = {name: options[name] for name in SECTIONS if name in options} | _data(options)
    measured, step = _measured(state, run.checkpoint)
    model, networks = _build({name: chosen[name] for name in SECTIONS if name in chosen}, measured, run.folder)
    averaged = weights == "average" and (run.checkpoint / _average("generator")).exists()
    for name in NAMES:
        module = getattr(networks, name)
        _load_weights(module, run.checkpoint / _file(name), strict=True)
        if averaged and (run.checkpoint / _average(name)).exists():
            _load_weights(module, run.checkpoint / _average(name), strict=False)
        module.to(_device(device)).eval()
    kind: Weights = "average" if averaged or state.get("weights") == "average" else "last"
    return Loaded(model, networks, measured, Source(run.checkpoint, step, kind), chosen, _root(run.folder, options))


def save(loaded: Loaded, folder: Path, *, overwrite: bool) -> None:
    """Write what `load` reads.

    Args:
        loaded: what is written.
        folder: made if it is missing.
        overwrite: whether files of an earlier saving may be replaced.

    Raises:
        ValueError: if files are there, or the folder is a run's or a checkpoint's.
        OSError: if the folder cannot be written.
    """
    _refuse_runs(folder)
    weights = {_file(name): getattr(loaded.networks, name).state_dict() for name in NAMES}
    if not overwrite:
        _require_new([folder / name for name in (*weights, "state.json", "options.yaml")])
    about = {
        "step": loaded.source.step,
        "weights": loaded.source.weights,
        "measured": loaded.measured.as_dict(),
        "atme": atme.__version__,
    }
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".unfinished.") as unfinished:
        made = Path(unfinished)
        for name, state in weights.items():
            save_file({key: value.contiguous().cpu() for key, value in state.items()}, made / name)
        (made / "options.yaml").write_text(yaml.safe_dump(loaded.options, sort_keys=False, allow_unicode=True), "utf-8")
        (made / "state.json").write_text(json.dumps(about, indent=2))
        for path in sorted(made.iterdir()):
            path.replace(folder / path.name)


def _refuse_runs(folder: Path) -> None:
    """A run, or a checkpoint, is no place to save to."""
    is_checkpoint = (folder / "state.json").exists() and not (folder / "options.yaml").exists()
    if is_checkpoint or any((folder / name).exists() for name in ("checkpoints", "log.jsonl", "optimizers.pt")):
        raise ValueError(f"{folder}: holds a run, which would be written over; choose another folder")


def _require_new(places: list[Path]) -> None:
    try:
        require_free(places)
    except ValueError as error:
        raise ValueError(str(error).replace("--overwrite", "overwrite=True")) from error


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
        raise ValueError(f"{checkpoint / 'state.json'}: is damaged ({error}); use another checkpoint") from error


def _build(options: dict[str, Any], measured: Measured, folder: Path) -> tuple[TranslationModel, Networks]:
    parser = ArgumentParser(exit_on_error=False)
    add_arguments(parser)
    try:
        return build(parser.instantiate(parser.parse_object(options)), measured)
    except (ArgumentError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{folder}: its options build no networks here ({reason}); see its options.yaml") from error


def _load_weights(module: nn.Module, path: Path, *, strict: bool) -> None:
    try:
        module.load_state_dict(load_file(path), strict=strict)
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path}: the weights cannot be read ({reason}); use another checkpoint") from error


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.zeros((), device=torch.device(name)).device
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device: {name} cannot be used ({reason}); use cpu or auto") from error


def _file(name: str) -> str:
    return f"{name}.safetensors"


def _average(name: str) -> str:
    return f"average_{name}.safetensors"
