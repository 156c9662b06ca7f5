"""The optimizers: each of torch.optim trains or is refused before the run starts, anew and from a checkpoint."""

import inspect
import json
from collections import Counter
from collections.abc import Callable, Iterable
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from jsonargparse import Namespace
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.profiler import ProfilerActivity, profile

from atme.cli import main
from atme.models import Networks
from atme.networks import PatchGAN, UNet, kernels, passes
from atme.noise import Game, Identity
from atme.run_folder import checkpoints, read_log
from atme.training import fused_adam, optimizers

Preset = Callable[..., Path]
ALL = sorted(
    name
    for name, kind in vars(torch.optim).items()
    if isinstance(kind, type) and issubclass(kind, Optimizer) and kind is not Optimizer
)
REFUSED = {"LBFGS": "closure", "Muon": "2D", "Rprop": "heeds no learning rate", "SparseAdam": "dense gradients"}
"""Those that cannot train here, and what is said of why."""


def networks() -> Networks:
    judge = PatchGAN(1, 1, layers=2, dim=4)
    game = Game(1, (16, 16), 1, judge.verdict_shape, 4)
    return Networks(UNet(1, 1, dim=4, dim_mults=(1,), groups=2), judge, Identity(game))


def made(name: str, **settings: object) -> dict[str, Optimizer]:
    def maker(parameters: Iterable[nn.Parameter]) -> Optimizer:
        made: Optimizer = getattr(torch.optim, name)(parameters, **settings)
        return made

    makers = Namespace(generator=maker, discriminator=maker)
    return optimizers.make(makers, networks(), device=torch.device("cpu"))  # type: ignore[return-value]


def move(optimizer: Optimizer) -> None:
    """A step that leaves moments behind."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.ones_like(parameter)
    optimizer.step()


@pytest.mark.parametrize("name", ALL)
def test_each_trains_or_is_refused(name: str) -> None:
    if name in REFUSED:
        with pytest.raises(ValueError, match=rf"optimizers\.generator: .*{REFUSED[name]}.*torch\.optim\.Adam"):
            made(name)
        return
    optimizer = made(name)["generator"]
    first = optimizer.param_groups[0]["params"][0].detach().clone()
    move(optimizer)
    assert not torch.equal(first, optimizer.param_groups[0]["params"][0])


@pytest.mark.parametrize("name", [name for name in ALL if name not in REFUSED])
def test_moments_come_from_the_checkpoint_and_rates_from_the_options(name: str) -> None:
    before, after = made(name, lr=0.01, weight_decay=0.1)["generator"], made(name, lr=0.02)["generator"]
    move(before)
    optimizers.go_on(after, "generator", optimizers.saved(before))
    group = after.param_groups[0]
    assert group["lr"] == 0.02
    assert group["weight_decay"] == after.defaults["weight_decay"] != 0.1
    ours, theirs = (each.state_dict()["state"].get(0, {}) for each in (after, before))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(torch.as_tensor(ours[key]), torch.as_tensor(theirs[key])) for key in ours)
    move(after)


@pytest.mark.parametrize("name", ["Adafactor", "Adam"])
def test_moments_are_tried_where_a_gpu_is_at_hand(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There PyTorch asks each copy of an optimizer whether its steps could be captured; Adafactor has no answer."""
    before, after = made(name)["generator"], made(name)["generator"]
    move(before)

    def asked(self: Optimizer) -> None:  # as PyTorch 2.11 to 2.15 do
        known = getattr(self, "_warned_capturable_if_run_uncaptured", False)
        assert known or not all(group["capturable"] for group in self.param_groups)

    monkeypatch.setattr(Optimizer, "_accelerator_graph_capture_health_check", asked)
    optimizers.go_on(after, "generator", optimizers.saved(before))
    assert after.state_dict()["state"].keys() == before.state_dict()["state"].keys()


@pytest.mark.parametrize("name", ["AdamW", "SGD"])
@pytest.mark.parametrize("then", [{}, {"lr": 0.3}])
def test_moments_of_another_optimizer_are_refused(name: str, then: dict[str, float]) -> None:
    before, after = made("Adam", **then)["generator"], made(name)["generator"]
    move(before)
    with pytest.raises(ValueError, match=rf"those of torch\.optim\.adam\.Adam, not of .*{name}"):
        optimizers.go_on(after, "generator", optimizers.saved(before))


