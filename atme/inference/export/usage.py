"""Translate a picture with an exported model, without atme.

    python usage.py MODEL picture.png translation.png [SEED [labels]]

It needs numpy, opencv-python-headless and, for a .onnx file, onnxruntime; for a .pt2 file torch. What the model's run
knew of pictures is read from the model itself. Batches are float32 (batch, channels, height, width), red first, from -1
(black) to 1 (white). SEED matters to models that draw their answers: another one is another answer. With the word
labels, of a model whose targets are labels, every pixel is written as that of the nearest class: its color, or its id.
"""

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
READ = {1: cv2.IMREAD_GRAYSCALE, 3: cv2.IMREAD_COLOR, 4: cv2.IMREAD_UNCHANGED}
NOT_RGB = {1: None, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}


def main(model: str, source: str, output: str, seed: str = "0", written: str = "picture") -> None:
    """Translate a picture at the size that the run was tested at; the translation gets the picture's own."""
    translate, about = load(model)
    if written not in (["picture", "labels"] if about["target_labels"] else ["picture"]):
        raise SystemExit(f"{written}: the model writes {'picture or labels' if about['target_labels'] else 'pictures'}")
    pixels = read(source, about)
    height, width = pixels.shape[:2]
    small = at_work(pixels, about["work_size"] or (height, width), about)
    if min(small.shape[:2]) < about["smallest_side"]:
        raise SystemExit(f"{source}: the model takes pictures of {about['smallest_side']} pixels a side or more")
    middle = np.float32(np.iinfo(small.dtype).max / 2)
    image = ((small - middle) / middle).transpose(2, 0, 1)[None]  # (1, C, H, W) from -1 to 1
    made = translate(np.ascontiguousarray(image), *draws(about, image.shape[2:], seed=int(seed)))[0]  # (C', H, W)
    kind = np.uint16 if about["target_bits"] == 16 else np.uint8
    levels = ((made.transpose(1, 2, 0) + 1) * (np.iinfo(kind).max / 2)).round().clip(0, np.iinfo(kind).max).astype(kind)
    picture = resize(levels, (height, width), how=about["target_interpolation"])
    write(output, snapped(picture, about) if written == "labels" else picture)


def at_work(pixels: Array, size: tuple[int, ...], about: dict[str, Any]) -> Array:
    """A picture (H, W, C) at the size to work at, as the model reads it: labels painted, or one channel a class."""
    labels = about["source_labels"]
    if not labels:
        return resize(pixels, size, how=about["source_interpolation"])
    names, values = zip(*labels["classes"].items(), strict=True)
    by_id = np.ndim(values) == 1
    if about["label_resizing"] == "area" and not by_id:
        pixels = resize(pixels, size, how="area")
    apart = np.stack([np.square(pixels.astype(np.int64) - each).sum(axis=2) for each in np.array(values)])
    if by_id and apart.min(axis=0).any():
        raise SystemExit("the picture holds ids that the model does not know")
    places = resize(apart.argmin(axis=0).astype(np.uint8)[..., None], size, how="nearest")
    if about["one_hot"]:
        counted = [at for at, name in enumerate(names) if name not in labels.get("ignore", [])]
        return np.where(places == counted, 255, 0).astype(np.uint8)
    return painted(values)[places[..., 0]]


def painted(values: Sequence[Any]) -> Array:
    """Classes' colors as they are, and grays for ids: (classes, C) uint8."""
    colors = np.array(values)
    if colors.ndim == 1:
        colors = np.round(255 * np.argsort(np.argsort(colors)) / (len(values) - 1))[:, None]
    return colors.astype(np.uint8)


