"""The ``data`` section of a preset: which pairs, in which direction, under which view."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import albumentations as A
from jsonargparse import ArgumentError, ArgumentParser

from atme import require
from atme.complaints import of_parser
from atme.data.augment import Augmentation, TestView
from atme.data.device import DeviceAugmentation
from atme.data.kinds import Kinds, LabelResizing
from atme.data.layout import Direction
from atme.data.pairs import PairedImages
from atme.data.recipes import LayoutChoice, find_root
from atme.data.shapes import Size
from atme.data.sizes import Interpolation
from atme.images.labels import Labels
from atme.yaml_files import read_yaml

_CHOICES = {
    "layout": LayoutChoice,
    "direction": Direction,
    "test_view": ("whole", "center"),
    "augment_on": ("workers", "device"),
    "source_interpolation": Interpolation,
    "target_interpolation": Interpolation,
    "source_kind": ("image", "labels"),
    "target_kind": ("image", "labels"),
    "label_resizing": LabelResizing,
    "cache": ("none", "ram", "disk"),
}

Augment: TypeAlias = Augmentation | DeviceAugmentation | TestView


@dataclass(frozen=True)
class DataOptions:
    """Which pairs a run trains on and is tested on.

    Args:
        root: a folder of pairs, or the name of a recipe, such as ``earth``.
        layout: where the pairs lie in the folder; ``auto`` finds out. ``side_by_side``: A|B in one file;
            ``two_folders``; or, where several lie there, that of A: ``trainA``, ``A/train``, … of whatever split.
        direction: ``AtoB`` translates the left half, or the first folder, into the other one.
        train_split: name of the split to train on.
        test_split: name of the split to test on.
        validation_split: name of the split that is looked at during training (``training.evaluate_every``).
        load_size: size that a picture is resized to before it is cropped, as one number or height and width;
            null keeps it.
        crop_size: size of the random crops to train on; null takes the whole picture.
        flip: mirror half of the training samples.
        test_view: what is tested of a picture, after resizing to ``test_size``: all of it, or its center,
            as large as a training crop.
        test_size: size that a picture is resized to for tests; null keeps it.
        transforms: of albumentations, moving both halves of a training pair alike, before the crop.
        source_transforms: of albumentations, changing the colors of a training pair's source alone.
        augment_on: where crop and flip are made: in the ``workers`` that read, pixel by pixel, or on the ``device``
            that trains, for a whole batch at once, where pictures of one size are sent whole.
        crop_scale: on the device: least and greatest share of a picture's area that is cut out and resized to
            ``crop_size``; null cuts out ``crop_size`` pixels as they are.
        crop_ratio: with ``crop_scale``: how much wider than high, beside ``crop_size``'s own shape, that is, at least
            and at most; 1 distorts nothing.
        source_interpolation: how pixels between pixels are found. ``nearest`` for label maps, also when they are
            resized on loading, for training and for tests; else loading averages where it shrinks, and is bicubic.
        target_interpolation: the same for the target.
        source_kind: ``image``, or ``labels``: every pixel is of one of the classes of ``source_labels``.
        target_kind: the same of the target.
        labels: the classes of a half that is labels: a name for each color [R, G, B], or for each id of a picture in
            one channel. ``atme data palette`` finds colors.
        source_labels: the same of the source alone, where both are labels and differ.
        target_labels: the same of the target alone.
        ignore: names of classes that are neither learned by the palette loss nor scored, such as what is unlabeled.
        thin: names of classes of lines, which are scored within some pixels, too.
        one_hot: give the generator a source of labels as one channel for each class, and not as colors.
        label_resizing: how labels are resized on loading: ``nearest`` takes the nearest pixel; ``area`` the color that
            is nearest to the mean of an area, which keeps thin lines together.
        clear_transparent: colors under alpha 0, which nobody sees, become 0 in training, tests and translations.
        workers: processes that read ahead; 0 reads in the training process.
        cache: keep decoded and resized training pictures in memory (``ram``) or in a file (``disk``).
        cache_dir: folder of that file; it may be deleted at any time.
    """

    root: str = "earth"
    layout: LayoutChoice = "auto"
    direction: Literal["AtoB", "BtoA"] = "AtoB"
    train_split: str = "train"
    test_split: str = "test"
    validation_split: str = "val"
    load_size: int | tuple[int, int] | None = None
    crop_size: int | tuple[int, int] | None = None
    flip: bool = True
    test_view: Literal["whole", "center"] = "whole"
    test_size: int | tuple[int, int] | None = None
    transforms: list[A.BasicTransform | A.BaseCompose] = field(default_factory=list)
    source_transforms: list[A.BasicTransform | A.BaseCompose] = field(default_factory=list)
    augment_on: Literal["workers", "device"] = "workers"
    crop_scale: tuple[float, float] | None = None
    crop_ratio: tuple[float, float] = (1.0, 1.0)
    source_interpolation: Interpolation = "bilinear"
    target_interpolation: Interpolation = "bilinear"
    source_kind: Literal["image", "labels"] = "image"
    target_kind: Literal["image", "labels"] = "image"
    labels: dict[str, int | list[int]] = field(default_factory=dict)
    source_labels: dict[str, int | list[int]] = field(default_factory=dict)
    target_labels: dict[str, int | list[int]] = field(default_factory=dict)
    ignore: list[str] = field(default_factory=list)
    thin: list[str] = field(default_factory=list)
    one_hot: bool = False
    label_resizing: LabelResizing = "nearest"
    clear_transparent: bool = True
    workers: int = 1
    cache: Literal["none", "ram", "disk"] = "none"
    cache_dir: Path | None = None

    def __post_init__(self) -> None:
        require.whole("data.workers", self.workers)  # 0 reads in the training process
        for name, among in _CHOICES.items():
            require.choice(f"data.{name}", getattr(self, name), among)
        if self.cache == "disk" and self.cache_dir is None:
            raise ValueError("data.cache_dir: cache disk needs a folder for its file; name one, or use ram")
        if self.augment_on == "workers" and (self.crop_scale is not None or self.crop_ratio != (1.0, 1.0)):
            key = "crop_ratio" if self.crop_scale is None else "crop_scale"
            raise ValueError(f"data.{key}: is read with data.augment_on device only; set that, or leave it out")
        if self.crop_scale is None and self.crop_ratio != (1.0, 1.0):
            raise ValueError("data.crop_ratio: is read with data.crop_scale only; set that too, such as [0.5, 1]")
        if self.test_view == "center" and self.crop_size is None:
            raise ValueError("data.test_view: center needs a data.crop_size to know how much of it; or use whole")
        read_kinds(self)

    def open_train(self, *, seed: int) -> PairedImages:
        """The pairs to train on, under views drawn from a seed.

        Raises:
            ValueError: naming the file or folder that does not fit.
        """
        return self._open(self.train_split, self._augmentation(), seed=seed, cached=True)

    def open_test(self, split: str | None = None) -> PairedImages:
        """The pairs of a split, the test split by default, under the test view.

        Raises:
            ValueError: naming the file or folder that does not fit.
        """
        crop = self.crop_size if self.test_view == "center" else None
        return self._open(split or self.test_split, self._test_view(self.test_size, crop), seed=0)

    def open_fixed(self, *, whole: bool = False) -> PairedImages:
        """The training pairs under one view: the center of each, as large as a training sample, or the whole.

        Raises:
            ValueError: naming the file or folder that does not fit.
        """
        crop = None if whole else self.crop_size
        pad = bool(self.transforms)  # as they may do in training
        return self._open(self.train_split, self._test_view(self.load_size, crop, pad=pad), seed=0)

    @property
    def folder(self) -> Path:
        """Where the pairs lie now.

        Raises:
            ValueError: nowhere that ``root`` leads to, with the option that says where else.
        """
        try:
            return find_root(self.root)
        except ValueError as error:
            sought = "" if Path(self.root).is_absolute() else f", sought from {Path().resolve()}"
            where = "where the pairs lie elsewhere, say so with --data.root FOLDER"
            raise ValueError(f"data.root{sought}: {error}; {where}") from error

    @property
    def kinds(self) -> Kinds:
        """Which of the halves are labels."""
        return read_kinds(self)

    @property
    def _interpolation(self) -> tuple[Interpolation, Interpolation]:
        return self.source_interpolation, self.target_interpolation

    def _augmentation(self) -> Augmentation | DeviceAugmentation:
        if self.augment_on == "workers":
            return Augmentation(
                load_size=self.load_size,
                crop_size=self.crop_size,
                flip=self.flip,
                transforms=self.transforms,
                source_transforms=self.source_transforms,
                interpolation=self._interpolation,
            )
        return DeviceAugmentation(
            load_size=self.load_size,
            crop_size=self.crop_size,
            crop_scale=self.crop_scale,
            crop_ratio=self.crop_ratio,
            flip=self.flip,
            transforms=self.transforms,
            source_transforms=self.source_transforms,
            interpolation=self._interpolation,
        )

    def _test_view(self, load_size: int | Size | None, crop_size: int | Size | None, *, pad: bool = False) -> TestView:
        return TestView(load_size=load_size, crop_size=crop_size, pad=pad, interpolation=self._interpolation)

    def _open(self, split: str, augment: Augment, *, seed: int, cached: bool = False) -> PairedImages:
        return PairedImages(
            self.folder,
            split=split,
            direction=self.direction,
            layout=self.layout,
            augment=augment,
            seed=seed,
            kinds=self.kinds,
            clear_transparent=self.clear_transparent,
            cache=self.cache if cached else "none",
            cache_dir=self.cache_dir,
        )


def read_kinds(data: DataOptions) -> Kinds:
    """The kinds of a data section's halves.

    Raises:
        ValueError: labels that are none, or a key that nothing reads.
    """
    source, target = _labels_of(data, "source"), _labels_of(data, "target")
    known = {name for labels in (source, target) if labels for name in labels.names}
    for key, names in (("ignore", data.ignore), ("thin", data.thin)):
        for name in names:
            if name not in known:
                raise ValueError(f"data.{key}: {name!r} is no class of data.labels; name one, or leave it out")
    if source is None and data.one_hot:
        raise ValueError("data.one_hot: the source is a picture; set data.source_kind labels, or leave it out")
    if not known and (data.labels or data.label_resizing == "area"):
        key = "labels" if data.labels else "label_resizing"
        raise ValueError(f"data.{key}: both halves are pictures; set data.target_kind labels, or source_kind")
    if data.label_resizing == "area" and any(labels and labels.ids for labels in (source, target)):
        raise ValueError("data.label_resizing: area averages colors, and ids have none; use nearest")
    return Kinds(source, target, data.one_hot, data.label_resizing)


def _labels_of(data: DataOptions, side: Literal["source", "target"]) -> Labels | None:
    """The classes of a half; None: it is a picture."""
    own, how = getattr(data, f"{side}_labels"), getattr(data, f"{side}_interpolation")
    if getattr(data, f"{side}_kind") == "image":
        if own:
            raise ValueError(f"data.{side}_labels: the {side} is a picture; set data.{side}_kind labels")
        return None
    classes = own or data.labels
    if not classes:
        raise ValueError(
            "data.labels: names no class; give each a color, such as {road: [255, 255, 255], ground: [0, 0, 0]}, or an "
            "id; atme data palette finds colors"
        )
    if how == "bicubic":
        raise ValueError(f"data.{side}_interpolation: {how} mixes labels; leave it out, or set data.label_resizing")
    ignore, thin = ([name for name in names if name in classes] for names in (data.ignore, data.thin))
    return Labels.of(classes, ignore=ignore, thin=thin, key=f"data.{side}_labels" if own else "data.labels")


def read_data_options(preset: Path | None, **changes: object) -> DataOptions:
    """The data section of a preset, or the defaults without one.

    Args:
        preset: a YAML file; its other sections are not read.
        changes: values set anew.

    Raises:
        ValueError: if it cannot be read, or a key or value does not fit.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(DataOptions, "data")
    section = {} if preset is None else read_yaml(preset).values.get("data", {})
    if not isinstance(section, dict):
        raise ValueError(f"{preset}: data is no section; write its keys below it, such as root")
    try:
        options: DataOptions = parser.instantiate(parser.parse_object({"data": section | changes})).data
    except (ArgumentError, TypeError) as error:
        said = of_parser(error, known=parser.get_defaults().keys())
        raise ValueError(f"{preset}: {said}" if preset else said) from error
    return options
