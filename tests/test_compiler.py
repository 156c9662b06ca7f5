"""Compiling the passes: once, for whom it is, and what is said where it cannot be."""

import subprocess
from pathlib import Path

import pytest

from atme.networks import compiler


def test_what_was_compiled_is_found_again(tmp_path: Path, compiled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a cache"))
    assert compiler.load().moments_float
    (kept,) = (tmp_path / "a cache" / "atme").iterdir()  # and nothing that was passing
    monkeypatch.setattr(subprocess, "run", None)
    assert compiler.load().moments_bfloat16
    monkeypatch.setattr(compiler, "OPTIONS", (*compiler.OPTIONS, "-O2"))
    with pytest.raises(TypeError):  # the control: with other options it is to be compiled again
        compiler.load()
    assert kept.is_file()


def test_where_nothing_can_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert compiler.folder() is None
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    assert compiler.folder() is None


def homeless() -> Path:
    raise RuntimeError("Could not determine home directory.")


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("false", "false failed"),
        ("/nowhere/g++ -m64", "/nowhere/g++"),
        ("sh -c 'echo no OpenMP >&2; exit 1'", "no OpenMP"),
    ],
)
def test_a_compiler_that_does_not_work_is_named(
    named: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", named)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(OSError, match=said):
        compiler.load()
    assert list((tmp_path / "atme").iterdir()) == []
