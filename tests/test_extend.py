"""Classes of a user's own file, those that docs/extend.md shows: trained, gone on with, shown, translated, compared.

The file lies beside a preset, and nowhere on Python's path.
"""

import importlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from conftest import TINY
from local_hub import Hub
from test_handing_over import hub  # noqa: F401
from test_training import same_bits

from atme import outside
from atme.cli import main
from atme.inference import Translator
from atme.metrics import DATA_RANGE, METRICS, UNITS
from atme.metrics.own import take_in
from atme.metrics.scores import PAIRWISE
from atme.run_folder import checkpoints, read_log

PAGE = Path(__file__).parents[1] / "docs" / "extend.md"
BLOCKS = [
    each for each in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S) if "# my_models.py" in each
]
Said = pytest.CaptureFixture[str]

ALONE = {"model": {"class_path": "my_models.Charbonnier"}, "noise": {"class_path": "atme.Identity"}}
OWN: dict[str, dict[str, Any]] = {
    "model": ALONE,
    "noise": {"noise": {"class_path": "my_models.Blur"}},
    "discriminator": {"discriminator": {"class_path": "my_models.Textures", "init_args": {"dim": 4}}},
    "generator": {"generator": {"class_path": "my_models.Three", "init_args": {"dim": 4}}},
}


@pytest.fixture(autouse=True)
def _own_modules() -> Iterator[None]:
    """Another test's module of this name is back afterwards."""
    before = {name: sys.modules.pop(name) for name in ("my_models", "my_parts") if name in sys.modules}
    yield
    for name in ("my_models", "my_parts"):
        sys.modules.pop(name, None)
    sys.modules.update(before)


@pytest.fixture
def mine(tmp_path: Path, pairs_folder: Path) -> Path:
    """A folder with a preset, mine.yaml, and with the classes of the docs beside it."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "my_models.py").write_text("\n".join(BLOCKS))
    write(folder, pairs_folder)
    return folder


def write(folder: Path, pairs: Path, **changes: Any) -> Path:
    options = TINY | {"noise": {"class_path": "atme.Identity"}} | changes
    options = options | {"data": TINY["data"] | {"root": str(pairs)}}
    options["training"] = TINY["training"] | {"rate": {"epochs": 2, "decay_epochs": 0}, "sample_every": 2}
    (folder / "mine.yaml").write_text(yaml.safe_dump(options))
    return folder / "mine.yaml"


def train(preset: Path, run: Path, *more: str) -> int:
    return main(["train", "--config", str(preset), "--run.dir", str(run), *more])


def test_each_class_takes_thirty_lines() -> None:
    assert len(BLOCKS) == 4
    for block in BLOCKS:
        assert len([line for line in block.splitlines() if line.strip()]) <= 30


@pytest.mark.parametrize("kind", OWN)
def test_a_class_of_ones_own(mine: Path, tmp_path: Path, pairs_folder: Path, kind: str, capsys: Said) -> None:
    """Trained; gone on with to the same bits, from the run's own copy; shown, translated, scored and compared."""
    preset, run, parts = write(mine, pairs_folder, **OWN[kind]), tmp_path / "run", tmp_path / "parts"
    assert train(preset, run) == 0
    assert (run / "code" / "my_models.py").read_text() == (mine / "my_models.py").read_text()
    shutil.rmtree(mine)
    first = str(checkpoints(run)[0])
    assert train(run / "options.yaml", parts, "--training.resume", first) == 0
    assert same_bits(checkpoints(run)[-1], checkpoints(parts)[-1])
    assert (parts / "code" / "my_models.py").is_file()
    picture = str(pairs_folder / "test" / "test_0.png")
    assert main(["translate", str(run), picture, str(tmp_path / "a.png")]) == 2
    assert "code that is not of atme" in capsys.readouterr().err
    assert main(["show", str(run / "options.yaml")]) == 0
    assert main(["translate", str(run), picture, str(tmp_path / "a.png"), "--trust"]) == 0
    assert main(["evaluate", str(run), "--trust", "--scores", "l1"]) == 0
    assert main(["compare", str(run), str(parts), "--output", str(tmp_path / "both"), "--trust"]) == 0


