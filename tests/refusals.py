"""What several test files ask of a refused command: one line, exit code 2."""

import pytest

from atme.cli import main


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that a refused command ends with."""
    capsys.readouterr()
    assert main(list(arguments)) == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1, errors
    assert errors.startswith("atme: ")
    assert "Traceback" not in errors
    return errors
