"""`atme compare`: what is one game, what its numbers are over seeds, what is refused, and its page in a browser."""

import csv
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import TINY, Browse
from devtools import Page
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from PIL import Image

from atme.cli import main
from atme.reports import figures
from atme.reports.compare.curves import POINTS, charts, draw, marks
from atme.reports.compare.groups import Group, differing, grouped
from atme.reports.compare.result import Comparison, Result, predictors
from atme.reports.compare.run import Run, read_runs
from atme.reports.compare.scores import Scores, Spread, shared
from atme.reports.compare.words import words
from atme.reports.pictures import chosen

DIFFUSION = {"class_path": "atme.noise.Diffusion", "init_args": {"t_max": 20, "ada_kimg": 0.1, "interval": 1}}
METRICS = ("l1", "psnr", "ssim", "delta_e", "swd")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, pairs_folder: Path) -> dict[str, Path]:
    """Three trained runs: ATME under seeds 0 and 1, Diffusion-GAN under seed 0; an epoch each."""
    folder = tmp_path_factory.mktemp("compare")
    training = TINY["training"] | {"rate": {"epochs": 1, "decay_epochs": 0}, "sample_every": 0}
    common = TINY | {"training": training, "data": TINY["data"] | {"root": str(pairs_folder)}}
    for name, seed, noise in (("atme_0", 0, TINY["noise"]), ("atme_1", 1, TINY["noise"]), ("diffusion", 0, DIFFUSION)):
        (folder / "preset.yaml").write_text(yaml.safe_dump(common | {"noise": noise, "run": {"seed": seed}}))
        assert main(["train", "--config", str(folder / "preset.yaml"), "--run.dir", str(folder / name)]) == 0
    return {name: folder / name for name in ("atme_0", "atme_1", "diffusion")}


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def compared(runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of comparing all three; their folders must stay as they are."""
    output = tmp_path_factory.mktemp("output") / "deep" / "compared"
    before = {name: contents(run) for name, run in runs.items()}
    assert main(["compare", *map(str, runs.values()), "--output", str(output), "--images", "2"]) == 0
    assert {name: contents(run) for name, run in runs.items()} == before
    return output


def numbers(output: Path) -> dict:
    return json.loads((output / "compare.json").read_text())


@pytest.fixture
def copy(runs: dict[str, Path], tmp_path: Path) -> Callable[..., Path]:
    """A run's twin in another folder, with options set anew."""

    def make(name: str = "atme_0", to: str = "twin", **changes: object) -> Path:
        place = tmp_path / to
        shutil.copytree(runs[name], place)
        options = yaml.safe_load((place / "options.yaml").read_text())
        for key, value in changes.items():
            section, last = key.split("__")
            options[section][last] = value
        (place / "options.yaml").write_text(yaml.safe_dump(options))
        return place

    return make


def run(name: str, log: list[dict] | None = None, **options: object) -> Run:
    """A run that is not on disk; `__` stands for the dots of a key."""
    known: dict[str, object] = {"run.dir": f"runs/{name}", "run.seed": 0, "noise.class_path": "atme.Identity"}
    return Run(
        Path(name), name, known | {key.replace("__", "."): value for key, value in options.items()}, 4, log or []
    )


# What is one game.


def test_runs_that_differ_in_their_seed_are_one_game() -> None:
    a, b = run("atme_seed0", run__seed=0), run("atme_seed1", run__seed=1)
    other = run("other", noise__class_path="atme.DecisionMemory")
    games = grouped([a, other, b])
    assert [(game.name, game.runs, game.seeds) for game in games] == [
        ("atme", (a, b), (0, 1)),
        ("other", (other,), (0,)),
    ]


@pytest.mark.parametrize(
    ("key", "same"),
    [
        ("data.workers", True),
        ("data.cache", True),
        ("training.log_every", True),
        ("training.evaluate_every", True),
        ("training.keep_best", True),
        ("training.stop_after", False),
        ("training.device", True),
        ("history.images", True),
        ("training.rate.epochs", False),
        ("training.precision", False),
        ("training.batch_size", False),
        ("generator.init_args.dim", False),
    ],
)
def test_keys_that_do_not_change_the_game(key: str, same: bool) -> None:
    one = run("a", **{key.replace(".", "__"): 1})
    other = run("b", run__seed=1, **{key.replace(".", "__"): 2})
    assert len(grouped([one, other])) == (1 if same else 2)


def test_the_same_seed_twice_is_no_second_draw() -> None:
    games = grouped([run("a", run__seed=0), run("b", run__seed=0), run("c", run__seed=1)])
    assert [[one.name for one in game.runs] for game in games] == [["a", "c"], ["b"]]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["maps_0", "maps_1"], "maps"),
        (["maps_seed1", "maps_seed2"], "maps"),
        (["atme-s0", "atme-s1"], "atme"),
        (["first", "second"], "first, second"),
        (["0", "1"], "0, 1"),
    ],
)
def test_name_of_a_game(names: list[str], expected: str) -> None:
    (game,) = grouped([run(name, run__seed=seed) for seed, name in enumerate(names)])
    assert game.name == expected


