"""Writes PNGs that no library writes on demand: any color type, depth and transparent color, EXIF where one likes."""

import struct
import zlib

import numpy as np


def png(
    samples: np.ndarray,
    *,
    color: int,
    bits: int = 8,
    transparent: bytes | None = None,
    palette: np.ndarray | None = None,
    exif: bytes | None = None,
    late: bool = False,
) -> bytes:
    """The content of a PNG.

    Args:
        samples: (H, W, samples), each of so many bits.
        color: 0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGBA.
        bits: per sample: 1, 2, 4, 8 or 16.
        transparent: content of tRNS.
        palette: (entries, 3) of 8 bits.
        exif: content of eXIf.
        late: put it behind the pixels.
    """
    height, width, _ = samples.shape
    start = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0))
    colors = b"" if palette is None else chunk(b"PLTE", palette.astype(np.uint8).tobytes())
    clear = b"" if transparent is None else chunk(b"tRNS", transparent)
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + packed(row, bits) for row in samples)))
    about = b"" if exif is None else chunk(b"eXIf", exif)
    before, after = (b"", about) if late else (about, b"")
    return b"\x89PNG\r\n\x1a\n" + start + colors + clear + before + pixels + after + chunk(b"IEND", b"")


def chunk(name: bytes, content: bytes) -> bytes:
    """One chunk of a PNG, with its checksum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def packed(row: np.ndarray, bits: int) -> bytes:
    """Samples of so many bits each, the first in the highest bits, filled up to whole bytes."""
    if bits in (8, 16):
        return row.astype(f">u{bits // 8}").tobytes()
    digits = (row.ravel()[:, None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(digits.ravel().astype(np.uint8)).tobytes()
