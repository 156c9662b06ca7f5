"""What the generator read is shown as it was: W and x·(1 + W) of the very translation that stands beside them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from runs import make_run, measured, sections

from atme.images import to_array, to_tensor
from atme.inference import Translator

MEMORY = {"class_path": "atme.DecisionMemory", "init_args": {"widths": [8, 8, 8], "translate_with": "published"}}


def translator(folder: Path, *, noise: object = MEMORY, bits: int = 8, **data: object) -> Translator:
    options = sections("runs.Copy", **data) | {"noise": noise, "initialization": {"scheme": "normal", "gain": 0.5}}
    run = make_run(folder, options, measured(target_bits=bits))
    return Translator.from_run(run, device="cpu", trust=True)


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("size", [(32, 32), (37, 51)])
def test_what_was_read_is_the_picture_under_its_noise(tmp_path: Path, size: tuple[int, int]) -> None:
    made, source = translator(tmp_path), picture(*size)
    seen = made.look_inside(source)
    assert seen.noise is not None
    assert seen.read is not None
    assert seen.noise.shape == size
    assert 0.01 < np.abs(seen.noise).max() < 1
    corrupted = to_tensor(source) * (1 + torch.from_numpy(seen.noise))
    assert np.array_equal(seen.read, to_array(corrupted))
    assert not np.array_equal(seen.read, source)
    assert np.array_equal(seen.translation, seen.read)  # of a generator that copies what it reads
    assert np.array_equal(seen.translation, made.pixels(source))


def test_a_game_without_such_noise_has_nothing_to_show(tmp_path: Path) -> None:
    seen = translator(tmp_path, noise={"class_path": "atme.Identity"}).look_inside(picture(32, 32))
    assert seen.noise is None
    assert seen.read is None
    assert np.array_equal(seen.translation, picture(32, 32))


def test_all_have_the_size_of_the_picture(tmp_path: Path) -> None:
    """A run that was tested at another size works at that one."""
    seen = translator(tmp_path, bits=16, test_size=[16, 24]).look_inside(picture(50, 70))
    assert seen.noise is not None
    assert seen.read is not None
    assert seen.noise.shape == seen.read.shape[:2] == seen.translation.shape[:2] == (50, 70)
    assert np.abs(seen.noise).max() < 1
    assert (seen.read.dtype, seen.translation.dtype) == (np.uint8, np.uint16)


def test_it_refuses_what_a_translation_refuses(tmp_path: Path) -> None:
    made = translator(tmp_path)
    with pytest.raises(ValueError, match=r"me\.png: has 1 channels"):
        made.look_inside(picture(8, 8)[..., :1], name="me.png")
    with pytest.raises(ValueError, match="seed: -1 is none"):
        made.look_inside(picture(8, 8), seed=-1)
