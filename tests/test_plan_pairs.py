"""The pairs that a study of plans makes up."""

from pathlib import Path

import numpy as np
import pytest
import studies
from PIL import Image

pairs = studies.load("plan_pairs")


def test_what_faces_the_light_is_bright() -> None:
    """Flat land has the cosine of 45°; a slope of 45° that faces the northwest all of the light, its back none."""
    down, right = np.mgrid[:64, :64] / (np.sqrt(2) * pairs.STEEP)
    flat, facing, turned = (pairs.lit(height) for height in (0 * down, down + right, -down - right))
    assert flat == pytest.approx(np.sqrt(0.5))
    assert facing == pytest.approx(1.0)
    assert turned == pytest.approx(0.0, abs=1e-9)


def test_land_is_even_and_smooth() -> None:
    height = pairs.land(np.random.default_rng(0))
    assert height.shape == (64, 64)
    assert (height.mean(), height.std()) == pytest.approx((0, 1), abs=1e-9)
    mixed = np.random.default_rng(0).permutation(height.ravel()).reshape(64, 64)
    assert np.abs(np.diff(height)).mean() < 0.3 < np.abs(np.diff(mixed)).mean()


def test_sets_are_as_they_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "PAIRS", {"train": 3, "test": 2})
    pairs.make(tmp_path)
    counts = {folder.name: len(list(folder.iterdir())) for folder in (tmp_path / "heights").iterdir()}
    assert counts == {"trainA": 3, "trainB": 3, "testA": 2, "testB": 2}
    assert np.asarray(Image.open(tmp_path / "heights" / "trainA" / "0000.png")).dtype == np.uint16
    names = [path.name for path in sorted((tmp_path / "sixteen" / "train").iterdir())]
    assert len(names) == 16
    assert len({name.split("_")[0] for name in names}) > 8  # from all over
    assert len(list((tmp_path / "sixteen" / "test").iterdir())) == 30
