"""GET /progress (JSON) and /metrics (Prometheus text) while the trainer runs."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from finetune_api.handoff import Progress, Stage
from finetune_trainer.log import say
from finetune_trainer.progress import ProgressBoard

GAUGES = {
    "step": "Optimizer steps done.",
    "total_steps": "Optimizer steps in all.",
    "epoch": "Passes over the data done.",
    "loss": "Training loss, mean of the last reporting interval.",
    "learning_rate": "Learning rate.",
    "eta_seconds": "Estimated seconds until training ends.",
    "samples_per_second": "Rows learnt from per second.",
    "tokens_per_second": "Tokens learnt from per second.",
    "resumed_from_step": "Step of the checkpoint that this attempt resumed from.",
    "trainable_parameters": "Count of the parameters that learn.",
}


def serve_progress(board: ProgressBoard, port: int) -> None:
    """Answer in a thread of its own, as long as the process lives. A port that is taken is said, not fatal."""
    registry = CollectorRegistry()
    registry.register(_BoardCollector(board))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/progress":
                self._answer(
                    board.progress.model_dump_json(by_alias=True, exclude_none=True).encode(), "application/json"
                )
            elif self.path == "/metrics":
                self._answer(generate_latest(registry), CONTENT_TYPE_LATEST)
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


class _BoardCollector(Collector):
    def __init__(self, board: ProgressBoard) -> None:
        self._board = board

    def collect(self) -> Iterator[Metric]:
        progress = self._board.progress
        for name, description in GAUGES.items():
            value = getattr(progress, name)
            if value is not None:
                yield GaugeMetricFamily(f"finetune_trainer_{name}", description, value=value)
        yield _stages(progress)
        yield _figures(progress)


def _stages(progress: Progress) -> GaugeMetricFamily:
    family = GaugeMetricFamily("finetune_trainer_stage", "1 for the stage that the pod is in.", labels=["stage"])
    for stage in Stage:
        family.add_metric([stage.value], float(stage is progress.stage))
    return family


def _figures(progress: Progress) -> GaugeMetricFamily:
    family = GaugeMetricFamily("finetune_trainer_metric", "Figures on the held-out rows.", labels=["model", "metric"])
    for model, figures in (("tuned", progress.metrics.evaluation), ("base", progress.metrics.baseline)):
        for name, value in figures.items():
            family.add_metric([model, name], value)
    return family
