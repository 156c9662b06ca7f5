"""JSON and CSV of every report: what other programs can read, whatever the numbers and names are."""

import csv
import json
import math
from pathlib import Path

import pytest

from atme.reports.files import write_csv, write_json

NAMES = ["plain", "a,b", 'a"b', "a\nb", "héé 地図 🗺", "[bold]", "\udcff\udc80 no UTF-8", "\u2028", "\\udcff"]


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_json_holds_no_number_that_json_does_not_know(tmp_path: Path, number: float) -> None:
    write_json(tmp_path / "a.json", {"a": number, "b": {"c": [1.5, (number,)]}})
    found = json.loads((tmp_path / "a.json").read_bytes(), parse_constant=refuse)
    assert found == {"a": None, "b": {"c": [1.5, [None]]}}


@pytest.mark.parametrize("name", NAMES)
def test_any_name_comes_back_from_json(tmp_path: Path, name: str) -> None:
    write_json(tmp_path / "a.json", {name: name})
    assert json.loads((tmp_path / "a.json").read_bytes().decode()) == {name: name}


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_one_cell(tmp_path: Path, name: str) -> None:
    write_csv(tmp_path / "a.csv", [{"name": name, "x": 1}, {"name": "b", "x": None}])
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    shown = name.encode("utf-8", "backslashreplace").decode()
    assert rows == [["name", "x"], [shown, "1"], ["b", ""]]


def test_a_table_without_rows_has_its_heading(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", [], columns=["name", "x"])
    assert (tmp_path / "a.csv").read_text() == "name,x\n"
