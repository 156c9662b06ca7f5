"""Translate files as planned, in batches of one size: each is read once and written whole, and all goes to its end."""

import errno
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from math import prod
from pathlib import Path

import numpy as np
import torch

from atme.data.halves import cut
from atme.data.shapes import Size
from atme.images import Pixels, read_image, to_array, to_tensor, write_image
from atme.inference.at_once import at_once
from atme.inference.files import Plan
from atme.inference.pictures import at_work, named
from atme.inference.tiling import UNDOUBTED, free
from atme.inference.translator import Translator
from atme.networks.kernels import left_out

PIXELS = 2**16
"""Of a batch, on a CPU: beyond, maps fall out of the caches. Two cores, a U-Net of dim 32, float32 and bfloat16: eight
pictures of 64×64 pixels took 0.7 and 0.4 times as long at once as one by one, four of 128×128 0.96 and 0.8 times, and
four of 256×256 1.2 times."""
MOST = 16
"""Pictures of a batch."""
ON_A_GPU = 16
"""Times as many pixels."""
WORTH_COMPILING = 20
"""Pictures: compiling takes some 7 s where it was not done before, and saves 0.6 s of each 256×256 pixels in float32,
and 0.2 s in bf16 (a U-Net of dim 64, one core)."""

Task = tuple[Path, tuple[Path, ...]]
Answer = tuple[Path, str | None]


def translate_files(translator: Translator, planned: Plan, *, batch: int | None = None) -> Iterator[Answer]:
    """Translate pictures of one size together, and on a CPU as many batches at once as PyTorch would use threads.

    Each picture is yielded once its translations are written.

    Args:
        translator: of a run.
        planned: as `plan` made it.
        batch: pictures of one size that are translated together; None for as many as it pays for.

    Yields:
        The file that was read, and None, or why it could not be translated.

    Raises:
        OSError: if the disk takes no more.
    """
    batches = _batches(planned, most=batch, gpu=translator.device.type != "cpu")
    work = partial(_tried, translator, planned)
    if len(planned.pairs) < WORTH_COMPILING:
        work = left_out()(work)
    for tasks, made in at_once(work, batches, workers=_workers(translator, planned, batches)):
        for (path, places), answers in zip(tasks, made, strict=True):
            yield path, answers if isinstance(answers, str) else _written(path, places, answers)


def _batches(planned: Plan, *, most: int | None, gpu: bool) -> list[list[Task]]:
    """Pictures of one size each, from the smallest to the largest."""
    found: list[list[Task]] = []
    by_size = sorted(planned.pairs, key=lambda task: planned.sizes[task[0]])
    for size, group in groupby(by_size, key=lambda task: planned.sizes[task[0]]):
        tasks, several = list(group), most or _worth(size, gpu=gpu)
        found.extend(tasks[first : first + several] for first in range(0, len(tasks), several))
    return found


def _worth(size: Size, *, gpu: bool) -> int:
    """How many pictures of a size it pays to translate together."""
    pixels = PIXELS * (ON_A_GPU if gpu else 1)
    return max(1, min(MOST, pixels // (size[0] * size[1])))


def _workers(translator: Translator, planned: Plan, batches: Sequence[Sequence[Task]]) -> int:
    """How many batches go at once: one a thread of PyTorch's, where they share nothing and have memory enough."""
    asked, device = planned.tiling, translator.device
    limited = asked.tile is not None or asked.limit is not None or asked.exact
    if device.type != "cpu" or translator.as_trained or limited or not _of_this_package(translator):
        return 1
    workers = max(1, min(len(batches), torch.get_num_threads()))
    largest = max((prod((len(tasks), *planned.sizes[tasks[0][0]])) for tasks in batches), default=0)
    enough = workers * UNDOUBTED * largest < free(device)
    return workers if enough or workers * translator.large.appetite.of(1, largest) < free(device) else 1


def _of_this_package(translator: Translator) -> bool:
    """Whether all that translates is known to keep nothing from one line to the next that two threads could share."""
    parts = [translator.model, *(part for network in translator.networks.values() for part in network.modules())]
    return all(type(part).__module__.partition(".")[0] in ("atme", "torch") for part in parts)


def _tried(translator: Translator, planned: Plan, tasks: Sequence[Task]) -> list[list[Pixels] | str]:
    """For each picture its answers, or why there are none; where something is wrong, each goes for itself."""
    try:
        return list(_answers(translator, planned, [path for path, _ in tasks]))
    except ValueError as error:
        if len(tasks) > 1:
            return [each for task in tasks for each in _tried(translator, planned, [task])]
        return [named(tasks[0][0], str(error))]


def _answers(translator: Translator, planned: Plan, paths: Sequence[Path]) -> list[list[Pixels]]:
    """For each picture its answers, one a seed."""
    knows = translator.knows
    pictures = [
        cut(read_image(path, clear=knows.clear_transparent), half=planned.half, name=str(path)) for path in paths
    ]
    answers: list[list[Pixels]] = [[] for _ in paths]
    for seed in range(planned.seed, planned.seed + planned.samples):
        made = pictures
        for _ in range(planned.passes):
            works = [
                at_work(each, planned.scale, knows, name=str(path)) for each, path in zip(made, paths, strict=True)
            ]
            made = translator.together(works, seed=seed, tiling=planned.tiling)
        for each, picture, translation in zip(answers, pictures, made, strict=True):
            final = knows.snapped(translation) if planned.as_labels else translation
            each.append(beside(picture, final) if planned.compare else final)
    return answers


def _written(path: Path, places: Sequence[Path], answers: Sequence[Pixels]) -> str | None:
    """Write a picture's answers; why it could not be done, in words, if it is the picture's own fault."""
    try:
        for place, answer in zip(places, answers, strict=True):
            place.parent.mkdir(parents=True, exist_ok=True)
            write_image(place, answer)
    except ValueError as error:
        return named(path, str(error))
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return f"{path}: its translation would have too long a name; rename it"
    return None


def beside(picture: Pixels, translation: Pixels) -> Pixels:
    """A|B, (H, 2W, C): the picture, in the translation's depth, beside it; with the channels that both need."""
    bits = 8 * translation.itemsize
    if picture.dtype != translation.dtype:
        picture = to_array(to_tensor(picture), bits=bits)
    channels = max(picture.shape[2], translation.shape[2])
    return np.concatenate([_widened(each, channels) for each in (picture, translation)], axis=1)


def _widened(pixels: Pixels, channels: int) -> Pixels:
    """Gray as RGB, and colors without alpha as opaque ones, up to so many channels."""
    if pixels.shape[2] == 1 and channels > 1:
        pixels = pixels.repeat(3, axis=2)
    if pixels.shape[2] == 3 and channels == 4:
        opaque = np.full_like(pixels[..., :1], np.iinfo(pixels.dtype).max)
        return np.concatenate([pixels, opaque], axis=2)
    return pixels
