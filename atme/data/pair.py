"""A pair of images, one sample or a batch: what is translated, what it should become, and from where it was cut."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Pair:
    """One sample, or a batch of them: then every tensor has an axis B in front."""

    source: Tensor
    """(B, C, H, W) float32 in [-1, 1]: what is translated."""
    target: Tensor | None
    """(B, C', H, W) float32 in [-1, 1]: what it should become; None where only the source is known."""
    index: Tensor | None
    """(B,) int64: position in the training set; None outside of it: of these images nothing is remembered."""
    view: Tensor
    """(B, 2, 3) float32: affine map from the sample's normalized coordinates, x and y in [-1, 1] from edge to
    edge (``grid_sample``, align_corners=False), to the whole picture's. [[1, 0, 0], [0, 1, 0]]: the whole."""
    name: tuple[str, ...]
    """Of each image, without folder and ending."""

    def __len__(self) -> int:
        """The number of samples; 1 for a sample without the axis B."""
        return len(self.name)

    def to(self, device: torch.device | str, *, channels_last: bool = False) -> Self:
        """A batch on another device, its images as (B, H, W, C) in memory if wanted."""
        apart = torch.device(device).type != "cpu"  # a copy to the CPU must have ended before it is read
        images = torch.channels_last if channels_last else torch.preserve_format

        def moved(tensor: Tensor, layout: torch.memory_format) -> Tensor:
            return tensor.to(device, non_blocking=apart, memory_format=layout)

        return replace(
            self,
            source=moved(self.source, images),
            target=None if self.target is None else moved(self.target, images),
            index=None if self.index is None else moved(self.index, torch.preserve_format),
            view=moved(self.view, torch.preserve_format),
        )

    def pin_memory(self) -> Self:
        """The same in page-locked memory, from where a GPU copies in the background."""
        return replace(
            self,
            source=self.source.pin_memory(),
            target=None if self.target is None else self.target.pin_memory(),
            index=None if self.index is None else self.index.pin_memory(),
            view=self.view.pin_memory(),
        )

    @staticmethod
    def collate(samples: Sequence["Pair"]) -> "Pair":
        """Samples as a batch.

        Raises:
            ValueError: no sample, or samples of different size, or that know different things.
        """
        if not samples:
            raise ValueError("samples: there are none; give one or more")
        first = samples[0]
        for what in ("target", "index"):
            if len({getattr(sample, what) is None for sample in samples}) > 1:
                raise ValueError(f"samples: some have no {what}; give all of them one, or none")
        for sample in samples:
            if sample.source.shape != first.source.shape:
                shapes = f"{tuple(sample.source.shape)}, but {first.name[0]} {tuple(first.source.shape)}"
                raise ValueError(f"{sample.name[0]}: has shape {shapes}; set load_size or crop_size")
        return Pair(
            source=torch.stack([sample.source for sample in samples]),
            target=_stack([sample.target for sample in samples]),
            index=_stack([sample.index for sample in samples]),
            view=torch.stack([sample.view for sample in samples]),
            name=tuple(name for sample in samples for name in sample.name),
        )


def square(view: Tensor) -> Tensor:
    """(B, 2, 3) affine maps as (B, 3, 3) matrices in homogeneous coordinates."""
    last = view.new_tensor([0.0, 0.0, 1.0]).expand(len(view), 1, 3)
    return torch.cat([view, last], dim=1)


def _stack(tensors: Sequence[Tensor | None]) -> Tensor | None:
    known = [tensor for tensor in tensors if tensor is not None]
    assert len(known) in (0, len(tensors))
    return torch.stack(known) if known else None
