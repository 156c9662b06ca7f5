"""The benchmark of the process tests runs and writes what it measured; no test measures time."""

import json
from pathlib import Path

import pytest
import studies


def test_it_runs_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    studies.load("benchmark_process").benchmark(
        output=tmp_path / "figures.json", pixels=40, epochs=50, images=2, sample=3
    )
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["adf"]["times_as_fast"] > 0
    assert figures["shapiro"]["loop_seconds"] > 0
    assert figures["suite"]["images"] == 2
    assert "peak memory" in capsys.readouterr().out
