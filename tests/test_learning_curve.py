"""Would more pairs help? A curve through scores whose law is known, and short trainings on parts of real ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import smooth
from plans import Told, facts

from atme.cli import main, planning
from atme.data.layout import find_layout
from atme.data.scan import list_pairs
from atme.images import write_image
from atme.planning.curve import CHAINS, FEWEST, Study, curve_of, learn_curve, study_of
from atme.planning.decide import decide
from atme.planning.fingerprint import Splits
from atme.planning.plan import Plan
from atme.planning.rule import Facts, Setting
from atme.planning.words import cost_of, of_curve

Said = pytest.CaptureFixture[str]

PARTS = (125, 250, 500)


def scores(*, floor: float, slope: float, exponent: float, scatter: float, seed: int) -> dict[int, list[float]]:
    rng = np.random.default_rng(seed)
    true = {count: floor + slope * (count / 1000) ** -exponent for count in PARTS}
    return {count: [each * (1 + scatter * rng.standard_normal()) for _ in range(2)] for count, each in true.items()}


@pytest.mark.parametrize(("floor", "slope", "exponent"), [(0.1, 0.05, 0.5), (0.0, 0.2, 0.25), (0.15, 0.02, 1.0)])
def test_the_law_is_found_again(floor: float, slope: float, exponent: float) -> None:
    """What all pairs come to lies in the range in most of twenty studies, and the range is no excuse."""
    found = [
        curve_of(scores(floor=floor, slope=slope, exponent=exponent, scatter=0.01, seed=seed), pairs=1000).at_all
        for seed in range(20)
    ]
    assert all(each.low < each.middle < each.high for each in found)
    assert sum(each.low <= floor + slope <= each.high for each in found) >= 15
    assert np.median([(each.high - each.low) / each.middle for each in found]) < 0.2
    assert not any(each.low <= 1.3 * (floor + slope) <= each.high for each in found)


def test_where_pairs_stopped_helping_none_is_promised() -> None:
    flat = curve_of(scores(floor=0.2, slope=0.0, exponent=0.5, scatter=0.003, seed=0), pairs=1000)
    assert flat.gain.high < 0.03
    assert "hardly help" in "\n".join(of_curve(flat))
    steep = curve_of(scores(floor=0.0, slope=0.2, exponent=0.5, scatter=0.003, seed=0), pairs=1000)
    assert steep.gain.low > 0.1
    assert "would help" in "\n".join(of_curve(steep))
    unclear = curve_of(scores(floor=0.1, slope=0.05, exponent=0.3, scatter=0.1, seed=0), pairs=1000)
    assert "do not tell" in "\n".join(of_curve(unclear))
    assert max(map(len, of_curve(unclear))) <= 98


def plan(known: Facts) -> Plan:
    decided = decide(known)
    return Plan(known, decided, decided, decided)


def test_what_it_costs_is_said_before() -> None:
    study = study_of(plan(facts(hours=1.0)))
    assert study.parts == (125, 250, 500)
    assert study.scored == 100  # of the validation split
    assert study.seconds == pytest.approx(1800, abs=6)
    assert f"{study.updates:,} updates a run, some 30 minutes" in cost_of(study)
    held_out = study_of(plan(facts(splits=Splits("train", None, None, {"train": 1000}))))
    assert (held_out.scored, held_out.parts) == (100, (112, 225, 450))


def test_too_few_pairs_or_hours_are_refused_with_what_would_do() -> None:
    with pytest.raises(ValueError, match="an eighth of 15 pairs is not enough to train on; it takes 16"):
        study_of(plan(facts(pairs=15)))
    assert study_of(plan(facts(pairs=16))).parts == (2, 4, 8)
    with pytest.raises(ValueError, match=r"--learning-curve: 6 runs in half of 0\.05 hours") as refused:
        study_of(plan(facts(hours=0.05)))
    hours = float(str(refused.value).split("--hours ")[1].split()[0])
    assert study_of(plan(facts(hours=hours))).updates >= FEWEST


def test_runs_on_parts_of_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two folders, not divided: parts are nested, none holds what is scored, and no run leaves anything behind."""
    rng = np.random.default_rng(0)
    for half in "AB":
        (tmp_path / half).mkdir()
    for number in range(20):
        picture = smooth(rng, 24, 24)
        write_image(tmp_path / "A" / f"{number:02}.png", picture)
        write_image(tmp_path / "B" / f"{number:02}.png", 255 - picture)
    one = {"size": (24, 24), "largest": (24, 24), "detail": (), "splits": Splits(".", None, None, {".": 20})}
    known = facts(root=str(tmp_path), pairs=20, clock=Told(bf16=9.0), **one)
    decided = decide(known)
    small = {"class_path": "atme.UNet", "init_args": {"dim": 8, "dim_mults": [1, 2], "groups": 4}}
    decisions = dict(decided.decisions)
    decisions["generator"] = replace(decisions["generator"], settings={"generator": Setting(small, "small")})
    decided = replace(decided, decisions=decisions)
    seen: list[tuple[set[str], set[str]]] = []
    from atme.planning import curve

    train = curve.train

    def watched(options, *, text):  # type: ignore[no-untyped-def]
        root = Path(options.data.root)
        seen.append(tuple(set(list_pairs(find_layout(root, split=split)).names) for split in ("train", "val")))  # type: ignore[arg-type]
        return train(options, text=text)

    monkeypatch.setattr(curve, "train", watched)
    monkeypatch.setattr(curve, "CHAINS", 1)
    study = Study(updates=2, seconds=1.0, parts=(2, 4, 8), scored=4)
    found = list(learn_curve(Plan(known, decided, decided, decided), study))
    assert [count for count, _ in found] == [2, 4, 8]
    assert all(0 < score < 2 for _, score in found)
    parts = [part for part, _ in seen]
    assert parts[0] < parts[1] < parts[2]
    assert all(scored == seen[0][1] and not scored & part for part, scored in seen)
    assert len(seen[0][1]) == 4
    assert CHAINS == 2


