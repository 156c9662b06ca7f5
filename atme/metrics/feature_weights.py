"""Networks whose features are compared (Inception, AlexNet, VGG-16), and where their weights come from.

Weights come from a file that is named, else from torch's hub cache where they lie already. Nothing is downloaded:
where neither has them, one line says which file to put where. Files are read by torch's ``weights_only``, so that
nothing in them is run.

- inception: torch-fidelity's port of the network of the FID paper: 2,048 numbers of a picture that is rounded to 8 bits
  and resized to 299×299 as TensorFlow 1 did (bilinear, no antialiasing), as published FIDs are.
- lpips: AlexNet, compared by torchmetrics, in whose package lie the linear weights of LPIPS (Zhang et al. 2018).
- dists: VGG-16, compared by torchmetrics, in whose package lie α and β of DISTS (Ding et al. 2020). Pictures keep their
  size, where the authors' example shrinks them to 256 pixels.
"""

import hashlib
import io
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

import torch
from torch import Tensor, nn

from atme.complaints import one_line
from atme.metrics.catalog import Kind, metric
from atme.metrics.scores import as_rgb, unit


@dataclass(frozen=True)
class Network:
    """Makes features or distances of pictures, RGB or gray, in [-1, 1]."""

    compute: Callable[..., Tensor]
    """Inception's: (B, C, H, W) -> (B, D). Of the others: a translation and its target, each (B, C, H, W) -> (B,)."""
    about: Mapping[str, str]
    """Which weights these are, for the protocol."""


@dataclass(frozen=True)
class Official:
    """The file that published scores are made with."""

    file: str
    address: str
    sha256: str
    """Its first eight digits."""


_TORCH = "https://download.pytorch.org/models/"

OFFICIAL: Mapping[Kind, Official] = {
    "inception": Official(
        "weights-inception-2015-12-05-6726825d.pth",
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
        "6726825d",
    ),
    "lpips": Official("alexnet-owt-7be5be79.pth", f"{_TORCH}alexnet-owt-7be5be79.pth", "7be5be79"),
    "dists": Official("vgg16-397923af.pth", f"{_TORCH}vgg16-397923af.pth", "397923af"),
}


def networks(
    names: Collection[str], *, given: Mapping[Kind, Path], device: torch.device | str = "cpu"
) -> tuple[dict[Kind, Network], list[str]]:
    """The networks that some scores need.

    Args:
        names: of scores.
        given: files of weights that were named.
        device: that they run on.

    Returns:
        Those whose weights are there; and a line on each that are missing, or not those of published scores.

    Raises:
        ValueError: if a file that was named is not there, or cannot be read.
    """
    found: dict[Kind, Network] = {}
    remarks: list[str] = []
    for kind, official in OFFICIAL.items():
        wanted = [name for name in names if metric(name).network == kind]
        if not wanted:
            continue
        path = given.get(kind) or cached(kind)
        if not path.exists() and kind not in given:
            left = f"{' and '.join(wanted)}: left out, as there are no weights of {kind}"
            remarks.append(f"{left}; put {official.address} at {path}, or name a copy of it by --weights.{kind}")
            continue
        sha256 = _hash(path, kind)
        if not sha256.startswith(official.sha256):
            remarks.append(
                f"{path}: its SHA-256 begins with {sha256[:8]}, that of {official.file} with {official.sha256}: "
                f"{' and '.join(wanted)} cannot be compared with published ones"
            )
        about = {"file": path.name, "sha256": sha256}
        found[kind] = Network(_BUILD[kind](_state(path, kind), device, path), {**about, **_ABOUT[kind]})
    return found, remarks


def cached(kind: Kind) -> Path:
    """Where torch's hub keeps such a file."""
    return Path(torch.hub.get_dir()) / "checkpoints" / OFFICIAL[kind].file


def _hash(path: Path, kind: Kind) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ValueError(f"weights.{kind}: {path} cannot be read ({error.strerror}); {_get(kind)}") from error


