"""Pictures inside a page are the pictures they were made from."""

from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from atme.reports.embedded import Format, figure_uri, picture_uri


def decoded(uri: str) -> Image.Image:
    kind, content = uri.split(";base64,")
    picture = Image.open(BytesIO(b64decode(content)))
    assert kind == f"data:image/{str(picture.format).lower()}"
    return picture


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4)])
@pytest.mark.parametrize("format", ["png", "webp_lossless"])
def test_what_is_lossless_keeps_every_pixel(shape: tuple[int, ...], format: Format) -> None:
    pixels = np.random.default_rng(0).integers(1, 256, shape, dtype=np.uint8)
    found = np.asarray(decoded(picture_uri(pixels, format=format)))
    expected = pixels.reshape(5, 7) if pixels.size == 35 else pixels
    if found.ndim > expected.ndim:  # WebP knows no gray
        found = found[..., 0]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_what_is_not_is_near(format: Format) -> None:
    pixels = np.broadcast_to(np.linspace(0, 255, 64).astype(np.uint8)[:, None, None], (64, 48, 3))
    found = np.asarray(decoded(picture_uri(pixels, format=format)).convert("RGB"))
    assert np.abs(found.astype(int) - pixels).mean() < 2


def test_the_same_drawing_gives_the_same_bytes() -> None:
    figure = Figure()
    figure.subplots().plot([0, 1])
    assert figure_uri(figure) == figure_uri(figure)
    kind, content = figure_uri(figure).split(";base64,")
    assert kind == "data:image/svg+xml"
    assert b"<svg" in b64decode(content)
