"""Writes TIFFs that no library writes on demand: any photometric interpretation, depth, extra samples, planes."""

import struct
import zlib
from collections.abc import Sequence

import numpy as np
from pngs import packed

_DEFLATE = 8
_SIZES = {1: "B", 3: "H", 4: "I"}  # TIFF's field types


def tiff(
    samples: np.ndarray,
    *,
    photometric: int,
    bits: int = 8,
    extra: Sequence[int] = (),
    planar: bool = False,
    big_endian: bool = False,
    sample_format: int | None = None,
    palette: np.ndarray | None = None,
    tile: int = 0,
    compression: int = 1,
    more: Sequence[tuple[int, int, Sequence[int]]] = (),
) -> bytes:
    """The content of a TIFF.

    Args:
        samples: (H, W, samples), each of so many bits.
        photometric: 0 white is zero, 1 black is zero, 2 RGB, 3 palette, 5 CMYK, 6 YCbCr, 8 L*a*b*.
        bits: per sample: 1, 2, 4, 8, 12, 16, 32.
        extra: kinds of the samples beyond colors: 0 unknown, 1 alpha that multiplied the colors, 2 alpha.
        planar: each sample in a strip of its own.
        big_endian: MM instead of II.
        sample_format: 1 unsigned, 2 signed, 3 float.
        palette: (entries, 3) of 16 bits.
        tile: side of square tiles; 0 for one strip.
        compression: what the tag says: 1 none, 8 deflate; of others the pixels are not compressed.
        more: further tags: number, field type, values.
    """
    order = ">" if big_endian else "<"
    height, width, count = samples.shape
    planes = [samples[..., i : i + 1] for i in range(count)] if planar else [samples]
    pieces = [piece for plane in planes for piece in (_tiles(plane, tile) if tile else [plane])]
    blocks = [_packed(piece, bits, order) for piece in pieces]
    blocks = [zlib.compress(block) for block in blocks] if compression == _DEFLATE else blocks
    starts = np.cumsum([8] + [len(block) for block in blocks]).tolist()
    tags = [
        (256, 3, [width]),
        (257, 3, [height]),
        (258, 3, [bits] * count),
        (259, 3, [compression]),
        (262, 3, [photometric]),
        (277, 3, [count]),
        (284, 3, [2 if planar else 1]),
        *more,
    ]
    tags += [(322, 3, [tile]), (323, 3, [tile])] if tile else [(278, 3, [height])]
    tags += [(324 if tile else 273, 4, starts[:-1]), (325 if tile else 279, 4, [len(block) for block in blocks])]
    tags += [(338, 3, list(extra))] if extra else []
    tags += [(339, 3, [sample_format] * count)] if sample_format else []
    tags += [(320, 3, palette.T.ravel().tolist())] if palette is not None else []
    place = starts[-1] + starts[-1] % 2
    head = (b"MM\0*" if big_endian else b"II*\0") + struct.pack(f"{order}I", place)
    body = b"".join(blocks).ljust(place - 8, b"\0")
    return head + body + _directory(sorted(tags), place, order)


def _directory(tags: list[tuple[int, int, Sequence[int]]], place: int, order: str) -> bytes:
    entries, rest = struct.pack(f"{order}H", len(tags)), b""
    after = place + 2 + 12 * len(tags) + 4
    for number, kind, values in tags:
        content = struct.pack(f"{order}{len(values)}{_SIZES[kind]}", *values)
        entries += struct.pack(f"{order}HHI", number, kind, len(values))
        if len(content) <= 4:
            entries += content.ljust(4, b"\0")
        else:
            entries += struct.pack(f"{order}I", after + len(rest))
            rest += content + b"\0" * (len(content) % 2)
    return entries + bytes(4) + rest


def _tiles(plane: np.ndarray, side: int) -> list[np.ndarray]:
    height, width, _ = plane.shape
    padded = np.pad(plane, ((0, -height % side), (0, -width % side), (0, 0)))
    rows, columns = range(0, padded.shape[0], side), range(0, padded.shape[1], side)
    return [padded[y : y + side, x : x + side] for y in rows for x in columns]


def _packed(samples: np.ndarray, bits: int, order: str) -> bytes:
    if bits in (8, 16, 32):
        kind = samples.dtype.kind if samples.dtype.kind in "fi" else "u"
        return samples.astype(f"{order}{kind}{bits // 8}").tobytes()
    return b"".join(packed(row, bits) for row in samples)
