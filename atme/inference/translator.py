"""A trained game as a function from pictures to pictures.

A picture of any size goes through whole. Where its sides are no multiple of the generator's stride it is
continued by reflection at its right and lower edge, and the translation is cut back.
"""

import json
from argparse import ArgumentError
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from jsonargparse import ArgumentParser
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import atme
from atme.data import Pair
from atme.images import Pixels, read_image, to_array, to_tensor
from atme.models import Networks, TranslationModel
from atme.models.build import SECTIONS, Measured, add_arguments, build
from atme.run_folder import NAMES, latest, read_options, read_state

Picture = str | Path | Image.Image | Pixels
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


class Translator:
    """Translates pictures, one or many.

    Made by `from_run` or `from_pretrained`.

    Args:
        model: how the networks make a translation.
        networks: in evaluation mode, on the device they shall work on.
        measured: what they were built for.
        source: where their weights come from.
        options: the sections of a preset that built them.
        precision: ``bf16`` runs most of the network in bfloat16.
    """

    def __init__(
        self,
        model: TranslationModel,
        networks: Networks,
        *,
        measured: Measured,
        source: Source,
        options: dict[str, Any],
        precision: Literal["float32", "bf16"] = "float32",
    ) -> None:
        self.model, self.networks, self.measured = model, networks, measured
        self.source, self.options, self.precision = source, options, precision
        self.device = next(networks.generator.parameters()).device

    @classmethod
    def from_run(
        cls,
        run: str | Path,
        *,
        weights: Weights = "average",
        device: str = "auto",
        precision: Literal["float32", "bf16"] = "float32",
    ) -> Self:
        """The translator of a run's last checkpoint.

        Args:
            run: the run's folder.
            weights: ``average`` takes the averaged weights where the run has them; ``last`` the trained ones.
            device: ``auto`` takes a GPU where there is one; or a device's name, such as ``cpu`` or ``cuda:1``.
            precision: ``bf16`` is faster on most machines and a little less exact.

        Raises:
            ValueError: if the folder holds no run, or a file of it is missing or damaged.
        """
        checkpoint, options = latest(Path(run)), read_options(Path(run))
        return cls._load(checkpoint, options, weights=weights, device=device, precision=precision)

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, *, device: str = "auto", precision: Literal["float32", "bf16"] = "float32"
    ) -> Self:
        """The translator that `save_pretrained` wrote.

        Args:
            folder: where it was written.
            device: as for `from_run`.
            precision: as for `from_run`.

        Raises:
            ValueError: if a file is missing or damaged.
        """
        options = read_options(Path(folder))
        return cls._load(Path(folder), options, weights="last", device=device, precision=precision)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write what `from_pretrained` reads: the weights in use, the options, the measured sizes.

        Args:
            folder: made if it is missing; files of the same names are replaced.

        Raises:
            OSError: if the folder cannot be written.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name in NAMES:
            weights = getattr(self.networks, name).state_dict()
            save_file({key: value.contiguous().cpu() for key, value in weights.items()}, folder / _file(name))
        about = {"step": self.source.step, "measured": self.measured.as_dict(), "atme": atme.__version__}
        (folder / "state.json").write_text(json.dumps(about, indent=2))
        (folder / "options.yaml").write_text(yaml.safe_dump(self.options, sort_keys=False))

    def __call__(self, picture: Picture | Iterable[Picture], *, seed: int = 0) -> Any:
        """Translate a picture, or several.

        Args:
            picture: a path, a PIL image, an array (H, W, C) of uint8 or uint16, or a list of them, each of
                its own size.
            seed: of what the model draws; another seed is another answer, unless ``one_answer``.

        Returns:
            A PIL image of the same size; a list of them for a list.

        Raises:
            ValueError: if a picture cannot be read, or has other channels than the generator reads.
        """
        if isinstance(picture, str | Path | Image.Image | np.ndarray):
            return _to_pil(self.pixels(picture, seed=seed))
        return [_to_pil(self.pixels(each, seed=seed)) for each in picture]

    @property
    def one_answer(self) -> bool:
        """Whether a picture has one translation; if not, each is drawn, by a seed."""
        return self.model.one_answer

    def pixels(self, picture: Picture, *, bits: int = 8, name: str = "picture", seed: int = 0) -> Pixels:
        """Translate one picture into an array (H, W, C') of uint8, or of uint16 for ``bits=16``.

        Args:
            picture: as for a call.
            bits: of each value that is returned.
            name: what errors call a picture that is no path.
            seed: as for a call.

        Raises:
            ValueError: as for a call.
        """
        source = to_tensor(_to_array(picture))
        named = str(picture) if isinstance(picture, str | Path) else name
        if len(source) != self.measured.source_channels:
            raise ValueError(
                f"{named}: has {len(source)} channels, and the generator reads {self.measured.source_channels}; "
                "convert it first"
            )
        return to_array(self.tensor(source[None], seed=seed)[0], bits=bits)

    @torch.inference_mode()
    def tensor(self, source: Tensor, *, seed: int = 0) -> Tensor:
        """Translate a batch (B, C, H, W) in [-1, 1] into (B, C', H, W) in [-1, 1], float32, on the same device."""
        height, width = source.shape[-2:]
        padded = _pad(source.to(self.device), stride=self.networks.generator.stride)  # type: ignore[arg-type]
        view = torch.eye(2, 3, device=self.device).expand(len(source), 2, 3)
        pair = Pair(padded, None, None, view, ("",) * len(source))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            _, fake = self.model.translate(self.networks, pair, rng=torch.Generator().manual_seed(seed))
        return fake[..., :height, :width].float().clamp(-1, 1).to(source.device)

    @classmethod
    def _load(
        cls,
        folder: Path,
        options: dict[str, Any],
        *,
        weights: Weights,
        device: str,
        precision: Literal["float32", "bf16"],
    ) -> Self:
        state = read_state(folder)
        measured = Measured(**state["measured"])
        chosen = {name: options[name] for name in SECTIONS if name in options}
        model, networks = _build(chosen, measured, folder)
        weights = "average" if weights == "average" and (folder / _average("generator")).exists() else "last"
        for name in NAMES:
            module = getattr(networks, name)
            _load_weights(module, folder / _file(name), strict=True)
            if weights == "average" and (folder / _average(name)).exists():
                _load_weights(module, folder / _average(name), strict=False)
            module.to(_device(device)).eval()
        source = Source(folder, state["step"], weights)
        return cls(model, networks, measured=measured, source=source, options=chosen, precision=precision)


def _build(options: dict[str, Any], measured: Measured, folder: Path) -> tuple[TranslationModel, Networks]:
    parser = ArgumentParser(exit_on_error=False)
    add_arguments(parser)
    try:
        return build(parser.instantiate(parser.parse_object(options)), measured)
    except (ArgumentError, TypeError) as error:
        raise ValueError(f"{folder}: its options build no networks here ({error})") from error


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
        return torch.zeros((), device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device: {name} cannot be used ({reason}); use cpu or auto") from error


def _file(name: str) -> str:
    return f"{name}.safetensors"


def _average(name: str) -> str:
    return f"average_{name}.safetensors"


def _to_array(picture: Picture) -> Pixels:
    if isinstance(picture, str | Path):
        return read_image(picture)
    array = np.asarray(picture)
    return array[:, :, None] if array.ndim == 2 else array


def _to_pil(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _pad(image: Tensor, *, stride: int) -> Tensor:
    """Continue an image by reflection until its sides are multiples of the stride."""
    height, width = image.shape[-2:]
    down, right = -height % stride, -width % stride
    mode = "reflect" if down < height and right < width else "replicate"  # a reflection is at most an image long
    return F.pad(image, (0, right, 0, down), mode=mode)
