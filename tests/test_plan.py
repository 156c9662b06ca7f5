"""Updates planned by time: once, before the first; from then on the clock is not asked, and bits are exact."""

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from test_training import same_bits, train

from atme.cli import main
from atme.inference import Translator
from atme.run_folder import checkpoints, read_log
from atme.training import plan
from atme.training.duration import seconds_of

Preset = Callable[..., Path]
Said = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2h", 7200), ("90m", 5400), ("45s", 45), ("1h30m", 5400), ("1.5h", 5400), ("1 h 5 s", 3605), ("2H", 7200)],
)
def test_times_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert seconds_of(text, option="x") == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "2d", "-1h", "1h2", "0s", "1,5h", "nan"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"x: .* is no time; give one such as 2h, 90m or 45s"):
        seconds_of(text, option="x")


def test_a_time_that_is_none_is_one_line(tmp_path: Path, preset: Preset, capsys: Said) -> None:
    assert train(preset(), tmp_path / "run", "--training.max_time", "soon") == 2
    said = capsys.readouterr().err.strip()
    assert "training.max_time: 'soon' is no time; give one such as 2h, 90m or 45s" in said
    assert len(said.splitlines()) == 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reading is a second after the one before."""
    ticks = itertools.count()
    monkeypatch.setattr(plan.updates_within, "__kwdefaults__", {"clock": lambda: float(next(ticks))})


def steps_of(run: Path) -> int | None:
    steps: int | None = yaml.safe_load((run / "options.yaml").read_text())["training"].get("steps")
    return steps


@pytest.mark.usefixtures("clock")
class TestAPlan:
    def test_it_is_kept_and_repeated_bit_for_bit(self, preset: Preset, tmp_path: Path, capsys: Said) -> None:
        """Six updates of an epoch of four: the log ends, and a grid and a checkpoint are made, in the middle of one."""
        file = preset(training__evaluate_every=1, data__validation_split="test")
        assert train(file, tmp_path / "planned", "--training.max_time", "16.3s") == 0
        steps = steps_of(tmp_path / "planned")
        assert steps == 6
        assert f"{steps} updates fit into 16.3s" in capsys.readouterr().err
        assert read_log(tmp_path / "planned")[-1]["step"] == steps
        assert "val_l1" in read_log(tmp_path / "planned")[-1]
        assert checkpoints(tmp_path / "planned")[-1].name == f"step_{steps:08d}"
        assert (tmp_path / "planned" / "samples" / "epoch_0002.png").is_file()
        Translator.from_run(tmp_path / "planned").save_pretrained(tmp_path / "handed")
        card = (tmp_path / "handed" / "README.md").read_text("utf-8")
        assert "| updates | 6 |" in card
        assert "| epochs |" not in card  # its shape alone
        assert train(file, tmp_path / "said", "--training.steps", str(steps)) == 0
        assert train(tmp_path / "planned" / "options.yaml", tmp_path / "again") == 0
        for other in ("said", "again"):
            assert same_bits(checkpoints(tmp_path / "planned")[-1], checkpoints(tmp_path / other)[-1])

    def test_gone_on_with_it_is_the_same(self, preset: Preset, tmp_path: Path) -> None:
        """By the options that it left, or by the words that began it; another time is another run."""
        file, time = preset(), ("--training.max_time", "12s")
        assert train(file, tmp_path / "whole", *time) == 0
        first = checkpoints(tmp_path / "whole")[0]
        assert train(tmp_path / "whole" / "options.yaml", tmp_path / "parts", "--training.resume", str(first)) == 0
        assert same_bits(checkpoints(tmp_path / "whole")[-1], checkpoints(tmp_path / "parts")[-1])
        steps = steps_of(tmp_path / "whole")
        assert train(file, tmp_path / "whole", *time, "--training.resume", "auto") == 0
        assert steps_of(tmp_path / "whole") == steps
        assert train(file, tmp_path / "whole", "--training.max_time", "1h", "--training.resume", "auto") == 2

    def test_a_run_that_began_without_is_not_planned_anew(self, preset: Preset, tmp_path: Path, capsys: Said) -> None:
        assert train(preset(), tmp_path / "run") == 0
        middle = str(checkpoints(tmp_path / "run")[1])
        words = ("--training.resume", middle, "--training.max_time", "1h")
        assert train(preset(), tmp_path / "longer", *words) == 2
        assert "training.max_time: plans a run from its start" in capsys.readouterr().err
        steps = ("--training.resume", middle, "--training.steps", "13")  # as the line says
        assert train(preset(), tmp_path / "longer", *steps) == 0
        assert read_log(tmp_path / "longer")[-1]["step"] == 13

    def test_too_little_time_is_one_line(self, preset: Preset, tmp_path: Path, capsys: Said) -> None:
        assert train(preset(), tmp_path / "run", "--training.max_time", "1s") == 2
        said = capsys.readouterr().err.strip()
        assert "training.max_time: an update takes" in said
        assert said.endswith("so that none fits into 1 s; give more")
        assert not (tmp_path / "run").exists()


def test_the_rate_has_the_shape_of_its_epochs(preset: Preset, tmp_path: Path) -> None:
    """Two thirds at the full rate, and one falling: of nine updates as of twelve."""
    assert train(preset(training__log_every=1), tmp_path / "run", "--training.steps", "9") == 0
    rates = [line["lr"] / 2e-4 for line in read_log(tmp_path / "run")]
    assert rates == pytest.approx([1] * 6 + [1, 2 / 3, 1 / 3])


@pytest.mark.usefixtures("clock")
def test_what_a_game_costs_later_counts(preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A discriminator that rests for half of the training: it is timed resting, and playing."""
    seen: list[float] = []
    update = plan.update
    monkeypatch.setattr(plan, "update", lambda trial, *, at: (seen.append(at), update(trial, at=at)))
    file = preset(model={"class_path": "atme.Pix2Pix", "init_args": {"start": 0.5}})
    assert train(file, tmp_path / "run", "--training.max_time", "5s", "--training.steps", "3") == 0
    assert seen == []  # a number of updates is a plan
    file = preset(model={"class_path": "atme.Pix2Pix", "init_args": {"start": 0.5}}, training__steps=3)
    assert train(file, tmp_path / "other", "--training.max_time", "12s") == 0  # of a preset, one that this word undoes
    assert steps_of(tmp_path / "other") not in (None, 3)
    assert {0.125, 0.375, 0.625, 0.875} <= set(seen)


