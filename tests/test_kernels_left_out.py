"""Where compiled kernels would cost more than they save, and who has them compiled before anybody waits."""

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
from atme.serve import server
from atme.serve.answers import Limits
from atme.serve.shown import Shown

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


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_python_translates_with_them(load: Load, asked: list[bool], precision: str) -> None:
    translator = load(precision)
    translator(PICTURE)
    translator.look_inside(PICTURE)
    translator.tensor(torch.zeros(2, 3, 16, 16))
    translator(PICTURE, tiling=Tiling(tile=16))
    assert set(asked) == {True}


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


def test_no_visitor_waits_for_them(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(kernels, "reason", lambda: done.append("compiled"))
    monkeypatch.setattr(server, "application", lambda *_, **__: None)
    monkeypatch.setattr(server, "write_examples", lambda *_, **__: [])
    monkeypatch.setattr(server, "_run", lambda *_: done.append("serves"))
    monkeypatch.setattr(server.signal, "signal", lambda *_: None)
    for name in (*server._SILENT, "GRADIO_TEMP_DIR"):
        monkeypatch.setenv(name, "")  # put back afterwards
    shown = [Shown(Path("run"), load("float32"))]
    server.serve(shown, host="127.0.0.1", port=None, limits=Limits(), say=lambda _: done.append("says where"))
    assert [each for each in done if each != "says where"] == ["compiled", "serves"]
    assert done[0] == "compiled"
