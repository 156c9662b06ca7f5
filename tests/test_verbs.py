"""`atme data …` as a user types it: what is known, what is here, and how it arrives."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from jsonargparse import ArgumentParser
from local_mirror import Answer, local_mirror
from local_mirror import Mirror as Server
from test_recipes_all import FEW, archive_of

from atme.cli import data as verbs
from atme.data.recipes import find_recipe
from atme.prepare.status import presence
from atme.prepare.whole_folder import hidden_beside

VERBS = {
    "list": verbs.list_datasets,
    "fetch": verbs.fetch,
    "pair": verbs.pair,
    "split": verbs.split,
    "cityscapes": verbs.cityscapes,
    "check": verbs.check,
}


def run(line: str) -> int:
    """Runs ``atme data …``; words are split at spaces."""
    verb, *words = line.split()
    parser = ArgumentParser(exit_on_error=False, allow_abbrev=False)
    parser.add_function_arguments(VERBS[verb], as_positional=True)
    return VERBS[verb](**parser.instantiate(parser.parse_args(words)).as_dict())


@pytest.mark.parametrize("verb", VERBS)
def test_every_parameter_is_explained(verb: str) -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_function_arguments(VERBS[verb], as_positional=True)
    actions = [action for action in parser._actions if action.dest != "help"]
    assert actions
    assert all(action.help for action in actions), [action.dest for action in actions if not action.help]


def test_cityscapes_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"left\.zip: cannot be opened"):
        run("cityscapes left.zip right.zip out")


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Server, Callable[..., str]]]:
    """A server, and a function that writes a recipe for what it serves."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("no_proxy", "*")
    (tmp_path / "datasets").mkdir()
    content = archive_of("toy", "side_by_side", FEW, kind=".gz")
    with local_mirror() as server:

        def recipe(*answers: Answer) -> str:
            url = server.serve("/toy.tar.gz", *(answers or [Answer(content)]))
            facades = yaml.safe_load((Path(__file__).parents[1] / "datasets/facades.yaml").read_text())
            toy = {**facades, "root": "toy", "splits": FEW, "mirrors": [{"url": url, "size": len(content)}]}
            (tmp_path / "datasets/toy.yaml").write_text(yaml.safe_dump(toy, sort_keys=False))
            return "toy"

        yield server, recipe


def test_fetch_then_list(served, capsys: pytest.CaptureFixture[str]) -> None:
    server, recipe = served
    recipe()
    run("list")
    assert "not here" in capsys.readouterr().out
    assert run("fetch toy") == 0
    said = capsys.readouterr().out
    assert "toy: train 3, val 2, test 1 pairs in datasets/toy" in said
    assert "nobody published a checksum" in said
    run("list")
    assert "here, complete" in capsys.readouterr().out
    run("list --name toy")
    details = " ".join(capsys.readouterr().out.split())
    assert "BtoA" in details
    assert "GCPR 2013" in details
    assert server.asked == [("/toy.tar.gz", None)]
    left = hidden_beside(find_recipe("toy").root)
    left.mkdir()
    assert run("fetch toy") == 0  # asks nobody again
    assert len(server.asked) == 1
    assert not left.exists()


def test_fetch_elsewhere(served, tmp_path: Path) -> None:
    served[1]()
    assert run("fetch toy --root elsewhere") == 0
    assert presence(tmp_path / "elsewhere/toy").state == "complete"
    assert not (tmp_path / "datasets/toy").exists()


def test_an_interrupted_fetch_is_listed(served, capsys: pytest.CaptureFixture[str]) -> None:
    content = archive_of("toy", "side_by_side", FEW, kind=".gz")
    served[1](Answer(content, cut=len(content) - 9))
    with pytest.raises(ValueError, match="no mirror delivered"):
        run("fetch toy --attempts 1")
    folder = find_recipe("toy").root
    assert presence(folder).state == "arriving"
    assert "MB of its archive have arrived" in presence(folder).words
    shutil.rmtree(hidden_beside(folder))
    assert presence(folder).words == "not here"


def test_a_folder_made_by_hand_and_a_damaged_one(served) -> None:
    served[1]()
    run("fetch toy")
    folder = find_recipe("toy").root
    next(folder.rglob("*.jpg")).write_bytes(b"cut")
    assert presence(folder).words == "here, but 1 of 6 files are missing or cut"
    with pytest.raises(ValueError, match="datasets/toy: exists already"):
        run("fetch toy")
    (folder / "manifest.json").write_text("{")
    assert presence(folder).state == "damaged"
    (folder / "manifest.json").unlink()
    assert presence(folder).state == "unknown"


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    for line in ("fetch atlantis", "list --name atlantis", "check atlantis"):
        with pytest.raises(ValueError, match=r"atlantis: neither a folder nor a known dataset; .*earth"):
            run(line)


def test_listing_and_fetching_load_no_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from atme.cli import data; data.list_datasets(); "
        "import atme.prepare.fetch.fetch, atme.cli.progress; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
