"""The server of the page: on one address, without a word to any other.

gradio could ask the network for its newest version and for fonts, and report that it is used. Here it is told not to,
and the browser is told to load nothing from elsewhere, whatever gradio's next version would have it load.
"""

import errno
import ipaddress
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

from atme.networks import kernels
from atme.serve.answers import Limits
from atme.serve.examples import Example, write_examples
from atme.serve.shown import Shown

PORTS = range(7860, 7960)
"""Tried one after the other where none is asked for."""

_SILENT = {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_RUN_HISTORY": "False", "HF_HUB_OFFLINE": "1"}
_SILENT |= {"HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}

_POLICY = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'self'; "
    b"form-action 'self'; base-uri 'self'"
)


def serve(shown: Sequence[Shown], *, host: str, port: int | None, limits: Limits, say: Callable[[str], None]) -> None:
    """Serve the page of some runs until a signal ends it.

    Args:
        shown: the runs, one a column.
        host: the address to listen on; ``127.0.0.1`` is reached from this machine alone.
        port: to listen on; None for the first free one of `PORTS`.
        limits: of what visitors may ask.
        say: how the user is told where the page is, and what is missing on it.

    Raises:
        ValueError: if the address or the port cannot be had.
        KeyboardInterrupt: after Ctrl-C.
        SystemExit: 143, after SIGTERM.
    """
    with listening(host, port) as ear, TemporaryDirectory(prefix="atme-serve-") as folder:
        place = Path(folder)
        if any(each.translator.device.type == "cpu" for each in shown):
            kernels.available()  # compiled before the first visitor, who would wait for it
        os.environ.update(_SILENT, GRADIO_TEMP_DIR=str(place / "served"))
        examples = _examples(shown, place / "examples", limits, say)
        (place / "answers").mkdir()
        app = application(shown, examples, limits=limits, folder=place / "answers", hosts=names(ear))
        signal.signal(signal.SIGTERM, _terminated)
        say(where(shown, ear))
        _run(app, ear)


def listening(host: str, port: int | None) -> socket.socket:
    """A socket that is bound to an address.

    Raises:
        ValueError: there is no such address here, or the port is taken.
    """
    if port is not None and not 0 <= port < 2**16:
        raise ValueError(f"port: {port} is none; give one of 1 to 65535, or 0 for any that is free")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise ValueError(f"host: {host} is no address of this machine; leave it out for 127.0.0.1") from error
    for each in PORTS if port is None else (port,):
        ear = socket.socket(family, kind, protocol)
        try:
            if os.name != "nt":  # where it would let two servers share a port
                ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            ear.bind((address[0], each))
            ear.listen()
        except OSError as error:
            ear.close()
            if error.errno != errno.EADDRINUSE:
                why = f"cannot be listened on ({error.strerror})"
                raise ValueError(f"{host}, port {each}: {why}; choose another") from error
        else:
            return ear
    taken = f"port {port}: is" if port is not None else f"ports {PORTS[0]} to {PORTS[-1]}: are all"
    raise ValueError(f"{taken} taken by another program; choose one with --port, or --port 0 for any that is free")


def is_local(ear: socket.socket) -> bool:
    """Whether a socket is reached from this machine alone."""
    return ipaddress.ip_address(ear.getsockname()[0]).is_loopback


def application(
    shown: Sequence[Shown], examples: Sequence[Example], *, limits: Limits, folder: Path, hosts: Sequence[str]
) -> Any:
    """The page as an ASGI application.

    Args:
        shown: the runs.
        examples: pictures to begin with.
        limits: of what visitors may ask.
        folder: for files of answers.
        hosts: names by which it answers: of a page for this machine alone no others than its own, so that no site
            elsewhere can have a browser ask for it under a name of the site's.
    """
    import gradio
    from fastapi import FastAPI
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from atme.serve.look import CSS, theme
    from atme.serve.page import build

    app = FastAPI(openapi_url=None)
    app.add_middleware(_OwnOnly)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    page = build(shown, examples, limits=limits, folder=folder)
    return gradio.mount_gradio_app(
        app,
        page,
        path="/",
        theme=theme(),
        css=CSS,
        footer_links=[],
        max_file_size=limits.upload,
        ssr_mode=False,
        pwa=False,
    )


class _OwnOnly:
    """ASGI middleware: a browser loads nothing for these pages that does not come from here."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def told(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = message | {"headers": [*message["headers"], (b"content-security-policy", _POLICY)]}
            await send(message)

        await self._app(scope, receive, told)


def _run(app: Any, ear: socket.socket) -> None:
    """Serve until a signal ends it; what visitors see of errors is in the page."""
    import uvicorn

    told = uvicorn.Config(app, log_level="critical", access_log=False, ws="none", timeout_graceful_shutdown=1)
    uvicorn.Server(told).run(sockets=[ear])


def _examples(shown: Sequence[Shown], folder: Path, limits: Limits, say: Callable[[str], None]) -> list[Example]:
    """Those of the first run that has some."""
    for each in shown:
        try:
            if found := write_examples(each.translator, folder, megapixels=limits.megapixels):
                return found
        except ValueError as error:
            say(f"no examples of {each.name}: {error}")
    say("no examples to click on: no test pair is known here, or small enough")
    return []


def names(ear: socket.socket) -> list[str]:
    """Names by which a page on this socket is asked for; a name with colons, in brackets, is cut at the first one."""
    return [ear.getsockname()[0], "127.0.0.1", "localhost", "["] if is_local(ear) else ["*"]


def where(shown: Sequence[Shown], ear: socket.socket) -> str:
    """The line that says where the page is, and who can reach it."""
    address, port = ear.getsockname()[:2]
    anywhere = ipaddress.ip_address(address).is_unspecified
    named = socket.gethostname() if anywhere else f"[{address}]" if ":" in address else address
    line = f"{', '.join(each.name for each in shown)} at http://{named}:{port} until Ctrl-C"
    if is_local(ear):
        return line
    who = f"whoever reaches {named} over the network can use it"
    return f"{line}\n{who}: nothing is encrypted, nobody is asked for a password"


def _terminated(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
