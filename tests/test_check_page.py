"""The page of a check stands alone and shows every fault."""

import html
import os
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Browse
from planted import PLANTED, SHOWY, TRAIN, check, mask, redrawn, shifted, with_halves

from atme.cli import check as verbs
from atme.data.scan import Entry
from atme.names import shown
from atme.prepare.check.faults import MEANING, Fault
from atme.reports.check import write_page


def test_the_page_stands_alone_and_shows_every_fault(earth: Path, tmp_path: Path) -> None:
    planted = ("blank B", "coarse test pair in train")
    for name in planted:
        PLANTED[name][0](earth)
    redrawn(TRAIN[0], shifted(0, 9))(earth)
    (earth / "train" / TRAIN[1].name).write_bytes(b"<script>alert(1)</script>")
    report = check(earth)
    write_page(report, tmp_path / "pages" / "check.html")
    page = (tmp_path / "pages" / "check.html").read_text()
    for fault in report.faults:
        assert f"<b>{fault.entry.split}/{fault.entry.name}</b>" in page
        assert MEANING[fault.kind] in page
    assert page.count("data:image/jpeg;base64,") == page.count("<img ") >= 4
    assert "not readable" in page
    assert "http" not in page
    assert "<script" not in page


def test_the_page_of_a_good_dataset(earth: Path, tmp_path: Path) -> None:
    write_page(check(earth), tmp_path / "check.html")
    page = (tmp_path / "check.html").read_text()
    assert "Nothing suspicious" in page
    assert "<img" not in page


@pytest.mark.parametrize("name", ["[bold]&lt;<i>.jpg", "a\nb.jpg", os.fsdecode(b"\xff\xfe.jpg"), "\u202e:smile:.jpg"])
def test_names_of_any_kind(earth: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    os.rename(earth / "train" / SHOWY.name, earth / "train" / name)
    (earth / "train" / name).write_bytes(b"")
    assert verbs.check(str(earth), page=tmp_path / "check.html", json=tmp_path / "check.json") == 1
    told = html.escape(shown(name))
    assert told in (tmp_path / "check.html").read_text(encoding="utf-8")
    assert shown(Path(name).stem) in capsys.readouterr().out.replace("\n", "").replace(" ", "")


def test_a_root_of_any_name(earth: Path, tmp_path: Path) -> None:
    root = earth.with_name(os.fsdecode(b"[red]\xff &amp;"))
    os.rename(earth, root)
    PLANTED["blank B"][0](root)
    assert verbs.check(str(root), page=tmp_path / "check.html") == 1
    assert "[red]\\udcff &amp;amp;" in (tmp_path / "check.html").read_text()


@pytest.mark.parametrize("width", [400, 1280])
def test_the_page_in_a_browser(earth: Path, tmp_path: Path, browse: Browse, width: int) -> None:
    for name in ("blank B", "coarse test pair in train"):
        PLANTED[name][0](earth)
    redrawn(TRAIN[0], shifted(0, 9))(earth)
    redrawn(TRAIN[1], with_halves(mask))(earth)
    (earth / "train" / ("a long name " * 12 + ".jpg")).write_bytes(b"")
    write_page(check(earth), tmp_path / "check.html")
    seen, console = browse(tmp_path / "check.html", width=width)
    assert seen["scroll"] <= seen["width"] == width
    assert seen["images"] > 4
    assert (seen["broken"], seen["silent"], console) == (0, 0, "")


def test_many_faults_are_listed_not_shown(earth: Path, tmp_path: Path) -> None:
    entry = Entry("train", "x", (earth / "train" / SHOWY.name,))
    faults = tuple(Fault("blank", replace(entry, name=f"x{n}"), "planted") for n in range(60))
    write_page(replace(check(earth), faults=faults), tmp_path / "check.html")
    page = (tmp_path / "check.html").read_text()
    assert page.count("<img ") == 48
    assert all(f"<b>x{n}</b>" in page or f"<b>train/x{n}</b>" in page for n in range(60))
