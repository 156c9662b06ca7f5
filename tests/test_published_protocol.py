"""The study of the published protocol, small: its recording by hand, its findings, its files."""

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import studies

from atme.images import read_image


@pytest.fixture(scope="module")
def study() -> ModuleType:
    return studies.load("published_protocol")


def test_the_recording_by_hand(study: ModuleType) -> None:
    assert study.eight_bits(np.array([[-1.0, -2.0, 0.0, 0.999, 1.0]])).tolist() == [[0, 0, 127, 254, 255]]
    assert study.stretch(np.array([[0.0, 5.0, 10.0], [1.0, 2.0, 2.0]])).tolist() == [[-1, 0, 1], [-1, 1, 1]]
    level = np.array([[-1.0, 0.0, 1.0], [-1.0, 0.5, 1.0]])  # only the middle pixel moves: it is the maximum of dW
    assert study.read_from_pictures(level).tolist() == [[-1, 1, -1]]


def test_it_destroys_small_steps_and_launders_heavy_tails(study: ModuleType) -> None:
    rng = np.random.default_rng(0)
    small = study.compare("brownian", 0.002, epochs=200, side=24, rng=rng)
    assert small.published_shapiro_kept == 0
    assert small.shapiro_kept > 0.95
    heavy = study.compare("student_walk", 0.01, epochs=200, side=24, rng=rng)
    assert heavy.published_shapiro_kept > 0.7
    assert heavy.shapiro_kept < 0.1
    back = study.compare("autoregressive", 0.02, epochs=200, side=24, rng=rng)
    assert back.published_adf_rejected > 0.9
    assert back.published_shapiro_kept > 0.9
    assert back.adf_level_kept < 0.1
    assert back.ratio < 0.6


def test_steps_that_no_picture_shows_are_reported_as_untestable(study: ModuleType) -> None:
    row = study.compare("white_noise", 1e-9, epochs=40, side=4, rng=np.random.default_rng(0))
    assert row.published_shapiro_kept is None
    assert row.shapiro_kept > 0.9


def test_files_and_seed(study: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = {"steps": (0.003, 0.03), "epochs": 40, "side": 8, "seed": 3}
    study.study(output=tmp_path / "a", **options)
    study.study(output=tmp_path / "b", **options)
    first, second = ((tmp_path / run / "published_protocol.json").read_text() for run in "ab")
    assert first == second
    report = json.loads(first)
    assert len(report["rows"]) == 10
    assert report["seed"] == 3
    assert "bounded_brownian" in capsys.readouterr().out
    assert read_image(tmp_path / "a" / "published_protocol.png").std() > 10
