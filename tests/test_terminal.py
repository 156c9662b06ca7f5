"""Names come out as they are, whatever a terminal library would read into them."""

import ast
import shutil
from pathlib import Path

import pytest
from rich.table import Table

from atme import terminal
from atme.cli import main

PACKAGE = Path(__file__).parents[1] / "atme"
NAMES = ["demo [final]", "[/b]", "[red]", ":smile:", "a\\[b]", "trailing\\", "[link=x]y[/link]"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_shown_as_it_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(title=name)
    table.add_column(name)
    table.add_row(name)
    terminal.results().print(table)
    terminal.results().print(name)
    terminal.remarks().print(name, style="yellow")
    said = capsys.readouterr()
    assert said.out.count(name) == 4
    assert said.err == f"{name}\n"


def test_progress_is_silent_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(terminal.counted(iter("ab"), total=2, doing="[/b]")) == ["a", "b"]
    assert capsys.readouterr() == ("", "")


def of_rich(tree: ast.Module) -> set[str]:
    """What a file takes from rich that reads markup by itself."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = {name.name for node in nodes if (node.module or "").startswith("rich") for name in node.names}
    return names & {"Console", "print", "escape", "track", "get_console", "inspect"}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_one_module_opens_the_terminal(path: Path) -> None:
    tree = ast.parse(path.read_text())
    if path.name != "terminal.py":
        assert not of_rich(tree) - ({"Console"} if _only_named(tree) else set())


def _only_named(tree: ast.Module) -> bool:
    """Whether Console is a type here, and none is made."""
    return not any(isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Console" for node in ast.walk(tree))


def test_the_check_can_fail() -> None:
    assert of_rich(ast.parse("def f():\n    from rich.console import Console"))
    assert not _only_named(ast.parse("Console(stderr=True)"))


@pytest.mark.parametrize("name", ["demo [final]", "[", ":smile:"])
def test_runs_of_any_name_are_scored_and_compared(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    shutil.copytree(run, tmp_path / name)
    assert main(["evaluate", str(tmp_path / name)]) == 0
    assert name in capsys.readouterr().out.replace("\n", "")
    shutil.copytree(tmp_path / name, tmp_path / f"{name} [red]")
    runs = [str(tmp_path / name), str(tmp_path / f"{name} [red]")]
    assert main(["compare", *runs, "--output", str(tmp_path / "[b]")]) == 0
    said = capsys.readouterr()
    assert all(each in said.out + said.err for each in (name, f"{name} [red]"))
