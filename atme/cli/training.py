"""The verbs that read a preset: ``atme train`` and ``atme show``."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from atme.cli.arguments import parse
from atme.cli.exits import DONE, INTERRUPTED, say
from atme.cli.help import asks_for_help, first_line, training_page
from atme.cli.page_word import WORD as PAGE
from atme.cli.page_word import page_taken_from
from atme.cli.planned import data_taken_from, handed, keeping, parsed, plan_taken_from, with_plan
from atme.cli.processes import SHARED, as_many_as_share, processes_taken_from, train_together
from atme.cli.seeds import taken_from, train_seeds
from atme.names import as_word

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from atme.training import Outcome
    from atme.training.watched import Watcher


def train(arguments: list[str]) -> int:
    """Train a translator.

    Examples:
        atme train my_pairs --hours 1 --processes auto
        atme train --config earth_atme_demo --run.dir runs/demo
        atme train --config facades_pix2pix --data.root my_pairs --run.dir runs/mine
        atme train --config runs/mine/options.yaml --training.resume auto
        atme train --config earth_atme_demo --run.dir runs/atme --seeds 0,1,2 --jobs 2
        atme train --config earth_atme_demo --run.dir runs/demo --page evening.html
        atme train --config earth_atme_demo --run.dir runs/demo --processes auto
    """
    if asks_for_help(arguments):
        return _training_help(train, arguments, command="atme train")
    from atme.status import account
    from atme.training import options
    from atme.training import train as run_training
    from atme.training.device import gpus_of, kind_of
    from atme.training.standing import curves_of

    seeds, words = taken_from(arguments)
    processes, words = processes_taken_from(words)
    page, words = page_taken_from(words)
    plan, words = plan_taken_from(words)
    asked, words = data_taken_from(words)
    if asked:
        words, plan = with_plan(asked, words, processes=processes, seeds=seeds is not None)
    parser = options.parser()
    usage = "write atme train --config PRESET --section.key VALUE …"
    chosen = parsed(parser, plan, words) if plan else parse(parser, words, usage=usage, classes=options.CLASSES)
    _let_time_win(chosen, words)
    if chosen.training.resume == "auto":
        _refuse_elsewhere(words, Path(chosen.run.dir))
    if seeds is not None:
        if processes != 1:
            raise ValueError("--processes: of several seeds each has one; leave it out, or say --jobs")
        on_gpu = kind_of(chosen.training.device) != "cpu"
        return train_seeds(seeds, words, run=str(chosen.run.dir), page=page, on_gpu=on_gpu)
    if processes != 1:
        gpus = gpus_of(chosen.training.device)
        if processes is None:
            processes, words = as_many_as_share(chosen.training.batch_size, gpus=gpus), [*words, *SHARED]
            chosen.training.share_batch = True
            if processes == 1:
                single = "a batch of one image" if chosen.training.batch_size == 1 else "one core, GPU or its memory"
                say(f"--processes auto: one, since {single} cannot be shared")
        if processes > 1 or "WORLD_SIZE" in os.environ:
            with handed(plan) as planned:
                paged = [] if page is None else [f"{PAGE}={page}"]
                return train_together(processes, [*planned, *paged, *words], gpus=gpus)
    text = parser.dump(chosen)
    outcome = run_training(parser.instantiate(chosen), text=text, watcher=_watcher(page, plan))
    if outcome.signal is not None:
        say(f"interrupted at step {outcome.step}; go on with --training.resume auto{_best(outcome)}")
        return INTERRUPTED + outcome.signal
    how = f"stopped early at step {outcome.step}" if outcome.stopped_early else f"trained to step {outcome.step}"
    say(f"{how}; results in {outcome.run}{_best(outcome)}")
    say(" ".join(account(curves_of(outcome.run))))
    return DONE


def _watcher(page: Path | None, plan: str | None) -> "Watcher | None":
    """What writes the page of the run, the libraries of whose drawings take a second; and its plan, if it has one."""
    evening = None
    if page is not None:
        from atme.reports.evening import Evening

        evening = Evening(page, say=say)
    return evening if plan is None else keeping(plan, evening)


def _let_time_win(chosen: "Namespace", words: list[str]) -> None:
    """Let a time that the command line says win over the number of updates that a preset says, which is a plan, too."""
    said = {word.partition("=")[0].replace("-", "_").lstrip("_") for word in words if word.startswith("--")}
    if "training.max_time" in said and "training.steps" not in said:
        chosen.training.steps = None


def _refuse_elsewhere(words: list[str], run: Path) -> None:
    """What would begin anew, in silence, where a run of another place is to go on.

    Raises:
        ValueError: for a run's own options, whose folder is not where they say, seen from here.
    """
    named = [place for word, value in zip(words, [*words[1:], ""], strict=True) for place in _config(word, value)]
    given = any(word.partition("=")[0] == "--run.dir" for word in words)
    place = next((path.parent for path in named if (path.parent / "checkpoints").is_dir()), None)
    if place is not None and not given and not run.exists():
        raise ValueError(
            f"run.dir: {run} is not there, seen from {Path().resolve()}, and {as_word(place / 'options.yaml')} is of a "
            f"run; to go on with it say --run.dir {as_word(place)}"
        )


def _config(word: str, following: str) -> list[Path]:
    """The file that a word, or the one after it, names as ``--config``."""
    option, joined, value = word.partition("=")
    path = Path(value if joined else following)
    return [path] if option == "--config" and path.name == "options.yaml" else []


def _best(outcome: "Outcome") -> str:
    """The best checkpoint of a run, where one was sought and found."""
    aim, best = outcome.search.aim, outcome.search.best
    if aim is None or best is None:
        return ""
    place = outcome.run / "checkpoints" / "best"
    return f"; best {aim.metric} of split {aim.split} {best.score:.4f} at step {best.step}: {place}"


def show(arguments: list[str]) -> int:
    """Show what a preset comes to and costs, or how a run went.

    Examples:
        atme show earth_atme
        atme show earth_atme --training.batch_size 4 --training.precision bf16
        atme show runs/demo
    """
    if asks_for_help(arguments):
        return _training_help(show, arguments, command="atme show")
    if arguments and _is_run(Path(arguments[0])):
        return _show_run(Path(arguments[0]), arguments[1:])
    from atme.reports.show import show as show_preset
    from atme.training import options

    parser = options.parser()
    preset = arguments[:1] if arguments and not arguments[0].startswith("-") else []
    words = [f"--config={path}" for path in preset] + arguments[len(preset) :]
    chosen = parse(parser, words, usage="write atme show PRESET --section.key VALUE …", classes=options.CLASSES)
    _let_time_win(chosen, words)
    show_preset(parser.instantiate(chosen), text=parser.dump(chosen))
    return DONE


def _is_run(place: Path) -> bool:
    """Whether a word means a run rather than a preset: a folder, or the name of a checkpoint in one."""
    return place.is_dir() or place.parent.name == "checkpoints"


def _show_run(run: Path, rest: list[str]) -> int:
    """How a run went, in words."""
    if rest:
        raise ValueError(f"atme show {run}: is a run, and takes no {rest[0]}; leave that out, or give a preset")
    from atme.run_folder import find_run
    from atme.status import account
    from atme.training.standing import curves_of

    find_run(run)
    for sentence in account(curves_of(run)):
        print(sentence)
    return DONE


def _training_help(verb: Callable[[list[str]], int], arguments: list[str], *, command: str) -> int:
    """One screen, or with "all" every key of a preset."""
    if "all" not in arguments:
        print(training_page(verb, command=command))
        return DONE
    from atme.training import options

    options.parser(prog=command, description=first_line(verb)).print_help()
    return DONE
