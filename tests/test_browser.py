"""Tests of pages are skipped where there is no browser, and one line says so; continuous integration asks for one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def test_a_page_is_loaded(browse, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><title>page</title><p>words")
    seen, _ = browse(page, width=700, look="return {words: it.body.innerText}")
    assert seen["words"] == "words"


def without_browser(tmp_path: Path, *, stub: bool, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the test above where no browser is found, or one that only says that it is none."""
    (tmp_path / "bin").mkdir()
    if stub:
        command = tmp_path / "bin" / "chromium-browser"
        command.write_text("#!/bin/sh\nexit 1\n")
        command.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if name != "ATME_REQUIRE_BROWSER"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"{__file__}::test_a_page_is_loaded"],
        env={**kept, "PATH": str(tmp_path / "bin"), **environment},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("stub", [False, True], ids=["none", "a stub"])
def test_without_a_browser_one_line_says_so(tmp_path: Path, stub: bool) -> None:
    outcome = without_browser(tmp_path, stub=stub)
    assert outcome.returncode == 0, outcome.stdout
    assert "1 skipped" in outcome.stdout
    (line,) = [line for line in outcome.stdout.splitlines() if "Chromium" in line]
    assert line.startswith("tests of pages skipped: 1; no Chromium here")
    assert "apt-get install chromium" in line


def test_a_missing_browser_fails_where_one_is_required(tmp_path: Path) -> None:
    outcome = without_browser(tmp_path, stub=False, ATME_REQUIRE_BROWSER="1")
    assert outcome.returncode == 1
    assert "ATME_REQUIRE_BROWSER is set" in outcome.stdout