def test_the_command_shows_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With scores as if they had been trained."""
    from atme.planning import curve

    known = scores(floor=0.1, slope=0.05, exponent=0.5, scatter=0.003, seed=1)
    runs = ((count, each) for count, found in known.items() for each in found)
    monkeypatch.setattr(curve, "learn_curve", lambda planned, study: runs)
    planned = plan(facts(hours=1.0))
    planning._learn(planned, study_of(planned))
    shown = capsys.readouterr()
    assert "learning curve: trains on 125, 250, 500 pairs, twice each" in shown.err
    assert "125 pairs: L1 0." in shown.err
    assert "2,000 pairs" in shown.out


@pytest.mark.parametrize(
    ("hours", "word", "said"),
    [(0.05, "--learning-curve", "--learning-curve: 6 runs in half"), (1.0, "--hours=1", "exists already")],
)
def test_what_is_refused_writes_nothing(
    hours: float, word: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Said
) -> None:
    """Be it too little time for a curve, or another plan, which wrote the same file while this one was made."""
    place = tmp_path / "mine.yaml"

    def made(*_: object, **__: object) -> Plan:
        if word != "--learning-curve":
            place.write_text("another's")
        return plan(facts(hours=hours))

    monkeypatch.setattr("atme.planning.plan.make_plan", made)
    words = ["plan", str(tmp_path), word, "--output", str(place)]
    assert main(words) == 2
    assert said in capsys.readouterr().err
    assert not place.exists() or place.read_text() == "another's"


def test_no_score_is_below_zero() -> None:
    """Scores of 2, 4 and 8 pairs of earth, which scatter widely."""
    curve = curve_of({2: (0.1876, 0.3624), 4: (0.1309, 0.1407), 8: (0.1235, 0.1371)}, pairs=16)
    assert curve.at_all.low == 0.0 < curve.at_all.middle
    assert curve.at_twice.low == 0.0
