"""Options as the sources tell them: defaults and meaning without importing a module, since torch takes seconds."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import atme

_PACKAGE = Path(atme.__file__).parent


def fields(file: str, name: str) -> dict[str, str]:
    """The fields of a dataclass and their defaults, as a preset would write them.

    Args:
        file: Below the package, such as "data/options.py".
        name: Of the class.
    """
    found = next(node for node in _tree(file).body if isinstance(node, ast.ClassDef) and node.name == name)
    nodes = [node for node in found.body if isinstance(node, ast.AnnAssign)]
    return {node.target.id: _said(node.value) for node in nodes if isinstance(node.target, ast.Name) and node.value}


def constant(file: str, name: str) -> Any:
    """The value of a constant that is written out in a file."""
    nodes = [node for node in _tree(file).body if isinstance(node, ast.Assign)]
    return ast.literal_eval(next(node.value for node in nodes if _names(node) == [name]))


def described(docstring: str) -> dict[str, str]:
    """The section "Args" of a docstring: name -> meaning, in one line."""
    found = _section(docstring, "Args")
    entries = re.split(r"^ {4}(?=\w+: )", found, flags=re.M)[1:]
    return {name: " ".join(meaning.split()) for name, meaning in (entry.split(": ", 1) for entry in entries)}


def examples(docstring: str) -> list[str]:
    """The section "Examples" of a docstring, line by line."""
    return [line.strip() for line in _section(docstring, "Examples").splitlines() if line.strip()]


def _section(docstring: str, title: str) -> str:
    found = re.search(rf"^{title}:\n((?: .*\n|\n)*)", docstring + "\n", flags=re.M)
    return found[1] if found else ""


@cache
def _tree(file: str) -> ast.Module:
    return ast.parse((_PACKAGE / file).read_text("utf-8"))


def _names(node: ast.Assign) -> list[str]:
    return [target.id for target in node.targets if isinstance(target, ast.Name)]


def _said(value: ast.expr) -> str:
    """A default as a preset writes it."""
    match value:
        case ast.Constant(value=None):
            return "null"
        case ast.Constant(value=bool() as on):
            return str(on).lower()
        case ast.Constant(value=plain):
            return str(plain)
        case ast.Call(args=[ast.Constant(value=plain)]):  # Path("runs/unnamed")
            return str(plain)
        case _:
            return ""
