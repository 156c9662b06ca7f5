"""The benchmark of the process tests runs and writes what it measured; no test measures time."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "analysis" / "benchmark_process.py"


def test_it_runs_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("benchmark_process", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    module.benchmark(output=tmp_path / "figures.json", pixels=40, epochs=50, images=2, sample=3)
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["adf"]["times_as_fast"] > 0
    assert figures["shapiro"]["loop_seconds"] > 0
    assert figures["suite"]["images"] == 2
    assert "peak memory" in capsys.readouterr().out
