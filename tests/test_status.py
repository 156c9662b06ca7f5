"""What is said of a training from its log: each trouble is named, and its healthy twin is not."""

import json
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atme.cli import main
from atme.run_folder import read_log
from atme.status import DIAGNOSES, Curves, account, line, troubles
from atme.status.curves import POINTS
from atme.training.standing import LOOKS, Standing, curves_of

HEALTHY: dict[str, Any] = {
    "pairs.looked": 32.0,
    "pairs.sources": 32.0,
    "pairs.targets": 32.0,
    "pairs.one_color": 0.21,
    "pairs.spread": 0.26,
    "pairs.ends": 0.01,
    "pairs.turned": 0.0,
    "pairs.shift": 0.4,
    "objective": 0.95,
    "g_ends": 0.01,
    "g_spread": 0.25,
    "w_mean": 0.6,
    "w_std": 0.05,
}
"""What a run settles at, beside its falling L1."""


def made(*, lines: int = 40, steps: int = 400, options: dict[str, Any] | None = None, **settled: Any) -> Curves:
    """A run whose L1 falls from 0.4 to 0.13, and that goes to what is settled otherwise; a list is a curve."""
    rng, values = np.random.default_rng(0), HEALTHY | settled
    share = np.linspace(0, 1, lines)
    curves: dict[str, Any] = {"g_l1": 0.13 + 0.27 * np.exp(-4 * share) + 0.003 * rng.standard_normal(lines)}
    curves["objective"] = values.pop("objective") + 0.3 * np.exp(-9 * share) + 0.03 * rng.standard_normal(lines)
    for key, value in values.items():
        curves[key] = value if isinstance(value, list | np.ndarray) else np.full(lines, value)
    done = [
        {"step": 10 * (at + 1), "steps": steps} | {key: float(curve[at]) for key, curve in curves.items()}
        for at in range(lines)
    ]
    return Curves(done, options or {})


def kinds(curves: Curves) -> list[str]:
    return [each.kind for each in troubles(curves)]


PLANTED: dict[str, dict[str, Any]] = {
    "blank_targets": {"pairs.spread": 0.0, "pairs.targets": 1.0, "pairs.one_color": 0.0},
    "same_targets": {"pairs.targets": 1.0},
    "repeated_pairs": {"pairs.sources": 1.0, "pairs.targets": 1.0},
    "turned_pairs": {"pairs.turned": 0.4},
    "shifted_pairs": {"pairs.shift": 20.0},
    "blind_critic": {"objective": 0.0},
    "strong_critic": {"objective": 0.05},
    "saturated_generator": {"g_ends": 0.8},
    "flat_generator": {"g_spread": 0.01},
    "unlearned": {"g_l1": np.full(40, 0.3)},
    "saturated_memory": {"w_std": 0.7},
    "overfitted": {"g_l1": np.linspace(0.2, 0.03, 40), "val_l1": np.linspace(0.2, 0.22, 40)},
}
NEARLY: dict[str, dict[str, Any]] = {
    "blank_targets": {"pairs.spread": 0.03},  # a map of open water and little else
    "same_targets": {"pairs.targets": 2.0},
    "repeated_pairs": {"pairs.sources": 20.0},
    "turned_pairs": {"pairs.turned": 1 / 32},
    "shifted_pairs": {"pairs.shift": 1.1},  # Maps, and class colors
    "blind_critic": {"objective": 1.3},  # even, and it moved to get there
    "strong_critic": {"objective": 0.5},
    "saturated_generator": {"g_ends": 0.8, "pairs.ends": 0.75},  # drawings on white
    "flat_generator": {"g_spread": 0.01, "pairs.spread": 0.03},
    "unlearned": {"g_l1": np.linspace(0.4, 0.15, 40)},
    "saturated_memory": {"w_std": 0.3, "w_mean": 0.9},  # 2x is a picture, too
    "overfitted": {"g_l1": np.linspace(0.2, 0.03, 40), "val_l1": np.linspace(0.3, 0.1, 40)},
}


def test_each_trouble_has_a_twin() -> None:
    assert PLANTED.keys() == NEARLY.keys() == {each.__name__ for each in DIAGNOSES}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_trouble_is_named(kind: str) -> None:
    planted = dict(PLANTED[kind])
    if kind == "blind_critic":
        blind = made()
        curves = Curves([one | {"objective": 1.3863} for one in blind.lines], {})
    else:
        curves = made(**planted)
    assert kind in kinds(curves)
    assert kinds(curves)[0] == kind or kind == "overfitted"
    assert line(curves).startswith("trouble: ")
    assert "What to change first" in account(curves)[-1]


@pytest.mark.parametrize("kind", NEARLY)
def test_what_is_nearly_so_raises_no_alarm(kind: str) -> None:
    assert kinds(made(**NEARLY[kind])) == []


def test_a_healthy_run_is_said_to_be_one() -> None:
    said = line(made())
    assert said.startswith("g_l1 0.13")
    assert "still falling" in said
    assert "discriminator fair (objective 0.9" in said
    assert "W alive" in said


