"""What is set aside comes back, and no file is lost, replaced or written outside the dataset."""

import json
import os
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

    def test_two_files_of_one_place_do_not_replace_one_another(self, earth: Path) -> None:
        path = earth / "train" / SHOWY.name
        for content in (path.read_bytes(), b"another"):
            path.write_bytes(content)
            set_aside(earth, self.faulty(earth), pairs={"train": len(TRAIN)})
        aside = set_aside_folder(earth)
        with pytest.raises(ValueError, match=r"all of them belong to .*; move all but one of them out"):
            put_back(earth)
        os.rename(aside / "train" / f"{SHOWY.stem}~2.jpg", earth.parent / "kept.jpg")  # the remedy, followed
        assert put_back(earth).files == (path,)
        assert path.read_bytes() == SHOWY.read_bytes()
        assert not aside.exists()

    @pytest.mark.parametrize("target", ["../../photos/here.jpg", "nowhere.jpg", "absolute"])
    def test_a_link_comes_back_as_it_was(self, earth: Path, target: str) -> None:
        photos = earth.parent / "photos"
        photos.mkdir()
        path = earth / "train" / SHOWY.name
        os.rename(path, photos / "here.jpg")
        target = str(photos / "here.jpg") if target == "absolute" else target
        path.symlink_to(target)
        (moved,) = set_aside(earth, self.faulty(earth), pairs={"train": len(TRAIN)})
        assert not os.path.lexists(path)
        assert os.readlink(moved) == target
        assert put_back(earth).files == (path,)
        assert os.readlink(path) == target
        assert (photos / "here.jpg").read_bytes() == SHOWY.read_bytes()
        assert not set_aside_folder(earth).exists()

    def test_a_manifest_forgives_a_link_that_was_set_aside(self, earth: Path) -> None:
        path = earth / "train" / SHOWY.name
        os.rename(path, earth.parent / "elsewhere.jpg")
        path.symlink_to("../../elsewhere.jpg")
        manifest_of(earth)
        set_aside(earth, self.faulty(earth), pairs={"train": len(TRAIN)})
        assert presence(earth).words == "here, complete, 1 files set aside"
        assert check(earth).faults == ()

    @pytest.mark.parametrize("key", ["from", "to"])
    @pytest.mark.parametrize(
        "name", ["../../x", "train/../../x", "{root}/x", "", ".", "a\0b", 7, None, LOG, "linked/x"]
    )
    def test_a_log_that_names_what_lies_elsewhere_moves_nothing(self, earth: Path, key: str, name: object) -> None:
        """A dataset may come from a stranger, with its folder of files that were set aside."""
        aside, outside = set_aside_folder(earth), earth.parent / "outside"
        for folder in (aside, outside):
            (folder / "train").mkdir(parents=True)
            (folder / "x").write_text(folder.name)
            (folder / "train" / "y.jpg").write_text(folder.name)
        for folder in (earth, aside):
            (folder / "linked").symlink_to(outside)
        name = name.format(root=outside) if isinstance(name, str) else name
        move = {"from": "train/y.jpg", "to": "train/y.jpg"} | {key: name}
        (aside / LOG).write_text(json.dumps(move) + "\n")
        before = contents(earth.parent)
        if (key, name) == ("from", LOG):
            assert put_back(earth).files == (earth / LOG,)  # a name like any other
            return
        with pytest.raises(
            ValueError, match=r"moves\.jsonl: line 1 names no file of|behind a link to a folder outside"
        ):
            put_back(earth)
        assert contents(earth.parent) == before

    @pytest.mark.parametrize("line", ["no JSON", "[]", "{}", '{"from": "x"}', "7"])
    def test_a_log_that_cannot_be_read_moves_nothing(self, earth: Path, line: str) -> None:
        set_aside(earth, self.faulty(earth), pairs={"train": len(TRAIN)})
        log = set_aside_folder(earth) / LOG
        log.write_text(log.read_text() + line + "\n")
        before = contents(earth.parent)
        with pytest.raises(ValueError, match=r"moves\.jsonl: line 2 names no file"):
            put_back(earth)
        assert contents(earth.parent) == before

    def test_what_lies_behind_a_link_to_a_folder_is_not_moved(self, earth: Path) -> None:
        os.rename(earth / "train", earth.parent / "shared")
        (earth / "train").symlink_to(earth.parent / "shared")
        before = contents(earth.parent / "shared")
        with pytest.raises(ValueError, match=r"behind a link to a folder outside of .*; give the folder that the link"):
            set_aside(earth, self.faulty(earth), pairs={"train": len(TRAIN)})
        assert contents(earth.parent / "shared") == before
        linked = earth.with_name("linked")  # the dataset itself may be a link
        linked.symlink_to(earth.parent / "shared")
        entry = next(entry for entry in scan(linked)["."] if entry.name == SHOWY.stem)
        assert len(set_aside(linked, [Fault("blank", entry, "planted")], pairs={".": len(TRAIN)})) == 1
        put_back(linked)
        assert contents(earth.parent / "shared") == before

    def test_what_was_lost_stays_in_the_log(self, halved: Path) -> None:
        (first, second) = set_aside(halved, self.faulty(halved), pairs={"train": len(TRAIN)})
        first.unlink()
        back = put_back(halved)
        assert [path.name for path in back.files] == [second.name]
        assert [path.name for path in back.lost] == [first.name]
        assert first.name in (set_aside_folder(halved) / LOG).read_text()

    def test_half_a_pair_and_files_that_are_missing(self, halved: Path) -> None:
        manifest_of(halved)
        (halved / "trainB" / f"{SHOWY.stem}_B.png").unlink()
        report = check(halved)
        assert {fault.kind for fault in report.faults} == {"unreadable", "missing"}
        (moved,) = set_aside(halved, report.faults, pairs=report.pairs)
        assert moved.name == f"{SHOWY.stem}_A.png"

    @pytest.mark.parametrize("root", [".", "../earth", "train/.."])
    def test_a_folder_without_a_name_of_its_own(self, earth: Path, monkeypatch: pytest.MonkeyPatch, root: str) -> None:
        monkeypatch.chdir(earth)
        before = contents(earth)
        (moved,) = set_aside(Path(root), self.faulty(Path(root)), pairs={"train": len(TRAIN)})
        assert moved.resolve() == earth.parent / "earth.set_aside" / "train" / SHOWY.name
        put_back(Path(root))
        assert contents(earth) == before

    @pytest.mark.parametrize("name", ["[b]ä\n\u2028.jpg", os.fsdecode(b"\xff\xfe x.jpg")])
    def test_names_of_any_kind(self, earth: Path, name: str) -> None:
        os.rename(earth / "train" / SHOWY.name, earth / "train" / name)
        entry = next(entry for entry in scan(earth)["train"] if entry.paths[0].name == name)
        set_aside(earth, [Fault("blank", entry, "planted")], pairs={"train": len(TRAIN)})
        assert put_back(earth).files == (earth / "train" / name,)

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
