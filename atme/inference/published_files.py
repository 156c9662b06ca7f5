"""The files that the papers' authors distribute: weights as pickles of torch, and the options as a text.

A pickle may hold any code, which runs as it is read; torch's ``weights_only`` reads tensors alone and refuses the rest.
"""

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

Options = Mapping[str, str]
"""The published options by their names of today, as they are written."""

OPTION_FILES = ("train_opt.txt", "opt.txt", "test_opt.txt")
"""Where the options may be; the first that is there is read."""

_LINE = re.compile(r"\s*(\w+): (.*?)\s*(?:\[default: .*\]\s*)?")

_TODAY = {
    "which_direction": "direction",
    "loadSize": "load_size",
    "fineSize": "crop_size",
    "batchSize": "batch_size",
    "niter": "n_epochs",
    "niter_decay": "n_epochs_decay",
    "resize_or_crop": "preprocess",
    "lambda_A": "lambda_L1",
}
"""Older names of options."""


def read_published(path: Path) -> dict[str, Tensor]:
    """The weights of a ``.pth`` file by their published names, without ``module.`` before them; no code in it is run.

    Raises:
        ValueError: if it holds anything but named tensors, or is damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", UserWarning
            )  # of pickles that torch did not write: they are refused, or read
            found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path}: holds more than weights, and nothing of it was run; get one that torch.load reads with "
            "weights_only=True"
        ) from error
    except Exception as error:  # bytes that are no pickle end in errors of any kind
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(f"{path}: cannot be read as weights ({reason[0]}); get it anew") from error
    if not isinstance(found, Mapping) or not found or not all(_is_weight(*each) for each in found.items()):
        raise ValueError(f"{path}: holds no weights by their names; give a state_dict, as the authors' code saves it")
    wrapped = all(name.startswith("module.") for name in found)
    return {name.removeprefix("module.") if wrapped else name: weight for name, weight in found.items()}


def _is_weight(name: object, weight: object) -> bool:
    return isinstance(name, str) and isinstance(weight, Tensor)


def read_options_text(folder: Path) -> tuple[Path | None, Options]:
    """The options that the authors' code wrote beside the weights, and the file; none if there is none."""
    path = next((folder / name for name in OPTION_FILES if (folder / name).is_file()), None)
    if path is None:
        return None, {}
    lines = path.read_text("utf-8", errors="replace").splitlines()
    found = {match[1]: match[2] for line in lines if (match := _LINE.fullmatch(line))}
    return path, {_TODAY.get(name, name): value for name, value in found.items()}
