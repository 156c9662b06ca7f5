"""What ``atme data check`` prints, returns and refuses."""

import json
import os
from pathlib import Path

import pytest
from planted import HERE, PLANTED, PLANTED_IN_TWO, SHOWY, TEST, contents

from atme.cli import check as verbs
from atme.cli import main
from atme.prepare.status import set_aside_folder


class TestVerb:
    def test_exit_codes(self, earth: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert verbs.check(str(earth)) == 0
        assert "nothing suspicious" in capsys.readouterr().out
        PLANTED["blank B"][0](earth)
        assert verbs.check(str(earth)) == 1
        assert HERE in capsys.readouterr().out

    def test_fix_then_undo(self, earth: Path, capsys: pytest.CaptureFixture[str]) -> None:
        PLANTED["copy in train"][0](earth)
        before = contents(earth)
        assert main(["data", "check", str(earth), "--fix"]) == 1
        assert "1 files moved to" in capsys.readouterr().out
        assert verbs.check(str(earth)) == 0
        assert main(["data", "check", str(earth), "--undo"]) == 0
        assert contents(earth) == before

    def test_what_may_be_as_it_should_be_is_moved_by_name_alone(
        self, earth: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The map of open water is blank, and right."""
        PLANTED["blank B"][0](earth)
        PLANTED["test pair in train"][0](earth)
        before = contents(earth)
        assert main(["data", "check", str(earth), "--fix", "true"]) == 1
        said = capsys.readouterr().out
        assert "1 blank stay where they are; to move them: --fix --only blank" in said
        assert set(before) - set(contents(earth)) == {"train/x9999.png"}
        assert main(["data", "check", str(earth), "--fix", "--only", "blank"]) == 1  # the remedy, followed
        assert set(before) - set(contents(earth)) == {"train/x9999.png", f"{HERE}.png"}
        assert verbs.check(str(earth), undo=True) == 0
        assert contents(earth) == before

    def test_only_some_kinds(self, earth: Path) -> None:
        for name in ("A twice, no B", "test pair in train"):
            PLANTED[name][0](earth)
        before = contents(earth)
        assert verbs.check(str(earth), fix=True, only="blank, same-halves") == 1
        assert set(before) - set(contents(earth)) == {f"{HERE}.png"}

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"only": "leak"}, "--only says what --fix moves; add --fix"),
            (
                {"only": "leek", "fix": True},
                "'leek' is no kind of fault; there are unreadable, .*same-halves",
            ),
            ({"only": "", "fix": True}, "'' is no kind of fault"),
            ({"undo": True, "fix": True}, "--fix and --undo: .* choose one"),
            ({"undo": True}, "nothing of .* was set aside"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, earth: Path, options: dict, words: str) -> None:
        with pytest.raises(ValueError, match=words):
            verbs.check(str(earth), **options)

    def test_a_missing_partner_is_moved_and_comes_back(self, halved: Path) -> None:
        PLANTED_IN_TWO["no B"][0](halved)
        before = contents(halved)
        assert verbs.check(str(halved), fix=True) == 1
        assert set(before) - set(contents(halved)) == {f"trainA/{SHOWY.stem}_A.png"}
        assert verbs.check(str(halved)) == 0
        assert verbs.check(str(halved), undo=True) == 0
        assert contents(halved) == before

    def test_what_is_lost_is_said(self, earth: Path, capsys: pytest.CaptureFixture[str]) -> None:
        PLANTED["copy in train"][0](earth)
        assert verbs.check(str(earth), fix=True) == 1
        (set_aside_folder(earth) / "train" / "x9999.png").unlink()
        assert verbs.check(str(earth), undo=True) == 1
        assert "moves.jsonl still names them" in capsys.readouterr().err

    def test_json(self, earth: Path, tmp_path: Path) -> None:
        PLANTED["test pair turned by 90 degrees in train"][0](earth)
        PLANTED["B 17 px across"][0](earth)
        (earth / "train" / os.fsdecode(b"\xff[b]\n.jpg")).write_bytes(b"")
        place = tmp_path / "new" / "found.json"
        assert verbs.check(str(earth), json=place) == 1
        said = json.loads(place.read_text())
        assert said["root"] == str(earth)
        assert {split["name"]: split["pairs"] for split in said["splits"]} == {"train": 18, "test": 4}
        faults = {fault["kind"]: fault for fault in said["faults"]}
        assert faults["leak"]["files"] == ["train/x9999.png"]
        assert faults["leak"]["other"] == {"split": "test", "name": TEST[0].stem}
        assert faults["misaligned"]["shift"] == {"right": 12, "down": -12}
        assert os.fsencode(faults["unreadable"]["files"][0]) == b"train/\xff[b]\n.jpg"

    @pytest.mark.parametrize("option", ["page", "json"])
    def test_results_never_replace_files(self, earth: Path, tmp_path: Path, option: str) -> None:
        place = tmp_path / "found"
        place.write_text("mine")
        with pytest.raises(ValueError, match=r"exists already; .*--overwrite"):
            verbs.check(str(earth), **{option: place})
        assert verbs.check(str(earth), **{option: place}, overwrite=True) == 0
        assert place.read_text() != "mine"
        picture = earth / "train" / SHOWY.name
        with pytest.raises(ValueError, match="is what is read"):
            verbs.check(str(earth), **{option: picture}, overwrite=True)
        assert picture.read_bytes() == SHOWY.read_bytes()

    def test_a_dataset_may_be_named(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert verbs.check("earth", workers=1) == 0

    def test_workers(self, earth: Path) -> None:
        with pytest.raises(ValueError, match="--workers -1"):
            verbs.check(str(earth), workers=-1)
