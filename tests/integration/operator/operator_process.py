"""The operator as a process of its own, as it runs in its pod."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from devcluster import Access

FAST = {
    "FINETUNE_PROGRESS_INTERVAL_SECONDS": "0.5",
    "FINETUNE_PENDING_INTERVAL_SECONDS": "1",
    "FINETUNE_RESYNC_INTERVAL_SECONDS": "5",
    "FINETUNE_LEADER_ELECTION": "off",
    "FINETUNE_TRAINER_IMAGE": "trainer:test",
}


class OperatorProcess:
    """`python -m finetune_operator`, limited to one namespace (all when None)."""

    def __init__(self, cluster: Access, namespace: str | None, port: int, **environment: str) -> None:
        scope = {"FINETUNE_NAMESPACE": namespace} if namespace else {}
        own = {"FINETUNE_HTTP_PORT": str(port), "FINETUNE_IDENTITY": f"test-{port}"}
        self._environment = {**os.environ, **cluster.env, **FAST, **own, **scope, **environment}
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="operator-")  # goes with this object
        self.log = Path(self._folder.name, "log")

    def start(self, **environment: str) -> None:
        """Start, and wait until it answers. environment: what differs from the last start."""
        self._environment |= environment
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "finetune_operator"]
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while self.says("livez") != "ok":
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        """End it without a warning."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def terminate(self) -> tuple[int, float]:
        """Ask it to end; return its exit code and the seconds it took."""
        assert self._process is not None
        started = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(timeout=20)
        return code, time.monotonic() - started

    def healthy(self) -> bool:
        """Whether /healthz says so."""
        return self.says("healthz") == "ok"

    def says(self, path: str) -> str:
        """Return what /livez or /healthz answers, empty when nobody does."""
        try:
            return self._get(path)
        except urllib.error.HTTPError as error:
            return error.read().decode()
        except (OSError, urllib.error.URLError):
            return ""

    def writes(self) -> dict[str, float]:
        """Return how many writes of each sort it has made, as verb/Kind, since it started."""
        return {f"{labels['verb']}/{labels['kind']}": value for labels, value in self.samples("api_writes_total")}

    def samples(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        """Return labels and value of each sample of a metric."""
        for line in self._get("metrics").splitlines():
            if line.startswith((f"finetune_operator_{name}{{", f"finetune_{name}{{")):
                labels, value = line.split("{", 1)[1].rsplit("} ", 1)
                pairs = (pair.split("=", 1) for pair in labels.split(","))
                yield {key: json.loads(text) for key, text in pairs}, float(value)

    def process_samples(self) -> Iterator[tuple[str, float]]:
        """Return name and value of what the process says of itself: memory, CPU time."""
        for line in self._get("metrics").splitlines():
            if line.startswith("process_"):
                name, value = line.split(" ", 1)
                yield name, float(value)

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/{path}", timeout=5) as response:
            text: str = response.read().decode()
            return text
