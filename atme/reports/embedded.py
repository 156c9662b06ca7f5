"""Pictures as data URIs: a page that holds its pictures needs no network and no second file.

Pages follow the reader's choice of a light or a dark theme, and so do drawings: they are made for the light one, and
bring along what each of their colors becomes in the dark.
"""

from base64 import b64encode
from collections.abc import Mapping
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
    return _uri(buffer.getvalue(), f"image/{format.removesuffix('_lossless')}")


def figure_uri(figure: Figure, *, in_the_dark: Mapping[str, str] | None = None) -> str:
    """A drawing as a data URI; the same figure gives the same bytes.

    Args:
        figure: Drawn for a light page.
        in_the_dark: Color -> what it becomes on a dark one, as "#rrggbb"; others stay.
    """
    buffer = BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "atme"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    drawing, _, end = buffer.getvalue().rpartition(b"</svg>")
    return _uri(drawing + _theme(in_the_dark or {}).encode() + b"</svg>" + end, "image/svg+xml")


def _theme(in_the_dark: Mapping[str, str]) -> str:
    """Rules for a drawing in whose elements every color stands as a style of their own."""
    rules = " ".join(
        f'[style*="{what}: {light}"] {{ {what}: {dark} !important; }}'
        for light, dark in in_the_dark.items()
        for what in ("fill", "stroke")
    )
    return f"<style>@media (prefers-color-scheme: dark) {{ {rules} }}</style>\n" if rules else ""


def _uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{b64encode(content).decode()}"
