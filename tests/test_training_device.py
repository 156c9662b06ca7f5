"""Where a run is computed: what it says of it, what it demands, fp16's scale, and files on Windows."""

import errno
import fcntl
import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from atme.cli import main
from atme.models import Networks
from atme.models.build import Measured
from atme.networks import PatchGAN, UNet
from atme.noise import Game, Identity
from atme.run_folder import checkpoints, read_log, read_options
from atme.training import checkpoint, device
from atme.training.device import accelerator, crowded, facts, precision_of
from atme.training.options import TrainingOptions
from atme.training.origin import Origin
from atme.training.state import State

Preset = Callable[..., Path]
SHORT = ("--training.rate.epochs", "1", "--training.rate.decay_epochs", "0", "--training.sample_every", "0")


def train(preset: Path, run: Path, *more: str) -> int:
    return main(["train", "--config", str(preset), "--run.dir", str(run), *more])


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_the_first_line_and_every_line_of_the_log_say_where_it_runs(
    preset: Preset, tmp_path: Path, capsys: pytest.CaptureFixture[str], precision: str
) -> None:
    assert train(preset(training__precision=precision), tmp_path / "run", *SHORT) == 0
    threads = torch.get_num_threads()
    first = capsys.readouterr().err.splitlines()[0]
    counted = f"{threads} thread{'s' if threads > 1 else ''}"
    assert first == f"trains on cpu, {precision}, {counted}, no kernels: ATME_COMPILE is 0"
    for line in read_log(tmp_path / "run"):
        assert (line["device"], line["precision"], line["threads"]) == ("cpu", precision, threads)


ASKED = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "PYTORCH_ENABLE_MPS_FALLBACK")

WHEN_PYTORCH_IS_LOADED = f"""
import os, sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print(*(os.environ.get(each) for each in {ASKED}))
            sys.exit()
sys.meta_path.insert(0, Watch())
from atme.cli import main
main(["train", "--config", "earth_atme_demo"])
print("PyTorch was not loaded")
"""


