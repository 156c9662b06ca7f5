"""``atme plan``: what to train on some pairs, for how long, and what to expect."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from atme import require
from atme.cli.arguments import call
from atme.cli.exits import DONE, say
from atme.cli.processes import shared_by
from atme.data.recipes import LayoutChoice
from atme.names import as_word

if TYPE_CHECKING:
    from atme.planning.curve import Study
    from atme.planning.plan import Plan

_AS_TRAIN = {"--data.direction": "--direction", "--data.layout": "--layout"}
"""As ``atme train`` has these options."""


def plan(arguments: list[str]) -> int:
    """Plan a training for your pairs: what to train, for how long, what to expect."""
    words = []
    for word in arguments:
        option, joined, value = word.partition("=")
        words.append(f"{_AS_TRAIN.get(option, option)}{joined}{value}")
    return call(plan_pairs, words, prog="atme plan")


def plan_pairs(
    data: str,
    *,
    hours: float = 2.0,
    output: Path | None = None,
    direction: Literal["AtoB", "BtoA"] = "AtoB",
    layout: LayoutChoice = "auto",
    processes: int | Literal["auto"] = 1,
    learning_curve: bool = False,
    overwrite: bool = False,
) -> int:
    """Look at pairs and at this machine, plan a training, and write it as a preset with a reason beside each number.

    Args:
        data: a folder of pairs in any layout, or a dataset's name.
        hours: that the training may take, such as 0.5.
        output: the preset's file, for atme train --config; without it the plan is shown alone.
        direction: AtoB translates the left half, or the first folder, into the other one.
        layout: where the pairs lie in the folder, if that is not plain.
        processes: that shall share each batch, as of atme train.
        learning_curve: train shortly on parts of the pairs, in half of the hours, and tell whether more would help.
        overwrite: the preset may replace a file that is there.

    Examples:
        atme plan my_pairs
        atme plan my_pairs --hours 0.5 --output mine.yaml
        atme plan my_pairs --direction BtoA
        atme plan my_pairs --hours 1 --processes auto
        atme plan my_pairs --hours 1 --learning-curve
    """
    from atme.outputs import require_free
    from atme.planning.curve import study_of
    from atme.planning.plan import make_plan
    from atme.planning.words import screen
    from atme.terminal import counted
    from atme.training.device import gpus_of

    refuse_preset(data, remedy="name a folder of pairs, or a dataset")
    if processes != "auto":
        require.whole("--processes", processes, least=1)
    if learning_curve and processes != 1:
        raise ValueError("--processes: the runs of a learning curve have one each; leave out the one or the other")
    if output is not None:
        require_free([output], overwrite=overwrite)
    planned = make_plan(
        data,
        hours=hours,
        direction=direction,
        layout=layout,
        processes=shared_by(None if processes == "auto" else processes, gpus=gpus_of("auto")),
        track=lambda pairs, total: counted(pairs, total=total, doing="looking"),
    )
    print("\n".join(screen(planned)), flush=True)
    study = study_of(planned) if learning_curve else None
    if output is not None:
        require_free([output], overwrite=overwrite)  # another plan may have been quicker
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(planned.preset, encoding="utf-8")
    if study is not None:
        _learn(planned, study)
    if output is None:
        words = in_words(data, hours=hours, direction=direction, layout=layout, processes=processes)
        say(f"{words} --output mine.yaml writes it as a preset")
        return DONE
    together = "" if processes == 1 else f" --processes {processes}"
    say(f"train with it: atme train --config {as_word(output)}{together}")
    return DONE


def refuse_preset(data: str, *, remedy: str) -> None:
    """Refuse a preset, or a run, where pairs belong: in a run's folder grids of samples would pass for some.

    Raises:
        ValueError: with the remedy.
    """
    from atme.shipped.presets import preset_paths

    place = Path(data)
    if (place / "options.yaml").is_file():
        raise ValueError(f"{data}: is a run, and no pairs; {remedy}")
    if not place.is_dir() and (data in preset_paths() or place.suffix in (".yaml", ".yml")):
        raise ValueError(f"{data}: is a preset, and no pairs; {remedy}")


def in_words(
    data: str, *, hours: float | None, direction: str = "AtoB", layout: str = "auto", processes: int | str = 1
) -> str:
    """The command that plans so, for a shell; what it does anyway is left out."""
    words = ["atme plan", as_word(data)]
    words += [f"--hours {hours:g}"] if hours is not None else []
    words += [f"--direction {direction}"] if direction != "AtoB" else []
    words += [f"--layout {layout}"] if layout != "auto" else []
    words += [f"--processes {processes}"] if processes != 1 else []
    return " ".join(words)


def _learn(planned: "Plan", study: "Study") -> None:
    """Train on parts of the pairs, each run told as it ends, and say what their scores mean."""
    from atme.planning.curve import curve_of, learn_curve
    from atme.planning.words import cost_of, of_curve

    say(cost_of(study))
    scores: dict[int, list[float]] = {}
    for count, score in learn_curve(planned, study):
        say(f"{count:,} pairs: L1 {score:.4f}")
        scores.setdefault(count, []).append(score)
    print("\n".join(of_curve(curve_of(scores, pairs=planned.facts.pairs.pairs))))