def command(*words: str, at: Path) -> subprocess.CompletedProcess[str]:
    """A process of its own, in a folder, where nothing of the tests is on Python's path."""
    root = str(PAGE.parents[1])
    code = f"import sys; sys.path[0] = {root!r}; from atme.cli import main; sys.exit(main({list(words)!r}))"
    return subprocess.run([sys.executable, "-c", code], cwd=at, capture_output=True, text=True, check=False)


def test_on_another_machine(mine: Path, tmp_path: Path, pairs_folder: Path) -> None:
    """A run's folder moved: it needs nothing else; without its code, a line says what is missing and where it goes."""
    assert train(write(mine, pairs_folder, **ALONE), tmp_path / "run") == 0
    shutil.rmtree(mine)
    moved = (tmp_path / "run").rename(tmp_path / "moved")
    words = ("translate", str(moved), str(pairs_folder / "test" / "test_0.png"))
    assert command(*words, str(tmp_path / "a.png"), "--trust", at=tmp_path).returncode == 0
    (moved / "code").rename(tmp_path / "kept")
    lost = command(*words, str(tmp_path / "b.png"), "--trust", at=tmp_path)
    assert lost.returncode == 2
    assert len(lost.stderr.strip().splitlines()) == 1
    assert f"there is no module my_models here; put my_models.py into {moved / 'code'}" in lost.stderr


def forget(*modules: str) -> None:
    for name in modules:
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("hub")
def test_it_is_handed_on_with_its_code(mine: Path, tmp_path: Path, pairs_folder: Path, capsys: Said) -> None:
    """To a folder, and through a hub; who takes it in trusts it, and needs nothing else."""
    assert train(write(mine, pairs_folder, **OWN["generator"]), tmp_path / "run") == 0
    text, picture = (mine / "my_models.py").read_text(), torch.rand(1, 3, 8, 8)
    own = Translator.from_run(tmp_path / "run", trust=True)
    expected = own.tensor(picture)
    own.save_pretrained(tmp_path / "handed")
    assert "trust=True" in (tmp_path / "handed" / "README.md").read_text()
    with pytest.raises(ValueError, match=r"my_models\.py.*overwrite=True"):
        own.save_pretrained(tmp_path / "handed")
    own.save_pretrained(tmp_path / "handed", overwrite=True)
    assert main(["push", str(tmp_path / "run"), "me/mine", "--trust"]) == 0
    assert Hub.models["me/mine"]["code/my_models.py"].decode() == text
    shutil.rmtree(mine)
    shutil.rmtree(tmp_path / "run")
    forget("my_models")
    again = Translator.from_pretrained(tmp_path / "handed", trust=True)
    assert torch.equal(again.tensor(picture), expected)
    again.save_pretrained(tmp_path / "further")
    assert (tmp_path / "further" / "code" / "my_models.py").read_text() == text
    forget("my_models")
    with pytest.raises(ValueError, match="code that is not of atme"):
        Translator.from_pretrained("me/mine")
    assert not list((tmp_path / "cache").rglob("my_models.py"))
    assert torch.equal(Translator.from_pretrained("me/mine", trust=True).tensor(picture), expected)


def test_what_it_imports_from_beside_it_is_kept_too(mine: Path, tmp_path: Path, pairs_folder: Path) -> None:
    three = next(block for block in BLOCKS if "class Three" in block)
    (mine / "my_parts.py").write_text(three)
    text = "import my_parts\n\n\nclass Three(my_parts.Three):\n    def later(self):\n        import my_unused\n"
    (mine / "my_models.py").write_text(text)
    (mine / "my_unused.py").write_text("here = True\n")
    (mine / "unrelated.py").write_text("1 / 0\n")
    assert train(write(mine, pairs_folder, **OWN["generator"]), tmp_path / "run") == 0
    kept = {path.name for path in (tmp_path / "run" / "code").iterdir()}
    assert kept == {"my_models.py", "my_parts.py", "my_unused.py"}


