"""`atme data list` and `fetch`: what is known, what of it is here, and how it comes here."""

import inspect
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from local_mirror import Answer, local_mirror
from local_mirror import Mirror as Server
from test_recipes_all import FEW, archive_of

from atme.cli import main
from atme.cli.data import VERBS
from atme.cli.sources import described
from atme.data.recipes import find_recipe, find_root
from atme.prepare.status import presence
from atme.prepare.whole_folder import hidden_beside

ROOT = Path(__file__).parents[1]


def data(line: str) -> int:
    """Runs ``atme data …``; words are split at spaces."""
    return main(["data", *line.split()])


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Server, Callable[..., str]]]:
    """A server, and a function that writes a recipe for what it serves into ``datasets/`` of the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("no_proxy", "*")
    (tmp_path / "datasets").mkdir()
    content = archive_of("toy", "side_by_side", FEW, kind=".gz")
    with local_mirror() as server:

        def recipe(*answers: Answer) -> str:
            url = server.serve("/toy.tar.gz", *(answers or [Answer(content)]))
            facades = yaml.safe_load((ROOT / "datasets/facades.yaml").read_text())
            toy = {**facades, "root": "toy", "splits": FEW, "mirrors": [{"url": url, "size": len(content)}]}
            (tmp_path / "datasets/toy.yaml").write_text(yaml.safe_dump(toy, sort_keys=False))
            return "toy"

        yield server, recipe


def test_fetch_then_list(served, capsys: pytest.CaptureFixture[str]) -> None:
    server, recipe = served
    recipe()
    assert data("list") == 0
    assert "not here" in capsys.readouterr().out
    assert data("fetch toy") == 0
    said = capsys.readouterr().out
    assert "toy: train 3, val 2, test 1 pairs in datasets/toy" in said
    assert "nobody published a checksum" in said
    assert data("list") == 0
    assert "here, complete" in capsys.readouterr().out
    assert data("list --name toy") == 0
    details = " ".join(capsys.readouterr().out.split())
    assert "BtoA" in details
    assert "GCPR 2013" in details
    assert server.asked == [("/toy.tar.gz", None)]
    left = hidden_beside(find_recipe("toy").root)
    left.mkdir()
    assert data("fetch toy") == 0  # asks nobody again
    assert len(server.asked) == 1
    assert not left.exists()


def test_fetch_elsewhere(served, tmp_path: Path) -> None:
    served[1]()
    assert data("fetch toy --root elsewhere") == 0
    assert presence(tmp_path / "elsewhere/toy").state == "complete"
    assert not (tmp_path / "datasets/toy").exists()


def test_fetch_list_and_train_know_the_same_place(
    served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server, recipe = served
    recipe()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ATME_DATA", "~/all data")
    place = tmp_path / "all data" / "toy"
    assert data("fetch toy") == 0
    assert str(place) in capsys.readouterr().out
    assert presence(place).state == "complete"
    assert find_root("toy") == find_recipe("toy").root == place
    assert data("list --name toy") == 0
    assert "here, complete" in capsys.readouterr().out
    monkeypatch.delenv("ATME_DATA")
    assert data("fetch toy") == 0
    assert find_root("toy") == Path("datasets/toy")
    monkeypatch.setenv("ATME_DATA", str(tmp_path / "third"))  # which is empty: what is here is not fetched again
    asked = len(server.asked)
    assert data("fetch toy") == 0
    assert len(server.asked) == asked


def test_an_interrupted_fetch_is_listed(served, capsys: pytest.CaptureFixture[str]) -> None:
    content = archive_of("toy", "side_by_side", FEW, kind=".gz")
    served[1](Answer(content, cut=len(content) - 9))
    assert data("fetch toy --attempts 1") == 2
    assert "no mirror delivered" in capsys.readouterr().err
    folder = find_recipe("toy").root
    assert presence(folder).state == "arriving"
    assert "MB of its archive have arrived" in presence(folder).words
    shutil.rmtree(hidden_beside(folder))
    assert presence(folder).words == "not here"


def test_a_folder_made_by_hand_and_a_damaged_one(served, capsys: pytest.CaptureFixture[str]) -> None:
    served[1]()
    data("fetch toy")
    folder = find_recipe("toy").root
    next(folder.rglob("*.jpg")).write_bytes(b"cut")
    assert presence(folder).words == "here, but 1 of 6 files are missing or cut"
    assert data("fetch toy") == 2
    assert "datasets/toy: exists already" in capsys.readouterr().err
    (folder / "manifest.json").write_text("{")
    assert presence(folder).state == "damaged"
    (folder / "manifest.json").unlink()
    assert presence(folder).state == "unknown"
    shutil.rmtree(folder)
    folder.write_text("a file")
    assert presence(folder).words == "a file stands in its place"


def test_a_recipe_that_cannot_be_read_hides_no_other(served, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder named datasets may be anybody's."""
    served[1]()
    for name, text in (("coco", "names: {0: person}"), ("broken", "a: [")):
        Path(f"datasets/{name}.yaml").write_text(text)
    assert data("list") == 1
    said = capsys.readouterr()
    assert {"toy", "earth", "facades"} <= set(said.out.split())
    assert [line.split(":")[1].strip() for line in said.err.splitlines()] == [
        "datasets/broken.yaml",
        "datasets/coco.yaml",
    ]
    assert data("list --name toy") == 0
    assert data("list --name coco") == 2


@pytest.mark.parametrize("verb", ["fetch earthh", "list --name earthh", "check earthh"])
def test_an_unknown_name_is_answered_with_the_known_ones(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert data(verb) == 2
    said = capsys.readouterr().err
    assert "earthh: neither a folder nor a known dataset; did you mean earth? the known ones are: " in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(("option", "named"), [("--attempts 0", "attempts: 0"), ("--stall 0", "stall: 0")])
def test_a_patience_that_is_none(option: str, named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert data(f"fetch facades {option}") == 2
    assert named in capsys.readouterr().err


def test_the_list_fits_80_columns(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert data("list") == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


@pytest.mark.parametrize("verb", VERBS)
def test_every_parameter_of_atme_data_is_explained(verb: str) -> None:
    parameters = inspect.signature(VERBS[verb]).parameters
    assert described(inspect.getdoc(VERBS[verb]) or "").keys() == parameters.keys()


def test_listing_and_fetching_load_no_torch() -> None:
    code = (
        "import sys; from atme.cli import data; data.list_datasets(); "
        "import atme.prepare.fetch.fetch, atme.cli.progress; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, cwd=ROOT).returncode == 0