def test_games_do_not_share_a_name() -> None:
    runs = [run(f"a_{i}", run__seed=i % 2, noise__class_path=f"{i // 2}") for i in range(4)]
    assert [game.name for game in grouped(runs)] == ["a_0, a_1", "a_2, a_3"]


def test_settings_that_differ_and_only_those() -> None:
    one = run("a", training__average=0.9, data__workers=0, model__init_args__x=[1, 2], empty={}, data__transforms=[])
    two = run("b", run__seed=1, training__average=0.9, data__workers=0, model__init_args__x=[1, 2])
    three = run("c", noise__class_path="atme.Diffusion", data__workers=2, model__init_args__x=[1, 2], noise__t_max=5)
    settings = differing(grouped([one, two, three]))
    assert [(setting.key, setting.values, setting.incidental) for setting in settings] == [
        ("noise.class_path", ("atme.Identity", "atme.Diffusion"), False),
        ("noise.t_max", ("–", "5"), False),
        ("training.average", ("0.9", "–"), False),
        ("run.seed", ("0, 1", "0"), False),
        ("data.workers", ("0", "2"), True),
    ]
    assert differing(grouped([one])) == []


# Numbers.


def test_mean_and_standard_deviation() -> None:
    spread = Spread((1.0, 2.0, 4.0))
    assert spread.mean == pytest.approx(7 / 3)
    assert spread.sd == pytest.approx(np.sqrt(7 / 3))  # ((4/3)² + (1/3)² + (5/3)²) / 2
    assert Spread((3.0,)).sd is None
    assert Spread((np.inf, 30.0)).sd is None


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=8))
def test_spread_is_numpys(values: list[float]) -> None:
    assert Spread(tuple(values)).sd == pytest.approx(np.std(values, ddof=1), abs=1e-9)


@given(st.integers(1, 50), st.integers(0, 60))
def test_chosen_pictures(pairs: int, images: int) -> None:
    indices = chosen(pairs, images)
    assert len(indices) == min(pairs, images)
    assert indices == sorted(set(indices))
    assert not indices or (indices[0] == 0 and indices[-1] < pairs)
    assert images < 2 or indices[-1] == pairs - 1


def test_curves_are_means_and_no_longer_than_they_must_be() -> None:
    lines = [
        {"step": i, "images": 2 * i, "epoch": 1, "loss": float(i % 2), "note": "x"} for i in range(1, 2 * POINTS + 1)
    ]
    with_loss, without = run("a", lines), run("b", [{"step": 1, "images": 2, "epoch": 1, "diffusion.T": 5.0}])
    drawn = {chart.key: chart.curves for chart in charts([with_loss, without])}
    assert set(drawn) == {"loss", "diffusion.T"}
    assert set(drawn["loss"]) == {"a"}
    assert (drawn["loss"]["a"].values == 0.5).all()
    assert drawn["loss"]["a"].images[-1] == 4 * POINTS
    assert with_loss.settled("loss") == pytest.approx(0.5)