@pytest.mark.usefixtures("clock")
def test_the_chain_of_the_docs(pairs_folder: Path, tmp_path: Path, capsys: Said) -> None:
    """Its preset and its commands, on tiny pictures: the discriminator rests, learns, plays; then larger pictures."""
    text = (
        (Path(__file__).parents[1] / "docs" / "training.md")
        .read_text("utf-8")
        .split("## By the clock")[1]
        .split("\n## ")[0]
    )
    (tmp_path / "mine.yaml").write_text(text.split("```yaml\n")[1].split("```")[0])
    small, large = re.findall(r"\$ atme (train .*?)\n(?=\$|```)", text.split("```yaml")[1].replace("\\\n", ""), re.S)
    tiny = {"data.root": str(pairs_folder), "data.load_size": "null", "data.workers": "0", "training.batch_size": "2"}
    tiny |= {"generator.init_args.widths": "8,8,8,8", "training.log_every": "1", "training.device": "cpu"}
    tiny |= {"discriminator.init_args.layers": "2", "discriminator.init_args.dim": "4"}
    tiny |= {"training.rate.epochs": "1", "training.rate.decay_epochs": "1"}
    for words, time, crop in ((small, "25s", "16"), (large, "12s", "32")):
        given = [
            word.replace("runs/", f"{tmp_path}/").replace("mine.yaml", f"{tmp_path}/mine.yaml")
            for word in words.split()
        ]
        changed = tiny | {"training.max_time": time, "data.crop_size": crop}
        assert main([*given, *(f"--{key}={value}" for key, value in changed.items())]) == 0
    assert "starts from the weights in" in capsys.readouterr().err
    alone, together = (read_log(tmp_path / name) for name in ("small", "large"))
    played = ["objective" in line for line in alone]
    assert played == sorted(played)
    assert set(played) == {False, True}
    assert all("objective" in line for line in together)


