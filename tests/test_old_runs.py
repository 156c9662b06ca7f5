"""Runs of earlier versions: they translate, are scored, and go on to what their own version would have reached.

`golden/run_without_format.tar.gz` holds a run with its data, as the version before format numbers wrote it.
"""

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from atme.cli import main
from atme.images import read_image
from atme.run_folder import checkpoints, read_log

ARCHIVE = Path(__file__).parent / "golden" / "run_without_format.tar.gz"


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the run, its data, and what its version made of them; the working directory, as it was then."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_is_small() -> None:
    assert ARCHIVE.stat().st_size < 300_000


def test_it_translates_as_before(old: Path) -> None:
    run = "run/checkpoints/step_00000002"
    assert main(["translate", run, "pairs/test/0.png", "again.png", "--half", "left"]) == 0
    before, now = (read_image(old / name).astype(int) for name in ("translated.png", "again.png"))
    assert np.abs(before - now).max() <= 1


def test_it_is_scored_as_before(old: Path) -> None:
    before = json.loads((old / "run" / "evaluation" / "test.json").read_text())
    assert main(["evaluate", "run"]) == 0
    now = json.loads((old / "run" / "evaluation" / "test.json").read_text())
    for metric in ("l1", "psnr", "ssim"):
        assert now[metric] == pytest.approx(before[metric], rel=1e-4)


def test_it_goes_on_to_what_its_own_version_reached(old: Path) -> None:
    """From the checkpoint of its first epoch to that of its second, which the old version wrote."""
    old_end = (old / "run" / "checkpoints" / "step_00000004").rename(old / "expected")
    lines = read_log(old / "run")
    assert main(["train", "--config", "run/options.yaml", "--training.resume", "auto"]) == 0
    end = checkpoints(old / "run")[-1]
    assert end.name == "step_00000004"
    for path in sorted(old_end.glob("*.safetensors")):
        before, now = load_file(path), load_file(end / path.name)
        assert before.keys() == now.keys()
        for name, value in before.items():
            torch.testing.assert_close(now[name], value, rtol=1e-5, atol=1e-5)  # an update is 2e-4
    losses = ("d_real", "d_fake", "g_gan", "g_l1", "w_mean")
    for then, again in zip(lines, read_log(old / "run"), strict=True):
        assert [again[name] for name in losses] == pytest.approx([then[name] for name in losses], abs=1e-5)
