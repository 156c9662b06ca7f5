"""Lengths of time as people write them."""

import re

_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}


def seconds_of(text: str, *, option: str) -> float:
    """Seconds of ``2h``, ``90m``, ``45s``, ``1h30m`` or ``1.5h``.

    Args:
        text: the time.
        option: that the error names.

    Raises:
        ValueError: for what is no time, or none at all.
    """
    plain = text.replace(" ", "").lower()
    parts = re.findall(r"(\d+(?:\.\d+)?)([hms])", plain)
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != plain or not seconds:
        raise ValueError(f"{option}: {text!r} is no time; give one such as 2h, 90m or 45s")
    return seconds


def in_words(seconds: float) -> str:
    """About how long: "72 s", "5 minutes", "1.5 hours"."""
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} s"
