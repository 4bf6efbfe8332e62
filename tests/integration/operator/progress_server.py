"""Answers GET /progress with what lies in a file, as a training pod does; run inside the cluster's network."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


def main(address: str, port: str, file: str) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = Path(file).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            return

    ThreadingHTTPServer((address, int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
