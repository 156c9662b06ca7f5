"""Weights of a game on disk: a file for each network, as checkpoints have them, or one for all, as hubs have it."""

from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from atme.run_folder import MODEL, is_handed


def weights_file(folder: Path, name: str) -> Path:
    """The file that holds the weights of a network.

    Args:
        folder: a checkpoint's, or one that ``save_pretrained`` wrote.
        name: of the network: its role, such as generator, discriminator or scheme.
    """
    return folder / MODEL if is_handed(folder) else folder / f"{name}.safetensors"


def holds(folder: Path, name: str) -> bool:
    """Whether a folder has weights of a network: a game without discriminator leaves none of it."""
    path = weights_file(folder, name)
    if not path.is_file():
        return False
    return path.name != MODEL or bool(_keys(path, name))


def read_network(folder: Path, name: str) -> dict[str, Tensor]:
    """The weights of a network, by their names in it.

    Raises:
        OSError: if the file cannot be read.
        SafetensorError: if it is damaged.
    """
    path = weights_file(folder, name)
    if path.name != MODEL:
        return load_file(path)
    with safe_open(path, framework="pt") as file:
        return {key.removeprefix(f"{name}."): file.get_tensor(key) for key in _keys(path, name)}


def _keys(path: Path, name: str) -> list[str]:
    with safe_open(path, framework="pt") as file:
        return [key for key in file.keys() if key.startswith(f"{name}.")]  # noqa: SIM118 - it is no mapping
