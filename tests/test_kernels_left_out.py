"""Where compiled kernels would cost more than they save: who translates does without, in the verbs as in Python."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import smooth
from runs import Copy, make_run, measured, sections
from torch import Tensor

from atme.cli import main
from atme.images import write_image
from atme.inference import Tiling, Translator, batches
from atme.networks import kernels
from atme.serve.answers import Asked, Limits, answer

Load = Callable[..., Translator]
PICTURE = smooth(np.random.default_rng(0), 20, 24)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether kernels were to be used, each time that the generator was called, on a machine that has them."""
    seen: list[bool] = []

    def forward(self: Copy, image: Tensor, level: Tensor | None = None) -> Tensor:
        seen.append(kernels.available())
        return image

    monkeypatch.setattr(kernels, "reason", lambda: None)
    monkeypatch.setattr(Copy, "forward", forward)
    return seen


@pytest.fixture
def load(tmp_path: Path) -> Load:
    run = make_run(tmp_path / "run", sections(), measured())
    return lambda precision: Translator.from_run(run, device="cpu", precision=precision, trust=True)


@pytest.mark.parametrize(("precision", "used"), [("float32", False), ("bf16", True)])
def test_in_float32_no_translation_becomes_faster(load: Load, asked: list[bool], precision: str, used: bool) -> None:
    translator = load(precision)
    translator(PICTURE)
    translator.look_inside(PICTURE)
    translator.tensor(torch.zeros(2, 3, 16, 16))
    translator(PICTURE, tiling=Tiling(tile=16))
    assert set(asked) == {used}
    assert kernels.available()


def test_what_counts_memory_compiles_nothing(load: Load, asked: list[bool]) -> None:
    assert load("bf16").large.appetite.of(64, 64) > 0
    assert asked == [False, False]


@pytest.mark.parametrize(("count", "used"), [(2, False), (3, True)])
def test_a_few_pictures_are_not_worth_it(
    load: Load, asked: list[bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, used: bool
) -> None:
    load("bf16")
    monkeypatch.setattr(batches, "WORTH_COMPILING", 3)
    (tmp_path / "photos").mkdir()
    for i in range(count):
        write_image(tmp_path / "photos" / f"{i}.png", PICTURE)
    words = ["translate", str(tmp_path / "run"), str(tmp_path / "photos"), str(tmp_path / "maps"), "--device", "cpu"]
    assert main([*words, "--trust", "--precision", "bf16", "--batch", "1"]) == 0
    assert asked == [used] * count


def test_no_visitor_waits_for_them(load: Load, asked: list[bool], tmp_path: Path) -> None:
    answer(load("bf16"), PICTURE, Asked(), name="photo.png", limits=Limits(), folder=tmp_path)
    assert asked == [False]
