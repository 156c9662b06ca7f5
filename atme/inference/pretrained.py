"""A model to hand on, as model hubs have it: config.json, model.safetensors, and README.md, the model's card.

Classes of a user's own come along as the run keeps them, in the folder ``code``.

``config.json`` holds the options that the networks are built by, what was measured of the data, and what decides how
pictures are read: all that a translator knows. What is remembered of training images stays at home.
"""

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import torch
from safetensors.torch import save_file
from torch import Tensor

import atme
from atme import outside
from atme.inference.card import CARD, PICTURE, amended, card
from atme.inference.loading import Loaded
from atme.models.knowledge import Knowledge
from atme.outputs import require_free
from atme.run_folder import CONFIG, FORMAT, MODEL, find_run, is_handed, read_state

WRITTEN = (CONFIG, MODEL, CARD, PICTURE)

Dtype = Literal["float32", "float16", "bfloat16"]
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
"""What weights may be written in; they are computed with in float32."""

EARLIER = ("options.yaml", "state.json", *(f"{name}.safetensors" for name in ("generator", "discriminator", "scheme")))
"""What older versions wrote in place of `CONFIG` and `MODEL`."""


def save(
    loaded: Loaded,
    knows: Knowledge,
    folder: Path,
    *,
    name: str | None = None,
    license: str = "unknown",
    dtype: Dtype = "float32",
    overwrite: bool,
) -> None:
    """Write what `load` reads, and its card.

    Args:
        loaded: what is written.
        knows: what it knows of pictures.
        folder: made if it is missing.
        name: of the model, for its card; None: as the card of a folder that was handed on has it, or the folder's.
        dtype: of the weights in the file.
        license: of the weights, for the card, in a hub's word such as ``mit``.
        overwrite: whether files of an earlier saving may be replaced.

    Raises:
        ValueError: if files are there, or the folder is a run's or a checkpoint's.
        OSError: if the folder cannot be written.
    """
    _refuse_runs(folder)
    if dtype not in DTYPES:
        raise ValueError(f"dtype: {dtype!r} is none; use one of {', '.join(DTYPES)}")
    if not license.isprintable() or not license.strip():
        raise ValueError(f"license: {license!r} is none; give one of a hub's words, such as mit, or leave it out")
    code = outside.kept(find_run(loaded.source.folder).folder)
    if not overwrite:
        _require_new([folder / each for each in (*WRITTEN, *EARLIER, *(f"{outside.FOLDER}/{name}" for name in code))])
    weights, picture = _weights(loaded, DTYPES[dtype]), _picture(loaded.source.folder)
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".unfinished.") as unfinished:
        made = Path(unfinished)
        save_file(weights, made / MODEL, metadata={"format": "pt"})
        (made / CONFIG).write_text(json.dumps(_config(loaded), indent=2, ensure_ascii=False) + "\n", "utf-8")
        if picture is not None:
            shutil.copyfile(picture, made / PICTURE)
        given = _given_card(loaded.source.folder)
        if given is None:
            called = name or folder.resolve().name
            given = card(loaded, knows, name=called, license=license, picture=picture is not None)
        else:
            given = amended(given, name=name, license=license)
        (made / CARD).write_text(given, "utf-8")
        (made / MODEL).chmod((made / CONFIG).stat().st_mode)  # safetensors writes for its owner's eyes alone
        outside.keep(code, folder)
        for path in sorted(made.iterdir()):
            path.replace(folder / path.name)
    stale = EARLIER if picture is not None else (*EARLIER, PICTURE)
    for each in stale:
        (folder / each).unlink(missing_ok=True)


def _config(loaded: Loaded) -> dict[str, object]:
    published = read_state(loaded.source.folder).get("published", False)
    return {
        "library_name": "atme",
        "atme": atme.__version__,
        "format": FORMAT,
        "step": loaded.source.step,
        "weights": loaded.source.weights,
        "measured": loaded.measured.as_dict(),
        **({"published": True} if published else {}),
        "options": loaded.options,
    }


def _weights(loaded: Loaded, dtype: torch.dtype) -> dict[str, Tensor]:
    """All weights by the name of their network and their own, without what is remembered of training images."""
    states = {name: dict(module.state_dict()) for name, module in loaded.networks.items()}
    for name in loaded.networks.scheme.memory():
        del states["scheme"][name]
    return {
        f"{name}.{key}": (value.to(dtype) if value.is_floating_point() else value).detach().cpu().contiguous().clone()
        for name, state in states.items()
        for key, value in state.items()
    }


def _given_card(weights: Path) -> str | None:
    """The card of a folder that was handed on, whose run is not there to fill another one from."""
    card = weights / CARD
    return card.read_text("utf-8") if is_handed(weights) and card.is_file() else None


def _picture(weights: Path) -> Path | None:
    """The last grid of samples of a run, if these are its last weights; that of a folder that was handed on."""
    if is_handed(weights):
        return weights / PICTURE if (weights / PICTURE).is_file() else None
    run = find_run(weights)
    grids = sorted((run.folder / "samples").glob("epoch_*.png"))
    return grids[-1] if grids and run.is_last else None


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
