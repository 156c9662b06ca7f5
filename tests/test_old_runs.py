"""Runs of earlier versions: they translate, are scored, and go on to what their own version would have reached.

`golden/run_without_format.tar.gz` holds a run with its data, as the version before format numbers wrote it.
"""

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from atme.cli import main
from atme.images import read_image
from atme.run_folder import FORMAT, checkpoints, read_log

OURS: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
"""How an archive of ours is unpacked: Python before 3.11.4 knows no filters, later ones want one."""

ARCHIVE = Path(__file__).parent / "golden" / "run_without_format.tar.gz"


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the run, its data, and what its version made of them; the working directory, as it was then."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, **OURS)
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


def change(folder: Path, since: Path) -> float:
    """How far the weights of a checkpoint lie from those in ``expected``, in parts of all that changed since."""
    apart = learned = 0.0
    for path in sorted((folder.parents[2] / "expected").glob("*.safetensors")):
        expected, now, before = (load_file(place / path.name) for place in (path.parent, folder, since))
        assert expected.keys() == now.keys()
        for name in (name for name, value in expected.items() if value.is_floating_point()):
            apart += float((now[name] - expected[name]).square().sum())
            learned += float((before[name] - expected[name]).square().sum())
    return (apart / learned) ** 0.5


@pytest.mark.parametrize("forgotten", [False, True], ids=["as saved", "without its moments"])
def test_it_goes_on_to_what_its_own_version_reached(old: Path, forgotten: bool) -> None:
    """From the checkpoint of its first epoch to that of its second, but for rounding; without moments elsewhere."""
    first = old / "run" / "checkpoints" / "step_00000002"
    (old / "run" / "checkpoints" / "step_00000004").rename(old / "expected")
    lines = read_log(old / "run")
    if forgotten:
        kept = torch.load(first / "optimizers.pt", weights_only=True)
        for side in ("generator", "discriminator"):
            for moments in kept[side]["state"].values():
                moments["exp_avg"].zero_()
        torch.save(kept, first / "optimizers.pt")
    assert main(["train", "--config", "run/options.yaml", "--training.resume", "auto"]) == 0
    end = checkpoints(old / "run")[-1]
    assert end.name == "step_00000004"
    assert (change(end, first) > 0.03) is forgotten
    losses = ("d_real", "d_fake", "g_gan", "g_l1", "w_mean")
    for then, again in zip(*(each[: 2 if forgotten else 4] for each in (lines, read_log(old / "run"))), strict=True):
        assert [again[name] for name in losses] == pytest.approx([then[name] for name in losses], abs=1e-5)


@pytest.mark.parametrize("where", ["translate", "evaluate", "train"])
def test_a_later_format_is_refused_in_a_sentence(old: Path, where: str, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (old / "run" / "checkpoints").glob("*/state.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"format": FORMAT + 1, "atme": "9.0"}))
    words = {
        "translate": ["translate", "run", "pairs/test/0.png", "again.png"],
        "evaluate": ["evaluate", "run"],
        "train": ["train", "--config", "run/options.yaml", "--training.resume", "auto", "--training.rate.epochs", "9"],
    }
    assert main(words[where]) == 2
    said = capsys.readouterr().err.strip()
    assert f"is of format {FORMAT + 1}, written by atme 9.0" in said
    assert said.endswith("update atme (pip install -U atme)")
    assert len(said.splitlines()) == 1
