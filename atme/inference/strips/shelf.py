"""Sweeps over maps strip by strip within a given memory, and keeps maps in files."""

import os
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from atme.inference.live import Live
from atme.inference.strips.rows import Rows

FIRST = 4
"""Rows of a sweep's first strip; what they take tells how high the next strip may be."""


class Shelf:
    """Keeps maps in files without a name, which are gone with their last reader, whatever becomes of the process.

    Args:
        memory: bytes that tensors may take at once.
        device: where strips are computed.
        folder: where the files lie; None for the system's folder for temporary files.
    """

    def __init__(self, *, memory: int, device: torch.device, folder: Path | None = None) -> None:
        self.memory, self.device, self.folder = memory, device, folder

    @contextmanager
    def holding(self, *tensors: Tensor) -> Iterator[None]:
        """While these tensors are held, strips may take so much less."""
        size = sum(tensor.nbytes for tensor in tensors)
        self.memory -= size
        try:
            yield
        finally:
            self.memory += size

    def sweep(self, rows: Rows, *use: Callable[[int, Tensor], None]) -> None:
        """Compute a map once, strip by strip, each as high as memory allows.

        Args:
            rows: the map.
            use: each is called with a strip's first row and its values (1, C, h, W), from the first row to the last.

        Raises:
            ValueError: if memory does not suffice for one row.
        """
        top, height = 0, FIRST
        while top < rows.height:
            bottom = min(top + height, rows.height)
            with Live() as live:
                strip = rows.read(top, bottom)
                for each in use:
                    each(top, strip)
                del strip
            top, height = bottom, int(self.memory * (bottom - top) / max(live.peak, 1))
            if not height and top < rows.height:
                raise ValueError(f"max_memory: too little for one row of {rows.width} pixels; allow more")

    def store(self, rows: Rows, *use: Callable[[int, Tensor], None]) -> Rows:
        """Compute a map once and keep it.

        Args:
            rows: the map.
            use: as for `sweep`.

        Raises:
            ValueError: as for `sweep`.
            OSError: if the disk is full.
        """
        file = _File(self.folder, (rows.width, rows.channels))
        self.sweep(rows, file.write, *use)
        return self._rows(file, rows.height)

    def keep(self, strips: Iterable[tuple[int, Tensor]]) -> Rows:
        """Keep a map that somebody else computes, as strips (first row, (1, C, h, W)); at least one.

        Raises:
            OSError: if the disk is full.
        """
        file, bottom = None, 0
        for top, strip in strips:
            file = file or _File(self.folder, (strip.shape[3], strip.shape[1]))
            file.write(top, strip)
            bottom = top + strip.shape[2]
        assert file is not None, "a map of no rows"
        return self._rows(file, bottom)

    def _rows(self, file: "_File", height: int) -> Rows:
        width, channels = file.row
        return Rows(channels, height, width, lambda a, b: file.read(a, b).to(self.device))


class _File:
    """Rows of pixels (W, C), one after the other.

    Args:
        folder: where it lies.
        row: (W, C).

    Attributes:
        row: as given.
    """

    def __init__(self, folder: Path | None, row: tuple[int, int]) -> None:
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  see the next line
        weakref.finalize(self, self._file.close)
        self.row, self._kind = row, torch.float32

    def write(self, top: int, strip: Tensor) -> None:
        """(1, C, h, W) from row ``top`` on."""
        pixels = strip[0].permute(1, 2, 0)
        values = torch.empty(pixels.shape, dtype=strip.dtype).copy_(pixels)  # (h, W, C), one after the other
        self._kind = values.dtype
        rest, place = _bytes(values), top * values[0].nbytes
        while rest:
            done = os.pwrite(self._file.fileno(), rest, place)
            rest, place = rest[done:], place + done

    def read(self, a: int, b: int) -> Tensor:
        """The rows from a to b, (1, C, b − a, W)."""
        values = torch.empty((b - a, *self.row), dtype=self._kind)
        rest, place = _bytes(values), a * values[0].nbytes
        while rest:
            done = os.preadv(self._file.fileno(), [rest], place)
            assert done, "rows are read that were never written"
            rest, place = rest[done:], place + done
        return values.permute(2, 0, 1)[None]


def _bytes(values: Tensor) -> memoryview:
    flat: Any = values.view(torch.uint8).flatten().numpy()
    return memoryview(flat)
