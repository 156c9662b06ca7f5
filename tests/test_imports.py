"""The house stands: imports point one way, and no top-level folder shadows somebody else's package."""

import ast
import configparser
import subprocess
import sys
from pathlib import Path

import pytest

import atme

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "atme"

ORDER = (
    {"names", "require", "yaml_files"},
    {"images", "shipped", "run_folder", "complaints", "machine", "outputs", "terminal"},
    {"data", "networks", "losses", "process", "metrics"},
    {"noise", "history", "prepare"},
    {"models"},
    {"training", "inference"},
    {"reports"},
    {"cli"},
    {"__main__"},
)
"""Rooms from left to right: each may import from those further left, and from itself."""

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
        assert room in FLOOR, f"{room}: say in ORDER where this room stands"
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
