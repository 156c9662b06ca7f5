"""The house stands: imports point one way, and no top-level folder shadows somebody else's package."""

import ast
import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest
from house import ONLY_FOR, ORDER, PICTURE, drawn

import atme

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "atme"

TOP = {
    *("atme", "tests", "docs", "options", "datasets", "analysis"),
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile"),
    *("setup.cfg", "pyproject.toml", "mkdocs.yml", ".gitignore", ".pre-commit-config.yaml", ".ci"),
}
"""All that lies at the top of the repository."""

FLOOR = {room: number for number, rooms in enumerate(ORDER) for room in rooms}


def room_of(module: str) -> str:
    """The room that a module of the package lies in: "networks" for atme.networks.unet."""
    return module.split(".")[1]


def imports(tree: ast.Module) -> set[str]:
    """The modules of this package that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{name.name}" for name in node.names}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return {name for name in found if name.startswith("atme.")}


def violations(room: str, tree: ast.Module) -> list[str]:
    """Imports that point the wrong way, or across."""
    reached = {name: room_of(name) for name in imports(tree) if room_of(name) in FLOOR}
    return [name for name, other in reached.items() if other != room and FLOOR[other] >= FLOOR[room]]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room != "__init__":
        assert room in FLOOR, f"{room}: say in tests/house.py where this room stands"
        assert violations(room, ast.parse(path.read_text())) == []


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("noise", "from atme.models import Pix2Pix"),
        ("images", "import atme.data.pairs"),
        ("training", "from atme.inference import Translator"),
        ("data", "def f():\n    from atme.training.state import State"),
    ],
)
def test_the_check_can_fail(room: str, line: str) -> None:
    assert violations(room, ast.parse(line))


def all_imports() -> dict[str, set[str]]:
    """Module -> the modules of this package that it imports, wherever in the file, and the rooms above them."""
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        named = imports(ast.parse(path.read_text()))
        found[module] = named | {name.rpartition(".")[0] for name in named}
    return found


def reached(room: str, graph: dict[str, set[str]]) -> set[str]:
    """The rooms that a room imports, also by way of others."""
    todo = [module for module in graph if module != "atme" and room_of(module) == room]
    seen = set(todo)
    while todo:
        for name in graph.get(todo.pop(), set()) - seen - {"atme"}:
            seen.add(name)
            todo.append(name)
    return {room_of(module) for module in seen} - {room}


@pytest.mark.parametrize("guarded", ONLY_FOR)
def test_few_may_enter(guarded: str) -> None:
    graph = all_imports()
    for room in FLOOR:
        if room not in ONLY_FOR[guarded] | {guarded, "__main__"}:
            assert guarded not in reached(room, graph), f"{room} reaches {guarded}"


def test_what_training_reads_knows_nothing_of_how_data_was_made() -> None:
    rooms = reached("training", all_imports())
    assert {"data", "noise", "models", "networks"} <= rooms
    assert not rooms & {"prepare", "reports", "inference", "cli"}


def test_who_enters_by_a_back_door_is_seen() -> None:
    graph = {"atme.data.pairs": {"atme.noise.odd"}, "atme.noise.odd": {"atme.prepare"}, "atme.prepare": set()}
    assert reached("data", graph) == {"noise", "prepare"}


def test_the_picture_of_the_rooms_is_of_these_rooms() -> None:
    assert PICTURE.read_text("utf-8") == drawn(), "python tests/house.py draws it anew"


def test_the_docs_name_what_is_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = set(re.findall(r"`((?:atme|tests|datasets|options)/[\w/.]*)`", text))
    assert len(named) > 15
    assert [path for path in named if not (ROOT / path).exists()] == []
    for room in ("noise", "model", "metric", "dataset", "page"):
        assert f"| **{room}**" in text


def test_every_room_is_there() -> None:
    there = {path.stem if path.suffix == ".py" else path.name for path in PACKAGE.iterdir()}
    assert there - {"__init__", "__pycache__", "py.typed"} == set(FLOOR)


LONGEST = 300


def too_long(text: str) -> bool:
    """Whether a file is long and does not say why in its first lines."""
    lines = text.splitlines()
    return len(lines) > LONGEST and "lines because" not in " ".join(lines[:10])


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_is_long_without_a_reason(path: Path) -> None:
    assert not too_long(path.read_text())


def test_a_long_file_would_be_seen() -> None:
    assert too_long('"""A file."""\n' + "x = 1\n" * LONGEST)
    assert not too_long('"""A file of 400 lines because its table is long."""\n' + "x = 1\n" * LONGEST)


def test_the_top_level_holds_what_is_known() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("no checkout of git, so what belongs to the project is not known")
    top = {line.split("/")[0] for line in listed.stdout.splitlines()}
    assert top == TOP


def test_no_folder_shadows_a_package() -> None:
    for folder in ("datasets", "options", "analysis"):
        assert not (ROOT / folder / "__init__.py").exists()


def test_every_package_goes_into_the_wheel() -> None:
    """setup.cfg names each: the folders of presets and recipes, which lie elsewhere, cannot be found beside others."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    named = setup["options"]["packages"].split()
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in PACKAGE.rglob("__init__.py")}
    assert sorted(named) == sorted(found | {"atme.shipped.datasets", "atme.shipped.options"})


def test_public_names_are_there() -> None:
    for name in atme.__all__:
        assert getattr(atme, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        atme.Nothing  # noqa: B018


def test_a_pair_loads_neither_albumentations_nor_kornia() -> None:
    code = "; ".join(
        [
            "import sys, atme, atme.data, atme.data.pair",
            "atme.Pair, atme.data.Pair, atme.data.pair.Pair",
            "heavy = {'albumentations', 'kornia', 'cv2'} & sys.modules.keys()",
            "print(sorted(heavy)); atme.PairedImages",
            "print(sorted({'albumentations', 'kornia'} & sys.modules.keys()))",
        ]
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split("\n")[:2] == ["[]", "['albumentations', 'kornia']"]
