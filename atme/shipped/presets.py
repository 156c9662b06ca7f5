"""Presets by name: ``earth_atme`` stands for ``options/earth_atme.yaml``, wherever the package lies.

A preset is a protocol. Its first comment says what to expect and what it costs, in a sentence each that begin with
"Expected:" and "Cost:"; both are read from there, so that a list of all presets comes at once. (A test holds the
costs against what ``atme show`` computes.)
"""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from atme.shipped import folder

_SENTENCE = r"{word}:\s+(?P<text>.*?)\.(?=\s|$)"


@dataclass(frozen=True)
class Preset:
    """What a preset says of itself, in words."""

    name: str
    expected: str
    """What its run comes to: "l1 0.135 ± 0.003 over three seeds, psnr 19.3, …"."""
    cost: tuple[str, ...]
    """Of an update, the number of updates, and the memory: "81 GFLOP an update", "325 updates", "0.2 GiB"."""


def preset_paths() -> dict[str, Path]:
    """The presets that come with the package, by name; what goes beside one is named ``augmentation/NAME``."""
    top = folder("options")
    return {path.relative_to(top).with_suffix("").as_posix(): path for path in sorted(top.rglob("*.yaml"))}


def find_preset(preset: str | Path) -> Path:
    """The file of a preset, given as a file or by its name; a file comes first.

    A path to a file that is missing is handed back: who reads it says what lies beside it.

    Raises:
        ValueError: it is neither; names that are like it are listed.
    """
    path, known = Path(preset), preset_paths()
    if str(preset) in known and not path.is_file():
        return known[str(preset)]
    if path.exists():
        return path
    if (path.is_absolute() or path.suffix in (".yaml", ".yml")) and path.stem not in known:
        return path
    near = [path.stem] if path.stem in known else get_close_matches(path.stem, known, n=3, cutoff=0.6)
    guess = f"did you mean {' or '.join(near)}? " if near else ""
    raise ValueError(f"{preset}: neither a file nor the name of a preset; {guess}atme presets lists them")


def read_preset(name: str, path: Path) -> Preset:
    """What a preset says of itself."""
    text = path.read_text(encoding="utf-8")
    cost = said(text, "Cost")
    return Preset(name, expected=said(text, "Expected"), cost=tuple(cost.split(", ")) if cost else ())


def said(text: str, word: str) -> str:
    """The sentence of the first comment of a preset that begins with a word and a colon; "" if there is none."""
    lines = text.splitlines()
    comment = lines[: next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))]
    joined = " ".join(line.lstrip("# ") for line in comment)
    found = re.search(_SENTENCE.format(word=word), joined)
    return found["text"] if found else ""
