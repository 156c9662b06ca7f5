"""A connection to a web address, and to nothing else: made in seconds or not at all, redirected to the web only."""

import errno
import re
import socket
import ssl
from http.client import HTTPConnection, HTTPMessage, HTTPResponse, HTTPSConnection
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

MOST_TO_CONNECT = 10.0
"""Seconds that a connection may take to be made; what then arrives may be slower."""

_NO_WAY = {errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.EADDRNOTAVAIL}


class DownloadError(Exception):
    """This address does not deliver the file; another one may."""


class Unreachable(DownloadError):
    """There is no way to this address from here; where there is none to any, the machine is offline."""


def is_web_address(url: str) -> bool:
    """Whether it is one of http or https."""
    return re.match(r"https?://[^/]", url) is not None


def open_address(request: Request, *, stall: float) -> HTTPResponse:
    """The answer to a request, ready to be read.

    Args:
        request: of a web address.
        stall: seconds without a byte after which a connection counts as dead.

    Raises:
        DownloadError: it is redirected to what is no web address, or has no name that could be looked up.
        OSError, HTTPException: as the standard library's client does.
    """
    opener = OpenerDirector()
    for handler in (ProxyHandler(), _Http(), _Https(), _Redirects(), HTTPDefaultErrorHandler(), HTTPErrorProcessor()):
        opener.add_handler(handler)
    try:
        answer: HTTPResponse = opener.open(request, timeout=stall)
    except UnicodeError as error:
        raise DownloadError(f"{request.host}: no name of a machine ({error})") from error
    return answer


def attempts_to_connect(error: Exception) -> int | None:
    """After how many failures like this one there is no way to an address; None: it was reached."""
    if isinstance(error, HTTPError) or not isinstance(error, URLError):
        return None
    reason = error.reason
    if isinstance(reason, socket.gaierror) or (isinstance(reason, OSError) and reason.errno in _NO_WAY):
        return 1
    return 2 if isinstance(reason, TimeoutError) else None


def is_untrusted(error: Exception) -> bool:
    """Whether the other side could not prove who it is."""
    return isinstance(error, URLError) and isinstance(error.reason, ssl.SSLCertVerificationError)


class _Hasty(HTTPConnection):
    """Is made in `MOST_TO_CONNECT` seconds, whatever time is given to what follows."""

    def connect(self) -> None:
        given = self.timeout
        self.timeout = MOST_TO_CONNECT if given is None else min(given, MOST_TO_CONNECT)
        super().connect()
        self.timeout = given
        self.sock.settimeout(given)


class _HastyAndSecure(_Hasty, HTTPSConnection):
    """The same over TLS."""


class _Http(HTTPHandler):
    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(_Hasty, req)


class _Https(HTTPSHandler):
    def https_open(self, req: Request) -> HTTPResponse:
        return self.do_open(_HastyAndSecure, req)


class _Redirects(HTTPRedirectHandler):
    """Follows redirects to web addresses alone; the standard library's would go on to ftp."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if not is_web_address(newurl):
            fp.close()
            raise DownloadError(f"is redirected to {newurl}, which is no web address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
