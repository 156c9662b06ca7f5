"""What a run knows of pictures beside its weights: how they are read, at which size, and how translations are written.

All who translate take it from here: a translator, its evaluation, and what hands it on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from atme.data.kinds import PICTURES, Kinds, places
from atme.data.options import read_data_options
from atme.data.recipes import LayoutChoice
from atme.data.shapes import Size
from atme.data.sizes import Interpolation, in_words, resize
from atme.data.tested import tested
from atme.images import Pixels
from atme.images.labels import Labels
from atme.models.build import Measured

KINDS = {1: "gray", 3: "RGB", 4: "RGBA"}
"""What pictures of so many channels are called."""


@dataclass(frozen=True)
class Knowledge:
    """What a run knows of its pictures."""

    source_channels: int
    """Of what the generator reads: 1 (gray), 3 (RGB) or 4 (RGBA); of labels that it reads one-hot one a class."""
    target_channels: int
    """The same of translations."""
    source_bits: int
    """Per value: 8 or 16."""
    target_bits: int
    """Per value of translations: 8 or 16, as the training targets have."""
    stride: int
    """Pixels: the generator works on multiples of it, to which pictures are continued and then cut back."""
    test_size: Size | None
    """(height, width) that every picture was resized to for tests; None: each was tested at its own size."""
    load_size: Size | None
    """(height, width) that training pictures were resized to; None: they were not."""
    source_interpolation: Interpolation
    """How what is translated is resized: ``nearest`` for label maps."""
    target_interpolation: Interpolation
    """The same of translations."""
    clear_transparent: bool
    """Whether colors under alpha 0 were cleared in what it was trained on."""
    layout: LayoutChoice
    """How the pairs lay in their folder."""
    direction: Literal["AtoB", "BtoA"]
    """Which half of an A|B picture was translated."""
    root: Path | None
    """The dataset's folder, if it is known and there."""
    kinds: Kinds = PICTURES
    """Which of source and target are labels, and of which classes."""

    @property
    def picture_channels(self) -> int:
        """1 (gray), 3 (RGB) or 4 (RGBA) of pictures to translate."""
        labels = self.kinds.source
        return self.source_channels if labels is None else labels.channels

    def work(self, pixels: Pixels, size: Size, *, name: str) -> Pixels:
        """A picture to translate, (H, W, C), at the size (height, width) to work at, as the generator reads it.

        Raises:
            ValueError: its pixels are to be labels, and one has no class; names the picture.
        """
        labels = self.kinds.source
        if labels is None:
            return resize(pixels, size, how=self.source_interpolation)
        found = places(pixels, labels, size, resizing=self.kinds.resizing, name=name)
        return self.kinds.painted_source(found)

    def require_labels(self) -> Labels:
        """The classes of translations.

        Raises:
            ValueError: they are pictures.
        """
        if self.kinds.target is None:
            raise ValueError(
                "as labels: the run's targets are pictures; leave it out, or train with data.target_kind labels"
            )
        return self.kinds.target

    def snapped(self, translation: Pixels) -> Pixels:
        """A translation (H, W, C) as labels: every pixel of the nearest class, by its color or its id.

        Raises:
            ValueError: targets of the run are pictures.
        """
        return self.require_labels().snapped(translation)

    @property
    def source_half(self) -> Literal["left", "right"]:
        """The half of an A|B picture that the run translates."""
        return "left" if self.direction == "AtoB" else "right"

    @property
    def scale_in_words(self) -> str:
        """The size that pictures are worked on by default."""
        if self.test_size is None:
            return "at their own size, as the run was tested"
        return f"at {in_words(self.test_size)}, as the run was tested"

    def may_be_pair(self, height: int, width: int) -> bool:
        """Whether a picture of this size looks like an A|B pair of two squares, where the run may have had such."""
        return width == 2 * height and self.layout in ("auto", "side_by_side")

    def require_source(self, channels: int, *, name: str) -> None:
        """Whether the generator can read a picture of so many channels.

        Raises:
            ValueError: naming the picture.
        """
        if channels != self.picture_channels:
            both = (channels, self.picture_channels)
            what, wanted = (f"{count} channels ({KINDS.get(count, '?')})" for count in both)
            kind = KINDS.get(self.picture_channels, "such")
            raise ValueError(f"{name}: has {what}, and the generator reads {wanted}; convert it to {kind} first")


def knowledge(options: Mapping[str, Any], measured: Measured, *, stride: int, root: Path | None = None) -> Knowledge:
    """What a run knows.

    Args:
        options: of the run; its data section may be missing, as in those that older versions saved.
        measured: of its checkpoint.
        stride: of its generator.
        root: of its data.

    Raises:
        ValueError: if the data section cannot be read.
    """
    data = read_data_options(None, **{key: value for key, value in tested(options).items() if key != "root"})
    return Knowledge(
        source_channels=measured.source_channels,
        target_channels=measured.target_channels,
        source_bits=measured.source_bits,
        target_bits=measured.target_bits,
        stride=stride,
        test_size=_size(data.test_size),
        load_size=_size(data.load_size),
        source_interpolation=data.source_interpolation,
        target_interpolation=data.target_interpolation,
        clear_transparent=data.clear_transparent,
        layout=data.layout,
        direction=data.direction,
        root=root,
        kinds=data.kinds,
    )


def _size(size: int | Size | None) -> Size | None:
    return (size, size) if isinstance(size, int) else size
