"""The browser that pages are tested in, if this machine has one."""

import functools
import os
import shutil
import subprocess

REQUIRED = "ATME_REQUIRE_BROWSER"
"""Set to 1, as continuous integration does, a missing browser is a failure."""

MISSING = "no Chromium here: install it (Debian: apt-get install chromium) and run them again"


@functools.cache
def find() -> str | None:
    """The command of a Chromium that starts. (Ubuntu has one that only says where to get the real one.)"""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for path in map(shutil.which, names) if path and _starts(path)), None)


def is_required() -> bool:
    """Whether tests must not be skipped for want of a browser."""
    return os.environ.get(REQUIRED, "") not in ("", "0")


def _starts(path: str) -> bool:
    try:
        return subprocess.run([path, "--version"], capture_output=True, check=False, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
