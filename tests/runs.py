"""Runs that were never trained: networks whose answers are known, in a folder like that of a training."""

import json
import threading
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
import yaml
from jsonargparse import ArgumentParser
from safetensors.torch import save_file
from torch import Tensor, nn

from atme.inference import Translator
from atme.models.build import Measured, add_arguments, build
from atme.run_folder import checkpoint_path


class Copy(nn.Module):
    """A generator that answers with what it reads, in as many channels as it shall write.

    Args:
        in_channels: that it reads.
        out_channels: that it writes.
        stride: of which sides must be multiples.
    """

    seen: ClassVar[list[tuple[int, int]]] = []
    """Height and width of each image that any of them read."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 8) -> None:
        super().__init__()
        self.stride, self.out_channels = stride, out_channels
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, image: Tensor, level: Tensor | None = None) -> Tensor:
        assert image.shape[-2] % self.stride == image.shape[-1] % self.stride == 0
        Copy.seen.append((image.shape[-2], image.shape[-1]))
        same = image.shape[1] == self.out_channels
        answer = image if same else image.mean(dim=1, keepdim=True).expand(-1, self.out_channels, -1, -1)
        return answer * self.gain


class RedIfSmall(Copy):
    """Paints dark disks on bright ground: red what is small among the nine pixels around, blue what is large."""

    def forward(self, image: Tensor, level: Tensor | None = None) -> Tensor:
        Copy.seen.append((image.shape[-2], image.shape[-1]))
        dark = (image.mean(dim=1, keepdim=True) < 0.2).float()  # (B, 1, H, W)
        small = F.avg_pool2d(dark, 9, stride=1, padding=4) < 0.3
        red, blue, white = (image.new_tensor(color).view(1, 3, 1, 1) for color in ((1, -1, -1), (-1, -1, 1), (1, 1, 1)))
        return torch.where(dark > 0, torch.where(small, red, blue), white) * self.gain


def sections(generator: object = "runs.Copy", **data: object) -> dict[str, Any]:
    """Options of a run: a generator, and keys of the data section."""
    given = generator if isinstance(generator, dict) else {"class_path": generator}
    return {
        "model": {"class_path": "atme.Pix2Pix"},
        "generator": given,
        "discriminator": {"class_path": "atme.PatchGAN", "init_args": {"layers": 1, "dim": 4}},
        "noise": {"class_path": "atme.Identity"},
        "initialization": {"scheme": "normal", "gain": 0.02},
        "data": data,
    }


def measured(source: int = 3, target: int = 3, *, target_bits: int = 8) -> Measured:
    """What was measured of pairs of so many channels."""
    return Measured(source, target, 4, 32, 32, 1, 8, target_bits)


def make_run(folder: Path, options: dict[str, Any], sizes: Measured, *, steps: tuple[int, ...] = (4,)) -> Path:
    """Write a run, with a checkpoint after so many updates each."""
    parser = ArgumentParser(exit_on_error=False)
    add_arguments(parser)
    parts = {name: options[name] for name in options if name not in ("data", "run", "training")}
    torch.manual_seed(0)
    _, networks = build(parser.instantiate(parser.parse_object(parts)), sizes)
    for step in steps:
        place = checkpoint_path(folder, step)
        place.mkdir(parents=True)
        for name, module in networks.items():
            weights = module.state_dict()
            save_file({key: value.contiguous() for key, value in weights.items()}, place / f"{name}.safetensors")
        state = {"step": step, "seed": 0, "measured": sizes.as_dict()}
        (place / "state.json").write_text(json.dumps(state))
    (folder / "options.yaml").write_text(yaml.safe_dump(options | {"run": options.get("run", {"dir": str(folder)})}))
    return folder


def translator(
    folder: Path, sizes: Measured | None = None, generator: object = "runs.Copy", **data: object
) -> Translator:
    """The translator of such a run."""
    run = make_run(folder, sections(generator, **data), sizes or measured())
    return Translator.from_run(run, device="cpu", trust=True)


class Stuck(Copy):
    """A generator that never answers."""

    def forward(self, image: Tensor, level: Tensor | None = None) -> Tensor:
        threading.Event().wait()
        return image