class Clock:
    """Updates that take a second each, or three at the end of the training; one in ten, by chance, ten times that."""

    def __init__(self, seed: int) -> None:
        self.now, self.updates, self.rng = 0.0, 0, np.random.default_rng(seed)

    def update(self, trial: object, *, at: float) -> None:
        self.updates += 1
        self.now += self.spent(at)

    def spent(self, at: float) -> float:
        return (3.0 if at > 0.6 else 1.0) * (10.0 if self.rng.random() < 0.1 else 1.0)


TRIAL = SimpleNamespace(between=(), state=SimpleNamespace(of_main=lambda number: number))
MEAN = 2.0 * 1.9


@pytest.mark.parametrize("hours", [1, 10, 100])
def test_the_timing_takes_a_small_share_of_the_time(monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    """A fiftieth, but for the round that it is in; of little time some updates at least."""
    clock = Clock(0)
    monkeypatch.setattr(plan, "update", clock.update)
    plan.seconds_an_update(3600 * hours, TRIAL, clock=lambda: clock.now)  # type: ignore[arg-type]
    assert clock.now <= 0.02 * 3600 * hours + 80
    assert clock.updates >= 13


def test_the_more_time_the_nearer_is_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside other work: how far the mean of the timed updates is from that of all, by the time that is given."""
    missed = []
    for seconds in (10, 36_000, 360_000):
        found = []
        for seed in range(20):
            clock = Clock(seed)
            monkeypatch.setattr(plan, "update", clock.update)
            found.append(plan.seconds_an_update(seconds, TRIAL, clock=lambda c=clock: c.now))  # type: ignore[arg-type, misc]
        missed.append(float(np.median(np.abs(np.array(found) / MEAN - 1))))
    assert missed == sorted(missed, reverse=True)
    assert missed[1] < 0.12
    assert missed[2] < 0.05


def test_what_is_done_at_the_end_counts_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Updates of a second, and a look of 50 after 1,000 of them: there is one at the end of a run that has fewer."""
    now = [0.0]

    def takes(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(plan, "update", lambda trial, *, at: takes(1.0))
    trial = SimpleNamespace(between=((1000, lambda: takes(50.0)),), state=TRIAL.state)
    steps = plan.updates_within(200, trial, clock=lambda: now[0])  # type: ignore[arg-type]
    assert now[0] == 63.0  # thirteen updates and a look tell it
    assert steps == 200 - 63 - 50
    with pytest.raises(ValueError, match=r"an update takes 1 s, what is done at the end 50 s, .*into 113 s; give more"):
        plan.updates_within(113, trial, clock=lambda: now[0])  # type: ignore[arg-type]
    assert plan.updates_within(114, trial, clock=lambda: now[0]) == 1  # type: ignore[arg-type]


@given(st.floats(0, 50), st.floats(0.1, 3), st.lists(st.tuples(st.integers(1, 9), st.floats(0, 5)), max_size=2))
def test_one_more_would_not_fit(seconds: float, each: float, between: list[tuple[int, float]]) -> None:
    def spent(steps: int) -> float:
        return steps * each + sum(once * -(-steps // every) for every, once in between)

    steps = plan.most_within(seconds, each, between)
    assert spent(steps) <= seconds < spent(steps + 1)


def test_show_says_how_long(preset: Preset, capsys: Said) -> None:
    assert main(["show", str(preset()), "--training.max_time", "2h"]) == 0
    assert "as many as fit into 2h" in capsys.readouterr().out
    assert main(["show", str(preset(training__steps=70)), "--training.max_time=2h"]) == 0
    assert "as many as fit into 2h" in capsys.readouterr().out
    assert main(["show", str(preset()), "--training.steps", "70"]) == 0
    assert "as many as 70 updates take" in capsys.readouterr().out
