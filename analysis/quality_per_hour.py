"""What is a setting worth by the hour? Settings raced for equal processor time of one thread, scored on the same pairs.

    python analysis/quality_per_hour.py RACE.yaml --output runs/race [--jobs 2]

A race is a YAML file; a setting is the preset, the words that all share, and its own, as `atme train` takes them:

    preset: maps_quick
    minutes: 10
    seeds: [0, 1, 2]
    common: --training.start_from runs/regression --model.init_args.start 0
    settings:
      pix2pix: ""
      ATME: --noise atme.DecisionMemory
    scores: [iou, precision_street, recall_street, l1]
    split: val

The minutes are processor time (processor_time.py): each run plans the updates that fit into them, trains these, and is
scored by `atme evaluate`. The table says what they took: a plan is made of a few updates, and on a busy machine these
mislead; a setting that says `--training.steps` plans nothing. Begun anew, a race goes on where it was: finished runs
stay, one under way is resumed with the same bits.

Output: race.md (a table; mean ± standard deviation over seeds), race.json, curves.png (the first score over minutes,
for settings with looks at a validation split, `training.evaluate_every`; else the objective), and grid.png (some
translations).
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import auto_cli
from quality_report import report

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Race:
    """Who runs, and for how long.

    Attributes:
        settings: words of each setting, by its name.
        preset: that all begin with, by name or path.
        minutes: of processor time, each.
        seeds: of the runs of each setting.
        common: words that all share.
        scores: columns of the table, as `atme evaluate` names them.
        split: that is scored.
        pictures: of the split, in the grid.
    """

    settings: Mapping[str, str]
    preset: str
    minutes: float = 10
    seeds: Sequence[int] = (0,)
    common: str = ""
    scores: Sequence[str] = ("l1", "psnr", "ssim")
    split: str = "test"
    pictures: int = 6

    @classmethod
    def read(cls, path: Path) -> "Race":
        """Read a race's file.

        Raises:
            ValueError: if it has other keys than the attributes.
        """
        told: dict[str, Any] = yaml.safe_load(path.read_text())
        unknown = sorted(set(told) - set(cls.__dataclass_fields__))
        if unknown:
            raise ValueError(f"{path}: {', '.join(unknown)}: unknown; a race has {', '.join(cls.__dataclass_fields__)}")
        return cls(**told)


@dataclass(frozen=True)
class Entrant:
    """One run of a race."""

    setting: str
    seed: int
    run: Path
    words: Sequence[str] = field(default_factory=tuple)
    """Of `atme train`, for a run that begins."""

    def is_scored(self, split: str) -> bool:
        return (self.run / "evaluation" / f"{split}.json").exists()


def race(file: Path, *, output: Path, jobs: int = 1) -> None:
    """Race settings.

    Args:
        file: the race.
        output: folder of its runs, table and pictures.
        jobs: runs at a time, of one thread each.

    Raises:
        ValueError: if the file is none of a race.
    """
    told = Race.read(file)
    output.mkdir(parents=True, exist_ok=True)
    field_of = list(entrants(told, output))
    with ThreadPoolExecutor(jobs) as lanes:
        for _ in lanes.map(lambda entrant: run(entrant, told), field_of):
            report(told, field_of, output)
    report(told, field_of, output)


def entrants(told: Race, output: Path) -> list[Entrant]:
    """The runs of a race: every setting with the first seed, then with the next one."""
    length = ["--training.max_time", f"{round(60 * told.minutes)}s"]
    made = []
    for seed in told.seeds:
        for setting, own in told.settings.items():
            folder = output / f"{setting.replace(' ', '_')}-{seed}"
            words = ["--config", told.preset, *length, *shlex.split(told.common), *shlex.split(own)]
            made.append(Entrant(setting, seed, folder, (*words, "--run.seed", str(seed), "--run.dir", str(folder))))
    return made


def run(entrant: Entrant, told: Race) -> None:
    """Train and score a run, or what is left of it; its words go into a file beside its folder."""
    if entrant.is_scored(told.split):
        return
    began = (entrant.run / "options.yaml").exists()
    again = ["--config", str(entrant.run / "options.yaml"), "--training.resume", "auto"]
    with entrant.run.with_suffix(".log").open("a") as log:
        if not (entrant.run / "finished").exists() and not play(["train", *(again if began else entrant.words)], log):
            return
        (entrant.run / "finished").touch()
        play(["evaluate", str(entrant.run), "--split", told.split], log)


def play(words: Sequence[str], log: Any) -> bool:
    """Run atme's command line by the processor's clock, in one thread; whether it came to its end."""
    alone = os.environ | {"OMP_NUM_THREADS": "1"}
    script = [sys.executable, str(HERE / "processor_time.py"), *words]
    print(shlex.join(words), file=log, flush=True)
    return subprocess.run(script, stdout=log, stderr=log, env=alone, check=False).returncode == 0


if __name__ == "__main__":
    auto_cli(race, as_positional=True)