def _get(kind: Kind) -> str:
    return f"get {OFFICIAL[kind].address}"


def _state(path: Path, kind: Kind) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can raise anything
        raise ValueError(f"weights.{kind}: {path} is no file of weights that is safe to read; {_get(kind)}") from error
    if not isinstance(state, dict) or not all(isinstance(each, Tensor) for each in state.values()):
        raise ValueError(f"weights.{kind}: {path} holds no weights by name; {_get(kind)}")
    return state


def _inception(state: dict[str, Tensor], device: torch.device | str, path: Path) -> Callable[..., Tensor]:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    safe = io.BytesIO()
    torch.save(state, safe)  # it unpickles what it is given: only what was read safely
    safe.seek(0)
    try:
        with torch.random.fork_rng(devices=[]):
            network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=safe)
    except RuntimeError as error:
        raise _other(path, "inception", error) from error
    network.to(device)

    def features(images: Tensor) -> Tensor:
        eight = (unit(as_rgb(images)).clamp(0, 1) * 255).round().to(torch.uint8)
        return cast(Tensor, network(eight.to(device))[0])

    return features


def _lpips(state: dict[str, Tensor], device: torch.device | str, path: Path) -> Callable[..., Tensor]:
    from torchmetrics.functional.image import lpips

    with torch.random.fork_rng(devices=[]):
        network = lpips._NoTrainLpips(net="alex", pnet_rand=True)
    _load(network.net, state, path, "lpips")
    network.to(device)

    def distance(translation: Tensor, target: Tensor) -> Tensor:
        return cast(Tensor, network(*(as_rgb(each).float().to(device) for each in (translation, target)))).flatten()

    return distance


def _dists(state: dict[str, Tensor], device: torch.device | str, path: Path) -> Callable[..., Tensor]:
    from torchmetrics.functional.image import dists
    from torchvision.models import vgg

    with torch.random.fork_rng(devices=[]):
        vgg16 = SimpleNamespace(features=vgg.make_layers(vgg.cfgs["D"], batch_norm=False))
        with patch.object(dists, "vgg16", lambda weights: vgg16):  # by itself it would download VGG-16
            network = dists.DISTSNetwork()
    _load(network, state, path, "dists")
    network.eval().requires_grad_(False).to(device)

    def distance(translation: Tensor, target: Tensor) -> Tensor:
        images = (unit(as_rgb(each)).float().to(device) for each in (translation, target))
        return cast(Tensor, network(*images)).reshape(-1)

    return distance


def _load(network: nn.Module, state: dict[str, Tensor], path: Path, kind: Kind) -> None:
    """Weights of torchvision's ``features`` into the slices of them, where each layer has kept its number."""
    try:
        layers = [name for name in network.state_dict() if name.endswith((".weight", ".bias"))]
        mine = {name: state["features." + ".".join(name.split(".")[-2:])] for name in layers}
        network.load_state_dict(mine, strict=False)
    except (KeyError, RuntimeError) as error:
        raise _other(path, kind, error) from error


def _other(path: Path, kind: Kind, error: Exception) -> ValueError:
    said = one_line(error)[:200]
    return ValueError(f"weights.{kind}: {path} holds another network's weights ({said}); {_get(kind)}")


_BUILD: Mapping[Kind, Any] = {"inception": _inception, "lpips": _lpips, "dists": _dists}

_ABOUT: Mapping[Kind, Mapping[str, str]] = {
    "inception": {
        "layer": "2048 (pool3)",
        "resizer": "bilinear to 299×299 as TensorFlow 1, without antialiasing",
        "rounded_to_bits": "8",
    },
    "lpips": {"network": "AlexNet, linear weights of torchmetrics' package", "resizer": "none"},
    "dists": {"network": "VGG-16, α and β of torchmetrics' package", "resizer": "none"},
}
