"""What ``atme data check`` prints, returns and refuses."""

from pathlib import Path

import pytest
from planted import HERE, PLANTED, contents

from atme.cli import data as verbs


class TestVerb:
    def test_exit_codes(self, earth: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert verbs.check(str(earth)) == 0
        assert "nothing suspicious" in capsys.readouterr().out
        PLANTED["blank B"][0](earth)
        assert verbs.check(str(earth)) == 1
        assert HERE in capsys.readouterr().out

    def test_fix_then_undo(self, earth: Path, capsys: pytest.CaptureFixture[str]) -> None:
        PLANTED["blank B"][0](earth)
        before = contents(earth)
        assert verbs.check(str(earth), fix=True) == 1
        assert "1 files moved to" in capsys.readouterr().out
        assert verbs.check(str(earth)) == 0
        assert verbs.check(str(earth), undo=True) == 0
        assert contents(earth) == before

    def test_a_dataset_may_be_named(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert verbs.check("earth", workers=1) == 0

    def test_workers(self, earth: Path) -> None:
        with pytest.raises(ValueError, match="--workers -1"):
            verbs.check(str(earth), workers=-1)
