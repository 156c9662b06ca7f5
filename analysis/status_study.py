"""Does the status line of a training name what is wrong with it, and keep still where nothing is? Thirty small runs.

Twenty have a trouble planted in their data or their options, of ten kinds; ten are healthy: other games and seeds. All
train on `earth`, on crops of 32 pixels of tiles shrunk to 128, for 119 updates. The thresholds of `atme.status` were
set on ten of them (`SET_ON`, chosen before any was trained); the figures that count are of the other twenty.

    python analysis/status_study.py --output runs/status            # OMP_NUM_THREADS=1; goes on where it ended
    python analysis/status_study.py --output runs/status --judge true  # the runs that are there, by the rules of today

Each run's log is judged as it was written, line by line: a healthy run is one that no line of it raised an alarm in; a
trouble is named if the line at the run's end says it, first or among what it adds.
"""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from jsonargparse import auto_cli
from status_planted import CODE, DATA

from atme.cli import main
from atme.status import Curves, troubles
from atme.training.standing import LOOKS, curves_of

STEPS = 119
NAMED = 3
"""Troubles that a line names, at most."""

PRESET: dict[str, Any] = {
    "data": {"load_size": 128, "crop_size": 32, "test_size": 128, "test_view": "center", "workers": 0, "cache": "ram"},
    "generator": {
        "class_path": "atme.Pix2PixResNet",
        "init_args": {"ngf": 8, "blocks": 2, "norm": "instance", "dropout": False},
    },
    "discriminator": {"class_path": "atme.PatchGAN", "init_args": {"layers": 2, "dim": 16}},
    "noise": {"class_path": "atme.Identity"},
    "optimizers": {
        "generator": {"class_path": "torch.optim.Adam", "init_args": {"lr": 2e-3, "betas": [0.5, 0.999]}},
        "discriminator": {"class_path": "torch.optim.Adam", "init_args": {"lr": 2e-4, "betas": [0.5, 0.999]}},
    },
    "training": {
        "steps": STEPS,
        "rate": {"epochs": 0, "decay_epochs": 7, "decay": "cosine"},
        "batch_size": 6,
        "average": 0.98,
        "log_every": 3,
        "sample_every": 0,
        "checkpoint_every": 1000,
        "evaluate_every": 1,
        "evaluate_images": 12,
        "evaluate_scores": "l1",
    },
}
PIX2PIX: dict[str, Any] = {}
ATME = {"noise.class_path": "atme.DecisionMemory", "noise.init_args": {"widths": [8, 16, 8]}}
DIFFUSION = {"noise.class_path": "atme.Diffusion", "noise.init_args": {"ada_kimg": 2.0, "d_target": 0.3}}


@dataclass(frozen=True)
class Case:
    """One run."""

    name: str
    game: dict[str, Any]
    seed: int
    trouble: frozenset[str] = frozenset()
    """Names of the diagnoses that name what was planted; none: the run is healthy."""
    data: str = "healthy"
    changes: dict[str, Any] = field(default_factory=dict)


def _cases() -> Iterator[Case]:
    rate = frozenset({"unsteady", "saturated_generator", "flat_generator", "unlearned"})
    fast = {f"optimizers.{side}.init_args.lr": 30 * lr for side, lr in (("generator", 2e-3), ("discriminator", 2e-4))}
    yield Case("rate_pix2pix", PIX2PIX, 1, rate, changes=fast)
    yield Case("healthy_pix2pix_0", PIX2PIX, 0)
    yield Case(
        "blind_pix2pix", PIX2PIX, 2, frozenset({"blind_critic"}), changes={"discriminator.class_path": "planted.Blind"}
    )
    yield Case("rate_atme", ATME, 3, rate, changes=fast)
    yield Case("healthy_atme_0", ATME, 0)
    yield Case(
        "resting_atme", ATME, 4, frozenset({"blind_critic"}), changes={"optimizers.discriminator.init_args.lr": 0.0}
    )
    won = frozenset({"strong_critic"})
    win = {"optimizers.discriminator.init_args.lr": 1e-3, "optimizers.generator.init_args.lr": 2e-5}
    yield Case("strong_pix2pix", PIX2PIX, 5, won, changes=win)
    yield Case("strong_atme", ATME, 6, won, changes=win)
    yield Case("healthy_diffusion_0", DIFFUSION, 0)
    same = frozenset({"repeated_pairs"})
    yield Case("repeated_pix2pix", PIX2PIX, 7, same, "repeated")
    yield Case("healthy_pix2pix_1", PIX2PIX, 1)
    yield Case("repeated_diffusion", DIFFUSION, 8, same, "repeated", {"data.load_size": 64})
    swapped = frozenset({"turned_pairs"})
    yield Case("swapped_pix2pix", PIX2PIX, 9, swapped, "swapped")
    yield Case("healthy_atme_1", ATME, 1)
    yield Case("swapped_atme", ATME, 10, swapped, "swapped", {"data.direction": "BtoA"})
    off = frozenset({"shifted_pairs"})
    yield Case("shifted_pix2pix", PIX2PIX, 11, off, "shifted")
    yield Case("healthy_diffusion_1", DIFFUSION, 1)
    yield Case("scattered_atme", ATME, 12, off, "scattered")
    flat = frozenset({"blank_targets", "same_targets"})
    yield Case("blank_pix2pix", PIX2PIX, 13, flat, "blank")
    yield Case("one_target_atme", ATME, 14, flat, "one_target")
    yield Case("healthy_regression_0", {"model.class_path": "atme.Regression"}, 0)
    free = frozenset({"unlearned"})
    yield Case("free_pix2pix", PIX2PIX, 15, free, changes={"model.init_args.lambda_l1": 0.0})
    yield Case("healthy_pix2pix_back", PIX2PIX, 2, changes={"data.direction": "BtoA"})
    yield Case("free_atme", ATME, 16, free, changes={"model.init_args.lambda_l1": 0.0})
    loud = frozenset({"saturated_memory"})
    yield Case("loud_atme", ATME, 17, loud, changes={"noise.class_path": "planted.Loud"})
    yield Case("healthy_hinge", {"model.init_args.adversarial": "hinge"}, 3)
    by_heart, looks = frozenset({"overfitted"}), {"training.evaluate_every": 12, "training.batch_size": 4}
    few = looks | {"data.load_size": 32, "data.crop_size": None, "data.test_view": "whole", "data.test_size": 32}
    yield Case("few_pix2pix", PIX2PIX, 18, by_heart, "few", few)
    yield Case("rate_diffusion", DIFFUSION, 19, rate, changes=fast)
    yield Case("healthy_atme_2", ATME, 2)
    yield Case("few_atme", ATME, 20, by_heart, "few", few)


