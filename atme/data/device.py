"""Augmentation on the device that trains: pictures come whole, and a batch's views are cut out of them at once.

A view is drawn where its picture is read, from the seed, the epoch and the index alone, and is carried out where the
networks are: one warp of a whole batch by kornia, with the view itself as its matrix,

    sample(x, y) = picture(X, Y),    (X, Y)ᵀ = V (x, y, 1)ᵀ    (coordinates as in `views.py`).

So what a pair says of its view is what was done. Warps interpolate, which is what crops of changing size need; where
a crop is larger than the sample that is made of it, by a factor s, the picture is blurred first, by σ = √(s² − 1)/2
pixels (a Gaussian that leaves a box of s pixels its variance), so that nothing fine turns into patterns. Labels, which
cannot be mixed, take the nearest pixel instead, without a blur.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from kornia.filters import gaussian_blur2d
from kornia.geometry.transform import homography_warp
from numpy.typing import NDArray
from torch import Tensor

from atme import require
from atme.data.augment import Augmentation
from atme.data.kinds import PICTURES, Kinds
from atme.data.pair import Pair, square
from atme.data.shapes import Size
from atme.data.sizes import Interpolation, Sizes, in_words
from atme.data.views import Transform, Viewed
from atme.images import Pixels, centered

_CROP = 1
"""Albumentations' transforms and the crop draw from streams of a sample's seed that differ in this number."""


@dataclass(frozen=True)
class Cut:
    """How samples are made of the pictures of a batch, the same in all batches of a run."""

    size: Size
    """(height, width) of a sample."""
    interpolation: tuple[Interpolation, Interpolation]
    """Of the source and of the target."""
    shrink: tuple[float, float]
    """Vertically and horizontally, the most that a picture is shrunk by; 1 where it never is."""
    kinds: Kinds = PICTURES
    """Of source and target."""

    def half(self, pictures: Tensor, view: Tensor, *, side: int) -> Tensor:
        """Samples (B, C, h, w) in [-1, 1] of the sources (side 0) or the targets (side 1), as networks get them."""
        how = "nearest" if self.kinds.both[side] else self.interpolation[side]
        return self.kinds.on_device(self(pictures, view, how), side=side)

    def __call__(self, pictures: Tensor, view: Tensor, how: Interpolation) -> Tensor:
        """Samples (B, C, h, w) in [-1, 1] of pictures (B, H, W, C), uint8 or uint16, under views (B, 2, 3)."""
        images = centered(pictures.permute(0, 3, 1, 2).contiguous())  # (B, C, H, W)
        if how != "nearest" and max(self.shrink) > 1:
            images = self._blurred(images, self._sigma(images, view))
        return homography_warp(images, square(view), self.size, mode=how, padding_mode="border", align_corners=False)

    def _blurred(self, images: Tensor, sigma: Tensor) -> Tensor:
        """Each image by its own σ; on a CPU one by one, since some, AMD's among them, sum a batch in another order."""
        kernel, at_once = self._kernel(images), 1 if images.device.type == "cpu" else len(images)
        parts = zip(images.split(at_once), sigma.split(at_once), strict=True)
        return torch.cat([gaussian_blur2d(part, kernel, of_part) for part, of_part in parts])

    def _sigma(self, images: Tensor, view: Tensor) -> Tensor:
        """Of the blur, vertically and horizontally, in pixels: (B, 2); next to nothing where nothing is shrunk."""
        seen = torch.stack([view[:, 1, 1].abs() * images.shape[2], view[:, 0, 0].abs() * images.shape[3]], dim=1)
        shrink = seen / seen.new_tensor(self.size)
        return (shrink.square() - 1).clamp(min=1e-6).sqrt() / 2

    def _kernel(self, images: Tensor) -> tuple[int, int]:
        """Odd heights and widths that reach 3 σ of the strongest blur: no sample's depends on its batch."""
        reach = [math.ceil(1.5 * math.sqrt(max(shrink**2 - 1, 0))) for shrink in self.shrink]
        height, width = (2 * min(each, side - 1) + 1 for each, side in zip(reach, images.shape[2:], strict=True))
        return height, width


