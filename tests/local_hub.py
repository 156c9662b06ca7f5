"""A model hub on this machine: as much of the Hugging Face Hub as pushing and fetching a model asks for."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

SHA = "0123456789abcdef0123456789abcdef01234567"

_NAME = r"([\w.-]+/[\w.-]+)"


class Hub(BaseHTTPRequestHandler):
    """Answers of the hub."""

    models: ClassVar[dict[str, dict[str, bytes]]] = {}
    """Files of each model."""
    private: ClassVar[dict[str, bool]] = {}
    refuses: ClassVar[int] = 0
    """A status that everything is answered with; 0 for none."""

    def _answer(self, content: object, status: int = 200, **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _missing(self, code: str) -> None:
        self._answer({"error": code}, 404, X_Error_Code=code, X_Error_Message=code)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.refuses:
            self._answer({"error": "not yours"}, self.refuses)
        elif self.path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            known = name in self.models
            self.models.setdefault(name, {})
            if not known:
                self.private[name] = asked.get("private") or asked.get("visibility") == "private"
            self._answer({"url": f"http://{self.headers['Host']}/{name}"}, 409 if known else 200)
        elif found := re.fullmatch(r"/api/models/(.+)/preupload/main", self.path):
            files = json.loads(body)["files"]
            self._answer(
                {"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files]}
            )
        elif found := re.fullmatch(r"/api/models/(.+)/commit/main", self.path):
            for line in body.splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    content = base64.b64decode(entry["value"]["content"])
                    self.models[found[1]][entry["value"]["path"]] = content
            self._answer({"commitUrl": f"http://{self.headers['Host']}/{found[1]}/commit/{SHA}", "commitOid": SHA})
        elif self.path.startswith("/api/validate-yaml"):
            self._answer({"warnings": [], "errors": []})
        else:
            self._missing("RepoNotFound")

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if self.refuses:
            self._answer({"error": "not yours"}, self.refuses)
        elif (found := re.fullmatch(r"/api/models/([\w.-]+/[\w.-]+)(/revision/\w+)?", path)) and found[
            1
        ] in self.models:
            siblings = [{"rfilename": name} for name in self.models[found[1]]]
            self._answer({"id": found[1], "modelId": found[1], "sha": SHA, "siblings": siblings})
        elif (found := re.fullmatch(rf"/api/models/{_NAME}/tree/\w+", path)) and found[1] in self.models:
            files = self.models[found[1]].items()
            entries = [
                {"type": "file", "path": n, "size": len(c), "oid": hashlib.sha1(c).hexdigest()} for n, c in files
            ]
            self._answer(entries)
        elif (found := re.fullmatch(rf"/{_NAME}/resolve/\w+/(.+)", path)) and found[1] in self.models:
            content = self.models[found[1]].get(found[2])
            if content is None:
                self._missing("EntryNotFound")
            else:
                self._answer(content, ETag=f'"{hashlib.sha1(content).hexdigest()}"', X_Repo_Commit=SHA)
        else:
            self._missing("RepoNotFound")

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def local_hub() -> Iterator[str]:
    """The address of a hub that has no model yet."""
    Hub.models.clear()
    Hub.refuses = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