def test_scores_of_the_validation_split_come_first_and_the_best_is_marked() -> None:
    found = (0.5, None, 0.25, 0.375)
    lines = [{"step": i, "images": 2 * i, "epoch": i, "objective": 1.4, "val_l1": found[i]} for i in range(4)]
    kept, plain = replace(run("a", lines), best=("val_l1", 2)), run("b", lines)
    first, second = charts([kept, plain])
    assert (first.key, first.meaning) == ("val_l1", "L1 of the validation split; ring: the best checkpoint")
    assert first.curves["a"].images.tolist() == [0, 4, 6]  # a look that found no number is left out
    assert [first.curves[name].best for name in "ab"] == [(4, 0.25), None]
    assert [second.curves[name].best for name in "ab"] == [None, None]
    groups = [Group(each.name, (each,)) for each in (kept, plain)]
    assert draw(first, groups) != draw(replace(first, curves={"a": first.curves["b"], "b": first.curves["b"]}), groups)


def test_every_game_has_a_look_of_its_own() -> None:
    looks = marks([Group(str(i), ()) for i in range(28)])
    assert len(set(looks.values())) == 28


def test_a_predictor_on_other_data_is_another_row() -> None:
    def result(name: str, l1: float) -> Result:
        trivial = {"median_color": {"l1": l1}, "copy": {"l1": 1.0}}
        one = Scores({"l1": 0.1}, trivial, {"l1": "lower is better"}, "last", reused=False)
        return Result(Group(name, (run(name),)), (one,), {})

    rows = predictors([result("a", 0.2), result("b", 0.3), result("c", 0.2)])
    assert [(row.name, row.scores["l1"]) for row in rows] == [
        ("median color (a, c)", 0.2),
        ("median color (b)", 0.3),
        ("copy", 1.0),
    ]


def of_l1(**values: tuple[float, ...]) -> Comparison:
    """A comparison of games whose runs have these L1; the median color has 0.2."""

    def result(name: str, seeds: tuple[float, ...]) -> Result:
        scored = [Scores({"l1": l1}, {"median color": {"l1": 0.2}}, {}, "last", reused=False) for l1 in seeds]
        return Result(Group(name, tuple(run(f"{name}{i}", run__seed=i) for i in range(len(seeds)))), tuple(scored), {})

    results = [result(name, seeds) for name, seeds in values.items()]
    units = {"l1": "lower is better"}
    return Comparison("test", 3, "whole", "AtoB", "float32", units, results, predictors(results), [], [], [], [])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"a": (0.10, 0.12), "b": (0.11, 0.13)},
            "“a” before “b” by 0.0100, no more than the spread over seeds (0.0141)",
        ),
        ({"a": (0.18, 0.17), "b": (0.11, 0.13)}, "“b” before “a” by 0.0550, 3.9 times the spread over seeds (0.0141)."),
        ({"a": (0.10, 0.12), "b": (0.15,)}, "“a” before “b” by 0.0400. Whether other seeds would keep the order"),
        ({"a": (0.10, 0.10), "b": (0.15, 0.15)}, "“a” before “b” by 0.0500."),
        ({"a": (0.25, 0.21), "b": (0.10, 0.12)}, "By L1 “a” is no better than the median color."),
    ],
)
def test_a_difference_beside_the_spread_over_seeds(values: dict[str, tuple[float, ...]], said: str) -> None:
    assert said in words(of_l1(**values))[1]


def test_one_run_is_before_nobody() -> None:
    compared, cannot_say = words(of_l1(a=(0.1,)))
    assert "1 game in 1 run" in compared
    assert "one seed only" in cannot_say


def test_games_that_draw_their_answers_are_named() -> None:
    found = of_l1(a=(0.1,), b=(0.2,))
    drawn = replace(found.results[1], scored=(replace(found.results[1].scored[0], seed=0),))
    assert "“b” could give other answers" in words(replace(found, results=[found.results[0], drawn]))[2]
    assert "could give other" not in " ".join(words(found))


# A whole comparison.


