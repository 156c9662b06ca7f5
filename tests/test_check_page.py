"""The page of a check stands alone and shows every fault."""

import os
from dataclasses import replace
from pathlib import Path

from planted import PLANTED, SHOWY, TRAIN, check, redrawn, shifted

from atme.cli import data as verbs
from atme.data.scan import Entry
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


def test_names_are_escaped(earth: Path, tmp_path: Path) -> None:
    os.rename(earth / "train" / SHOWY.name, earth / "train" / "[bold]&lt;<i>.jpg")
    (earth / "train" / "[bold]&lt;<i>.jpg").write_bytes(b"")
    report = check(earth)
    write_page(report, tmp_path / "check.html")
    assert "[bold]&amp;lt;&lt;i&gt;" in (tmp_path / "check.html").read_text()
    assert verbs.check(str(earth)) == 1


def test_many_faults_are_listed_not_shown(earth: Path, tmp_path: Path) -> None:
    entry = Entry("train", "x", (earth / "train" / SHOWY.name,))
    faults = tuple(Fault("blank", replace(entry, name=f"x{n}"), "planted") for n in range(60))
    write_page(replace(check(earth), faults=faults), tmp_path / "check.html")
    page = (tmp_path / "check.html").read_text()
    assert page.count("<img ") == 48
    assert all(f"<b>x{n}</b>" in page or f"<b>train/x{n}</b>" in page for n in range(60))