def test_a_package(mine: Path, tmp_path: Path, pairs_folder: Path) -> None:
    package = mine / "my_models"
    package.mkdir()
    (mine / "my_models.py").rename(package / "parts.py")
    (package / "__init__.py").write_text("from my_models.parts import Three\n")
    preset = write(mine, pairs_folder, **OWN["generator"])
    # apart: classes of a package that is no longer there would stay, and options of later tests would list them
    done = command("train", "--config", str(preset), "--run.dir", str(tmp_path / "run"), at=tmp_path)
    assert done.returncode == 0, done.stderr
    kept = {path.name for path in (tmp_path / "run" / "code" / "my_models").iterdir()}
    assert {"__init__.py", "parts.py"} <= kept


def test_two_runs_hold_files_of_one_name(mine: Path, tmp_path: Path, pairs_folder: Path, capsys: Said) -> None:
    """Each is translated by its own: the other one's answers are the negative of it."""
    from atme.inference import Translator

    preset = write(mine, pairs_folder, **OWN["generator"])
    assert train(preset, tmp_path / "one") == 0
    text = (mine / "my_models.py").read_text()
    (mine / "my_models.py").write_text(text.replace("return self.layers(image)", "return -self.layers(image)"))
    assert train(preset, tmp_path / "other") == 0
    weights = "checkpoints/step_00000008"
    for name in ("generator", "average_generator"):
        place = f"{weights}/{name}.safetensors"
        shutil.copyfile(tmp_path / "one" / place, tmp_path / "other" / place)
    one, other, again = (Translator.from_run(tmp_path / name, trust=True) for name in ("one", "other", "one"))
    picture = torch.rand(1, 3, 8, 8)
    assert torch.equal(one.tensor(picture), -other.tensor(picture))
    assert torch.equal(one.tensor(picture), again.tensor(picture))
    runs = [str(tmp_path / name) for name in ("one", "other")]
    assert main(["compare", *runs, "--output", str(tmp_path / "compared"), "--trust"]) == 0


def test_a_run_is_not_gone_on_with_by_other_code(mine: Path, tmp_path: Path, pairs_folder: Path, capsys: Said) -> None:
    preset, run = write(mine, pairs_folder, **OWN["generator"]), tmp_path / "run"
    assert train(preset, run) == 0
    before = (run / "code" / "my_models.py").read_text()
    (mine / "my_models.py").write_text(before + "\n# changed\n")
    longer = ("--training.resume", "auto", "--training.rate.epochs", "3")
    assert train(preset, run, *longer) == 2
    said = capsys.readouterr().err
    assert "is not as it was when the run" in said
    assert f"--config {run / 'options.yaml'}" in said
    assert train(run / "options.yaml", run, *longer) == 0  # the remedy works
    assert (run / "code" / "my_models.py").read_text() == before