@pytest.mark.parametrize(
    ("name", "switched_on"),
    [("Adam", {"amsgrad": True}), ("RMSprop", {"centered": True}), ("RMSprop", {"momentum": 0.9})],
)
def test_moments_that_lack_something_are_refused(name: str, switched_on: dict[str, object]) -> None:
    before, after = made(name)["generator"], made(name, **switched_on)["generator"]
    move(before)
    with pytest.raises(ValueError, match="lack what these options need"):
        optimizers.go_on(after, "generator", optimizers.saved(before))


def test_momentum_of_sgd_may_be_switched_on() -> None:
    """It begins with the first gradient, as it does in a new run."""
    before, after = made("SGD")["generator"], made("SGD", momentum=0.9)["generator"]
    move(before)
    optimizers.go_on(after, "generator", optimizers.saved(before))
    move(after)
    assert after.param_groups[0]["momentum"] == 0.9


def test_checkpoints_of_earlier_versions_hold_the_state_alone() -> None:
    before, after = made("Adam", lr=0.01)["generator"], made("Adam", lr=0.02)["generator"]
    move(before)
    state = before.state_dict()
    state["param_groups"][0]["initial_lr"] = 0.01
    optimizers.go_on(after, "generator", state)
    assert after.param_groups[0]["lr"] == 0.02
    assert "initial_lr" not in after.param_groups[0]


@pytest.mark.parametrize("name", ["LBFGS", "SparseAdam", "Muon", "Rprop"])
def test_a_run_refuses_it_before_anything_is_written(
    preset: Preset, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    asked = {"class_path": f"torch.optim.{name}", "init_args": {"lr": 1e-3}}
    file, run = str(preset(optimizers__discriminator=asked)), str(tmp_path / "run")
    assert main(["train", "--config", file, "--run.dir", run]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("atme: optimizers.discriminator: ")
    assert errors.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_an_optimizer_made_of_weights_on_the_cpu_trains_a_run(preset: Preset, tmp_path: Path) -> None:
    """Adagrad has moments before its first step, and Adafactor's are of other shapes than the weights."""
    asked = {
        "generator": {"class_path": "torch.optim.Adagrad", "init_args": {"lr": 1e-3}},
        "discriminator": {"class_path": "torch.optim.Adafactor", "init_args": {"lr": 1e-3}},
    }
    short = {"epochs": 1, "decay_epochs": 0}
    file = str(preset(optimizers=asked, training__rate=short, training__sample_every=0))
    assert main(["train", "--config", file, "--run.dir", str(tmp_path / "run")]) == 0
    more = ["--training.rate.epochs", "2", "--training.resume", "auto"]
    assert main(["train", "--config", file, "--run.dir", str(tmp_path / "run"), *more]) == 0
    assert len(checkpoints(tmp_path / "run")) == 2
    assert [line["lr"] for line in read_log(tmp_path / "run")] == [1e-3] * 4


def test_adam_is_fused_unless_the_options_say_how() -> None:
    assert made("Adam")["generator"].param_groups[0]["fused"] is True
    assert made("AdamW")["generator"].defaults["fused"] is True
    assert made("Adam", fused=False)["generator"].param_groups[0]["fused"] is False
    assert made("Adam", foreach=True)["generator"].param_groups[0]["fused"] is None
    assert not made("Adam")["generator"].param_groups[0].get("differentiable")


def test_moments_from_before_adam_was_fused_go_on() -> None:
    """As an unfused Adam would have gone on, within rounding; and another rate is no such step (the control)."""
    settings = {"lr": 1e-2, "betas": (0.5, 0.9)}
    then = made("Adam", fused=False, **settings)["generator"]
    move(then)
    kept = optimizers.saved(then)
    defaults = json.loads(kept["defaults"])
    kept["defaults"] = json.dumps(defaults | {"fused": None}, sort_keys=True)
    for group in kept["param_groups"]:
        group["fused"] = None  # as it stands in checkpoints of that time
    now = made("Adam", **settings)["generator"]
    start_from(now, then)
    optimizers.go_on(now, "generator", kept)
    assert now.param_groups[0]["fused"] is True
    move(now)
    move(then)
    weights = [[w for group in each.param_groups for w in group["params"]] for each in (now, then)]
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-6, atol=1e-8)
    move(then)
    assert any(not torch.allclose(a, b, rtol=1e-6, atol=1e-8) for a, b in zip(*weights, strict=True))


@pytest.mark.parametrize("weights_last", [False, True])
@pytest.mark.parametrize("gradients_last", [False, True])
@pytest.mark.parametrize("moments_last", [False, True])
@pytest.mark.parametrize("asked", [{}, {"fused": True}])
@pytest.mark.parametrize("by", ["PyTorch", "compiled"])
def test_a_fused_adam_heeds_layouts_in_memory(
    by: str,
    asked: dict[str, bool],
    weights_last: bool,
    gradients_last: bool,
    moments_last: bool,
    request: pytest.FixtureRequest,
) -> None:
    """It moves each weight by its own gradient, as an unfused one does; PyTorch's alone does not."""
    if by == "compiled":
        request.getfixturevalue(by)
    torch.manual_seed(0)
    start, gradients = torch.randn(6, 4, 3, 3), [torch.randn(6, 4, 3, 3) for _ in range(3)]
    formats = {False: torch.contiguous_format, True: torch.channels_last}
    found = []
    for settings in (asked, {"foreach": False}):
        judge = nn.Conv2d(4, 6, 3)
        judge.weight.data = start.clone(memory_format=formats[weights_last])
        makers = Namespace(
            generator=partial(torch.optim.Adam, lr=0.1, **settings),
            discriminator=partial(torch.optim.Adam, lr=0.1, **settings),
        )
        networks = Networks(judge, nn.Linear(1, 1), Identity(Game(1, (16, 16), 1, lambda h, w: (h, w), 1)))
        optimizer = optimizers.make(makers, networks, device=torch.device("cpu"))["generator"]
        for gradient in gradients:
            judge.weight.grad = gradient.clone(memory_format=formats[gradients_last])
            optimizer.step()
            state = optimizer.state[judge.weight]
            state["exp_avg"] = state["exp_avg"].clone(memory_format=formats[moments_last])
        found.append(judge.weight.detach())
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-6)
    assert not torch.allclose(found[0], start, atol=1e-2)


