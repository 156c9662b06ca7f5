"""Do plans keep what they say? Planned runs beside presets that one would choose by hand, by equal processor time.

    python analysis/plan_study.py STUDY.yaml --output runs/plans [--jobs 2]
    python analysis/plan_curves.py STUDY.yaml --output runs/curves

A study is a YAML file:

    minutes: 15                    # of one core, each run
    split: test                    # that is scored, and that nothing was chosen by
    sets:
      Maps:
        data: maps
        size: 128                            # at which all are scored (plan_scores.py); null: the pictures' own
        scores: [l1, psnr, ssim, swd, iou]   # without a word, the first four
        colors: {ground: [236, 230, 222], street: [255, 255, 255]}   # of classes, for iou
        plan: --direction AtoB               # words of atme plan
        presets:                             # words of atme train beside --data.root
          maps_quick: --config maps_quick
          pix2pix: --config earth_pix2pix_demo

Each set is planned once (`atme plan`), and its plan is trained; so are its presets, for as long by `training.max_time`.
What is told of lengths is processor time of one thread, of the whole command. Begun anew, a study goes on where it was.

Output: plans.md and plans.json, anew after each run.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import auto_cli
from plan_scores import MEDIAN

from atme.metrics import metric
from atme.run_folder import read_log

HERE = Path(__file__).parent
PLANNED = "planned"
UNITS = {"s": 1, "minutes": 60, "hours": 3600}
DIGITS = {"psnr": 1, "swd": 0}


@dataclass(frozen=True)
class Told:
    """A set of a study."""

    name: str
    data: str
    presets: Mapping[str, str]
    plan: str = ""
    size: int | None = None
    scores: Sequence[str] = ("l1", "psnr", "ssim", "swd")
    colors: Mapping[str, Sequence[int]] | None = None

    @property
    def direction(self) -> str:
        """Which half is the source."""
        return "BtoA" if "BtoA" in self.plan else "AtoB"


@dataclass(frozen=True)
class Study:
    """What is compared, and for how long."""

    sets: Sequence[Told]
    minutes: float = 15
    split: str = "test"

    @classmethod
    def read(cls, path: Path) -> "Study":
        """Read a study's file.

        Raises:
            TypeError: if it, or a set in it, has other keys than the attributes.
        """
        told: dict[str, Any] = yaml.safe_load(path.read_text())
        sets = [Told(name, **each) for name, each in told.pop("sets").items()]
        return cls(sets, **told)


@dataclass(frozen=True)
class Entrant:
    """One run of a study."""

    of: Told
    name: str
    folder: Path
    """Of the set's runs."""
    steps: Sequence[Sequence[str]] = field(default_factory=tuple)
    """Commands of atme, in their order."""

    @property
    def run(self) -> Path:
        return self.folder / self.name


def entrants(study: Study, output: Path) -> Iterator[Entrant]:
    """All runs: the planned ones first, then each set's first preset, then the second ones."""
    for told in study.sets:
        folder = output / told.name.replace(" ", "_")
        preset = str(folder / f"{PLANNED}.yaml")
        plan = ["plan", told.data, "--hours", f"{study.minutes / 60:g}", *shlex.split(told.plan), "--output", preset]
        train = ["train", "--config", preset, "--run.dir", str(folder / PLANNED)]
        yield Entrant(told, PLANNED, folder, (plan, train))
    most = max(len(told.presets) for told in study.sets)
    for which in range(most):
        for told in study.sets:
            for name, words in list(told.presets.items())[which : which + 1]:
                folder = output / told.name.replace(" ", "_")
                length = ["--training.max_time", f"{round(60 * study.minutes)}s"]
                place = ["--data.root", told.data, "--data.direction", told.direction, "--run.dir", str(folder / name)]
                yield Entrant(told, name, folder, (["train", *shlex.split(words), *length, *place],))


def compete(file: Path, *, output: Path, jobs: int = 1) -> None:
    """Plan, train and score.

    Args:
        file: the study.
        output: folder of its runs and tables.
        jobs: runs at a time, of one thread each.
    """
    study = Study.read(file)
    output.mkdir(parents=True, exist_ok=True)
    field_of = list(entrants(study, output))
    with ThreadPoolExecutor(jobs) as lanes:
        for _ in lanes.map(lambda entrant: play(entrant, study), field_of):
            report(study, field_of, output)
    report(study, field_of, output)