def test_untrusted_code_is_not_run(mine: Path, tmp_path: Path, pairs_folder: Path) -> None:
    assert train(write(mine, pairs_folder, **OWN["generator"]), tmp_path / "run") == 0
    del sys.modules["my_models"]
    trap = f"import pathlib\npathlib.Path({str(tmp_path / 'sprung')!r}).touch()\n"
    code = tmp_path / "run" / "code" / "my_models.py"
    code.write_text(trap + code.read_text())
    words = [str(tmp_path / "run"), str(pairs_folder / "test" / "test_0.png"), str(tmp_path / "a.png")]
    assert main(["translate", *words]) == 2
    assert not (tmp_path / "sprung").exists()
    assert main(["translate", *words, "--trust"]) == 0
    assert (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def broken(:\n", "cannot be imported (SyntaxError"),
        ("1 / 0\n", "cannot be imported (ZeroDivisionError: division by zero); repair it"),
        ("import my_missing_part\n", "cannot be imported (ModuleNotFoundError: No module named 'my_missing_part')"),
        ("class Other: pass\n", "my_models has no Charbonnier"),
        ("class Charbonnier:\n    pass\n", "my_models.Charbonnier is no model: declare channels as atme's models do"),
    ],
)
def test_a_faulty_file_is_named_in_one_line(
    mine: Path, tmp_path: Path, pairs_folder: Path, capsys: Said, text: str, said: str
) -> None:
    preset = write(mine, pairs_folder, **ALONE)
    (mine / "my_models.py").write_text(text)
    assert train(preset, tmp_path / "run") == 2
    line = capsys.readouterr().err.strip()
    assert said in line
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize("what", ["roles", "one_answer", "calls", "step", "translate", "generator"])
def test_a_model_that_is_not_whole_is_told_what_it_lacks(
    mine: Path, tmp_path: Path, pairs_folder: Path, capsys: Said, what: str
) -> None:
    text = (mine / "my_models.py").read_text()
    says = 'roles, one_answer, calls = ("generator",), True, ()'
    old, new = {
        "roles": (says, "one_answer, calls = True, ()"),
        "one_answer": (says, 'roles, calls = ("generator",), ()'),
        "calls": (says, 'roles, one_answer = ("generator",), True'),
        "step": ("def step(self, arena: Arena, pair: Pair) -> Step:", "def step(self, arena, pair):"),
        "translate": ("    def translate(", "    def translated("),
        "generator": ('("generator",)', '("discriminator",)'),
    }[what]
    shorter = text.replace(old, new)
    assert shorter != text
    (mine / "my_models.py").write_text(shorter)
    assert train(write(mine, pairs_folder, **ALONE), tmp_path / "run") == 2
    line = capsys.readouterr().err.strip()
    assert what in line
    assert len(line.splitlines()) == 1


def test_a_cost_that_cannot_be_told_is_no_failure(mine: Path, pairs_folder: Path, capsys: Said) -> None:
    """Costs are those of tensors without values; a class that reads one is shown, and said to have an unknown cost."""
    preset = write(mine, pairs_folder, **OWN["generator"])
    text = (mine / "my_models.py").read_text()
    reads = "return self.layers(image) * float(image.mean())"
    (mine / "my_models.py").write_text(text.replace("return self.layers(image)", reads))
    assert main(["show", str(preset)]) == 0
    out = capsys.readouterr().out
    assert "my_models.Three" in out
    assert "cannot be told" in out


def test_names_of_files_are_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A word with a dot, such as a picture's name, imports nothing, whatever lies in the working directory."""
    (tmp_path / "photo.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    assert main(["translate", "photo.jpg", "photo.jpg", "photo.png"]) == 2
    assert main(["train", "--run.dir", "photo.run", "--data.root", "photo.jpg"]) == 2
    assert "photo" not in sys.modules


SCORE = next(
    each for each in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S) if "# my_scores" in each
)


TABLES: tuple[dict[str, Any], ...] = (METRICS, UNITS, DATA_RANGE, PAIRWISE)


@pytest.fixture
def known_scores() -> Iterator[None]:
    """The scores that there are without one's own."""
    before = [dict(table) for table in TABLES]
    yield
    sys.modules.pop("my_scores", None)
    for table, was in zip(TABLES, before, strict=True):
        table.clear()
        table.update(was)


@pytest.mark.usefixtures("known_scores")
def test_a_score_of_ones_own(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said) -> None:
    """In the table, in JSON, on the page, and pair by pair; of equal pictures it is what the class says, 0."""
    (tmp_path / "my_scores.py").write_text(SCORE)
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", str(run), "--scores", "l1,my_scores.Edges", "--train_pairs", "2"]) == 0
    assert "edges" in capsys.readouterr().out
    found = json.loads((run / "evaluation" / "test.json").read_text())
    assert found["my_scores.Edges"] > 0
    assert found["protocol"]["units"]["my_scores.Edges"].endswith("lower is better")
    assert "edges" in (run / "evaluation" / "test.html").read_text()
    picture = torch.rand(2, 3, 8, 8) * 2 - 1
    assert PAIRWISE["my_scores.Edges"](picture, picture).tolist() == [0, 0]


@pytest.mark.usefixtures("known_scores")
def test_a_score_of_ones_own_goes_where_scores_go(
    mine: Path, tmp_path: Path, pairs_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    """Into the loop, where it chooses the best checkpoint; into a comparison; and into a model's card."""
    (tmp_path / "my_scores.py").write_text(SCORE)
    monkeypatch.chdir(tmp_path)
    run, name = tmp_path / "run", "my_scores.Edges"
    looks = ("--training.evaluate_every=1", "--training.evaluate_scores", f"l1,{name}", "--training.keep_best", name)
    assert train(write(mine, pairs_folder), run, *looks, "--data.validation_split=test") == 0
    assert all(line[f"val_{name}"] > 0 for line in read_log(run) if "val_l1" in line)
    assert f"best {name} of split test" in capsys.readouterr().err
    assert main(["evaluate", str(run), "--scores", f"l1,{name}", "--train_pairs", "0"]) == 0
    for table in TABLES:  # as in a process that was not told of the class
        del table[name]
    assert main(["compare", str(run), "--output", str(tmp_path / "page"), "--images", "0"]) == 0
    compared = json.loads((tmp_path / "page" / "compare.json").read_text())
    (one,) = compared["games"][0]["runs"]
    assert one["evaluation_reused"]
    assert one["scores"].keys() == {"l1", name}
    Translator.from_run(run).save_pretrained(tmp_path / "handed")
    assert f"- {name}: mean difference of slopes" in (tmp_path / "handed" / "README.md").read_text()


@pytest.mark.usefixtures("known_scores")
def test_attributes_of_a_score_are_its_own(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    """But for those that the docs name: a network of its own asks for no file of weights of ours."""
    (tmp_path / "my_scores.py").write_text(f"{SCORE}\n    network, of_sets = 1, True\n")
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", str(run), "--scores", "my_scores.Edges", "--train_pairs", "0"]) == 0
    assert "edges" in capsys.readouterr().out


@pytest.mark.usefixtures("known_scores")
def test_a_score_that_reads_colors_takes_gray_as_rgb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_scores.py").write_text(
        "class Third:\n    title, unit, reads, colors = 't', 'x; lower is better', (-1, 1), True\n"
        "    def __call__(self, translation, target):\n"
        "        return (translation - target)[:, 2].abs().mean(dim=(1, 2))\n"
    )
    monkeypatch.chdir(tmp_path)
    take_in(["my_scores.Third"])
    gray = torch.zeros(2, 1, 4, 5)
    assert PAIRWISE["my_scores.Third"](gray, gray + 0.5).tolist() == [0.5, 0.5]
    assert METRICS["my_scores.Third"].refuses(4, 4, 5) is not None


@pytest.mark.usefixtures("known_scores")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "my_scores.Edges is not there"),
        (SCORE + "\n    def __init__(self, x): ...\n", "my_scores.Edges cannot be made (TypeError: "),
        ("class Edges: pass", "my_scores.Edges is no score; give it title"),
        (SCORE.replace("; lower is better", ""), "let it end with higher or lower is better"),
        (SCORE.replace("apart.abs().mean(dim=(1, 2, 3))", "apart.abs().mean()"), "let it make finite numbers (B,)"),
        ("1 / 0", "cannot be imported (ZeroDivisionError"),
    ],
)
def test_a_score_that_is_none_is_one_line(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said, text: str, said: str
) -> None:
    (tmp_path / "my_scores.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", str(run), "--scores", "my_scores.Edges"]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("atme: ")
    assert said in line


def test_what_is_installed_is_neither_replaced_nor_kept(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("1 / 0\n")
    outside.use({"class_path": "torch.optim.Adam"}, [tmp_path])
    assert sys.modules["torch"] is torch
    assert outside.sources({"class_path": "torch.optim.Adam", "other": "atme.UNet"}) == {}


@pytest.mark.parametrize(("top", "name"), [("brought", "brought.py"), ("delivered", "delivered/__init__.py")])
def test_what_pip_put_into_a_folder_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, top: str, name: str
) -> None:
    """As by `pip install --target`, whose folder is no site-packages; without pip's list it is a file of the user's."""
    file, record = tmp_path / name, tmp_path / f"{top}-1.0.dist-info" / "RECORD"
    for each, text in {file: "class It: pass\n", record: f"{name},sha256=x,16\n"}.items():
        each.parent.mkdir(exist_ok=True)
        each.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module(top)
    assert outside.sources({"class_path": f"{top}.It"}) == {}
    record.unlink()
    assert outside.sources({"class_path": f"{top}.It"}) == {name: file}