def test_games_and_scores(compared: Path, runs: dict[str, Path]) -> None:
    found = numbers(compared)
    atme, diffusion = found["games"]
    assert (atme["name"], diffusion["name"]) == ("atme", "diffusion")
    assert [one["seed"] for one in atme["runs"]] == [0, 1]
    for metric in METRICS:
        values = [one["scores"][metric] for one in atme["runs"]]
        assert values[0] != values[1]
        assert atme["scores"][metric]["mean"] == pytest.approx(np.mean(values))
        assert atme["scores"][metric]["sd"] == pytest.approx(np.std(values, ddof=1))
        assert diffusion["scores"][metric]["sd"] is None
    assert [row["name"] for row in found["predictors"]] == ["median color", "copy"]
    assert found["comparable"] is True
    assert found["remarks"] == []
    assert (atme["steps"]["mean"], atme["epoch"]["mean"], atme["images"]["mean"]) == (4, 1, 7)
    assert atme["parameters"]["scheme"] > diffusion["parameters"]["scheme"] == 0
    assert sorted(compared.iterdir()) == [compared / "compare.json", compared / "report.html"]


def test_scores_are_those_of_evaluate(compared: Path, copy: Callable[..., Path]) -> None:
    run = copy()
    assert main(["evaluate", str(run)]) == 0
    scores = numbers(compared)["games"][0]["runs"][0]["scores"]
    evaluation = json.loads((run / "evaluation" / "test.json").read_text())
    assert scores == {metric: pytest.approx(evaluation[metric]) for metric in METRICS}
    with (run / "evaluation" / "test.csv").open() as file:
        by_name = {row["name"]: float(row["l1"]) for row in csv.DictReader(file)}
    shown = numbers(compared)["examples"]
    assert [example["name"] for example in shown] == ["test_0", "test_2"]
    assert all(example["l1"]["atme"] == pytest.approx(by_name[example["name"]]) for example in shown)


def test_an_evaluation_is_reused_only_where_it_is_the_same(copy: Callable[..., Path], tmp_path: Path) -> None:
    run = copy()
    assert main(["evaluate", str(run)]) == 0
    path = run / "evaluation" / "test.json"
    evaluation = json.loads(path.read_text())

    def reused(*more: str, **protocol: object) -> bool:
        changed = evaluation | {"l1": 0.5, "protocol": evaluation["protocol"] | protocol}
        path.write_text(json.dumps(changed))
        output = tmp_path / "out"
        assert main(["compare", str(run), "--output", str(output), "--images", "0", *more]) == 0
        (one,) = numbers(output)["games"][0]["runs"]
        assert (one["scores"]["l1"] == 0.5) == one["evaluation_reused"]
        return one["evaluation_reused"]

    assert reused()
    assert not reused("--weights", "last")
    assert not reused(step=3)
    assert not reused(direction="BtoA")
    assert not reused(units=evaluation["protocol"]["units"] | {"ssim": "as an older version had it"})
    assert not reused(units={})
    evaluation["psnr"] = evaluation["baselines"]["copy"]["psnr"] = None  # a pair that is its own target
    assert reused()
    assert "inf" in cells((tmp_path / "out" / "report.html").read_text())
    evaluation["ssim"] = None
    assert not reused()
    path.write_text("{")
    assert main(["compare", str(run), "--output", str(tmp_path / "out")]) == 0


