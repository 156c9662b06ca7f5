"""What the halves of pairs are: pictures, or labels, which nothing on the way to a network may mix.

A half of labels goes through loading, views and caches as places of classes (`atme.images.labels`), (H, W, 1), and is
painted at the end: by the classes' colors, or, a source that is given ``one_hot``, as a channel for each class.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from atme.data.shapes import Shapes
from atme.data.sizes import Sizes, resize
from atme.images import Pixels, centered, to_array, to_tensor
from atme.images.labels import Labels

LabelResizing = Literal["nearest", "area"]


@dataclass(frozen=True)
class Kinds:
    """The kinds of a pair's source and target."""

    source: Labels | None = None
    """Its classes; None: it is a picture."""
    target: Labels | None = None
    """The same of the target."""
    one_hot: bool = False
    """Whether networks get a channel for each class of the source, in place of its colors."""
    resizing: LabelResizing = "nearest"
    """How labels are resized on loading: by the nearest pixel; or by the mean color of an area, and the class whose
    color is nearest to that, which keeps thin lines together."""

    @property
    def both(self) -> tuple[Labels | None, Labels | None]:
        """Of source and target."""
        return self.source, self.target

    @property
    def is_plain(self) -> bool:
        """Whether both are pictures."""
        return self.source is None and self.target is None

    def loaded(self, picture: Pixels, labels: Labels | None, sizes: Sizes, *, side: int, name: str | Path) -> Pixels:
        """A half as it was read, (H, W, C), at its ``load_size``: a picture, or places of classes (H, W, 1).

        Args:
            picture: as its file has it.
            labels: of this half.
            sizes: to which of them it is resized.
            side: 0 for the source, 1 for the target.
            name: of the file, for errors.

        Raises:
            ValueError: it holds what no class has.
        """
        if labels is None:
            return sizes.load(picture, how=sizes.interpolation[side])
        return places(picture, labels, sizes.load_size, resizing=self.resizing, name=name)

    def filled(self, source: Pixels, target: Pixels) -> tuple[Pixels, Pixels]:
        """Halves under a view, in which what lies outside of the picture is of a class, too."""
        one, other = (
            half if labels is None else labels.filled(half)
            for half, labels in zip((source, target), self.both, strict=True)
        )
        return one, other

    def painted(self, source: Pixels, target: Pixels) -> tuple[Pixels, Pixels]:
        """Halves under a view as networks get them: (H, W, C) uint8 or uint16, C = K for a source that is one-hot."""
        painted = source if self.source is None else self.painted_source(source)
        return painted, target if self.target is None else self.target.painted(target)

    def painted_source(self, source: Pixels) -> Pixels:
        """A source of labels, places of classes, as networks get it."""
        assert self.source is not None
        return self.source.one_hot(source) if self.one_hot else self.source.painted(source)

    def on_device(self, pictures: Tensor, *, side: int) -> Tensor:
        """A batch of a half, (B, 1, H, W) places as `centered` has them, painted: (B, C, H, W) in [-1, 1]."""
        labels = self.both[side]
        if labels is None:
            return pictures
        at = pictures.mul(127.5).add(127.5).round().long()[:, 0]  # (B, H, W)
        each = np.arange(len(labels.names), dtype=np.uint8)[:, None, None]  # every class, a pixel each
        hot = self.one_hot and side == 0
        table = (labels.one_hot(each) if hot else labels.painted(each))[:, 0]  # (classes, C)
        values = centered(torch.from_numpy(np.ascontiguousarray(table)).to(pictures.device))
        return values[at].permute(0, 3, 1, 2).contiguous()

    def shown(self, source: Tensor) -> Tensor:
        """A source (C, H, W) in [-1, 1] as a picture for people: one that is one-hot by the colors of its classes."""
        if self.source is None or not self.one_hot:
            return source
        at = np.asarray(self.source.counted, np.uint8)[source.argmax(dim=0).cpu().numpy()]  # (H, W)
        none = (source.amax(dim=0) <= -1).cpu().numpy()
        at[none] = self.source.empty  # of a class that is ignored
        return to_tensor(self.source.painted(at[..., None]))

    def files(self, source: Tensor, target: Tensor) -> tuple[Pixels | None, Pixels | None]:
        """Halves (C, H, W) as files of labels have them; None where a half is a picture."""
        one, other = (
            None if labels is None else labels.written(labels.nearest(to_array(half)))
            for half, labels in zip((source, target), self.both, strict=True)
        )
        return one, other

    def channels(self, files: tuple[int, int]) -> tuple[int, int]:
        """Of what networks get of source and target, whose files have so many."""
        source, target = files
        if self.source is not None:
            source = len(self.source.counted) if self.one_hot else self.source.channels
        return source, target if self.target is None else self.target.channels

    def bits(self, files: tuple[int, int]) -> tuple[int, int]:
        """Per value of what networks get, likewise."""
        one, other = (8 if labels else bits for labels, bits in zip(self.both, files, strict=True))
        return one, other

    def require_files(self, shapes: Shapes, *, sides: tuple[int, int]) -> None:
        """Whether files can hold the classes.

        Args:
            shapes: what their headers say.
            sides: which of A (0) and B (1) is the source, and which the target.

        Raises:
            ValueError: they cannot; names one of them.
        """
        for labels, side, what in zip(self.both, sides, ("source", "target"), strict=True):
            if labels is not None:
                channels, bits, name = shapes.channels[side], shapes.bits[side], shapes.examples[side]
                labels.require_files(channels=channels, bits=bits, name=f"{name} ({what})")

    def as_dict(self) -> dict[str, object]:
        """Plain values, for protocols; empty where both are pictures."""
        known = {name: labels.as_dict() for name, labels in zip(("source", "target"), self.both, strict=True) if labels}
        return known | ({"resized by": self.resizing} if known else {})


PICTURES = Kinds()
"""Source and target are pictures."""


def places(
    picture: Pixels, labels: Labels, size: tuple[int, int] | None, *, resizing: LabelResizing, name: str | Path
) -> Pixels:
    """A label picture at a size (height, width), as places of classes (H, W, 1) uint8; None: at its own.

    Raises:
        ValueError: it holds what no class has; names the file.
    """
    if size is None:
        return labels.read(picture, name=name)
    if resizing == "area" and labels.ids is None:
        return labels.read(resize(picture, size), name=name)
    return resize(labels.read(picture, name=name), size, how="nearest")
