"""One reader of YAML: numbers as people write them, lines of keys, and no second key in silence."""

import math
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from atme.yaml_files import read_yaml


def written(folder: Path, text: str) -> Path:
    (folder / "a.yaml").write_text(text, encoding="utf-8")
    return folder / "a.yaml"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4), ("1E-4", 1e-4), ("-1e4", -1e4), ("1.5", 1.5), ("1.", 1.0), (".5", 0.5), ("1.5e-3", 1.5e-3),
        ("12", 12), ("-3", -3), ("1e", "1e"), ("e4", "e4"), ("1-4", "1-4"), ("v1.2.3", "v1.2.3"), ("x", "x"),
        (".inf", math.inf), ("null", None), ("~", None), ("true", True), ("'1e-4'", "1e-4"),
    ],
)  # fmt: skip
def test_plain_values(tmp_path: Path, text: str, value: object) -> None:
    found = read_yaml(written(tmp_path, f"a: {text}\n")).values["a"]
    assert found == value
    assert type(found) is type(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_of_python_is_that_number(number: float) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        assert read_yaml(written(Path(folder), f"a: {number!r}\n")).values["a"] == number


def test_keys_know_their_lines(tmp_path: Path) -> None:
    file = read_yaml(written(tmp_path, "a:\n  b: 1\n  c:\n  - d: 2\n  - e: {f: 3}\n"))
    assert file.lines == {"a": 1, "a.b": 2, "a.c": 3, "a.c.0.d": 4, "a.c.1.e": 5, "a.c.1.e.f": 5}
    assert file.at("a.b") == f"{tmp_path / 'a.yaml'}, line 2"
    assert file.at("z") == str(tmp_path / "a.yaml")


def test_a_merged_key_may_be_set_anew(tmp_path: Path) -> None:
    file = read_yaml(written(tmp_path, "a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  x: 3\n"))
    assert file.values["b"] == {"x": 3, "y": 2}


@pytest.mark.parametrize("text", ["a: {x: 1, x: 2}", "a:\n- {x: 1}\n- {y: 1, y: 1}", "a: 1\n'a': 2"])
def test_no_key_stands_twice(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match="again after line"):
        read_yaml(written(tmp_path, text))


def test_other_values_are_those_of_yaml(tmp_path: Path) -> None:
    for path in sorted((Path(__file__).parents[1] / "options").rglob("*.yaml")):
        assert read_yaml(path).values == yaml.safe_load(path.read_text("utf-8"))
