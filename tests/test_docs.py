"""What README and docs show: every command is understood, every link and picture is there, Python is run."""

import re
import shlex
from pathlib import Path

import pytest

from atme import cli
from atme.cli import arguments as arguments_of_words
from atme.cli import training

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
MEANT_TO_FAIL = "--training.bach_size"
"""The docs show what a wrong key is answered."""


class Understood(Exception):
    """The command line was read; nothing is to be done."""


def commands(page: Path) -> list[str]:
    """The ``atme`` commands of a page, without comments."""
    text = page.read_text().replace("\\\n", " ")
    shown = re.findall(r"^(?:\$ )?(atme [a-z].*?)(?:  +#.*| > [\w.]+)?$", "\n".join(_blocks(text)), re.M)
    return [command for command in shown if MEANT_TO_FAIL not in command]


def _blocks(text: str) -> list[str]:
    return re.findall(r"```(?:console|bash)\n(.*?)```", text, re.S)


SHOWN = [(page, command) for page in PAGES for command in commands(page)]


def test_there_is_something_to_check() -> None:
    assert len(SHOWN) > 20
    assert {command.split()[1] for _, command in SHOWN} >= {
        "train",
        "evaluate",
        "translate",
        "data",
        "analyze",
        "compare",
    }


@pytest.mark.parametrize(("page", "command"), SHOWN, ids=lambda value: getattr(value, "name", value))
def test_a_command_is_understood(page: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read = arguments_of_words.parse

    def only_read(parser: object, arguments: list[str], **_: object) -> None:
        preset = "options/earth_atme_demo.yaml"
        known = [re.sub(r"runs/\w+/options\.yaml|(mine|labeled)\.yaml", preset, argument) for argument in arguments]
        read(parser, known)  # type: ignore[arg-type]
        raise Understood

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(arguments_of_words, "parse", only_read)
    monkeypatch.setattr(training, "parse", only_read)
    arguments = shlex.split(command)[1:]
    with pytest.raises(Understood):
        cli.VERBS[arguments[0]](arguments[1:])


def test_a_command_that_is_wrong_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="no such option"):
        cli.VERBS["evaluate"](["runs/x", "--splitt", "test"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_heading_stands_twice(page: Path) -> None:
    """A link to the second one would lead to the first."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    assert sorted(set(headings)) == sorted(headings)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([\w./-]+)(?:#[\w-]+)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_presets_and_scripts_that_are_named_exist() -> None:
    for page in PAGES:
        for named in re.findall(r"\b((?:options|analysis|datasets)/[\w/]+\.(?:yaml|py|md))\b", page.read_text()):
            assert (ROOT / named).exists() or named == "datasets/earth/SOURCE.md", f"{page.name}: {named}"


def test_the_python_of_the_brownian_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "brownian.md").read_text(), re.S)
    exec(compile(code, "brownian.md", "exec"), {})
    assert "increments are uncorrelated" in capsys.readouterr().out