@dataclass(frozen=True)
class Uncut:
    """Pictures, and the samples still to be cut out of them; in a batch every tensor has an axis B in front."""

    source: Tensor
    """(B, H, W, C) uint8 or uint16."""
    target: Tensor
    """(B, H, W, C') uint8 or uint16."""
    index: Tensor
    """(B,) int64: position in the training set."""
    inner: Tensor
    """(B, 2, 3) float32: from the sample's normalized coordinates to those of the pictures here."""
    view: Tensor
    """(B, 2, 3) float32: from the sample's normalized coordinates to those of the whole pictures."""
    name: tuple[str, ...]
    """Of each picture, without folder and ending."""
    cut: Cut
    """How samples are made of them."""

    def __len__(self) -> int:
        """The number of samples; 1 for one without the axis B."""
        return len(self.name)

    def to(self, device: torch.device | str, *, channels_last: bool = False) -> Pair:
        """The samples of a batch, cut on a device; images as (B, H, W, C) in memory if wanted."""
        here = self._each(lambda tensor: tensor.to(device, non_blocking=True))
        return Pair(
            source=self.cut.half(here.source, here.inner, side=0),
            target=self.cut.half(here.target, here.inner, side=1),
            index=here.index,
            view=here.view,
            name=self.name,
        ).to(device, channels_last=channels_last)

    def alone(self) -> Pair:
        """The sample of a picture without the axis B, cut on the CPU."""
        pair = self.collate([self]).to("cpu")
        assert pair.target is not None
        return replace(pair, source=pair.source[0], target=pair.target[0], index=self.index, view=self.view)

    def pin_memory(self) -> Self:
        """The same in page-locked memory, from where a GPU copies in the background."""
        return self._each(Tensor.pin_memory)

    @staticmethod
    def collate(samples: Sequence["Uncut"]) -> "Uncut":
        """Pictures as a batch; all have one size (`DeviceAugmentation.check`)."""
        return Uncut(
            source=torch.stack([sample.source for sample in samples]),
            target=torch.stack([sample.target for sample in samples]),
            index=torch.stack([sample.index for sample in samples]),
            inner=torch.stack([sample.inner for sample in samples]),
            view=torch.stack([sample.view for sample in samples]),
            name=tuple(name for sample in samples for name in sample.name),
            cut=samples[0].cut,
        )

    def _each(self, change: Callable[[Tensor], Tensor]) -> Self:
        return replace(
            self,
            source=change(self.source),
            target=change(self.target),
            index=change(self.index),
            inner=change(self.inner),
            view=change(self.view),
        )


