"""A run's folder: where what a run leaves behind lies, for all who read it.

options.yaml  log.jsonl  tensorboard/  samples/  checkpoints/step_00000400/  evaluation/test.json

And the folder that ``save_pretrained`` writes, as model hubs have them: config.json  model.safetensors  README.md
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atme import shipped
from atme.yaml_files import read_yaml

FORMAT = 1
"""Of `state.json` and what lies beside it; where there is no number, it is older than the number, and the same."""

CONFIG, MODEL = "config.json", "model.safetensors"
"""What a model hub's folder holds: options, sizes and step; and all weights."""

_NONE = "no such folder; give the folder of a run, such as runs/demo, or the name of a model that comes along: "
_NONE += ", ".join(shipped.models())

_CHECKPOINT = re.compile(r"step_(\d{8})")


@dataclass(frozen=True)
class Trained:
    """Where the weights of a run lie, and the options that they were trained with."""

    folder: Path
    """Holds ``options.yaml``: the run's folder, or one that ``save_pretrained`` wrote."""
    checkpoint: Path
    """Holds the weights and ``state.json``; the same folder for one that ``save_pretrained`` wrote."""
    is_last: bool
    """Whether the run has no later checkpoint."""


def find_run(place: str | Path) -> Trained:
    """What a user means by a run.

    Args:
        place: a run's folder, for its last checkpoint; a checkpoint's folder below it, for that one, or
            ``RUN/checkpoints/best``; a folder that ``save_pretrained`` wrote; or the name of a model that comes along,
            unless a run lies there.

    Raises:
        ValueError: if it is none of them.
    """
    place = named(place)
    if not place.is_dir():
        raise ValueError(f"{place}: {_NONE}")
    if is_handed(place):
        return Trained(place, place, is_last=True)
    if not (place / "state.json").is_file():
        return Trained(place, latest(place), is_last=True)
    if (place / "options.yaml").is_file():
        return Trained(place, place, is_last=True)
    run = run_of(place)
    return Trained(run, place, is_last=place.resolve() == latest(run).resolve())


def named(place: str | Path) -> Path:
    """The folder that a name stands for, else the place itself.

    ``RUN/checkpoints/best`` and ``RUN/checkpoints/last`` are checkpoints; the name of a model that comes along is its
    folder, unless a run lies there.

    Raises:
        ValueError: if the run has no such checkpoint.
    """
    place = Path(place)
    if place.parent.name == "checkpoints" and place.name in _NAMED and not place.exists():
        return _NAMED[place.name](place.parent.parent)
    is_run = any((place / name).exists() for name in ("options.yaml", "state.json", "checkpoints", CONFIG))
    return place if is_run else shipped.model(str(place)) or place


def is_handed(place: Path) -> bool:
    """Whether a folder is laid out as model hubs have them."""
    return (place / CONFIG).is_file() and not (place / "options.yaml").exists()


def run_of(place: str | Path) -> Path:
    """The folder of a run, which may be given by one of its checkpoints.

    Raises:
        ValueError: if a checkpoint lies outside of its run.
    """
    place = named(place)
    if (place / "options.yaml").is_file() or not (place / "state.json").is_file():
        return place
    for run in (place.parent.parent, place.resolve().parent.parent):
        if (run / "options.yaml").is_file():
            return run
    raise ValueError(
        f"{place}: a checkpoint without its run; give one that lies in RUN/checkpoints, beside options.yaml"
    )


def checkpoint_path(run: Path, step: int) -> Path:
    """The place of the checkpoint after a number of updates."""
    return run / "checkpoints" / f"step_{step:08d}"


def checkpoints(run: Path) -> list[Path]:
    """The whole checkpoints of a run, by step."""
    folder = run / "checkpoints"
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _CHECKPOINT.fullmatch(path.name))


def latest(run: Path) -> Path:
    """The last checkpoint of a run.

    Raises:
        ValueError: if there is no run, or it has no checkpoint.
    """
    if not run.is_dir():
        raise ValueError(f"{run}: {_NONE}")
    places = checkpoints(run)
    if not places:
        raise ValueError(f"{run}: no checkpoint in this folder; give the folder of a run that was trained")
    return places[-1]


def best(run: Path) -> Path:
    """The best checkpoint of a run, by the scores that it was looked at with (``training.keep_best``).

    Raises:
        ValueError: if there is no run, none was kept as the best, or it is not there any more.
    """
    last = latest(run)
    found = (read_state(last).get("search") or {}).get("best")
    if not found:
        raise ValueError(
            f"{run / 'checkpoints' / BEST}: none was kept as the best; train with --training.keep_best, or give one of "
            f"{', '.join(place.name for place in checkpoints(run))}"
        )
    place = checkpoint_path(run, found["step"])
    if not place.is_dir():
        raise ValueError(f"{place}: the best checkpoint is not there any more; give another one, such as {last}")
    return place


BEST, LAST = "best", "last"
_NAMED = {BEST: best, LAST: latest}


def scores_folder(place: Trained) -> Path:
    """Where scores of a checkpoint lie."""
    return results_folder(place, "evaluation")


def results_folder(place: Trained, kind: str) -> Path:
    """Where results of a kind lie: an earlier checkpoint has a folder of its own; those of a model that came along lie
    where one works, in ``KIND/NAME``."""
    if shipped.is_model(place.folder):
        return Path(kind) / place.folder.name
    folder = place.folder / kind
    return folder if place.is_last else folder / place.checkpoint.resolve().name


def read_state(checkpoint: Path) -> dict[str, Any]:
    """``state.json`` of a checkpoint: step, seed, and the measured sizes.

    Raises:
        ValueError: if it is missing or damaged.
    """
    if is_handed(checkpoint):
        return _read_config(checkpoint)
    try:
        state: dict[str, Any] = json.loads((checkpoint / "state.json").read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{checkpoint}: not a checkpoint ({error}); give a folder named step_########") from error
    _refuse_later(state, checkpoint / "state.json")
    return state


def _refuse_later(state: Any, path: Path) -> None:
    """Refuse what a later version wrote.

    Raises:
        ValueError: naming file and format.
    """
    number = state.get("format", FORMAT) if isinstance(state, dict) else FORMAT  # damaged: its readers say so
    if number != FORMAT:
        raise ValueError(
            f"{path}: is of format {number}, written by atme {state.get('atme', '?')}, and this version reads format "
            f"{FORMAT}; update atme (pip install -U atme)"
        )


def read_options(run: Path) -> dict[str, Any]:
    """``options.yaml`` of a run, as plain values; of a hub's folder what ``config.json`` holds of it.

    Raises:
        ValueError: if it is missing or damaged.
    """
    return _read_config(run)["options"] if is_handed(run) else read_yaml(run / "options.yaml").values


def _read_config(folder: Path) -> dict[str, Any]:
    """``config.json``: what a checkpoint has in ``state.json``, and the options."""
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read ({error}); get the folder anew") from error
    if not isinstance(config, dict) or not isinstance(config.get("options"), dict):
        raise ValueError(f"{path}: holds no options of a model of atme; give a folder that save_pretrained wrote")
    _refuse_later(config, path)
    return config


def read_log(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's ``log.jsonl``; a last line that a kill cut off is left out.

    Raises:
        ValueError: if another line is damaged.
    """
    path = run / "log.jsonl"
    if not path.exists():
        return []
    lines = path.read_text().split("\n")
    objects = []
    for number, line in enumerate(lines, 1):
        try:
            if line:
                objects.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number == len(lines):
                break
            raise ValueError(f"{path}, line {number}: not JSON ({error}); repair or remove the line") from error
    return objects
