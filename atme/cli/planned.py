"""``atme train DATA``: a plan, and a training by it, in one.

Whatever the command line says beside DATA is said to the plan, too: updates are timed with it, and it wins over
what the rules decided. The run keeps its plan as ``plan.yaml``; one that goes on does so by its options, and nothing
is planned.
"""

import os
import shlex
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import yaml

from atme.cli import arguments as command_line
from atme.cli.exits import say
from atme.cli.own_words import taken
from atme.cli.planning import in_words, refuse_preset
from atme.cli.processes import shared_by
from atme.data.recipes import find_root
from atme.names import as_word

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

    from atme.training.watched import Moment, Watcher

HOURS, KEPT = "--hours", "plan.yaml"
"""The word that says how long; the file of a run that keeps its plan."""
_PRINT = "--print_config"
"""What the plan comes to is printed as options, and nothing is trained."""
_SAID = {
    "--config": "says all that a plan would; leave out the one or the other",
    "--data.root": "the pairs are named already; leave it out",
    "--training.max_time": f"is said by {HOURS} where a training is planned",
}
"""Words that DATA leaves nothing to say for."""
_TOLD = ("data.direction", "data.layout", "run.dir")
"""What a plan is told, or is no part of it."""
_CLASS = ".class_path"
_OF_A_GAME = ("model", "discriminator", "noise", "optimizers.discriminator", "history")


_MADE = "--plan"
"""The file of a plan, for the processes that train by it together: one has planned for them all."""


@dataclass(frozen=True)
class Asked:
    """What ``atme train DATA --hours 1`` asks for."""

    data: str
    hours: float | None
    """None: as many as a plan has."""


def data_taken_from(arguments: list[str]) -> tuple[Asked | None, list[str]]:
    """DATA, which is the first word, with its hours, and the other words; None where there is a preset.

    Raises:
        ValueError: for hours that are none, or without DATA.
    """
    data = arguments[0] if arguments and _may_be_pairs(arguments[0]) else None
    given, rest = taken(arguments if data is None else arguments[1:], {HOURS: "0.5"})
    hours = _number(given[HOURS]) if HOURS in given else None
    if data is not None:
        return Asked(data, hours), rest
    if hours is not None:
        raise ValueError(
            f"{HOURS}: plans a training for pairs; write atme train DATA {HOURS} 1, or with a preset "
            "--training.max_time 1h"
        )
    return None, rest


def with_plan(asked: Asked, words: list[str], *, processes: int | None, seeds: bool) -> tuple[list[str], str | None]:
    """The words of a training by a plan, and the plan's text; without one where a run goes on.

    Args:
        asked: pairs and hours.
        words: the other words of the command.
        processes: that shall share each batch; None for as many as can.
        seeds: whether several are asked for.

    Raises:
        ValueError: for words that do not go with DATA, a run folder that is taken, or pairs that cannot be planned for.
    """
    from atme.training import options

    _refuse(asked, words)
    said = [word for word in words if not word.startswith(_PRINT)]
    chosen = command_line.parse(options.parser(), said, classes=options.CLASSES)
    if seeds or int(os.environ.get("WORLD_SIZE", "1")) > 1:
        planned_first = in_words(
            asked.data, hours=asked.hours, direction=chosen.data.direction, layout=chosen.data.layout
        )
        raise ValueError(
            f"{asked.data}: seeds, and the processes of a launcher, would each plan for themselves; write "
            f"{planned_first} --output mine.yaml, and then atme train --config mine.yaml with them and all other words"
        )
    from atme.planning.plan import HOURS as USUAL
    from atme.planning.plan import make_plan, run_of
    from atme.planning.words import screen
    from atme.terminal import counted
    from atme.training.device import gpus_of
    from atme.training.origin import find_origin

    named = any(word.partition("=")[0] == "--run.dir" for word in words)
    run = Path(chosen.run.dir) if named else run_of(asked.data)
    _require_pairs(asked.data, run)
    if chosen.training.resume == "auto" and (run / "options.yaml").is_file():
        say(f"{run}: goes on by its own options, without a new plan")
        return [f"--config={run / 'options.yaml'}", f"--data.root={asked.data}", *words], None
    if chosen.training.resume in ("never", "auto") and said == words:  # what is only printed takes no folder
        find_origin(run, chosen.training.resume, now={})
    planned = make_plan(
        asked.data,
        hours=USUAL if asked.hours is None else asked.hours,
        direction=chosen.data.direction,
        layout=chosen.data.layout,
        device=chosen.training.device,
        said=(settled := _settled(said, chosen)),
        read=lambda sections: _with_words(sections, said),
        read_alone=lambda sections: _with_words(sections, _without_a_game(said)),
        processes=shared_by(processes, gpus=gpus_of(chosen.training.device)),
        track=lambda pairs, total: counted(pairs, total=total, doing="looking"),
    )
    if said == words:
        print("\n".join(screen(planned)), flush=True)
        heard = {key.removesuffix(_CLASS) for key in settled.keys() & planned.decided.chosen.settings.keys()}
        if wins := _winning(said, planned.settings, told={*_TOLD, *heard}):
            say(f"said beside the pairs, and wins over this plan: {shlex.join(wins)}")
    return words, planned.preset


