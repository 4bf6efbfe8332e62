"""The part of the Hugging Face Hub's HTTP API that downloads of models and datasets use, over a local folder."""

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """One repository (datasets/… is one of data) at one commit, with a branch and a tag.

    `token` makes it private, `failures` are answered 503.

    While `stalled`, files do not arrive.
    """

    folder: Path
    repository: str
    token: str | None = None
    failures: int = 0
    endpoint: str = ""
    requests: list[str] = field(default_factory=list)
    stalled: bool = False

    def answer(self, path: str, token: str) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body for a request."""
        if self.failures:
            self.failures -= 1
            return 503, {}, b""
        known = f"/{self.repository}/" in f"{path}/"
        if not known or (self.token and token != f"Bearer {self.token}"):
            return 401, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}, b"{}"
        if not re.search(rf"/(main|v1|{COMMIT})(/|$|\?)", path):
            return 404, {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"}, b"{}"
        if path.startswith("/api/") and "/tree/" in path:
            return 200, {}, json.dumps(self._tree()).encode()
        if path.startswith("/api/"):
            siblings = [{"rfilename": entry["path"], "size": entry["size"]} for entry in self._tree()]
            return 200, {}, json.dumps({"id": self.repository, "sha": COMMIT, "siblings": siblings}).encode()
        return self._file(self.folder / re.sub(r"^.*/resolve/[^/]+/", "", path.split("?", maxsplit=1)[0]))

    def _tree(self) -> list[dict[str, Any]]:
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return [
            {
                "type": "file",
                "path": path.relative_to(self.folder).as_posix(),
                "size": path.stat().st_size,
                "oid": hashlib.sha1(path.read_bytes()).hexdigest(),
            }
            for path in files
        ]

    def _file(self, path: Path) -> tuple[int, dict[str, str], bytes]:
        content = path.read_bytes()
        while self.stalled:
            time.sleep(0.05)
        return 200, {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha1(content).hexdigest()}"'}, content


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """Answer on a port of the loopback interface until the body ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hub.requests.append(f"{self.command} {self.path}")
            status, headers, body = hub.answer(self.path, self.headers.get("Authorization", ""))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