def test_a_fused_adam_copies_no_gradient() -> None:
    """It moves weights with channels last to the bits of PyTorch's alone, which copies each gradient (2.14)."""
    torch.manual_seed(0)
    ours = UNet(1, 1, dim=4, dim_mults=(1,), groups=2)
    plain = deepcopy(ours)
    makers = Namespace(generator=partial(torch.optim.Adam, lr=0.1), discriminator=torch.optim.Adam)
    scheme = Identity(Game(1, (16, 16), 1, lambda h, w: (h, w), 1))
    played = Networks(ours, nn.Linear(1, 1), scheme)
    optimizer = optimizers.make(makers, played, device=torch.device("cpu"))["generator"]
    for weights in zip(ours.parameters(), plain.parameters(), strict=True):
        weights[0].grad, weights[1].grad = (torch.full_like(weight, 0.5).copy_(weights[0]) for weight in weights)
    torch.optim.Adam(plain.parameters(), lr=0.1, fused=True).step()
    with profile(activities=[ProfilerActivity.CPU]) as seen, kernels.left_out():
        optimizer.step()
    assert all(map(torch.equal, ours.parameters(), plain.parameters()))
    assert not any(event.name == "aten::clone" for event in seen.events())


WEIGHTS = ((), (5, 7), (130, 1000), (33, 16, 3, 3))


def alone(name: str, **settings: object) -> Optimizer:
    """An optimizer of a few weights, one of them with channels last; the same ones each time."""
    values = [torch.randn(shape, generator=torch.Generator().manual_seed(k)) for k, shape in enumerate(WEIGHTS)]
    values[-1] = values[-1].contiguous(memory_format=torch.channels_last)
    optimizer: Optimizer = getattr(torch.optim, name)([nn.Parameter(value) for value in values], **settings)
    fused_adam.prepare(optimizer)
    return optimizer


def moved_by_noise(optimizer: Optimizer, steps: int = 5) -> list[Tensor]:
    """Weights and moments after steps, in which the second weight has a gradient every second time."""
    draws, (group,) = torch.Generator().manual_seed(9), optimizer.param_groups
    for step in range(steps):
        for k, weight in enumerate(group["params"]):
            gradient = torch.randn(weight.shape, generator=draws).to(weight.dtype)
            weight.grad = None if step % 2 and k == 1 else gradient
        optimizer.step()
    kept = [optimizer.state[weight] for weight in group["params"]]
    return [*(weight.detach() for weight in group["params"]), *(each[name] for each in kept for name in sorted(each))]