def test_scores_that_not_all_runs_have_are_left_out_and_named(
    runs: dict[str, Path], copy: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few, output = copy(), tmp_path / "out"
    assert main(["evaluate", str(few), "--scores", "l1,swd"]) == 0
    capsys.readouterr()
    assert main(["compare", str(few), str(runs["diffusion"]), "--output", str(output), "--images", "0"]) == 0
    assert "not shown: psnr, ssim, delta_e, which not all runs have" in " ".join(capsys.readouterr().err.split())
    assert list(numbers(output)["metrics"]) == ["l1", "swd"]
    assert all(row["scores"].keys() == {"l1", "swd"} for row in numbers(output)["predictors"])


def test_runs_that_have_no_score_in_common_are_refused_and_the_remedy_works(
    copy: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = copy(to="one"), copy("diffusion", to="other")
    for run, metric in ((one, "l1"), (other, "psnr")):
        assert main(["evaluate", str(run), "--scores", metric]) == 0
    compare = ["compare", str(one), str(other), "--output", str(tmp_path / "out"), "--images", "0"]
    assert main(compare) == 2
    assert "give each the same with atme evaluate RUN --scores" in capsys.readouterr().err
    assert main(["evaluate", str(other), "--scores", "l1,psnr"]) == 0
    assert main(compare) == 0


def test_features_of_other_weights_are_not_compared() -> None:
    units = {"l1": "lower is better", "fid": "lower is better"}
    one = Scores({"l1": 1.0, "fid": 2.0}, {}, units, "last", False, features={"l1": None, "fid": {"sha256": "a"}})
    assert shared([one, one]) == ["l1", "fid"]
    assert shared([one, replace(one, features={"l1": None, "fid": {"sha256": "b"}})]) == ["l1"]
    assert one.of(["l1"]).metrics == {"l1": 1.0}


def test_best_is_the_best_of_all_rows(compared: Path) -> None:
    found = numbers(compared)
    rows = {game["name"]: {m: game["scores"][m]["mean"] for m in METRICS} for game in found["games"]}
    rows |= {row["name"]: row["scores"] for row in found["predictors"]}
    for metric, better in (("l1", min), ("psnr", max), ("ssim", max), ("delta_e", min), ("swd", min)):
        best = better(rows, key=lambda name, metric=metric: rows[name][metric])
        assert found["metrics"][metric]["best"] == [best]


def cells(page: str) -> list[str]:
    return re.findall(r"<data>(.*?)</data>", page)


def test_the_page_shows_the_numbers_of_the_json(compared: Path) -> None:
    found, page = numbers(compared), (compared / "report.html").read_text()
    shown = iter(cells(page))
    places = {"l1": 4, "psnr": 2, "ssim": 4, "delta_e": 2, "swd": 2}
    for scores in [game["scores"] for game in found["games"]] + [row["scores"] for row in found["predictors"]]:
        for metric in METRICS:
            one = scores[metric] if isinstance(scores[metric], dict) else {"mean": scores[metric], "sd": None}
            known = [one[key] for key in ("mean", "sd") if one[key] is not None]
            texts = [f"{value:.{places[metric]}f}".replace("-", "−") for value in known]
            assert next(shown) == " ± ".join(texts)
    assert next(shown, None) is None
    for example in found["examples"]:
        assert all(f"L1 {value:.4f}" in page for value in example["l1"].values())
    for sentence in found["words"]:
        assert sentence in page
    assert page.count('class="best"') == len(METRICS)
    assert page.count("★ </span>") == len(METRICS)


def test_settings_on_the_page(compared: Path) -> None:
    found, page = numbers(compared)["settings"], (compared / "report.html").read_text()
    keys = [setting["key"] for setting in found]
    assert "noise.class_path" in keys
    assert "noise.init_args.t_max" in keys
    assert found[keys.index("run.seed")]["values"] == {"atme": "0, 1", "diffusion": "0"}
    assert not {"run.dir", "generator.class_path", "training.batch_size"} & set(keys)
    table = page[page.index('id="settings"') :].replace("<wbr>", "")
    assert re.findall(r"<code>([\w.]+\.[\w.]+)</code></th>", table) == keys


def test_charts_of_what_was_logged(compared: Path) -> None:
    found = numbers(compared)
    assert {"objective", "entropy", "d_loss", "g_gan", "g_l1", "w_mean", "diffusion.T"} <= found["curves"].keys()
    assert set(found["curves"]["objective"]) == {"atme_0", "atme_1", "diffusion"}
    assert set(found["curves"]["diffusion.T"]) == {"diffusion"}
    assert found["games"][0]["settled"]["diffusion.T"] is None
    assert found["curves"]["objective"]["atme_0"]["images"] == [3, 7]


def test_words(compared: Path) -> None:
    said = " ".join(numbers(compared)["words"])
    assert "2 games in 3 runs, scored on split test, 3 pairs (AtoB, view: whole" in said
    assert "“atme” (2 seeds: 0, 1); “diffusion” (seed 0)" in said
    assert "Of “diffusion” there is one seed only, so no spread is shown" in said


def test_the_page_stands_alone(compared: Path) -> None:
    page = (compared / "report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert not re.findall(r"url\((?!data:)", page)
    assert len(page) < 2_000_000


def test_an_earlier_comparison_is_replaced(runs: dict[str, Path], tmp_path: Path) -> None:
    output = tmp_path / "out"
    for name in ("atme_0", "diffusion"):
        assert main(["compare", str(runs[name]), "--output", str(output), "--images", "1"]) == 0
    (game,) = numbers(output)["games"]
    assert game["name"] == "diffusion"
    assert "None." in (output / "report.html").read_text()
    assert list(tmp_path.iterdir()) == [output]


def test_equal_names_are_told_apart(runs: dict[str, Path], copy: Callable[..., Path]) -> None:
    places = [runs["diffusion"], copy("diffusion", "there/diffusion"), runs["atme_0"]]
    names = [run.name for run in read_runs(places)]
    assert names == [f"{places[0].parent.name}/diffusion", "there/diffusion", "atme_0"]


# What cannot be compared, or only with a remark.


def test_other_test_data_are_flagged(
    runs: dict[str, Path], copy: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turned, output = copy(data__direction="BtoA"), tmp_path / "out"
    assert main(["compare", str(runs["atme_0"]), str(turned), "--output", str(output)]) == 0
    assert "direction: AtoB (atme_0), BtoA (twin)" in capsys.readouterr().err
    found, page = numbers(output), (output / "report.html").read_text()
    assert found["comparable"] is False
    assert found["examples"] == []
    assert [metric["best"] for metric in found["metrics"].values()] == [[] for _ in METRICS]
    assert 'class="best"' not in page
    assert 'id="pictures"' not in page
    assert "direction: AtoB (atme_0), BtoA (twin)" in page


@pytest.mark.parametrize("alike", [True, False])
def test_the_same_pictures_in_another_place(
    runs: dict[str, Path], copy: Callable[..., Path], pairs_folder: Path, tmp_path: Path, alike: bool
) -> None:
    other = tmp_path / "pairs"
    shutil.copytree(pairs_folder, other)
    if not alike:
        shutil.copy(other / "test" / "test_0.png", other / "test" / "test_1.png")
    run, output = copy(data__root=str(other), run__seed=3), tmp_path / "out"
    assert main(["compare", str(runs["atme_0"]), str(run), "--output", str(output), "--images", "1"]) == 0
    assert numbers(output)["comparable"] is alike


def test_each_run_is_scored_on_its_own_test_split(
    runs: dict[str, Path], copy: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As by ``atme evaluate``: a plan for pairs without a split test sets another one."""
    output = tmp_path / "out"
    own = [copy("atme_0", "one", data__test_split="eight"), copy("diffusion", "two", data__test_split="eight")]
    words = ["--output", str(output), "--images", "1"]
    assert main(["compare", *map(str, own), *words]) == 0
    assert (numbers(output)["split"], numbers(output)["pairs"]) == ("eight", 8)
    capsys.readouterr()
    assert main(["compare", str(own[0]), str(runs["diffusion"]), *words]) == 0
    assert numbers(output)["comparable"] is False
    assert "split: eight (one), test (diffusion)" in capsys.readouterr().err
    assert main(["compare", str(own[0]), str(runs["diffusion"]), "--split", "eight", *words]) == 0
    assert numbers(output)["comparable"] is True


def test_a_run_without_log_is_compared_with_a_remark(copy: Callable[..., Path], tmp_path: Path) -> None:
    run, output = copy(to="<i>run"), tmp_path / "out"
    (run / "log.jsonl").unlink()
    assert main(["compare", str(run), "--output", str(output), "--images", "0"]) == 0
    assert "log.jsonl holds no line" in numbers(output)["remarks"][0]
    assert numbers(output)["games"][0]["seconds"] is None
    page = (output / "report.html").read_text()
    assert "&lt;i&gt;run" in page
    assert "<i>run" not in page
    assert 'id="curves"' not in page


def test_unequal_trainings_are_remarked(runs: dict[str, Path], copy: Callable[..., Path], tmp_path: Path) -> None:
    run, output = copy(), tmp_path / "out"
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    after_the_checkpoint = log[1] | {"step": 5, "images": 99}
    (run / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in (log[0], after_the_checkpoint)))
    for path in run.rglob("average_*"):
        path.unlink()
    assert main(["compare", str(runs["atme_0"]), str(run), "--output", str(output), "--images", "0"]) == 0
    unequal, weights, twins = numbers(output)["remarks"]
    assert unequal == "Trained unequally long: 7 images (atme_0), 3 images (twin)."
    assert weights == "Scored with different weights: averaged (atme_0), the last ones (twin)."
    assert "repeats, not seeds" in twins


# Bad input: one line, and nothing is written.


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The one line that a refused comparison ends with."""

    def refuse(*arguments: object) -> str:
        before = contents(tmp_path)
        capsys.readouterr()
        words = list(map(str, arguments))
        output = [] if "--output" in words else ["--output", str(tmp_path / "out")]
        assert main(["compare", *words, *output]) == 2
        errors = capsys.readouterr().err
        assert errors.count("\n") == 1, errors
        assert errors.startswith("atme: ")
        assert not (tmp_path / "out").exists()
        assert contents(tmp_path) == before
        return errors

    return refuse


def test_no_run(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "runs" in refused()
    assert "no such folder" in refused(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "no checkpoint" in refused(tmp_path / "empty")


def test_a_run_that_is_named_twice(refused: Callable[..., str], runs: dict[str, Path]) -> None:
    assert "named twice" in refused(runs["atme_0"], runs["atme_1"], runs["atme_0"].parent / "atme_1" / ".." / "atme_0")


def test_a_damaged_run(refused: Callable[..., str], copy: Callable[..., Path]) -> None:
    run = copy()
    log, options = run / "log.jsonl", run / "options.yaml"
    whole, chosen_options = log.read_text(), options.read_text()
    for text, named in (
        ("what?\n" + whole, "log.jsonl, line 1: not JSON"),
        (whole + "3\n", "log.jsonl, line 3: holds no number for step"),
        (whole + '{"step": 9, "epoch": 1, "images": null}\n', "line 3: holds no number for images"),
    ):
        log.write_text(text)
        assert named in refused(run)
    log.write_bytes(b"\xff\xfe")
    assert "log.jsonl: is no text" in refused(run)
    log.write_text(whole)
    options.write_text("run: [")
    assert "options.yaml" in refused(run)
    options.write_text(chosen_options)
    for state in ("[]", "{}", "{"):
        next(run.rglob("state.json")).write_text(state)
        assert "step_00000004" in refused(run)
    shutil.rmtree(run / "checkpoints")
    assert "no checkpoint" in refused(run)


def test_arguments_that_do_not_fit(refused: Callable[..., str], runs: dict[str, Path]) -> None:
    run = runs["atme_0"]
    assert "images: -1" in refused(run, "--images", "-1")
    assert "nowhere" in refused(run, "--split", "nowhere")
    assert "warp" in refused(run, "--device", "warp")
    assert "weights" in refused(run, "--weights", "none")


def test_an_output_that_holds_something_else(
    refused: Callable[..., str], copy: Callable[..., Path], tmp_path: Path
) -> None:
    run, folder = copy(), tmp_path / "thesis"
    folder.mkdir()
    (folder / "report.html").write_text("mine")
    assert "holds other things" in refused(run, "--output", folder)
    assert "is a file" in refused(run, "--output", folder / "report.html")
    assert "is a file" in refused(run, "--output", folder / "report.html" / "deeper")
    assert "only read" in refused(run, "--output", run / "compared")


# The page, in a browser.

LOOK = """
  const button = it.querySelector("#difference");
  const shown = kind => [...it.querySelectorAll(kind)].filter(one => one.getClientRects().length).length;
  const count = () => [shown(".row .translation"), shown(".row .difference"), shown(".bar .difference")];
  const rows = [...it.querySelectorAll(".row, .wide")];
  const before = count();
  button.focus();
  const focused = it.activeElement === button;
  button.click();
  const during = count(), pressed = button.getAttribute("aria-pressed");
  const inside = it.documentElement.scrollWidth;
  button.click();
  return {before, during, pressed, inside, after: count(), focused, tag: button.tagName,
    reachable: rows.every(one => one.tabIndex === 0), rows: rows.length};
"""


@pytest.mark.parametrize("width", [400, 1280])
def test_page_in_a_browser(compared: Path, browse: Browse, width: int) -> None:
    seen, console = browse(compared / "report.html", width=width, look=LOOK)
    assert console == ""
    assert seen["width"] == width
    assert max(seen["scroll"], seen["inside"]) <= width
    assert (seen["broken"], seen["silent"]) == (0, 0)
    assert seen["images"] > 12
    assert (seen["before"], seen["during"], seen["after"]) == ([4, 0, 0], [0, 4, 1], [4, 0, 0])
    assert (seen["tag"], seen["pressed"], seen["focused"]) == ("BUTTON", "true", True)
    assert seen["reachable"]
    assert seen["rows"] == 2 + 3


@pytest.mark.parametrize("key", [" ", "Enter"])
def test_the_difference_is_shown_by_keyboard(compared: Path, chromium: list[str], key: str) -> None:
    focused = "document.activeElement.id || document.activeElement.className"
    shown = "[...document.querySelectorAll('.row .difference')].filter(one => one.offsetHeight).length"
    pressed = "document.querySelector('#difference').getAttribute('aria-pressed')"
    with Page(chromium, compared / "report.html", width=400) as page:
        assert page.run("innerWidth") == 400
        assert page.run("document.documentElement.scrollWidth") <= 400
        for _ in range(20):
            page.press("Tab")
            if page.run(focused) == "difference":
                break
        assert (page.run(focused), page.run(shown), page.run(pressed)) == ("difference", 0, "false")
        page.press(key)
        assert (page.run(shown), page.run(pressed)) == (4, "true")
        page.press(key)
        assert (page.run(shown), page.run(pressed)) == (0, "false")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_and_legends_follow_the_readers_theme(compared: Path, chromium: list[str], scheme: str) -> None:
    color = "getComputedStyle(document.querySelector('{}')).{}"
    with Page(chromium, compared / "report.html", width=400, scheme=scheme) as page:
        paper = page.run(color.format("figure", "backgroundColor"))
        legend = page.run(color.format(".legend .swatch line", "stroke"))
        chart = np.asarray(Image.open(BytesIO(page.picture(of="#curves figure img"))).convert("RGB")).astype(int)
    ground, line = figures.PAPER, figures.LINES[0].lower()
    if scheme == "dark":
        ground, line = figures.IN_THE_DARK[ground], figures.IN_THE_DARK[line]
    assert paper == f"rgb{rgb(ground)}"
    assert tuple(chart[2, 2].tolist()) == rgb(ground)
    assert legend == f"rgb{rgb(line)}"
    assert np.abs(chart - rgb(line)).sum(axis=2).min() < 40  # a thin line is mixed with its ground


def rgb(color: str) -> tuple[int, ...]:
    """0 to 255 each."""
    return tuple(round(255 * part) for part in to_rgb(color))


def test_the_browser_test_can_fail(compared: Path, tmp_path: Path, browse: Browse) -> None:
    page = tmp_path / "bad.html"
    whole = (compared / "report.html").read_text()
    bad = whole.replace(".row {", ".row { width: 900px;").replace("one.hidden = pressed", "one.hidden = false")
    page.write_text(bad.replace("</body>", "<script>nothing()</script></body>"))
    seen, console = browse(page, width=400, look=LOOK)
    assert seen["scroll"] > 400
    assert "nothing is not defined" in console
    assert seen["during"] == [4, 4, 1]
