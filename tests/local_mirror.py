"""A web server on this machine that misbehaves as asked: it cuts, stalls, forgets ranges, and lies."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Answer:
    """How one request is answered."""

    content: bytes = b""
    status: int = 200
    ranges: bool = True
    tag: str | None = '"one"'
    date: str | None = None
    length: bool = True  # whether Content-Length is sent
    cut: int | None = None  # bytes of the body after which the connection is closed
    stall: bool = False  # then do not close it, but stay silent
    lie: int = 0  # added to the first byte named in Content-Range
    location: str | None = None  # with a status of 302: where to go instead


@dataclass
class Mirror:
    """What the server does, and what it was asked."""

    port: int
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)  # path, Range
    over: threading.Event = field(default_factory=threading.Event)

    def serve(self, path: str, *answers: Answer) -> str:
        """Answers requests for `path` one after the other, the last one for ever; returns the address."""
        self.answers[path] = list(answers)
        return f"http://127.0.0.1:{self.port}{path}"


@contextmanager
def local_mirror() -> Iterator[Mirror]:
    """A running server."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            mirror.asked.append((self.path, self.headers.get("Range")))
            answers = mirror.answers.get(self.path)
            if not answers:
                self.send_error(404)
                return
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            _answer(self, answer, mirror)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    mirror = Mirror(port=server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield mirror
    finally:
        mirror.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(handler: BaseHTTPRequestHandler, answer: Answer, mirror: Mirror) -> None:
    start = _start(handler, answer)
    total = len(answer.content)
    if start > 0 and start >= total:
        handler.send_error(416)
        return
    body = answer.content[start:]
    handler.send_response(206 if start else answer.status)
    if start:
        handler.send_header("Content-Range", f"bytes {start + answer.lie}-{total - 1}/{total}")
    if answer.length:
        handler.send_header("Content-Length", str(len(body)))
    for name, value in (("ETag", answer.tag), ("Last-Modified", answer.date), ("Location", answer.location)):
        if value is not None:
            handler.send_header(name, value)
    handler.end_headers()
    try:
        handler.wfile.write(body if answer.cut is None else body[: max(0, answer.cut - start)])
        handler.wfile.flush()
    except (BrokenPipeError, ConnectionResetError):
        return  # the client had enough
    if answer.stall:
        mirror.over.wait()


def _start(handler: BaseHTTPRequestHandler, answer: Answer) -> int:
    asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    same = handler.headers.get("If-Range") in (answer.tag, answer.date)
    return int(asked[1]) if asked and answer.ranges and same and answer.status == 200 else 0
