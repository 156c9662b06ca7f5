"""Pictures that are labels: every pixel is of one of few classes, told by a color or by a number (id).

In a file a class is a color, or the value of a single channel. On the way to a network it is the class's place among
the classes, in one byte, so that no resizing, turning or caching can mix two of them; only at the end is that painted:
a color as its file has it, or a channel for each class. Ids, which lie side by side (0, 1, 2, …) and would all look
black, are painted as grays that are evenly spread from black to white.

A pixel is of the class whose color is nearest, by the Euclidean distance in RGB: JPEG leaves few pixels what they were.
Ids are exact, and one that no class has is refused.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from atme.images.pixels import Pixels

Color = tuple[int, int, int]

NOWHERE = 255
"""What stands in a map of classes where a view leaves the picture; so there are at most 255 classes."""

_NAME = re.compile(r"\w[\w-]*")


@dataclass(frozen=True)
class Labels:
    """The classes of a label picture."""

    names: tuple[str, ...]
    """In the order of the alphabet."""
    colors: tuple[tuple[int, ...], ...]
    """What each is painted as: RGB, or a gray where files hold ids; of 8 bits."""
    ids: tuple[int, ...] | None = None
    """What files hold instead of colors."""
    ignored: tuple[str, ...] = ()
    """Classes that are neither learned nor scored."""
    thin: tuple[str, ...] = ()
    """Classes of lines, which are scored within some pixels as well."""

    @classmethod
    def of(
        cls,
        classes: Mapping[str, int | Sequence[int]],
        *,
        ignore: Sequence[str] = (),
        thin: Sequence[str] = (),
        key: str = "labels",
    ) -> Self:
        """Labels as a user writes them, in the order of their names: files of options sort them, and channels count.

        Args:
            classes: name -> color (R, G, B), or for all of them an id.
            ignore: names of classes that are neither learned nor scored.
            thin: names of classes of lines.
            key: what errors call ``classes``.

        Raises:
            ValueError: fewer than two classes that count, twice the same, or a name, color or id that is none.
        """
        for name in classes:
            if not isinstance(name, str):  # as YAML reads 0, no and null
                raise ValueError(f"{key}: {name!r} is no text, and classes have names; write it in quotes")
            if not _NAME.fullmatch(name):
                raise ValueError(f"{key}: {name!r} is no name of a class; use letters, digits, - and _")
        classes = dict(sorted(classes.items()))
        values = list(classes.values())
        if not 2 <= len(values) < NOWHERE:
            raise ValueError(f"{key}: has {len(values)} classes; name from 2 to {NOWHERE - 1}, each with a color or id")
        named = [*ignore, *thin]
        for option, name in zip(["ignore"] * len(ignore) + ["thin"] * len(thin), named, strict=True):
            if name not in classes:
                raise ValueError(f"{option}: {name!r} is none of the classes {', '.join(classes)}; use their names")
        if len(classes) - len(set(ignore)) < 2:
            raise ValueError(f"ignore: leaves fewer than two classes of {', '.join(classes)}; ignore fewer")
        ids = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
        if ids and len(ids) < len(values):
            raise ValueError(f"{key}: mixes ids and colors; give every class a number, or every class [R, G, B]")
        colors = _grays(ids) if ids else [_color(key, name, value) for name, value in classes.items()]
        for seen, value in enumerate(values):
            if value in values[:seen]:
                pair = f"{list(classes)[values.index(value)]} and {list(classes)[seen]}"
                raise ValueError(f"{key}: {pair} are both {value}; leave out one of them")
        for each in ids:
            if not 0 <= each < 2**16:
                raise ValueError(f"{key}: {each} is no id; use whole numbers from 0 to 65535")
        return cls(tuple(classes), tuple(colors), tuple(ids) or None, tuple(ignore), tuple(thin))

    @property
    def channels(self) -> int:
        """Of files and of what is painted: 3 (colors) or 1 (ids)."""
        return len(self.colors[0])

    @property
    def bits(self) -> int:
        """Of each value of a file."""
        return 16 if self.ids and max(self.ids) > 255 else 8

    @property
    def counted(self) -> tuple[int, ...]:
        """The places of the classes that are learned and scored."""
        return tuple(at for at, name in enumerate(self.names) if name not in self.ignored)

    @property
    def empty(self) -> int:
        """The class of what a view leaves empty: the first that is ignored, or else that of the darkest color."""
        if self.ignored:
            return self.names.index(self.ignored[0])
        return int(np.argmin([sum(color) for color in self.colors]))

    def require_files(self, *, channels: int, bits: int, name: str | Path) -> None:
        """Whether a file of so many channels and bits can hold these classes.

        Raises:
            ValueError: it cannot; names the file.
        """
        if channels != self.channels:
            what = "ids, in one channel" if self.ids else "colors, in three channels (RGB)"
            raise ValueError(
                f"{name}: has {channels} channels, and its labels are {what}; convert it, or name the other"
            )
        if bits > 8 and not self.ids:
            raise ValueError(f"{name}: has {bits} bits per value, and colors of labels have 8; convert it")

    def read(self, picture: Pixels, *, name: str | Path) -> Pixels:
        """The class of every pixel of a picture as files have it: (H, W, C) to places (H, W, 1) uint8.

        Raises:
            ValueError: an id that no class has, or another number of channels; names the file.
        """
        bits = 8 * picture.itemsize
        self.require_files(channels=picture.shape[2], bits=bits, name=name)
        if self.ids is None:
            return self.nearest(picture)
        table = np.full(2**bits, NOWHERE, np.uint8)
        for place, each in enumerate(self.ids):
            if each < len(table):
                table[each] = place
        places = table[picture]
        if (places == NOWHERE).any():
            unknown = int(picture[places == NOWHERE][0])
            raise ValueError(
                f"{name}: holds the id {unknown}, which no class has; name it among the labels, or remove it"
            )
        return places

    def nearest(self, picture: Pixels, *, among: Sequence[int] | None = None) -> Pixels:
        """The class whose color is nearest to each pixel: (H, W, C) uint8 to places (H, W, 1) uint8.

        Args:
            picture: painted, or near to that.
            among: places of the classes that come into question; None: all. Of equally near ones the first.
        """
        return self._sought(picture, among)[0]

    def apart(self, picture: Pixels) -> NDArray[np.float64]:
        """How far each pixel of a picture (H, W, C) uint8 is from the color of its class: (H, W) levels, in RGB."""
        return np.sqrt(self._sought(picture, None)[1], dtype=np.float64)

    def _sought(self, picture: Pixels, among: Sequence[int] | None) -> tuple[Pixels, NDArray[np.int32]]:
        """The nearest class of each pixel, places (H, W, 1) uint8, and the square of its distance, (H, W)."""
        values = picture.astype(np.int32)
        best = np.full(picture.shape[:2], np.iinfo(np.int32).max, np.int32)
        places = np.zeros(picture.shape[:2], np.uint8)
        for place in range(len(self.colors)) if among is None else among:
            apart = np.square(values - np.asarray(self.colors[place], np.int32)).sum(axis=2)
            nearer = apart < best
            places[nearer], best = place, np.minimum(best, apart)
        return places[..., None], best

    def snapped(self, picture: Pixels) -> Pixels:
        """A translation (H, W, C) as a file of labels: every pixel the nearest class that counts, as files have it."""
        eight = picture if picture.dtype == np.uint8 else (picture // 257).astype(np.uint8)
        return self.written(self.nearest(eight, among=self.counted))

    def written(self, places: Pixels) -> Pixels:
        """Places (H, W, 1) as files have them: colors, or ids."""
        if self.ids is None:
            return self.painted(places)
        kind = np.uint16 if self.bits == 16 else np.uint8
        found: Pixels = np.asarray(self.ids, kind)[places]
        return found

    def painted(self, places: Pixels) -> Pixels:
        """Places (H, W, 1) as a picture (H, W, C) uint8."""
        found: Pixels = np.asarray(self.colors, np.uint8)[places[..., 0]]
        return found

    def one_hot(self, places: Pixels) -> Pixels:
        """Places (H, W, 1) as one channel for each class that counts, 255 where it is: (H, W, K) uint8."""
        wanted = np.asarray(self.counted, np.uint8)
        found: Pixels = np.where(places == wanted, np.uint8(255), np.uint8(0))
        return found

    def filled(self, places: Pixels) -> Pixels:
        """Places without `NOWHERE`."""
        return np.where(places == NOWHERE, np.uint8(self.empty), places)

    def as_dict(self) -> dict[str, object]:
        """Plain values, for JSON: name -> color or id; and what is ignored and thin, where anything is."""
        values: Sequence[object] = [list(color) for color in self.colors] if self.ids is None else list(self.ids)
        return {
            "classes": dict(zip(self.names, values, strict=True)),
            **({"ignore": list(self.ignored)} if self.ignored else {}),
            **({"thin": list(self.thin)} if self.thin else {}),
        }


def _color(key: str, name: str, value: object) -> Color:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 3:
        raise ValueError(f"{key}.{name}: {value!r} is no color; give [R, G, B] of 0 to 255, or for all classes an id")
    if any(not isinstance(each, int) or not 0 <= each <= 255 for each in value):
        raise ValueError(f"{key}.{name}: {list(value)} is no color; give three whole numbers from 0 to 255")
    red, green, blue = value
    return red, green, blue


def _grays(ids: Sequence[int]) -> list[tuple[int]]:
    """Evenly spread from black to white, in the order of the ids."""
    order = sorted(ids)
    return [(round(255 * order.index(each) / max(len(ids) - 1, 1)),) for each in ids]
