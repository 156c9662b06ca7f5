"""What is set aside comes back, and no file is lost, replaced or written outside the dataset."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from planted import SHOWY, TRAIN, check, contents, manifest_of

from atme.data.scan import scan
from atme.prepare.check.faults import Fault
from atme.prepare.check.set_aside import LOG, put_back, set_aside
from atme.prepare.status import presence, set_aside_folder


class TestSetAside:
    def faulty(self, root: Path, kind: str = "blank") -> list[Fault]:
        entry = next(entry for entry in scan(root)["train"] if entry.name == SHOWY.stem)
        return [Fault(kind, entry, "planted")]

    def test_both_halves_move_together_and_come_back(self, halved: Path) -> None:
        before = contents(halved)
        moved = set_aside(halved, self.faulty(halved), pairs={"train": len(TRAIN)})
        aside = set_aside_folder(halved)
        names = {f"train{half}/{SHOWY.stem}_{half}.png" for half in "AB"}
        assert {path.relative_to(aside).as_posix() for path in moved} == names
        assert set(before) - set(contents(halved)) == names
        assert check(halved).faults == ()
        put_back(halved)
        assert contents(halved) == before
        assert not aside.exists()

    def test_the_log_says_what_went_where_and_why(self, earth: Path) -> None:
        set_aside(earth, self.faulty(earth), pairs={"train": len(TRAIN)})
        (line,) = (set_aside_folder(earth) / LOG).read_text().splitlines()
        name = f"train/{SHOWY.name}"
        assert json.loads(line) == {"from": name, "to": name, "kind": "blank", "detail": "planted"}

    def test_a_second_file_of_the_same_name_does_not_replace_the_first(self, earth: Path) -> None:
        path = earth / "train" / SHOWY.name
        for content in (path.read_bytes(), b"another"):
            path.write_bytes(content)
            set_aside(earth, self.faulty(earth), pairs={"train": len(TRAIN)})
        assert {len(p.read_bytes()) for p in set_aside_folder(earth).rglob("*.jpg")} == {
            7,
            SHOWY.stat().st_size,
        }
        with pytest.raises(FileExistsError):
            (set_aside_folder(earth) / "train").mkdir()

    def test_nothing_is_put_over_a_file_that_is_there(self, earth: Path) -> None:
        set_aside(earth, self.faulty(earth), pairs={"train": len(TRAIN)})
        (earth / "train" / SHOWY.name).write_bytes(b"mine")
        with pytest.raises(ValueError, match="a file was put where another belongs"):
            put_back(earth)
        assert (earth / "train" / SHOWY.name).read_bytes() == b"mine"

    def test_most_of_a_split_is_not_moved(self, earth: Path) -> None:
        faults = [replace(fault, entry=entry) for entry in scan(earth)["train"] for fault in self.faulty(earth)]
        before = contents(earth)
        with pytest.raises(ValueError, match="16 of 16 pairs of train would be set aside"):
            set_aside(earth, faults, pairs={"train": len(TRAIN)})
        assert contents(earth) == before
        set_aside(earth, faults[:8], pairs={"train": len(TRAIN)})
        assert len(contents(earth)) == len(before) - 8

    def test_nothing_to_put_back(self, earth: Path) -> None:
        with pytest.raises(ValueError, match=r"moves\.jsonl: not there; nothing of .*earth was set aside"):
            put_back(earth)

    def test_a_manifest_forgives_what_was_set_aside(self, earth: Path) -> None:
        manifest_of(earth)
        assert presence(earth).words == "here, complete"
        set_aside(earth, self.faulty(earth), pairs={"train": len(TRAIN)})
        assert presence(earth).words == "here, complete, 1 files set aside"
        assert check(earth).faults == ()
        (earth / "train" / TRAIN[0].name).unlink()
        assert presence(earth).state == "damaged"
