"""Pictures as data URIs: a page that holds its pictures needs no network and no second file."""

from base64 import b64encode
from io import BytesIO
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

Format = Literal["png", "jpeg", "webp", "webp_lossless"]

_SAVED: dict[Format, dict[str, Any]] = {
    "png": {"format": "PNG", "optimize": True},
    "jpeg": {"format": "JPEG", "quality": 90, "subsampling": 0},
    "webp": {"format": "WEBP", "quality": 60, "method": 2},
    "webp_lossless": {"format": "WEBP", "lossless": True, "quality": 60, "method": 2},
}


def picture_uri(pixels: NDArray[np.uint8], *, format: Format) -> str:
    """A picture as a data URI.

    Args:
        pixels: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), 8 bits a value.
        format: png and webp_lossless keep every pixel; jpeg is for photographs, webp for maps over pixels.
    """
    buffer = BytesIO()
    gray = pixels.ndim == 3 and pixels.shape[2] == 1
    Image.fromarray(pixels[:, :, 0] if gray else pixels).save(buffer, **_SAVED[format])
    return _uri(buffer, f"image/{format.removesuffix('_lossless')}")


def figure_uri(figure: Figure) -> str:
    """A drawing as a data URI; the same figure gives the same bytes."""
    buffer = BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "atme"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return _uri(buffer, "image/svg+xml")


def _uri(buffer: BytesIO, kind: str) -> str:
    return f"data:{kind};base64,{b64encode(buffer.getvalue()).decode()}"