def plan_taken_from(arguments: list[str]) -> tuple[str | None, list[str]]:
    """The text of the plan that another process has made for this one, and the other words; else it is no word."""
    if "RANK" not in os.environ:
        return None, arguments
    given, rest = taken(arguments, {_MADE: KEPT})
    return (Path(given[_MADE]).read_text(encoding="utf-8") if _MADE in given else None), rest


@contextmanager
def handed(text: str | None) -> Iterator[list[str]]:
    """The words that hand a plan to the processes that train by it; none where there is no plan."""
    if text is None:
        yield []
        return
    with TemporaryDirectory() as folder:
        file = Path(folder) / KEPT
        file.write_text(text, encoding="utf-8")
        yield [f"{_MADE}={file}"]


def keeping(text: str, watcher: "Watcher | None") -> "Watcher":
    """A watcher that leaves the plan in the run's folder."""

    def watch(moment: "Moment") -> None:
        if not (moment.run / KEPT).exists():
            (moment.run / KEPT).write_text(text, encoding="utf-8")
        if watcher is not None:
            watcher(moment)

    return watch


def parsed(parser: "ArgumentParser", text: str, words: list[str]) -> "Namespace":
    """What a preset's text, and words that win over it, ask for.

    Raises:
        ValueError: naming the key or value that does not fit.
    """
    from atme.training import options

    with TemporaryDirectory() as folder:
        file = Path(folder) / KEPT
        file.write_text(text, encoding="utf-8")
        return command_line.parse(parser, [f"--config={file}", *words], classes=options.CLASSES)


def _with_words(sections: Mapping[str, Any], words: list[str]) -> tuple["Namespace", str]:
    from atme.training import options

    parser = options.parser()
    chosen = parsed(parser, yaml.safe_dump(dict(sections), sort_keys=False), words)
    return parser.instantiate(chosen), parser.dump(chosen)


def _without_a_game(words: list[str]) -> list[str]:
    """The words that are not of a game."""
    found, takes = [], False
    for word in words:
        if word.startswith("--"):
            key = word[2:].partition("=")[0].replace("-", "_")
            takes = not any(f"{key}.".startswith(f"{name}.") for name in _OF_A_GAME)
        found += [word] if takes else []
    return found


def _settled(words: list[str], chosen: "Namespace") -> dict[str, Any]:
    """What words settle, by its keys, as far as rules can read it: numbers, names, lists of these, and classes."""
    keys = (word[2:].partition("=")[0].replace("-", "_") for word in words if word.startswith("--"))
    found = {key: chosen.get(key) for key in keys if key in chosen}
    found |= {f"{key}{_CLASS}": found[key].class_path for key in ("model", "noise") if key in found}
    plain = (bool, int, float, str, type(None))
    return {
        key: value
        for key, value in found.items()
        if all(isinstance(each, plain) for each in (value if isinstance(value, list) else [value]))
    }


def _winning(words: list[str], settings: Collection[str], *, told: Collection[str]) -> list[str]:
    """Those words, with their values, that say otherwise what a plan has settled, unless the plan was told of them."""
    found, takes = [], False
    for word in words:
        if word.startswith("--"):
            key = word[2:].partition("=")[0].replace("-", "_")
            settled = any(f"{each}.".startswith(f"{key}.") or f"{key}.".startswith(f"{each}.") for each in settings)
            takes = settled and key not in told
        found += [word] if takes else []
    return found


def _refuse(asked: Asked, words: list[str]) -> None:
    """What does not go with DATA."""
    refuse_preset(asked.data, remedy=f"write atme train --config {as_word(asked.data)}")
    for word in words:
        name = word.partition("=")[0]
        if name in _SAID:
            raise ValueError(f"{name}: {asked.data} is planned for, and this {_SAID[name]}")


def _require_pairs(data: str, run: Path) -> None:
    """Whether the pairs are there, be it to plan for or to go on with.

    Raises:
        ValueError: if they are not; with the words that go on with a run whose pairs lie elsewhere now.
    """
    try:
        find_root(data)
    except ValueError as error:
        if not (run / "options.yaml").is_file():
            raise
        words = f"atme train FOLDER --run.dir {as_word(run)} --training.resume auto"
        raise ValueError(f"{error}; where the pairs of {run} lie elsewhere now, {words} goes on with it") from error


def _may_be_pairs(word: str) -> bool:
    """Whether a first word may name pairs: no option, even with a long dash, no preset's file, and no run's folder."""
    return (
        not (word.startswith(("-", "—", "–")) or word.endswith((".yaml", ".yml")))
        and not (Path(word) / "options.yaml").is_file()
    )


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise ValueError(f"{HOURS}: {word!r} is no number of hours; write one such as {HOURS} 0.5") from None