def snapped(picture: Array, about: dict[str, Any]) -> Array:
    """A translation (H, W, C) with every pixel as that of the nearest class: of its color, or as its id."""
    names, values = zip(*about["target_labels"]["classes"].items(), strict=True)
    counted = [at for at, name in enumerate(names) if name not in about["target_labels"].get("ignore", [])]
    apart = [np.square(picture.astype(np.int32) - painted(values)[at]).sum(axis=2) for at in counted]
    files: Array = np.array(values).reshape(len(values), -1)
    files = files.astype(np.uint8 if files.max() < 256 else np.uint16)
    places: Array = np.array(counted)[np.argmin(apart, axis=0)]
    return np.take(files, places, axis=0)


def load(model: str) -> tuple[Callable[..., Array], dict[str, Any]]:
    """The model as a function of arrays, and what its run knew of pictures."""
    if model.endswith(".onnx"):
        import onnxruntime

        session: Any = onnxruntime.InferenceSession(model)
        names = [each.name for each in session.get_inputs()]
        about = json.loads(session.get_modelmeta().custom_metadata_map["atme"])
        return lambda *arrays: session.run(None, dict(zip(names, arrays, strict=True)))[0], about
    import torch

    words = {"atme.json": ""}
    module: Any = torch.export.load(model, extra_files=words).module()

    def run(*arrays: Array) -> Array:
        with torch.no_grad():
            made: Array = module(*(torch.from_numpy(each) for each in arrays)).numpy()
        return made

    return run, json.loads(words["atme.json"])


def read(path: str, about: dict[str, Any]) -> Array:
    """A picture upright, (H, W, C) uint8 or uint16, of as many channels as the model reads, or as its labels have."""
    wanted = about["source_channels"]
    if about["source_labels"]:
        wanted = np.size(next(iter(about["source_labels"]["classes"].values())))
    plain = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    if plain is None:
        raise SystemExit(f"{path}: cannot be read as a picture")
    found = 1 if plain.ndim == 2 else plain.shape[2]
    if found != wanted:
        raise SystemExit(f"{path}: has {found} channels, and the model reads {wanted}; convert it first")
    upright = cv2.imread(path, READ[wanted] | cv2.IMREAD_ANYDEPTH)  # but for alpha, as EXIF says
    assert upright is not None
    pixels = in_order(upright)
    if about["clear_transparent"] and wanted == 4:
        pixels[pixels[..., 3] == 0] = 0
    return pixels


def write(path: str, pixels: Array) -> None:
    """An array (H, W, C) as a picture."""
    if pixels.dtype == np.uint16 and not path.lower().endswith((".png", ".tif", ".tiff")):
        raise SystemExit(f"{path}: translations have 16 bits, which PNG and TIFF hold; name it .png")
    if not cv2.imwrite(path, in_order(pixels)):
        raise SystemExit(f"{path}: cannot be written")


def in_order(pixels: Array) -> Array:
    """OpenCV's order of colors, blue first, from or to red first; always (H, W, C)."""
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    turn = NOT_RGB[pixels.shape[2]]
    return pixels if turn is None else cv2.cvtColor(pixels, turn)


def draws(about: dict[str, Any], size: tuple[int, ...], *, seed: int) -> list[Array]:
    """What the model wants drawn: for most nothing."""
    if not about["steps"]:
        return []
    rng = np.random.default_rng(seed)
    height, width = (-(-side // about["stride"]) * about["stride"] for side in size)
    noise = rng.standard_normal((1 + about["steps"], about["target_channels"], height, width), np.float32)
    return [noise, rng.standard_normal((about["steps"], about["latent"]), np.float32)]


def resize(pixels: Array, size: tuple[int, ...], *, how: str) -> Array:
    """(H, W, C) at another size, as the run did it: averaged over areas where it shrinks, else bicubic; or nearest."""
    if tuple(size) == pixels.shape[:2]:
        return pixels
    shrinks = size[0] <= pixels.shape[0] and size[1] <= pixels.shape[1]
    smooth = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    code = cv2.INTER_NEAREST_EXACT if how == "nearest" else smooth
    return cv2.resize(pixels, (size[1], size[0]), interpolation=code).reshape(size[0], size[1], -1)


if __name__ == "__main__":
    main(*sys.argv[1:])
