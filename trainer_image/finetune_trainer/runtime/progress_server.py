"""GET /progress (JSON) and /metrics (Prometheus text) while the trainer runs."""

import socket
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from finetune_trainer.log import say
from finetune_trainer.runtime.metrics import TrainerMetrics
from finetune_trainer.runtime.progress import ProgressBoard


def serve_progress(board: ProgressBoard, port: int, workspace: Path) -> None:
    """Answer in a thread of its own, as long as the process lives. A port that is taken is said, not fatal."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/progress":
                self._answer(
                    board.progress.model_dump_json(by_alias=True, exclude_none=True).encode(), "application/json"
                )
            elif self.path == "/metrics":
                self._answer(metrics_text(board, workspace), CONTENT_TYPE_LATEST)
            else:
                self.send_error(404, "there are /progress and /metrics")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: the operator asks every few seconds."""

        def _answer(self, body: bytes, content_type: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    try:
        server = _Server(("", port), Handler)
    except OSError as error:
        say("progress", f"port {port} cannot be served: {error}")
        return
    threading.Thread(target=server.serve_forever, name="progress", daemon=True).start()


def metrics_text(board: ProgressBoard, workspace: Path) -> bytes:
    """Return all figures as Prometheus text."""
    registry = CollectorRegistry()
    registry.register(TrainerMetrics(board, workspace))
    return generate_latest(registry)


class _Server(ThreadingHTTPServer):
    """Listens on IPv6 and IPv4 where the pod has both."""

    daemon_threads = True
    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that hangs up early is no concern of the training."""

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        # Not HTTPServer's own: it asks the DNS for the host's name, which can take seconds in a pod.
        socketserver.TCPServer.server_bind(self)
