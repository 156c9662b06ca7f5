"""What a reader saves of the docs' YAML begins as it stands: a preset as a run, a race as the runs of its settings.

Nothing is changed but the pairs, and what makes a run large.
"""

import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import studies
import yaml
from conftest import smooth

from atme.cli.arguments import parse
from atme.images import write_image
from atme.training import options
from atme.training.start import Start, prepare

DOCS = Path(__file__).parents[1] / "docs"
SMALL = "--data.load_size null --data.crop_size 32 --data.test_size null --training.steps 2 --training.batch_size 1"
BESIDE = "earth_pix2pix_demo"
"""The preset that sections without a game of their own go beside."""


@dataclass(frozen=True)
class Block:
    """A block of YAML on a page."""

    page: str
    file: str
    """What its first line calls it; else the page's own name."""
    text: str

    @property
    def values(self) -> dict[str, Any]:
        return dict(yaml.safe_load(self.text))

    @property
    def kind(self) -> str:
        of = {"settings": "race", "sets": "study", "model": "preset"}
        return next((kind for key, kind in of.items() if key in self.values), "sections")

    def __str__(self) -> str:
        return f"{self.page}-{self.file}"


def blocks() -> Iterator[Block]:
    for page in sorted(DOCS.rglob("*.md")):
        for text in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.S):
            named = re.match(r"# (\w+\.yaml)", text)
            yield Block(page.stem, named[1] if named else f"{page.stem}.yaml", text)


BLOCKS = list(blocks())
RACES = [each for each in BLOCKS if each.kind == "race"]
STUDIES = [each for each in BLOCKS if each.kind == "study"]
OTHERS = [each for each in BLOCKS if each.kind in ("preset", "sections")]
quality = studies.load("quality_per_hour")
plans = studies.load("plan_study")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs and pictures of three colors, which pages call ground, street and water."""
    root, rng = tmp_path_factory.mktemp("pairs"), np.random.default_rng(0)
    colors = np.uint8([[236, 230, 222], [255, 255, 255], [168, 204, 255]])
    for split in ("train", "test", "val"):
        (root / split).mkdir()
        for number in range(2):
            map_of = colors[rng.integers(0, 3, (4, 4))].repeat(10, 0).repeat(10, 1)
            write_image(root / split / f"{number}.png", np.concatenate([smooth(rng, 40, 40), map_of], axis=1))
    return root


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A reader's: with the classes of the docs, and what else the pages have saved there."""
    monkeypatch.chdir(tmp_path)
    python = re.findall(r"```python\n(# my_models\.py.*?)```", (DOCS / "extend.md").read_text(), re.S)
    Path("my_models.py").write_text("\n".join(python))
    for block in OTHERS:
        Path(block.file).write_text(block.text)
    before = sys.modules.pop("my_models", None)
    yield
    sys.modules.pop("my_models", None)
    if before is not None:
        sys.modules["my_models"] = before


def begun(words: list[str]) -> Start:
    """The start of the run that `atme train` would make of some words; nothing is trained."""
    parser = options.parser()
    chosen = parse(parser, words, classes=options.CLASSES)
    return prepare(parser.instantiate(chosen), text=parser.dump(chosen))


def test_there_is_something_to_begin() -> None:
    assert {"race", "study", "preset", "sections"} == {each.kind for each in BLOCKS}
    assert {each.page for each in BLOCKS} >= {"which-noise", "speed", "training", "extend", "your-data"}


@pytest.mark.parametrize("block", OTHERS, ids=str)
def test_a_run_begins(block: Block, pairs: Path) -> None:
    Path(block.file).write_text(block.text)  # of two pages that call theirs the same
    beside = [] if block.kind == "preset" else ["--config", BESIDE]
    narrow = [] if "generator" in block.values and "dim" not in block.text else ["--generator.init_args.dim", "8"]
    words = [*beside, "--config", block.file, "--data.root", str(pairs), *shlex.split(SMALL), *narrow]
    start = begun([*words, "--run.dir", "runs/mine"])
    assert start.left == 2
    assert not Path("runs").exists()
    written = yaml.safe_load(start.text)
    for section in block.values.keys() & {"model", "generator", "discriminator", "noise"}:
        assert written[section]["class_path"].split(".")[-1] == block.values[section]["class_path"].split(".")[-1]


@pytest.mark.parametrize("block", RACES, ids=str)
def test_a_race_s_runs_are_understood(block: Block) -> None:
    """Each setting's words, and its classes with what they are given."""
    Path(block.file).write_text(block.text)
    told = quality.Race.read(Path(block.file))
    entrants = quality.entrants(told, Path("runs"))
    assert len({each.run for each in entrants}) == len(told.settings) * len(told.seeds)
    for entrant in entrants[: len(told.settings)]:
        parser = options.parser()
        chosen = parser.instantiate(parse(parser, list(entrant.words), classes=options.CLASSES))
        assert chosen.training.seconds == 60 * told.minutes
        assert chosen.data.test_split == told.split or chosen.data.validation_split == told.split


@pytest.mark.parametrize("block", STUDIES, ids=str)
def test_a_study_s_runs_are_understood(block: Block) -> None:
    Path(block.file).write_text(block.text)
    told = plans.Study.read(Path(block.file))
    by_preset = [each for each in plans.entrants(told, Path("runs")) if each.name != plans.PLANNED]
    assert len(by_preset) >= len(told.sets)
    for entrant in by_preset:
        ((_, *words),) = entrant.steps
        parser = options.parser()
        chosen = parser.instantiate(parse(parser, words, classes=options.CLASSES))
        assert chosen.training.seconds == 60 * told.minutes
        assert chosen.data.direction == entrant.of.direction


def test_a_block_that_is_wrong_is_seen(pairs: Path) -> None:
    """The control."""
    wrong = "discriminator: {class_path: atme.ProjectedDiscriminator, init_args: {besides: 3}}"
    Path("wrong.yaml").write_text(wrong)
    with pytest.raises(ValueError, match="did you mean beside"):
        begun(["--config", BESIDE, "--config", "wrong.yaml", "--data.root", str(pairs), *shlex.split(SMALL)])
