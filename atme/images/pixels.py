"""From pixels to floats in [-1, 1] and back, exactly.

Pixel v of n bits is (v - c) / c with c = (2ⁿ - 1) / 2: the ends of its range are exactly -1 and 1, and
rounding on the way back returns v, for every v of 8 and of 16 bits.
"""

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Pixels = NDArray[Any]
"""(H, W, C) uint8 or uint16, C in 1, 3, 4: gray, RGB, RGBA."""


def to_tensor(array: Pixels) -> Tensor:
    """Pixels (H, W, C), uint8 or uint16, as a new contiguous float32 tensor (C, H, W) in [-1, 1]."""
    center = np.float32(_center(array.dtype))
    values = np.empty((array.shape[2], *array.shape[:2]), np.float32)
    for plane, result in zip(cv2.split(array), values, strict=True):  # one plane at a time stays in the cache
        np.subtract(plane, center, out=result)
        np.divide(result, center, out=result)
    return torch.from_numpy(values)


def centered(pixels: Tensor) -> Tensor:
    """Pixels as a tensor of any shape, uint8 or uint16, as float32 in [-1, 1]: the values of ``to_tensor``."""
    center = 127.5 if pixels.dtype == torch.uint8 else 32767.5
    return pixels.to(torch.float32).sub_(center).div_(center)


def to_array(tensor: Tensor, *, bits: int = 8) -> Pixels:
    """An image (C, H, W) in [-1, 1] as pixels (H, W, C): rounded, and clipped where it leaves [-1, 1].

    Args:
        tensor: (C, H, W) of any float type, on any device.
        bits: 8 (uint8) or 16 (uint16) per value.

    Raises:
        ValueError: values that are not finite, or another number of bits.
    """
    if bits not in (8, 16):
        raise ValueError(f"bits={bits}: an image has 8 or 16 bits per value; choose one of them")
    values = tensor.detach().to("cpu", torch.float32)
    if not bool(values.isfinite().all()):
        raise ValueError("image: it has values that are not finite; the network that made it has diverged")
    kind = np.dtype(np.uint8 if bits == 8 else np.uint16)
    center = _center(kind)
    pixels = values.clamp(-1, 1).mul(center).add_(center).round_()
    return np.ascontiguousarray(pixels.permute(1, 2, 0).numpy().astype(kind))


def _center(kind: np.dtype[Any]) -> float:
    """The middle c of a pixel's range, 127.5 or 32767.5: exact in float32."""
    assert kind in (np.uint8, np.uint16), kind
    return float(np.iinfo(kind).max) / 2
