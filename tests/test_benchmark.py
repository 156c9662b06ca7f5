"""The benchmark of speed: what it adds up and how it names operations; no test asks how long anything took."""

import json
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import studies
import torch

timing = studies.load("benchmark_timing")
kinds = studies.load("benchmark_kinds")
games = studies.load("benchmark_games")

TINY = ("--data.crop_size=32", "--generator.init_args.dim=8", "--generator.init_args.dim_mults=[1]")


@pytest.fixture(autouse=True)
def _threads_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Setting their number, and putting it back, would leave other bits to the tests that follow."""
    monkeypatch.setattr(timing, "threads", lambda count: nullcontext())


def event(*names: str) -> SimpleNamespace:
    """An operation, and from the inside out what it is a part of."""
    name, *outer = names
    return SimpleNamespace(name=name, cpu_parent=event(*outer) if outer else None)


def test_contenders_take_turns_and_the_order_turns_around() -> None:
    seen: list[str] = []
    taken = timing.turns({name: lambda name=name: seen.append(name) for name in "ab"}, rounds=3, clocks=False)
    assert "".join(seen) == "baabbaab"
    assert set(taken) == {"a", "b"}


def test_medians_and_quartiles() -> None:
    figure = timing.figure([1.0, 2.0, 3.0, 4.0, 10.0], [5.0])
    assert (figure.processor, figure.processor_quartiles) == (3.0, (2.0, 4.0))
    assert (figure.clock, figure.clock_quartiles) == (5.0, (5.0, 5.0))
    assert figure.spread == pytest.approx(1 / 3)


PUT_BACK = f"""
import sys
sys.path.append({str(studies.ANALYSIS)!r})
import torch
from benchmark_timing import threads
before = torch.get_num_threads()
with threads(before + 1):
    within = torch.get_num_threads()
print(before, within, torch.get_num_threads())
"""


def test_the_number_of_threads_is_put_back() -> None:
    said = subprocess.run([sys.executable, "-c", PUT_BACK], check=True, capture_output=True, text=True).stdout
    before, within, after = map(int, said.split())
    assert (within, after) == (before + 1, before)


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["aten::convolution_backward"], "convolution"),
        (["aten::mkldnn_convolution", "aten::conv2d"], "convolution"),
        (["aten::add_", "LinearAttendBackward"], "attention"),
        (["aten::tanh_", "NormScaleSiLU"], "norm and activation"),
        (["atme::combined", "NormalizedConvolutionBackward"], "norm and activation"),
        (["atme::convolved_3", "NormalizedConvolution"], "convolution"),
        (["atme::weights_slope_3", "StandardizedConvolutionBackward"], "convolution"),
        (["atme::softmax", "LinearAttend"], "attention"),
        (["atme::product", "LinearAttend"], "attention"),
        (["atme::queries_slope", "AttendByTilesBackward"], "attention"),
        (["aten::bmm", "AttendByTiles"], "attention"),
        (["atme::fully_attended", "AttendInBlocks"], "attention"),
        (["atme::product", "Convolution"], "convolution"),
        (["StridedBackward", "autograd::engine::evaluate_function: StridedBackward"], "convolution"),
        (["aten::convolution_backward", "StandardizedConvolutionBackward"], "convolution"),
        (["aten::_fused_adam_", "Optimizer.step#Adam.step"], "optimizers"),
        (["atme::adam", "Optimizer.step#Adam.step"], "optimizers"),
        (["aten::copy_", "aten::_to_copy", "aten::to"], "cast and layout"),
        (["aten::add_", "autograd::engine::evaluate_function: AddBackward0"], "elementwise"),
        (["aten::empty_strided"], "rest"),
        (["something else"], "rest"),
    ],
)
def test_each_operation_is_of_a_kind(names: list[str], kind: str) -> None:
    assert kinds.kind_of(event(*names)) == kind


def test_an_update_is_divided_into_phases_and_kinds(tmp_path: Path) -> None:
    play = games.Play("earth_atme_demo", *TINY)
    before = [weight.clone() for weight in play.state.bare.generator.parameters()]
    play()
    assert set(play.laps) == set(games.PHASES)
    assert all(seconds >= 0 for (seconds,) in play.laps.values())
    assert any(not torch.equal(a, b) for a, b in zip(before, play.state.bare.generator.parameters(), strict=True))
    shares = kinds.by_kind(play, updates=1)
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["convolution"] > 0
    assert shares["optimizers"] > 0
    kinds.draw({"tiny": shares}, title="a title", to=tmp_path / "kinds.png")
    assert (tmp_path / "kinds.png").read_bytes().startswith(b"\x89PNG")


def test_the_stand_in_is_the_published_game() -> None:
    """As many weights as the published networks have, and an update that moves all of them."""
    published = games.Published(dim=8, size=32, batch=2)
    assert sum(weight.numel() for weight in published.w.parameters()) == 37_569
    ours = games.Play("earth_atme", "--generator.init_args.dim=8", "--data.load_size=null", "--data.crop_size=32")
    of_ours = sum(weight.numel() for weight in ours.state.bare.generator.parameters())
    assert sum(weight.numel() for weight in published.generator.parameters()) == of_ours
    weights = [*published.generator.parameters(), *published.w.parameters(), *published.discriminator.parameters()]
    published.verdict.normal_()  # at equilibrium nothing reaches W's first weights
    before = [weight.detach().clone() for weight in weights]
    published()
    assert all(not torch.equal(a, b) for a, b in zip(before, weights, strict=True))


def test_tables_and_files_say_what_was_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    studies.load("benchmark_ceilings").ceilings(rounds=1, clocks=False)
    assert "convolution 64 → 64, 256 px" in capsys.readouterr().out
    timing.write(tmp_path, "question", {"figures": {"a": timing.figure([1.0], [2.0])}})
    written = json.loads((tmp_path / "question.json").read_text())
    assert written["figures"]["a"]["clock"] == 2.0
    assert written["machine"]["cores"] >= 1


def test_a_folder_and_its_pictures_one_by_one_are_timed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    studies.load("benchmark_folder").folder(quick=True, output=tmp_path)
    assert "64 px" in capsys.readouterr().out
    (taken,) = json.loads((tmp_path / "folder.json").read_text())["seconds"].values()
    assert set(taken) == {"one by one", "as a folder"}
    assert min(taken.values()) > 0


def test_what_needs_a_gpu_says_so() -> None:
    code = [sys.executable, str(studies.ANALYSIS / "benchmark_gpu.py"), "ceilings", "--quick"]
    outcome = subprocess.run(code, capture_output=True, text=True, check=False)
    assert outcome.returncode == 1
    assert outcome.stderr == "benchmark_gpu.py: PyTorch finds no CUDA GPU here; benchmark.py measures a CPU\n"


def test_a_word_alone_asks_for_little() -> None:
    assert timing.quickly(["update", "--quick", "--output", "x"]) == ["update", "--quick=true", "--output", "x"]