@pytest.fixture
def steps_in_one_pass(compiled: None, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each pass was called."""
    called: Counter[str] = Counter()
    call = passes.call

    def counted(name: str, *rest: Any) -> None:
        called[name] += 1
        call(name, *rest)

    monkeypatch.setattr(passes, "call", counted)
    return called


OF_ADAM: dict[str, tuple[str, dict[str, Any]]] = {
    "as the presets": ("Adam", {"lr": 2e-4, "betas": (0.5, 0.999)}),
    "with weight decay, upwards": ("Adam", {"lr": 0.01, "weight_decay": 0.1, "maximize": True}),
    "AdamW": ("AdamW", {"lr": 0.01, "weight_decay": 0.1}),
    "Adam as AdamW": ("Adam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    "AdamW upwards": ("AdamW", {"lr": 0.01, "maximize": True, "eps": 0.1}),
    "a rate that is a tensor": ("Adam", {"lr": torch.tensor(0.01)}),
}


class TestAStepInOnePass:
    @pytest.mark.parametrize(("name", "settings"), OF_ADAM.values(), ids=OF_ADAM)
    def test_is_that_of_pytorch(self, steps_in_one_pass: Counter[str], name: str, settings: dict[str, Any]) -> None:
        """Steps, moments and weights of its plain form in float64, as close as its fused one in float32."""
        if not settings.keys() <= inspect.signature(getattr(torch.optim, name)).parameters.keys():
            pytest.skip("an option of later versions of PyTorch")
        ours, fused, plain = (alone(name, fused=fused, **settings) for fused in (True, True, False))
        for group in plain.param_groups:
            group["params"] = [nn.Parameter(weight.double()) for weight in group["params"]]
        found, right = moved_by_noise(ours), moved_by_noise(plain)
        assert steps_in_one_pass == {"adam": 5}
        with kernels.left_out():
            theirs = moved_by_noise(fused)
        assert steps_in_one_pass == {"adam": 5}
        for mine, other, exact in zip(found, theirs, right, strict=True):
            assert (mine - exact).abs().max() <= 2 * (other - exact).abs().max() + 1e-7 * exact.abs().max()

    @pytest.mark.parametrize("settings", [{"amsgrad": True}, {"fused": False}, {"foreach": True}])
    def test_is_left_to_pytorch(self, steps_in_one_pass: Counter[str], settings: dict[str, bool]) -> None:
        moved_by_noise(alone("Adam", **{"fused": "foreach" not in settings, **settings}))
        assert not steps_in_one_pass

    def test_of_other_precisions_is_left_to_pytorch(self, steps_in_one_pass: Counter[str]) -> None:
        weight = nn.Parameter(torch.ones(3, dtype=torch.float64))
        optimizer = torch.optim.Adam([weight], fused=True)
        fused_adam.prepare(optimizer)
        moved_by_noise(optimizer)
        assert not steps_in_one_pass
        assert (weight != 1).all()

    def test_does_not_depend_on_the_number_of_threads(
        self, steps_in_one_pass: Counter[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = []
        for threads in (1, 3):
            monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
            found.append(moved_by_noise(alone("Adam", fused=True)))
        assert all(map(torch.equal, *found))
        assert steps_in_one_pass["adam"] == 10

    def test_tells_that_weights_changed(self, steps_in_one_pass: Counter[str]) -> None:
        optimizer = alone("Adam", fused=True)
        before = [weight._version for weight in optimizer.param_groups[0]["params"]]
        moved_by_noise(optimizer, steps=1)
        assert all(
            weight._version > old for weight, old in zip(optimizer.param_groups[0]["params"], before, strict=True)
        )
        assert steps_in_one_pass

    def test_of_nothing_is_none(self, steps_in_one_pass: Counter[str]) -> None:
        alone("Adam", fused=True).step()
        assert not steps_in_one_pass


def start_from(optimizer: Optimizer, other: Optimizer) -> None:
    """Give one optimizer's weights the other's values."""
    for group, of_other in zip(optimizer.param_groups, other.param_groups, strict=True):
        for weight, value in zip(group["params"], of_other["params"], strict=True):
            weight.data.copy_(value.data)
