"""Bring one file from one web address: resumable, retried, and hashed while it streams.

The standard library's client is enough: one GET with two headers, and a timeout on every read. It is even the
better one here, since it hands over the bytes as they are published; requests and httpx silently undo a
``Content-Encoding``, which some servers put on ``.tar.gz`` files, and then neither length nor checksum fits.

A machine that is offline is told so at once: a name that cannot be looked up, or a network that is not there, is not
tried again and again before anything has come. What had begun to arrive is waited for with all patience.

A part that arrived earlier is continued only if the server confirms that the file is still the same version
(``Range`` with ``If-Range``, RFC 9110, sections 13.1.5 and 14); a server that cannot do so answers with the
whole file, and the part starts over.
"""

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request

from atme import __version__
from atme.prepare.fetch.arriving import CHUNK, Arrived, Part
from atme.prepare.fetch.connection import (
    DownloadError,
    Unreachable,
    attempts_to_connect,
    is_untrusted,
    is_web_address,
    open_address,
)

LONGEST_WAIT = 60.0  # seconds between two attempts

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})  # HTTP codes that a later attempt may not meet
_RANGE_PAST_END = 416

Report = Callable[[int, int | None], None]
"""Called with the bytes here so far and the bytes expected in all (None: the server does not say)."""


@dataclass(frozen=True)
class Patience:
    """How long one address is waited for."""

    stall: float = 30.0
    """Seconds without a single byte after which a connection counts as dead."""
    attempts: int = 6
    """Failures in a row, with nothing new arriving in between, after which the address is given up."""
    sleep: Callable[[float], None] = time.sleep
    """Waits that many seconds: 1, 2, 4, … up to a minute."""

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"attempts: {self.attempts} is too small; give 1 or more")
        if not 0 < self.stall < math.inf:
            raise ValueError(f"stall: {self.stall} is no time to wait; give seconds, such as 30")


PATIENT = Patience()


@dataclass(frozen=True)
class Expected:
    """What is known of the file before it arrives; None: not known."""

    size: int | None = None
    """Bytes that the file has."""
    most: int | None = None
    """Bytes beyond which it cannot be the file (an endless answer)."""


def silent(here: int, total: int | None) -> None:
    """Reports nothing."""


def download(
    url: str,
    path: Path,
    *,
    expected: Expected = Expected(),
    patience: Patience = PATIENT,
    report: Report = silent,
) -> Arrived:
    """Downloads `url` to `path`, continuing an earlier part of the same version of the file if there is one.

    Args:
        url: An http or https address.
        path: Where the file appears once it is whole; until then it is `path` with ``.part`` at its end.
        expected: What is known of the file; an answer that contradicts it is refused before it streams.
        patience: When to give up.
        report: Progress.

    Raises:
        DownloadError: The address does not deliver; the part is kept for a later call. Unreachable, a kind of it:
            there was no way to the address at all.
        DiskError: The bytes cannot be written; the part is kept.
        ValueError: `url` is not a web address.
    """
    if not is_web_address(url):
        raise ValueError(f"{url}: not a web address; write http://… or https://…")
    with Part(path, url=url) as part:
        failures, furthest, answered = 0, part.size, False
        while not part.whole:
            try:
                _receive(part, expected=expected, stall=patience.stall, report=report)
            except (OSError, HTTPException) as error:  # network only: the disk's errors come as DiskError
                _raise_if_final(error)
                failures = 1 if part.size > furthest else failures + 1
                furthest = max(furthest, part.size)
                most = attempts_to_connect(error)
                answered |= most is None
                if most is not None and failures >= most and not answered:
                    raise Unreachable(_said(error)) from error
                if failures >= patience.attempts:
                    raise DownloadError(f"{_said(error)}, {failures} times in a row") from error
                patience.sleep(min(LONGEST_WAIT, 2.0 ** (failures - 1)))
        return part.finish()


def _receive(part: Part, *, expected: Expected, stall: float, report: Report) -> None:
    """One connection: asks for what is missing and appends it to the part."""
    with _open(part, stall=stall) as answer:
        total = _continue_or_restart(answer, part)
        if None not in (expected.size, total) and total != expected.size:
            raise DownloadError(f"offers {total:,} bytes where {expected.size:,} are expected")
        limit = expected.size or expected.most
        while chunk := answer.read1(CHUNK):  # one read of the socket: what came before a stall is kept
            part.append(chunk)
            if limit is not None and part.size > limit:
                part.restart(validator=None, total=None)
                raise DownloadError(f"sends more than the {limit:,} bytes expected")
            report(part.size, total)
    if total is not None and part.size < total:
        raise ConnectionError(f"cut after {part.size:,} of {total:,} bytes")
    part.whole = True


def _open(part: Part, *, stall: float) -> HTTPResponse:
    headers = {"User-Agent": f"atme/{__version__}", "Accept-Encoding": "identity"}
    if part.size and part.validator:
        headers |= {"Range": f"bytes={part.size}-", "If-Range": part.validator}
    try:
        answer = open_address(Request(part.url, headers=headers), stall=stall)
    except HTTPError as error:
        error.close()
        if error.code == _RANGE_PAST_END:
            part.restart(validator=None, total=None)
        raise
    return answer


def _continue_or_restart(answer: HTTPResponse, part: Part) -> int | None:
    """Makes the part fit the answer; returns the size of the whole file, if the server says it."""
    if answer.status == 206:
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if span is None or int(span[1]) != part.size:
            part.restart(validator=None, total=None)
            raise ConnectionError("continues at another byte than asked")
        return None if span[2] == "*" else int(span[2])
    length = answer.headers.get("Content-Length", "")
    total = int(length) if length.isdigit() else None
    part.restart(validator=_validator(answer), total=total)
    return total


def _validator(answer: HTTPResponse) -> str | None:
    """What If-Range may hold: a strong ETag or a date; a weak ETag does not promise equal bytes."""
    tag: str | None = answer.headers.get("ETag")
    if tag is not None and not tag.startswith("W/"):
        return tag
    date: str | None = answer.headers.get("Last-Modified")
    return date


def _raise_if_final(error: Exception) -> None:
    if isinstance(error, HTTPError) and error.code not in {*_PASSING, _RANGE_PAST_END}:
        raise DownloadError(_said(error)) from error
    if is_untrusted(error):
        raise DownloadError(f"its certificate is not to be trusted: {_said(error)}") from error


def _said(error: Exception) -> str:
    if isinstance(error, HTTPError):
        return f"{error.code} {error.reason}"
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(error, URLError) and isinstance(reason, TimeoutError):
        return "no connection could be made in time"
    return "no byte arrived in time" if isinstance(reason, TimeoutError) else str(reason) or repr(reason)