CASES = tuple(_cases())
SET_ON = frozenset(
    f"{trouble}_pix2pix" for trouble in ("rate", "blind", "strong", "repeated", "swapped", "free", "few")
)
SET_ON |= {"healthy_pix2pix_0", "healthy_atme_0", "healthy_diffusion_0"}
"""The ten by which thresholds were set."""


def study(*, output: Path, judge: bool = False) -> None:
    """Train what is not trained yet, and judge.

    Args:
        output: folder of the runs, and of results.json.
        judge: train nothing.
    """
    output.mkdir(parents=True, exist_ok=True)
    (output / "planted.py").write_text(CODE)
    for case in sorted(CASES, key=lambda case: case.name not in SET_ON):
        run = output / case.name
        if not judge and not (run / "done").exists():
            print(case.name, flush=True)
            _train(case, output)
            (run / "done").touch()
    there = [case for case in CASES if (output / case.name / "done").exists()]
    verdicts = {case.name: judged(case, curves_of(output / case.name)) for case in there}
    (output / "results.json").write_text(json.dumps(verdicts, indent=1) + "\n")
    for line in _table(verdicts):
        print(line)


def _train(case: Case, output: Path) -> None:
    """One run, in a process of its own that need not import anything anew.

    Raises:
        RuntimeError: if it failed.
    """
    preset = output / f"{case.name}.yaml"
    preset.write_text(yaml.safe_dump(_preset(case, output)))
    words = ["train", "--config", str(preset), "--run.dir", str(output / case.name), "--training.resume", "auto"]
    child = get_context("fork").Process(target=_alone, args=(words, output / f"{case.name}.said"))
    child.start()
    child.join()
    if child.exitcode:
        raise RuntimeError(f"{case.name}: ended with {child.exitcode}; see {case.name}.said")


def _alone(words: list[str], said: Path) -> None:
    with said.open("w") as file:
        os.dup2(file.fileno(), 2)
        sys.exit(main(words))


def _preset(case: Case, output: Path) -> dict[str, Any]:
    options = json.loads(json.dumps(PRESET))
    root = output / "data" / case.data
    if not root.exists():
        DATA[case.data](root)
    changes = {"data.root": str(root.resolve()), "data.validation_split": "test", "run.seed": case.seed}
    for key, value in (changes | case.game | case.changes).items():
        *path, last = key.split(".")
        section = options
        for name in path:
            section = section.setdefault(name, {})
        section[last] = value
    return dict(options)


def judged(case: Case, curves: Curves) -> dict[str, Any]:
    """What was said of a run, and when."""
    said = {len(part.lines): [each.kind for each in troubles(part)] for part in _parts(curves)}
    last = said[len(curves.lines)]
    alarms = sorted({kind for kinds in said.values() for kind in kinds})
    right = not alarms if not case.trouble else bool(case.trouble & set(last[:NAMED]))
    first = not alarms if not case.trouble else bool(last and last[0] in case.trouble)
    return {"set_on": case.name in SET_ON, "planted": sorted(case.trouble), "last": last, "alarms": alarms} | {
        "right": right,
        "first": first,
    }


def _parts(curves: Curves) -> Iterator[Curves]:
    """The run as it was each time that it was looked at."""
    ends = sorted({round(at) for at in np.linspace(1, len(curves.lines), LOOKS)})
    yield from (Curves(curves.lines[:end], curves.options) for end in ends)


def _table(verdicts: dict[str, dict[str, Any]]) -> Iterator[str]:
    for name, verdict in verdicts.items():
        mark = "set on" if verdict["set_on"] else "      "
        yield f"{name:22s} {mark} {'right' if verdict['right'] else 'WRONG'}  {', '.join(verdict['last'])}"
    for title, on in (("set on", True), ("the others", False)):
        for kind, has in (("planted", True), ("healthy", False)):
            chosen = [each for each in verdicts.values() if each["set_on"] == on and bool(each["planted"]) == has]
            right, first = (sum(each[key] for each in chosen) for key in ("right", "first"))
            yield f"{title}, {kind}: {right} of {len(chosen)} right, {first} named first"


if __name__ == "__main__":
    auto_cli(study)
