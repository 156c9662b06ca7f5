"""Translates a picture in tiles or in strips: from pixels to pixels, with a strip of floats at a time."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from atme.data.shapes import Size
from atme.images import Pixels, to_array
from atme.inference.appetite import Appetite, appetite
from atme.inference.strips.game import play
from atme.inference.strips.networks import generated, require_known
from atme.inference.strips.rows import Rows, continued, cropped, of_pixels
from atme.inference.strips.shelf import Shelf
from atme.inference.strips.tiles import axis, tiled
from atme.inference.tiling import UNDOUBTED, Tiling, Way, choose, free, in_tiles, large_picture
from atme.models import Networks, Pix2Pix, Regression, TranslationModel
from atme.models.knowledge import Knowledge

ENOUGH = 2**28
"""Bytes for a strip of W beside tiles: higher strips are no faster."""


class Large:
    """Pictures that may be too large for memory, as one translator has them.

    Args:
        model: the game.
        networks: in evaluation mode.
        knows: what the run knows of pictures.
        bf16: whether it is translated in bfloat16.
        calls: of the generator, for a translation; None for as many as the game is played with.
    """

    def __init__(
        self, model: TranslationModel, networks: Networks, knows: Knowledge, *, bf16: bool, calls: int | None = None
    ) -> None:
        self.model, self.networks, self.knows, self.bf16, self.calls = model, networks, knows, bf16, calls
        self.device = next(networks.generator.parameters()).device
        stride: Any = networks.generator.stride
        self.stride: int = stride

    @cached_property
    def appetite(self) -> Appetite:
        """What a translation takes."""
        return appetite(self.model, self.networks, channels=self.knows.source_channels, bf16=self.bf16)

    def way(self, size: Size, own: Size, *, tiling: Tiling, name: str) -> Way:
        """How a picture is translated.

        Args:
            size: (height, width) at work.
            own: (height, width) of the picture.
            tiling: what is asked for.
            name: what errors call the picture.

        Raises:
            ValueError: if it cannot be done so, or memory does not suffice.
        """
        limit = tiling.limit or free(self.device)
        if tiling.tile is not None and tiling.limit is None:
            return in_tiles(tiling, size, tile=tiling.tile, stride=self.stride, memory=min(limit, ENOUGH))
        if tiling.tile is None and tiling.limit is None and UNDOUBTED * size[0] * size[1] < limit:
            return Way()
        large = large_picture(
            size, own, self.knows, in_tensors=not isinstance(self.model, Pix2Pix | Regression), name=name
        )
        way = choose(tiling, large, appetite=self.appetite, limit=limit, stride=self.stride)
        if way.strips:
            require_known(self.networks.generator)
        return way

    def translate(self, pixels: Pixels, *, way: Way, bits: int, seed: int, scratch: Path | None) -> Pixels:
        """Translate pixels (H, W, C), uint8 or uint16, into (H, W, C').

        Args:
            pixels: at work.
            way: in tiles, or in strips.
            bits: of each value of the translation.
            seed: of what the model draws.
            scratch: folder on whose disk maps are kept meanwhile.

        Raises:
            ValueError: if the networks do not work in strips, or memory does not suffice.
            OSError: if the disk is full.
        """
        generator: Any = self.networks.generator
        shelf = Shelf(memory=way.memory, device=self.device, folder=scratch)

        def generate(image: Rows, level: Tensor, latent: Tensor | None) -> Rows:
            if way.tile is None:
                return shelf.store(generated(generator, image, level, latent, shelf))
            more = () if latent is None else (latent,)
            sides, overlap = (image.height, image.width), way.overlap
            down, across = (axis(side, tile=way.tile, overlap=overlap, stride=self.stride) for side in sides)
            return shelf.keep(tiled(lambda tile: generator(tile, level, *more), image, down=down, across=across))

        height, width, _ = pixels.shape
        source = continued(of_pixels(pixels, device=self.device), stride=self.stride)
        fake = play(self.model, self.networks, source, generate=generate, shelf=shelf, seed=seed, calls=self.calls)
        canvas = np.empty((height, width, fake.channels), np.uint8 if bits == 8 else np.uint16)

        def paint(top: int, strip: Tensor) -> None:
            canvas[top : top + strip.shape[2]] = to_array(strip[0], bits=bits)

        shelf.sweep(cropped(fake, height=height, width=width), paint)
        return canvas