@pytest.mark.parametrize(
    ("own", "seen"),
    [
        ({}, "None 1000 1 1"),
        ({"OMP_WAIT_POLICY": "active"}, "active None None 1"),
        ({"GOMP_SPINCOUNT": "7"}, "None 7 None 1"),
        ({"KMP_BLOCKTIME": "9", "PYTORCH_ENABLE_MPS_FALLBACK": "0"}, "None None 9 0"),
    ],
)
def test_pytorch_is_loaded_with_threads_that_spin_little_or_as_the_user_says(own: dict[str, str], seen: str) -> None:
    """It reads these when it is loaded, and never again."""
    others = {name: value for name, value in os.environ.items() if name not in ASKED}
    code = [sys.executable, "-c", WHEN_PYTORCH_IS_LOADED]
    outcome = subprocess.run(code, env=others | own, capture_output=True, text=True, check=False)
    assert outcome.stdout == f"{seen}\n", outcome.stderr


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused(
    preset: Preset, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    run = tmp_path / "run"
    assert train(preset(), run, "--training.device", device) == 2
    errors = capsys.readouterr().err
    assert errors == f"atme: training.device: PyTorch finds no {device} device here; use auto or cpu\n"
    assert not run.exists()
    for remedy in ("auto", "cpu"):
        assert train(preset(), tmp_path / remedy, "--training.device", remedy, *SHORT) == 0


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_fp16_needs_cuda(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    with pytest.raises(ValueError, match=rf"fp16 needs a CUDA GPU, and this is {device}; use bf16 or float32"):
        accelerator(TrainingOptions(precision="fp16", device=device))  # type: ignore[arg-type]


@pytest.mark.parametrize(("has", "taken"), [(True, "bf16"), (False, "float32"), (None, "float32")])
def test_auto_takes_the_precision_that_the_processor_has_and_the_run_says_which(
    preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has: bool | None, taken: str
) -> None:
    monkeypatch.setattr(device, "multiplies_bfloat16", lambda: has)
    run = tmp_path / "run"
    assert train(preset(training__precision="auto", training__device="cpu"), run, *SHORT) == 0
    assert read_options(run)["training"]["precision"] == taken
    assert {line["precision"] for line in read_log(run)} == {taken}


@pytest.mark.parametrize(("there", "wanted", "taken"), [(True, "auto", "bf16"), (True, "cpu", "float32")])
def test_auto_looks_at_the_device_that_trains(
    monkeypatch: pytest.MonkeyPatch, there: bool, wanted: str, taken: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *, including_emulation: not including_emulation)
    monkeypatch.setattr(device, "multiplies_bfloat16", lambda: False)
    assert precision_of(TrainingOptions(precision="auto", device=wanted)) == taken  # type: ignore[arg-type]
    assert precision_of(TrainingOptions(precision="auto", device="mps")) == "float32"


@pytest.mark.parametrize(("has", "said"), [(True, 0), (False, 1), (None, 0)])
def test_a_precision_that_the_processor_lacks_is_slow_and_that_is_said(
    preset: Preset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    has: bool | None,
    said: int,
) -> None:
    monkeypatch.setattr(device, "multiplies_bfloat16", lambda: has)
    asked = preset(training__precision="bf16", training__device="cpu")
    assert train(asked, tmp_path / "run", *SHORT) == 0
    assert capsys.readouterr().err.count("training.precision bf16: this processor has no products of bfloat16") == said
    assert train(asked, tmp_path / "remedy", *SHORT, "--training.precision", "auto") == 0
    assert "this processor has no" not in capsys.readouterr().err


def test_machines_that_choose_differently_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    processes = accelerator(TrainingOptions(device="cpu"))
    device.refuse_several_precisions(processes)
    monkeypatch.setattr(device, "gather_object", lambda own: [*own, "bf16"])
    with pytest.raises(ValueError, match="auto is bf16 on one of these machines and float32 on another; say which"):
        device.refuse_several_precisions(processes)


def test_one_process_trains_at_several_precisions() -> None:
    found = [facts(accelerator(TrainingOptions(precision=each, device="cpu"))) for each in ("float32", "bf16")]
    assert [each["precision"] for each in found] == ["float32", "bf16"]


@pytest.mark.parametrize(
    ("busy", "threads", "environment", "said"),
    [
        (1.2, 2, {}, "other programs keep 1.2 of 2 cores busy"),
        (1.2, 2, {}, "OMP_NUM_THREADS=1 atme train … is faster"),
        (3.0, 16, {}, "OMP_NUM_THREADS=13 "),
        (9.0, 2, {}, "OMP_NUM_THREADS=1 "),
        (0.3, 2, {}, None),
        (1.2, 1, {}, None),
        (1.2, 2, {"OMP_NUM_THREADS": "2"}, None),
    ],
)
def test_fewer_threads_beside_other_programs(
    busy: float, threads: int, environment: dict[str, str], said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(device._OTHERS, "busy", lambda: busy)
    monkeypatch.setattr(device, "cores", lambda: 2)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    found = crowded(accelerator(TrainingOptions(device="cpu")))
    assert [said in line for line in found] == ([] if said is None else [True])  # type: ignore[operator]


def test_a_training_says_that_others_are_busy(
    preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(device, "crowded", lambda _: ["other programs are busy"])
    assert train(preset(), tmp_path / "run", *SHORT) == 0
    assert "other programs are busy" in capsys.readouterr().err
    longer = ("--training.rate.epochs", "2", *SHORT[2:])
    assert train(preset(), tmp_path / "run", *longer, "--training.resume", "auto") == 0
    assert "other programs are busy" not in capsys.readouterr().err  # fewer threads would change its bits


def make_state(*, accumulate: int, scaler: torch.amp.GradScaler | None) -> State:
    """A small game, stepped by plain descent."""
    torch.manual_seed(0)
    judge = PatchGAN(1, 1, layers=2, dim=4)
    game = Game(1, (16, 16), 1, judge.verdict_shape, 4)
    networks = Networks(UNet(1, 1, dim=4, dim_mults=(1,), groups=2), judge, Identity(game))
    made = {
        "generator": torch.optim.SGD(networks.generator.parameters(), lr=0.1),
        "discriminator": torch.optim.SGD(judge.parameters(), lr=0.1),
    }
    processes = Accelerator(cpu=True, gradient_accumulation_steps=accumulate)
    state = State(networks, made, accelerator=processes, average=None, seed=0)  # type: ignore[arg-type]
    processes.scaler = scaler
    return state


def bias(module: nn.Module) -> nn.Parameter:
    return [parameter for name, parameter in module.named_parameters() if name.endswith("bias")][-1]


def growing() -> torch.amp.GradScaler:
    """A loss scale that doubles at every update, so that none goes unseen."""
    return torch.amp.GradScaler("cpu", init_scale=2.0, growth_interval=1)


def moved(state: State, slopes: list[float], *, steps: int = 1) -> tuple[float, ...]:
    """How far a bias of each side moves, where the micro-batches' losses have these slopes."""
    sides = {"discriminator": bias(state.bare.discriminator), "generator": bias(state.bare.generator)}
    before = [float(each.detach().sum()) for each in sides.values()]
    for _ in range(steps):
        for micro, slope in enumerate(slopes):
            with state.at(micro):
                for side, each in sides.items():
                    state.update(side, slope * each.sum())  # type: ignore[arg-type]
        state.finish_step()
    return tuple(float(each.detach().sum()) - was for each, was in zip(sides.values(), before, strict=True))


@pytest.mark.parametrize("accumulate", [1, 2, 3])
def test_a_changing_loss_scale_weighs_all_micro_batches_alike(accumulate: int) -> None:
    """Three steps with a scale are three steps without one."""
    slopes = [1.0, 2.0, 4.0][:accumulate]
    plain = moved(make_state(accumulate=accumulate, scaler=None), slopes, steps=3)
    scaled = make_state(accumulate=accumulate, scaler=growing())
    assert moved(scaled, slopes, steps=3) == pytest.approx(plain, rel=1e-5)
    assert scaled.accelerator.scaler.get_scale() == 2.0 * 2**3  # one update a step


def test_a_run_of_another_precision_goes_on_with_a_new_loss_scale(tmp_path: Path) -> None:
    """From float32 or bf16, which have none, to fp16; fp16's own goes on; and back to none."""
    measured = Measured(1, 1, 1, 16, 16, 1)
    plain = make_state(accumulate=1, scaler=None)
    moved(plain, [1.0])
    place = checkpoint.save(plain, measured, tmp_path / "plain", keep=1, pairs={})
    scaled = make_state(accumulate=1, scaler=growing())
    checkpoint.load(scaled, Origin(place, goes_on=True, folder=None, options={}), now={})
    assert scaled.step == 1
    assert scaled.accelerator.scaler.get_scale() == 2.0
    moved(scaled, [1.0])
    place = checkpoint.save(scaled, measured, tmp_path / "scaled", keep=1, pairs={})
    for scaler, expected in ((growing(), 4.0), (None, None)):
        again = make_state(accumulate=1, scaler=scaler)
        checkpoint.load(again, Origin(place, goes_on=True, folder=None, options={}), now={})
        assert (scaler and scaler.get_scale()) == expected


@pytest.mark.parametrize("rule", ["files", "folders"])
def test_checkpoints_are_written_by_the_rules_of_windows(
    preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    """Emulated: fsync wants a descriptor that may write, and folders cannot be opened."""
    windows = types.SimpleNamespace(**vars(os))

    def open_(path: Path, flags: int, *rest: int) -> int:
        if path.is_dir():
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return os.open(path, flags, *rest)

    def fsync(descriptor: int) -> None:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        os.fsync(descriptor)

    windows.open = open_
    if rule == "files":
        windows.fsync = fsync
    monkeypatch.setattr(checkpoint, "os", windows)
    assert train(preset(), tmp_path / "run", *SHORT) == 0
    assert len(checkpoints(tmp_path / "run")) == 1
