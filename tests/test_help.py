"""Help: there at once, a screen long, and true: its examples are commands, its defaults are the parser's."""

import inspect
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from atme.cli import main, planning, serving, verbs
from atme.cli.arguments import function_parser, parse
from atme.cli.data import VERBS as DATA_VERBS
from atme.cli.deploy import export_run
from atme.cli.help import defaults_shown
from atme.cli.page_word import page_taken_from
from atme.cli.planned import data_taken_from
from atme.cli.presets import actions_of
from atme.cli.processes import processes_taken_from
from atme.cli.seeds import taken_from
from atme.cli.sources import examples
from atme.training import options

ALL = [*(verb for verb in verbs.VERBS if verb != "data"), *(f"data {verb}" for verb in DATA_VERBS)]
FUNCTIONS: Mapping[str, Callable[..., int]] = {
    "translate": verbs.translate_pictures,
    "evaluate": verbs.evaluate_run,
    "export": export_run,
    "analyze": verbs.analyze_history,
    "compare": verbs.compare_runs,
    "serve": serving.serve_runs,
    "plan": planning.plan_pairs,
    **{f"data {name}": verb for name, verb in DATA_VERBS.items()},
}
"""The verbs that are a function with a parameter a word; the others read a preset."""

HEAVY = {"torch", "numpy", "cv2", "albumentations", "matplotlib", "accelerate", "rich", "jsonargparse"}
ROOT = Path(__file__).parents[1]


def test_help_loads_nothing_heavy() -> None:
    code = """
import sys
from atme.cli import main
for line in sys.stdin.read().splitlines():
    main([*line.split(), "--help"])
print(*sys.modules, file=sys.stderr)
"""
    asked = subprocess.run(
        [sys.executable, "-c", code], input="\n".join(["", "data", *ALL]), capture_output=True, text=True, check=True
    )
    assert all(f"atme {verb}" in asked.stdout for verb in ALL)
    assert not HEAVY & set(asked.stderr.split())


@pytest.mark.parametrize("verb", ALL)
def test_every_verb_has_a_screen_of_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*verb.split(), "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: atme {verb} ")
    assert f"  atme {verb}" in shown.split("\n\n", 1)[1]
    assert len(shown.splitlines()) <= 60
    assert max(map(len, shown.splitlines())) <= 110
    assert main(["help", *verb.split()]) == 0
    assert capsys.readouterr().out == shown


def test_all_verbs_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    for command, known in (([], verbs.VERBS), (["data"], DATA_VERBS)):
        assert main([*command, "--help"]) == 0
        shown = capsys.readouterr().out
        assert all(f"  {verb} " in shown for verb in known)
        assert main(command) == 2  # nothing was asked for: the same help, and no success
        assert capsys.readouterr().out == shown


@pytest.mark.parametrize("verb", FUNCTIONS)
def test_every_word_is_explained_and_every_example_is_a_command(verb: str) -> None:
    function = FUNCTIONS[verb]
    text = inspect.getdoc(function) or ""
    for name in inspect.signature(function).parameters:
        assert f"    {name}: " in text
    spelled = verbs.EVALUATE_SPELLED if verb == "evaluate" else {}
    parser = function_parser(function, spelled=spelled)
    assert examples(text)
    for example in examples(text):
        words = shlex.split(example)
        assert words[: 1 + len(verb.split())] == ["atme", *verb.split()]
        parse(parser, words[1 + len(verb.split()) :])


@pytest.mark.parametrize("verb", ["train", "show"])
def test_examples_of_presets_are_commands(verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "options").symlink_to(ROOT / "options")
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "options.yaml").write_text("run: {dir: runs/mine}\n")
    monkeypatch.chdir(tmp_path)
    for example in examples(inspect.getdoc(verbs.VERBS[verb]) or ""):
        _, words = page_taken_from(taken_from(shlex.split(example)[2:])[1])
        if verb == "show" and words == ["runs/demo"]:  # a run: no options are read
            continue
        _, words = processes_taken_from(words)
        asked, words = data_taken_from(words) if verb == "train" else (None, ["--config", *words])
        chosen = parse(options.parser(), words)
        assert (chosen.config is None) == (asked is not None)


def test_the_defaults_of_training_are_those_that_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    known = options.parser().get_defaults()
    for key, shown in defaults_shown().items():
        there = getattr(known[key], "class_path", known[key])
        assert shown == {"None": "null", "True": "true", "False": "false"}.get(str(there), str(there)), key
    main(["train", "--help"])
    lines = capsys.readouterr().out.splitlines()
    for key, shown in defaults_shown().items():
        assert any(line.split()[:2] == [f"--{key}", shown] for line in lines), key


def test_all_of_the_help_is_there_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help", "all"]) == 0
    shown = capsys.readouterr().out
    for key in actions_of(options.parser()):
        assert f"--{key}" in shown


def test_help_fits_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    main(["translate", "--help"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 72  # an example is never broken