@pytest.mark.parametrize(
    ("steps", "said"),
    [(3, "A run of 8 updates or more says more."), (24, "A smaller training.log_every, such as 1, says more")],
)
def test_what_says_more_next_time_can_be_had(steps: int, said: str) -> None:
    """However many lines: a run of three updates has no more than three."""
    lines = [{"step": at, "steps": steps, "g_l1": 0.3} for at in (steps // 3, 2 * steps // 3, steps)]
    assert said in account(Curves(lines, {}))[0]


@pytest.mark.parametrize(
    ("curves", "said"),
    [
        (made(lines=3), "too early to say: 3 lines of the log, 8 % of the updates"),
        (made(lines=20, steps=4000), "too early to say: 20 lines of the log, 5 % of the updates"),
        (Curves([]), "too early to say: 0 lines of the log, 0 % of the updates"),
        (made(lines=3, objective=0.0), "too early to say"),
        (Curves([{"step": 3, "steps": 3, "g_l1": 0.3}]), "too little to say: 1 line of the log, 100 % of the updates"),
    ],
)
def test_nothing_is_said_where_there_is_too_little(curves: Curves, said: str) -> None:
    assert line(curves).startswith(said)
    assert "Too little" in account(curves)[0] or account(curves) == ["Nothing was logged."]


def test_what_is_wrong_with_pairs_is_said_at_once() -> None:
    assert line(made(lines=1, **{"pairs.turned": 0.5})).startswith("trouble: halves are swapped in some pairs")


@pytest.mark.parametrize("adversarial", ["hinge", "least_squares", "wgan_gp", "relativistic"])
def test_of_other_games_the_objective_is_not_read(adversarial: str) -> None:
    curves = made(objective=0.05, options={"model.init_args.adversarial": adversarial})
    assert kinds(curves) == []
    assert "discriminator" not in line(curves)


def test_a_denoising_game_stays_at_log_4() -> None:
    even = [one | {"objective": 1.386} for one in made().lines]
    assert kinds(Curves(even, {"model.class_path": "atme.Pix2Pix"})) == ["blind_critic"]
    assert kinds(Curves(even, {"model.class_path": "atme.DenoisingGAN"})) == []


def test_a_late_game_over_translations_that_pass_for_targets_stays_at_log_4() -> None:
    even = [one | {"objective": 1.374} for one in made(**{"pairs.one_color": 0.39}).lines]
    near = [one | {"g_l1": 0.047} for one in even]
    assert kinds(Curves(even, {})) == ["blind_critic"]
    assert kinds(Curves(near, {})) == []


@pytest.mark.parametrize(("lines", "said"), [(1, []), (7, []), (20, ["blind_critic"])])
def test_a_late_game_has_time_to_begin(lines: int, said: list[str]) -> None:
    """Of 40 lines of a run, the discriminator is asked from the 21st on."""
    of_run = made().lines
    silent = [{key: value for key, value in line.items() if key != "objective"} for line in of_run[:20]]
    game = [line | {"objective": 1.39} for line in of_run[20 : 20 + lines]]
    assert kinds(Curves([*silent, *game], {})) == said


@pytest.mark.parametrize("key", ["g_l1", "val_l1", "val_iou"])
def test_a_distance_that_grows_when_a_late_game_begins_is_no_fault(key: str) -> None:
    grows = np.r_[np.linspace(0.4, 0.2, 20), np.linspace(0.2, 0.26, 20)]
    falls = {key: 0.6 - grows} if key == "val_iou" else {key: grows, "g_l1": grows}
    whole = made(options={"training.keep_best": key.removeprefix("val_")}, **{"pairs.one_color": 0.4}, **falls)
    late = Curves(
        [
            {name: value for name, value in one.items() if at >= 20 or name != "objective"}
            for at, one in enumerate(whole.lines)
        ],
        whole.options,
    )
    assert "getting worse" in line(whole)
    assert ("as it does when a game begins" in line(late)) == (key != "val_iou")
    assert ("look at the samples" in account(late)[-1]) == (key != "val_iou")
    assert "look at the samples" not in account(whole)[-1]


def test_one_color_is_that_of_the_pairs_that_the_score_is_of() -> None:
    """Held-out targets may be of other colors: what is worse than one color of the training pairs may be far better."""
    known = {"pairs.one_color": 0.188, "val_l1": 0.21}
    told = {name: account(made(**{**known, **more}))[0] for name, more in UNSEEN.items()}
    assert "comes to an L1 of 0.188 on the pairs that it learns from" in told["unknown"]
    assert "comes to an L1 of 0.252," in told["known"]
    flat = {"g_l1": np.full(40, 0.2)}
    assert kinds(made(**{**known, **flat})) == ["unlearned"]
    assert kinds(made(**{**known, **flat, **UNSEEN["known"]})) == []
    assert kinds(made(**{**known, **flat, "val_l1": 0.26, **UNSEEN["known"]})) == ["unlearned"]


UNSEEN: dict[str, dict[str, float]] = {"unknown": {}, "known": {"pairs.one_color_unseen": 0.252}}


def test_a_remedy_says_what_holds_now() -> None:
    flat = np.full(40, 0.3)
    assert "lambda_l1 is 0" in line(made(g_l1=flat, options={"model.init_args.lambda_l1": 0.0}))
    rate = {"optimizers.generator.init_args.lr": 0.006}
    assert "lower optimizers.generator.init_args.lr (now 0.006) by a factor of 10" in line(
        made(g_l1=flat, options=rate)
    )


@pytest.mark.parametrize("step", [-0.002, 0.0, 0.002])
def test_a_trend_holds_its_interval(step: float) -> None:
    """Of 200 noisy curves the interval of 95 % misses the true change in few."""
    rng, missed, x = np.random.default_rng(1), 0, np.arange(60)
    for _ in range(200):
        y = 0.2 + step * x + 0.01 * rng.standard_normal(60)
        found = Curves([{"step": int(at) + 1, "v": float(v)} for at, v in zip(x, y, strict=True)]).trend("v")
        assert found is not None
        missed += not found.low <= step * 19 <= found.high
    assert missed <= 22  # 10 are expected


def test_a_trend_of_many_points_is_that_of_few_means() -> None:
    y = np.linspace(1, 0, 30_000)
    found = Curves([{"step": at + 1, "v": float(v)} for at, v in enumerate(y)]).trend("v")
    assert found is not None
    assert found.moves == -1
    assert found.change == pytest.approx(-1 / 3 * (1 - 1 / POINTS), rel=1e-3)


def test_higher_scores_are_better_where_they_are() -> None:
    up = made(val_psnr=np.linspace(15, 20, 40), options={"training.keep_best": "psnr"})
    assert "val_psnr 20, still rising" in line(up)
    assert "was still getting better" in account(up)[-1]
    down = made(val_psnr=np.linspace(20, 15, 40))
    assert "val_psnr 15, getting worse, falling" in line(down)
    assert "at best 20 at step 10" in account(down)[0]
    assert "keep_best" in account(down)[-1]


def test_what_is_no_number_is_left_out() -> None:
    curves = made(val_l1=np.linspace(0.3, 0.2, 40))
    gone = Curves([one | {"val_l1": None} if at % 2 else one for at, one in enumerate(curves.lines)], {})
    assert "still falling" in line(gone)


def test_it_is_told_now_and_then_and_when_something_is_new() -> None:
    healthy = made(lines=400, steps=4000).lines
    standing = Standing([], {})
    said = [standing.after(dict(one)) for one in healthy]
    assert 9 <= sum(each is not None for each in said) <= 12
    assert said[-1] is not None
    won = [one | {"objective": 0.01} if at > 202 else one for at, one in enumerate(healthy)]
    standing = Standing([], {})
    first = next(at for at, one in enumerate(won) if "has won" in (standing.after(dict(one)) or ""))
    assert 203 < first < 320


def test_looks_at_a_log_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    monkeypatch.setattr("atme.training.standing.troubles", lambda curves: looks.append(len(curves.lines)) or [])
    standing = Standing([], {})
    for one in made(lines=4000, steps=40_000).lines:
        standing.after(dict(one))
    assert len(looks) <= LOOKS + 2


ASSETS = Path(__file__).parent / "golden" / "status"


@pytest.mark.parametrize("path", sorted(ASSETS.glob("*.json")), ids=lambda path: path.stem)
def test_recorded_runs(path: Path) -> None:
    """Logs of runs of analysis/status_study.py."""
    recorded = json.loads(path.read_text())
    found = kinds(Curves(recorded["lines"], recorded["options"]))
    expected = set(recorded["planted"])
    assert bool(expected & set(found[:3])) if expected else found == []


def test_a_run_says_where_it_stands(
    preset: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, folder, page = preset(training__log_every=1), tmp_path / "run", tmp_path / "evening.html"
    assert main(["train", "--config", str(file), "--run.dir", str(folder), "--page", str(page)]) == 0
    said = capsys.readouterr().err.splitlines()
    spoken = [each.removeprefix("status: ") for each in said if each.startswith("status: ")]
    logged = [each["status"] for each in read_log(folder) if "status" in each]
    assert spoken == logged
    assert spoken[0].startswith("too early to say")
    assert spoken[-1] == line(curves_of(folder))
    assert said[-1] == " ".join(account(curves_of(folder)))
    assert escape(account(curves_of(folder))[-1]) in page.read_text()

    assert main(["show", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines() == account(curves_of(folder))
    assert main(["show", str(folder / "checkpoints" / "last")]) == 0
    assert capsys.readouterr().out.splitlines() == account(curves_of(folder))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("{run}", "--training.batch_size", "4"), "is a run, and takes no --training.batch_size; leave that out"),
        (("{empty}",), "no checkpoint in this folder; give the folder of a run that was trained"),
    ],
)
def test_what_cannot_be_shown_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert main(["show", *(word.format(run=run, empty=tmp_path) for word in words)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1
