"""Classes of a user's own files: found beside a preset, kept with the run, and found there again.

A ``class_path`` such as ``my_models.Mine`` is sought beside the preset that names it, in the folder ``code`` there, in
the working directory, and at last wherever Python looks. A run keeps the files that its classes lie in, with those
beside them that they import, in its folder ``code``; what is installed is not kept. Of two runs that hold files of one
name, each gets the classes of its own.
"""

import ast
import importlib
import importlib.util
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

FOLDER = "code"
"""Of a run: the files that its classes lie in."""

DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
"""The whole name of a class."""

_INSTALLED = ("site-packages", "dist-packages")


def strings(value: Any) -> Iterator[str]:
    """All texts in nested options, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from (*strings(key), *strings(each))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from strings(each)


def beside(folder: Path) -> tuple[Path, Path]:
    """Where classes of a run, or of a preset in a folder, are sought first."""
    return folder, folder / FOLDER


def use(options: Any, folders: Iterable[Path], *, only_missing: bool = False) -> None:
    """Import the modules that options name from files in some folders, the first one that has it.

    Args:
        options: nested plain values; ``class_path`` or any other key may name a class.
        folders: in their order.
        only_missing: leave a module of that name alone that is imported already.

    Raises:
        ValueError: if such a file cannot be imported, naming it and why.
    """
    places = [folder.resolve() for folder in folders]
    for top in _tops(options):
        folder = next((place for place in places if _file(top, place)), None)
        known = sys.modules.get(top)
        if folder is not None and not _is_installed(known) and not (only_missing and known):
            _import_from(top, folder)


def require_found(options: Any, run: Path) -> None:
    """Whether the modules that a run's options name are here.

    Raises:
        ValueError: naming what is missing, and where it belongs.
    """
    for text in sorted({each for each in strings(options) if DOTTED.fullmatch(each)}):
        top = text.split(".")[0]
        if top not in sys.modules and importlib.util.find_spec(top) is None and _is_class(text, options):
            raise ValueError(
                f"{run}: its options name {text}, and there is no module {top} here; put {top}.py into "
                f"{run / FOLDER}, or where Python finds it"
            )


def sources(options: Any) -> dict[str, Path]:
    """The files that the classes of options lie in, as they are imported now: place below `FOLDER` -> file."""
    found: dict[str, Path] = {}
    for top in _tops(options):
        module = sys.modules.get(top)
        if module is None or top == "atme" or _is_installed(module):
            continue
        assert module.__file__ is not None
        place = Path(module.__file__)
        home = place.parent.parent if place.name == "__init__.py" else place.parent
        for name in _closure(top, home):
            found |= {str(path.relative_to(home)): path for path in _files(name, home)}
    return found


def keep(files: Mapping[str, Path], run: Path) -> None:
    """Copy files into a run's folder.

    Args:
        files: as `sources` finds them.
        run: its folder.

    Raises:
        OSError: if they cannot be written.
    """
    for name, path in files.items():
        place = run / FOLDER / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.resolve() != place.resolve():
            place.write_bytes(path.read_bytes())


def kept(run: Path) -> dict[str, Path]:
    """The files that a run keeps: place below `FOLDER` -> file."""
    home = run / FOLDER
    return {path.relative_to(home).as_posix(): path for path in sorted(home.rglob("*.py"))}


def refuse_changed(files: Mapping[str, Path], run: Path) -> None:
    """Refuse to go on with other classes than a run was begun with.

    Raises:
        ValueError: naming the first file that differs from the one that the run keeps.
    """
    for name, path in files.items():
        kept = run / FOLDER / name
        if kept.is_file() and kept.read_bytes() != path.read_bytes():
            raise ValueError(
                f"{path}: is not as it was when the run in {run} was begun, which keeps {kept}; go on with --config "
                f"{run / 'options.yaml'}, which reads that one, or choose another --run.dir"
            )


def _tops(options: Any) -> list[str]:
    return sorted({each.split(".")[0] for each in strings(options) if DOTTED.fullmatch(each)})


def _is_class(text: str, options: Any) -> bool:
    """Whether a text stands where a class belongs, and is not a name of a file or a folder."""
    if isinstance(options, Mapping):
        return any((key == "class_path" and each == text) or _is_class(text, each) for key, each in options.items())
    return isinstance(options, list | tuple) and any(_is_class(text, each) for each in options)


def _file(top: str, folder: Path) -> Path | None:
    """The file of a module in a folder, if it has one."""
    places = (folder / f"{top}.py", folder / top / "__init__.py")
    return next((place for place in places if place.is_file()), None)


def _files(top: str, folder: Path) -> list[Path]:
    """All files of a module in a folder: one, or those of a package."""
    file = _file(top, folder)
    if file is None:
        return []
    return [file] if file.name != "__init__.py" else sorted(file.parent.rglob("*.py"))


def _closure(top: str, folder: Path) -> list[str]:
    """A module, and those in the same folder that it imports, wherever in its files, also by way of others."""
    seen, todo = [top], [top]
    while todo:
        named = {name for path in _files(todo.pop(), folder) for name in _imported(path)}
        new = [name for name in sorted(named) if name not in seen and name != "atme" and _file(name, folder)]
        seen += new
        todo += new
    return seen


def _imported(path: Path) -> Iterator[str]:
    """The modules that a file imports, by the first part of their names."""
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError:  # importing it says so
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name.split(".")[0] for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def _import_from(top: str, folder: Path) -> None:
    """Import a module of a folder, and all that it imports there, in the place of others of these names."""
    names = _closure(top, folder)
    if all(_is_same(name, folder) for name in names):
        return
    for loaded in [each for each in sys.modules if each.split(".")[0] in names]:
        del sys.modules[loaded]
    importlib.invalidate_caches()
    sys.path.insert(0, str(folder))
    try:
        for name in reversed(names):
            importlib.import_module(name)
    except Exception as error:  # a user's file may raise anything
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{_file(top, folder)}: cannot be imported ({type(error).__name__}: {reason}); repair it"
        ) from error
    finally:
        sys.path.remove(str(folder))


def _is_same(name: str, folder: Path) -> bool:
    """Whether the module that is loaded by a name is that of a folder, or has the same text."""
    file, module = _file(name, folder), sys.modules.get(name)
    known = None if module is None or module.__file__ is None else Path(module.__file__)
    if known is None or file is None or not known.is_file():
        return False
    return known.resolve() == file.resolve() or (known.name == file.name and _alike(name, known, file))


def _alike(name: str, one: Path, other: Path) -> bool:
    homes = [path.parent.parent if path.name == "__init__.py" else path.parent for path in (one, other)]
    texts = [[path.read_bytes() for path in _files(name, home)] for home in homes]
    return texts[0] == texts[1]


def _is_installed(module: ModuleType | None) -> bool:
    """Whether a module came with Python, atme or an installed package."""
    if module is None:
        return False
    place = getattr(module, "__file__", None)
    if place is None or module.__name__ == "atme" or module.__name__ in sys.stdlib_module_names:
        return True
    return any(part in _INSTALLED for part in Path(place).parts) or _is_delivered(Path(place))


def _is_delivered(place: Path) -> bool:
    """Whether a module's first file lies where `pip install --target` put it, which leaves a list of files there."""
    home, first = (
        (place.parent.parent, f"{place.parent.name}/") if place.name == "__init__.py" else (place.parent, place.name)
    )
    lists = (record.read_text("utf-8") for record in home.glob("*.dist-info/RECORD"))
    return any(line.startswith(first) for text in lists for line in text.splitlines())
