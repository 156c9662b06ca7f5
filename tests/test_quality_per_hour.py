"""Races for equal processor time: what runs, what is left to do, and what the table says."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import studies

quality = studies.load("quality_per_hour")
reports = studies.load("quality_report")

RACE = """
preset: earth_pix2pix_demo
minutes: 0.05
seeds: [0, 1]
common: --data.load_size 40 --data.crop_size 32 --data.test_size 32
settings:
  as it is: ""
  hinge: --model.init_args.adversarial hinge
scores: [l1, psnr]
pictures: 2
"""
SMALL = (
    "--generator.init_args.dim 8 --generator.init_args.dim_mults [1] --discriminator.init_args.dim 8 "
    "--discriminator.init_args.layers 1 --training.batch_size 1"
)


def a_race(folder: Path, text: str = RACE) -> Any:
    (folder / "race.yaml").write_text(text)
    return quality.Race.read(folder / "race.yaml")


def test_every_setting_runs_with_every_seed_and_for_its_minutes(tmp_path: Path) -> None:
    words = [each.words for each in quality.entrants(a_race(tmp_path), tmp_path)]
    assert [each.run.name for each in quality.entrants(a_race(tmp_path), tmp_path)] == [
        "as_it_is-0",
        "hinge-0",
        "as_it_is-1",
        "hinge-1",
    ]
    assert all("--training.max_time 3s" in " ".join(each) for each in words)
    assert "--model.init_args.adversarial hinge --run.seed 1" in " ".join(words[3])


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="minuts: unknown"):
        a_race(tmp_path, RACE.replace("minutes", "minuts"))


def test_a_race_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = a_race(tmp_path)
    begun, trained, scored, new = quality.entrants(told, tmp_path)
    for entrant in (begun, trained, scored):
        entrant.run.mkdir()
        (entrant.run / "options.yaml").touch()
    (trained.run / "finished").touch()
    (scored.run / "evaluation").mkdir()
    (scored.run / "evaluation" / "test.json").touch()
    played: list[tuple[str, ...]] = []
    monkeypatch.setattr(quality, "play", lambda words, log: not played.append(tuple(words)))
    for entrant, verbs in ((begun, "train evaluate"), (trained, "evaluate"), (scored, ""), (new, "train evaluate")):
        played.clear()
        new.run.mkdir(exist_ok=True)
        quality.run(entrant, told)
        assert [words[0] for words in played] == verbs.split()
        assert ("--training.resume" in (played or [()])[0]) == (entrant is begun)


def test_a_run_that_failed_is_not_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told, played = a_race(tmp_path), []
    monkeypatch.setattr(quality, "play", lambda words, log: played.append(words[0]))
    quality.run(quality.entrants(told, tmp_path)[0], told)
    assert played == ["train"]


def test_a_race_of_one(tmp_path: Path) -> None:
    told = replace(a_race(tmp_path), settings={"tiny": SMALL}, seeds=[0])
    told = replace(told, common=f"{told.common} --training.log_every 2 --training.checkpoint_every 100")
    (entrant,) = quality.entrants(told, tmp_path)
    quality.run(entrant, told)
    reports.report(told, [entrant], tmp_path)
    (line,) = json.loads((tmp_path / "race.json").read_text())
    assert line["updates"] > 0
    assert line["minutes"] > 0
    head, _, row = (tmp_path / "race.md").read_text().splitlines()
    assert head == "| setting | seeds | updates | minutes | objective at the end | L1 | PSNR, dB |"
    assert row.startswith(f"| tiny | 1 | {line['updates']} |")
    assert (tmp_path / "curves.png").stat().st_size
    assert (tmp_path / "grid.png").stat().st_size


def test_rows_are_means_over_seeds(tmp_path: Path) -> None:
    told = a_race(tmp_path)
    lines = [
        {"setting": "hinge", "seed": seed, "updates": 10, "minutes": 0.5, "objective": None, "l1": l1, "psnr": 20.0}
        for seed, l1 in ((0, 0.1), (1, 0.2))
    ]
    row = reports.table(told, lines).splitlines()[2]
    assert row == "| hinge | 2 | 10 | 0.5 | – | 0.150 ± 0.071 | 20.0 ± 0.0 |"
