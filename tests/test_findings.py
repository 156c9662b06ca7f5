"""A finding: what it rejects, at which level, and that it cannot be changed."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from atme.process import Finding


def finding(pvalue: list[float] | None) -> Finding:
    statistic = np.zeros(4) if pvalue is None else np.where(np.isnan(pvalue), np.nan, 1.0)
    values = None if pvalue is None else np.array(pvalue)
    return Finding("test", statistic, values, "nothing happens", np.zeros(4), "nothing (0)", 10)


def test_rejects_at_the_level_and_only_where_tested() -> None:
    found = finding([0.001, 0.009, 0.02, np.nan])
    assert found.tested.tolist() == [True, True, True, False]
    assert found.rejected(alpha=0.01).tolist() == [True, True, False, False]
    assert found.rejected(alpha=0.01, correction="holm").tolist() == [True, False, False, False]
    assert found.share_rejected(alpha=0.01) == pytest.approx(2 / 3)


def test_a_level_must_be_a_level() -> None:
    for alpha in (0, 1, 99, float("nan")):
        with pytest.raises(ValueError, match="not a level"):
            finding([0.1] * 4).rejected(alpha=alpha)


def test_a_summary_rejects_nothing() -> None:
    with pytest.raises(ValueError, match="test: a summary without p-values"):
        finding(None).share_rejected()


def test_a_finding_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        finding(None).n = 3  # type: ignore[misc]
