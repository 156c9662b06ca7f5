"""Weights from elsewhere to train on with: ``training.start_from``, for other data, sizes, batches, games.

Weights alone are taken: the averaged ones where there are averages. Memory, moments, averages and step begin anew. Of
the discriminator and the generator all must fit, but for what the number of channels decides; a noise scheme of
another kind begins anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from atme.models import Networks
from atme.models.build import Measured
from atme.models.weights import holds, read_network, weights_file
from atme.run_folder import find_run, read_state
from atme.training.changes import Flat, differing, resolved


@dataclass(frozen=True)
class Weights:
    """Where weights come from."""

    folder: Path
    """Holds the files: a checkpoint, or what ``save_pretrained`` wrote."""
    options: Flat
    """That its networks were built by, by dotted keys."""
    channels: tuple[int, int]
    """Of source and target."""


def find_weights(place: str) -> Weights:
    """The weights that a user means by a place.

    Args:
        place: a run's folder, a checkpoint's, or one that ``save_pretrained`` wrote.

    Raises:
        ValueError: if it is none of them.
    """
    try:
        found = find_run(place)
        measured = Measured(**read_state(found.checkpoint)["measured"])
        options = resolved(found.folder)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"training.start_from: {error}") from error
    return Weights(found.checkpoint, options, (measured.source_channels, measured.target_channels))


def start_from(networks: Networks, weights: Weights, *, measured: Measured, now: Flat) -> list[str]:
    """Take weights, in place.

    Args:
        networks: new ones.
        weights: what is taken.
        measured: what the networks were built for.
        now: the options that they were built by, by dotted keys.

    Returns:
        What the user is told.

    Raises:
        ValueError: naming the option by which the networks differ, or a damaged file.
    """
    told = [f"starts from the weights in {weights.folder}; memory, moments and step begin anew"]
    same_channels = weights.channels == (measured.source_channels, measured.target_channels)
    for name, module in networks.items():
        if name == "scheme":
            continue
        if not holds(weights.folder, name):
            told.append(f"there is no {name} in {weights.folder}: its weights begin anew")
            continue
        given, own = _read(weights.folder, name), module.state_dict()
        misfits = misfit(given, own)
        changed = _changed(weights, now, f"{name}.", f"networks.{name}.", "model.")
        if given.keys() != own.keys() or (misfits and (same_channels or changed)):
            raise ValueError(f"training.start_from: {changed or _strange(weights.folder, name, misfits)}")
        module.load_state_dict({key: own[key] if key in misfits else value for key, value in given.items()})
        if misfits:
            told.append(f"of the {name}, what reads or writes other channels begins anew: {', '.join(misfits)}")
    return told + _scheme(networks.scheme, weights, now)


def misfit(given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> list[str]:
    """Names that are on one side only, or that have two shapes."""
    names = sorted(given.keys() | own.keys())
    return [name for name in names if _shape(given.get(name)) != _shape(own.get(name))]


def weight_shapes(path: Path) -> dict[str, list[int]]:
    """The shapes of the weights in a file, by name, from its header."""
    with safe_open(path, framework="pt") as file:
        return {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118  (it is no mapping)


def _scheme(scheme: nn.Module, weights: Weights, now: Flat) -> list[str]:
    """The scheme's own weights, without what it remembers."""
    own = dict(scheme.named_parameters())
    given = {name: value for name, value in _read(weights.folder, "scheme").items() if name in own}
    if not own:
        return []
    if given.keys() != own.keys():
        return ["the noise scheme is of another kind there: its weights begin anew"]
    misfits = misfit(given, own)
    if misfits:
        changed = _changed(weights, now, "noise.")
        raise ValueError(f"training.start_from: {changed or _strange(weights.folder, 'scheme', misfits)}")
    scheme.load_state_dict(given, strict=False)
    return []


def _read(folder: Path, name: str) -> dict[str, Tensor]:
    """The weights of a network: averages of the parameters where there are any, and buffers."""
    try:
        averaged = (folder / f"average_{name}.safetensors").is_file()
        return read_network(folder, name) | (read_network(folder, f"average_{name}") if averaged else {})
    except (OSError, SafetensorError) as error:
        raise ValueError(
            f"training.start_from: {weights_file(folder, name)} cannot be read ({error}); start from another checkpoint"
        ) from error


def _changed(weights: Weights, now: Flat, *sections: str) -> str:
    for key in differing(weights.options, now, sections=sections):
        return f"{key} is {weights.options.get(key)} in {weights.folder}, and {now.get(key)} here; set it to the same"
    return ""


def _strange(folder: Path, name: str, misfits: list[str]) -> str:
    return f"{weights_file(folder, name)} holds another network ({misfits[0]}); start from another checkpoint"


def _shape(weight: Tensor | None) -> tuple[int, ...] | None:
    return None if weight is None else tuple(weight.shape)
