"""What several test files share: a tiny dataset, a preset that trains on it in seconds, and a browser."""

import ctypes
import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import browser
import numpy as np
import pytest
import torch
import yaml
from accelerate.state import AcceleratorState
from hypothesis import settings
from planted import TEST, TRAIN

from atme.cli import main
from atme.images import read_image, write_image

# Tests compile kernels where they ask for it (`compiled`): each process of its own would spend seconds on it.
os.environ.setdefault("ATME_COMPILE", "0")

DEVICE = os.environ.get("ATME_TEST_DEVICE", "cpu")
"""Where trainings of the tests are computed. Bits are compared, and a CPU has the same ones on every run."""

if DEVICE == "cpu":
    os.environ["CUDA_VISIBLE_DEVICES"] = ""

# No test measures time, on whatever machine it runs.
settings.register_profile("atme", deadline=None)
settings.load_profile("atme")


@pytest.fixture(autouse=True)
def _own_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """Datasets are those of the project, wherever the user's own lie; and no terminal, such as xdist's, has a width."""
    monkeypatch.delenv("ATME_DATA", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line says what was not tested for want of a browser, and how to get one."""
    skipped = sum(browser.MISSING in str(report.longrepr) for report in terminalreporter.stats.get("skipped", []))
    if skipped:
        terminalreporter.write_line(f"tests of pages skipped: {skipped}; {browser.MISSING}", yellow=True)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a training says does not depend on what else the machine does, such as other tests."""
    from atme.training import device

    monkeypatch.setattr(device, "crowded", lambda _: [])


@pytest.fixture(autouse=True)
def _own_precision() -> None:
    """A run in this process leaves its precision to the next `Accelerator`; every test starts without."""
    AcceleratorState._reset_state()


@pytest.fixture(autouse=True, scope="module")
def _nothing_left_behind() -> Iterator[None]:
    """Bits depend on these: a test that changed them for the process would make later tests differ from a new one.

    `torch.set_num_threads` does so even where it puts the old number back: from then on MKL no longer chooses how many
    threads a product takes. Who needs it does it in a process of its own.
    """
    before, process, called = torch.get_default_dtype(), os.getpid(), []
    set_num_threads = torch.set_num_threads

    def noted(count: int) -> None:
        if os.getpid() == process:  # what a loader starts may set its own
            called.append(count)
        set_num_threads(count)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(torch, "set_num_threads", noted)
        yield
    assert called == []
    assert before == torch.get_default_dtype()


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the processes that a test starts, on whose number their bits depend."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("ATME_COMPILE", "0")


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Kernels are compiled, in this process and in those that it starts."""
    from atme.networks import kernels

    monkeypatch.delenv("ATME_COMPILE")
    kernels.reason.cache_clear()
    if kernels.reason() is not None:
        pytest.skip(kernels.reason())
    yield
    kernels.reason.cache_clear()


WIDTHS = {
    "as it is": ["-march=native"],
    "no matrix unit": ["-march=native", "-mno-amx-bf16"],
    "AVX2": ["-march=x86-64-v3"],
    "SSE": ["-march=x86-64"],
}


@cache
def passes_for(width: str, folder: Path) -> ctypes.CDLL:
    """The passes in C++ as an older processor has them."""
    from atme.networks import compiler

    options = [each for each in compiler.OPTIONS if each != "-march=native"]
    command = [*compiler.compiler(), *options, *WIDTHS[width]]
    return ctypes.CDLL(str(compiler.build(command, folder / f"{width.replace(' ', '_')}.so")))


@pytest.fixture(params=WIDTHS)
def width(
    request: pytest.FixtureRequest, compiled: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Vectors of this processor, with its matrix unit, if it has one, and without, and of older ones."""
    from atme.networks import kernels, winograd

    if request.param == "no matrix unit" and not winograd.matrix_unit():
        pytest.skip("there is no matrix unit as it is")
    asked = winograd.lanes, winograd.multiplies_pairs, winograd.matrix_unit
    for each in asked:
        each.cache_clear()
    if request.param != "as it is":
        if platform.machine() != "x86_64":
            pytest.skip("vectors of another processor")
        loaded = passes_for(request.param, tmp_path.parent)
        monkeypatch.setattr(kernels, "library", lambda: loaded)
        assert winograd.lanes() == {"AVX2": 8, "SSE": 4}.get(request.param, 16)
        assert winograd.multiplies_pairs() == (request.param == "no matrix unit")
        assert not winograd.matrix_unit()
    yield
    for each in asked:
        each.cache_clear()


@pytest.fixture(params=[False, True], ids=["no matrix unit", "matrix unit"])
def unit(request: pytest.FixtureRequest, compiled: None, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Convolutions of bfloat16 maps as processors without a matrix unit do them, and as one with it does."""
    from atme.networks import winograd

    if request.param and not winograd.matrix_unit():
        pytest.skip("no matrix unit here")
    monkeypatch.setattr(winograd, "matrix_unit", lambda: request.param)
    return bool(request.param)


TINY = {
    "data": {"crop_size": 32, "load_size": None, "workers": 0},
    "generator": {
        "class_path": "atme.networks.UNet",
        "init_args": {"dim": 8, "dim_mults": [1, 2], "groups": 4},
    },
    "discriminator": {"class_path": "atme.networks.PatchGAN", "init_args": {"layers": 2, "dim": 4}},
    "noise": {
        "class_path": "atme.noise.DecisionMemory",
        "init_args": {"align": True, "initial": "published"},
    },
    "training": {
        "rate": {"epochs": 2, "decay_epochs": 1},
        "batch_size": 2,
        "average": 0.9,
        "log_every": 2,
        "keep": 10,
        "device": DEVICE,
    },
}
"""Seven training pairs in batches of two: four updates an epoch, three epochs."""


def smooth(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A picture of soft blobs (H, W, 3) uint8: something to learn, and kind to every codec."""
    y, x = np.mgrid[:height, :width] / 16
    phases = rng.uniform(0, 6, (3, 2))
    waves = [np.sin(x + a) * np.cos(y + b) for a, b in phases]
    return np.stack([np.uint8(127.5 + 120 * wave) for wave in waves], axis=2)


@pytest.fixture(scope="session")
def pairs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs A|B of 40×48 pixels a half, B the negative of A: 7 to train, 3 to test, and 8 in another split."""
    root, rng = tmp_path_factory.mktemp("pairs"), np.random.default_rng(0)
    for split, count in (("train", 7), ("test", 3), ("eight", 8)):
        (root / split).mkdir()
        for i in range(count):
            a = smooth(rng, 40, 48)
            write_image(root / split / f"{split}_{i}.png", np.concatenate([a, 255 - a], axis=1))
    return root


@pytest.fixture
def preset(tmp_path: Path, pairs_folder: Path) -> Callable[..., Path]:
    """Write a preset: the tiny one, with dotted keys set anew."""

    def write(**changes: object) -> Path:
        options = yaml.safe_load(yaml.safe_dump(TINY))
        options["data"]["root"] = str(pairs_folder)
        for key, value in changes.items():
            *path, last = key.split("__")
            section = options
            for name in path:
                section = section.setdefault(name, {})
            section[last] = value
        file = tmp_path / "preset.yaml"
        file.write_text(yaml.safe_dump(options))
        return file

    return write


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, pairs_folder: Path) -> Path:
    """A finished run of the tiny preset, one epoch long."""
    folder = tmp_path_factory.mktemp("finished")
    training = TINY["training"] | {"rate": {"epochs": 1, "decay_epochs": 0}}
    options = TINY | {"training": training, "data": TINY["data"] | {"root": str(pairs_folder)}}
    (folder / "preset.yaml").write_text(yaml.safe_dump(options))
    assert main(["train", "--config", str(folder / "preset.yaml"), "--run.dir", str(folder / "run")]) == 0
    return folder / "run"


@pytest.fixture
def earth(tmp_path: Path) -> Path:
    """20 of the pairs of earth, side by side."""
    for split, paths in (("train", TRAIN), ("test", TEST)):
        (tmp_path / "earth" / split).mkdir(parents=True)
        for path in paths:
            shutil.copyfile(path, tmp_path / "earth" / split / path.name)
    return tmp_path / "earth"


@pytest.fixture
def halved(earth: Path) -> Path:
    """The same in two folders: trainA/NAME_A.png and so on."""
    out = earth.with_name("halved")
    for path in sorted(earth.rglob("*.jpg")):
        for half, picture in zip("AB", np.split(read_image(path), 2, axis=1), strict=True):
            place = out / f"{path.parent.name}{half}" / f"{path.stem}_{half}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            write_image(place, picture)
    return out


Browse = Callable[..., tuple[dict, str]]

PROBE = """<!doctype html><meta charset="utf-8">
<iframe id="page" src="{page}" style="border:0;width:{width}px;height:900px"></iframe><script>
page.onload = () => {{
  const it = page.contentDocument, images = [...it.images];
  const look = it => {{ {look} }};
  document.body.dataset.seen = JSON.stringify({{
    width: page.contentWindow.innerWidth,
    images: images.length, broken: images.filter(image => !image.naturalWidth).length,
    silent: images.filter(image => !image.alt).length
      + [...it.querySelectorAll("[role=img]")].filter(one => !one.getAttribute("aria-label")).length,
    ...look(it), scroll: it.documentElement.scrollWidth}});
}};
</script>"""


@pytest.fixture
def chromium(tmp_path: Path) -> list[str]:
    """The command of a headless Chromium that keeps to itself."""
    found = browser.find()
    if found is None and browser.is_required():
        pytest.fail(f"{browser.MISSING}, and {browser.REQUIRED} is set")
    if found is None:
        pytest.skip(browser.MISSING)
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    flags += ["--disable-dev-shm-usage", f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1400,1000"]
    return [found, *flags]


@pytest.fixture
def browse(tmp_path: Path, chromium: list[str]) -> Browse:
    """Load a page in headless Chromium: what was seen, and what the console said.

    It takes the page, its `width` in pixels, and `look`: statements of JavaScript that use the document `it` and return
    what else is to be seen.
    """
    flags = ["--allow-file-access-from-files", "--enable-logging=stderr", "--v=0", "--virtual-time-budget=10000"]

    def load(page: Path, *, width: int, look: str = "") -> tuple[dict, str]:
        probe = tmp_path / "probe.html"
        probe.write_text(PROBE.format(page=page.as_uri(), width=width, look=look))
        command = [*chromium, *flags, "--dump-dom", probe.as_uri()]
        seen = subprocess.run(command, capture_output=True, text=True, timeout=120)
        found = re.search(r'data-seen="([^"]*)"', seen.stdout)
        assert found, seen.stderr[-2000:]
        console = "\n".join(line for line in seen.stderr.splitlines() if "CONSOLE" in line)
        return json.loads(found[1].replace("&quot;", '"')), console

    return load