def play(entrant: Entrant, study: Study) -> None:
    """Do what is left to do of a run, and keep what it took."""
    entrant.folder.mkdir(parents=True, exist_ok=True)
    for words in entrant.steps:
        verb = words[0]
        if not done(entrant, verb) and not command(entrant, again(entrant, words) if verb == "train" else words):
            return
    if not scores_of(entrant).exists():
        told = entrant.of
        words = ["score", str(entrant.run), told.data, "--output", str(scores_of(entrant)), "--split", study.split]
        words += ["--direction", told.direction, "--size", json.dumps(told.size), "--scores", json.dumps(told.scores)]
        command(entrant, [*words, "--colors", json.dumps(told.colors)], script="plan_scores.py")


def again(entrant: Entrant, words: Sequence[str]) -> Sequence[str]:
    """The words of a training, or of going on with it."""
    options = entrant.run / "options.yaml"
    return ["train", "--config", str(options), "--training.resume", "auto"] if options.exists() else words


def command(entrant: Entrant, words: Sequence[str], *, script: str = "processor_time.py") -> bool:
    """Run atme's command line by the processor's clock, or another script; whether it came to its end."""
    alone = os.environ | {"OMP_NUM_THREADS": "1"}
    verb = words[1:] if script == "plan_scores.py" else words
    with entrant.run.with_suffix(f".{words[0]}.log").open("a") as log:
        print(shlex.join(words), file=log, flush=True)
        process = subprocess.Popen([sys.executable, str(HERE / script), *verb], stdout=log, stderr=log, env=alone)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    took = times(entrant)
    had = took.get(words[0], {"seconds": 0.0})
    took[words[0]] = {
        "seconds": had["seconds"] + usage.ru_utime + usage.ru_stime,
        "ended": process.returncode == 0,
    }
    entrant.run.with_suffix(".json").write_text(json.dumps(took))
    return process.returncode == 0


def times(entrant: Entrant) -> dict[str, Any]:
    """What each command of a run took so far."""
    path = entrant.run.with_suffix(".json")
    return json.loads(path.read_text()) if path.exists() else {}


def done(entrant: Entrant, verb: str) -> bool:
    """Whether a command came to its end."""
    return bool(times(entrant).get(verb, {}).get("ended"))


def scores_of(entrant: Entrant) -> Path:
    """The file of a run's scores."""
    return entrant.run.with_suffix(".scores.json")


def report(study: Study, field_of: Sequence[Entrant], output: Path) -> None:
    """Write what is known so far."""
    lines = [line(each) for each in field_of if scores_of(each).exists()]
    (output / "plans.json").write_text(json.dumps(lines, indent=1))
    (output / "plans.md").write_text(table(study, lines))


def line(entrant: Entrant) -> dict[str, Any]:
    """What is known of a finished run."""
    scores = json.loads(scores_of(entrant).read_text())
    log = read_log(entrant.run)
    known = {
        "set": entrant.of.name,
        "run": entrant.name,
        "updates": log[-1]["step"],
        "minutes": times(entrant)["train"]["seconds"] / 60,
        "alarms": sorted({each["status"] for each in log if "trouble" in str(each.get("status", ""))}),
        **{name: value for name, value in scores.items() if name != "left out"},
    }
    return known | (said(entrant) if entrant.name == PLANNED else {})


def said(entrant: Entrant) -> dict[str, float]:
    """What a plan says of its run: the minutes, the score."""
    preset = (entrant.folder / f"{PLANNED}.yaml").read_text()
    seconds = re.search(r"about ([\d.]+) (s|minutes|hours) in all", preset)
    score = re.search(r"L1 of about ([\d.]+)", " ".join(preset.replace("\n# ", " ").split()))
    assert seconds is not None
    assert score is not None
    return {"minutes said": float(seconds[1]) * UNITS[seconds[2]] / 60, "l1 said": float(score[1])}


def table(study: Study, lines: Sequence[dict[str, Any]]) -> str:
    """One row a run, by set."""
    names = list(dict.fromkeys(name for told in study.sets for name in told.scores))
    head = ["pairs", "run", "updates", "minutes said", "minutes", "L1 said", *(metric(name).title for name in names)]
    rows = [head, ["---", "---", *["---:"] * (len(head) - 2)]]
    for told in study.sets:
        of = [each for each in lines if each["set"] == told.name]
        for each in of:
            lengths = [f"{each['updates']:,}", number(each, "minutes said", 1), number(each, "minutes", 1)]
            scores = [number(each, name, DIGITS.get(name, 3)) for name in names]
            rows.append([told.name, each["run"], *lengths, number(each, "l1 said", 3), *scores])
        if of:
            floor = [number(of[0][MEDIAN], name, DIGITS.get(name, 3)) for name in names]
            rows.append([told.name, MEDIAN, *["–"] * 4, *floor])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def number(known: Mapping[str, Any], name: str, digits: int) -> str:
    """A number for a table."""
    value = known.get(name)
    return "–" if value is None else f"{value:.{digits}f}"


if __name__ == "__main__":
    auto_cli(compete, as_positional=True)