class DeviceAugmentation:
    """Draw a crop, of changing size if wanted, and a flip; a batch is cut on the device that trains.

    Args:
        load_size: what both halves are resized to first: [height, width], or a number for a square; null keeps the
            size, which then must be the same for all pictures.
        crop_size: [height, width] of a sample, or a number for a square; null takes all.
        crop_scale: least and greatest share of a picture's area that is cut out and resized to ``crop_size``; null
            cuts out as much as a sample has pixels.
        crop_ratio: least and greatest width, in relation to the height, of what is cut out, beside the sample's own:
            1 distorts nothing. Drawn on a logarithmic scale; read with ``crop_scale`` only.
        flip: mirror left and right every other time.
        transforms: of albumentations, moving both halves alike, after resizing and before the crop.
        source_transforms: of albumentations, changing the source's colors, after ``transforms``.
        interpolation: of the source and of the target: ``bilinear``, ``bicubic``, or ``nearest`` for label maps, which
            must not be mixed.

    Raises:
        ValueError: a size under 1, shares or ratios out of range, or a transform where it does not belong.
    """

    def __init__(
        self,
        *,
        load_size: int | Size | None = None,
        crop_size: int | Size | None = None,
        crop_scale: tuple[float, float] | None = None,
        crop_ratio: tuple[float, float] = (1.0, 1.0),
        flip: bool = True,
        transforms: Sequence[Transform] = (),
        source_transforms: Sequence[Transform] = (),
        interpolation: tuple[Interpolation, Interpolation] = ("bilinear", "bilinear"),
    ) -> None:
        before = Augmentation(
            load_size=load_size,
            flip=False,
            transforms=transforms,
            source_transforms=source_transforms,
            interpolation=interpolation,
        )
        self._before, self._flip, self._scale, self._ratio = before, flip, crop_scale, crop_ratio
        self._kinds = PICTURES
        self.sizes = Sizes.of(load_size, crop_size, interpolation)
        if crop_scale is not None and self.sizes.crop_size is None:
            raise ValueError("crop_scale: needs a crop_size to resize to; give one, or leave crop_scale out")
        if crop_scale is not None:
            require.numbers("crop_scale", crop_scale, count=2)
        require.numbers("crop_ratio", crop_ratio, count=2)
        if crop_scale is not None and not 0 < crop_scale[0] <= crop_scale[1] <= 1:
            raise ValueError(
                f"crop_scale: {list(crop_scale)} are no shares of an area; give two from 0 to 1, as [0.5, 1]"
            )
        if not 0 < crop_ratio[0] <= crop_ratio[1] < math.inf:
            raise ValueError(f"crop_ratio: {list(crop_ratio)} are no ratios; give two above 0, such as [0.8, 1.25]")

    def of_kinds(self, kinds: Kinds) -> Self:
        """The same for halves of these kinds.

        Raises:
            ValueError: if the source is labels, and its colors are to be changed.
        """
        changed = copy(self)
        changed._kinds, changed._before = kinds, self._before.of_kinds(kinds)
        return changed

    @property
    def in_words(self) -> str:
        """What is done, for protocols."""
        if self._scale is None:
            return self.sizes.describe("random crop of")
        shares = f"{self._scale[0]:.0%} to {self._scale[1]:.0%} of the area"
        return self.sizes.describe(f"random {shares} as")

    def check(self, sizes: Mapping[Size, str]) -> None:
        """Whether pictures of these sizes, with one picture's name for each, can be cut as batches.

        Raises:
            ValueError: naming a picture that does not fit.
        """
        loaded = {self.sizes.load_size or size: name for size, name in sizes.items()}
        after = loaded if len(loaded) > 1 else self._before.sizes_after(sizes)
        if len(after) > 1:
            (one, its_name), (other, its_other) = list(after.items())[:2]
            raise ValueError(
                f"{its_other}: comes to {in_words(other)}, and {its_name} to {in_words(one)}, but what is augmented on "
                "the device has one size; set load_size, remove transforms that change it, or augment_on workers"
            )
        self.sizes.require_fit(after, after="loading")

    def draw(self, source: Pixels, target: Pixels, *, seed: np.random.SeedSequence, name: str) -> Uncut:
        """A view of a loaded pair, (H, W, C) and (H, W, C'), to be cut out of it; its index is −1.

        Raises:
            ValueError: a transform cannot be applied to these images.
        """
        viewed = self._before.draw(source, target, seed=seed, name=name)
        height, width = viewed.source.shape[:2]
        size = self.sizes.crop_size or (height, width)
        shrink = (height / size[0], width / size[1]) if self._scale else (1.0, 1.0)
        inner = self._draw_view((height, width), size, seed)
        return Uncut(
            source=torch.from_numpy(np.require(viewed.source, requirements=["C", "W"])),
            target=torch.from_numpy(np.require(viewed.target, requirements=["C", "W"])),
            index=torch.tensor(-1),
            inner=torch.from_numpy(inner.astype(np.float32)),
            view=torch.from_numpy(_after(viewed, inner)),
            name=(name,),
            cut=Cut(size, self.sizes.interpolation, shrink, self._kinds),
        )

    def _draw_view(self, picture: Size, sample: Size, seed: np.random.SeedSequence) -> NDArray[np.float64]:
        """(2, 3), from the sample's normalized coordinates to the picture's."""
        chance = np.random.default_rng(np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, _CROP)))
        high, wide = self._draw_extent(picture, sample, chance)
        top, left = (picture[0] - high) * chance.random(), (picture[1] - wide) * chance.random()
        if self._scale is None:
            top, left = round(top), round(left)
        x, y = wide / picture[1], high / picture[0]
        mirror = -1 if self._flip and chance.random() < 0.5 else 1
        return np.array([[mirror * x, 0, 2 * left / picture[1] + x - 1], [0, y, 2 * top / picture[0] + y - 1]])

    def _draw_extent(self, picture: Size, sample: Size, chance: np.random.Generator) -> tuple[float, float]:
        """Height and width, in the picture's pixels, of what is cut out: at most the picture's."""
        if self._scale is None:
            return sample
        area = chance.uniform(*self._scale) * picture[0] * picture[1]
        ratio = math.exp(chance.uniform(math.log(self._ratio[0]), math.log(self._ratio[1]))) * sample[1] / sample[0]
        high, wide = math.sqrt(area / ratio), math.sqrt(area * ratio)
        fits = min(1.0, picture[0] / high, picture[1] / wide)
        return high * fits, wide * fits


def _after(viewed: Viewed, inner: NDArray[np.float64]) -> NDArray[np.float32]:
    """The view (2, 3) of a sample under ``inner`` of a picture that is itself a view of the whole."""
    outer = viewed.view.numpy().astype(np.float64)
    whole: NDArray[np.float64] = outer @ np.vstack([inner, [0, 0, 1]])
    return (whole + 0.0).astype(np.float32)  # no -0
