"""A real Prometheus that scrapes processes of a test every second, with the labels that the chart's monitors give."""

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from devcluster.prometheus import program
from tests.ports import free_port

SCRAPE_SECONDS = 1
START_SECONDS = 30
# As the chart's PodMonitors do.
RELABELLING = {
    "__meta_kubernetes_namespace": "namespace",
    "__meta_kubernetes_pod_name": "pod",
    "__meta_kubernetes_pod_annotation_finetune_dev_job_name": "name",
    "__meta_kubernetes_pod_label_finetune_dev_run": "run",
}


class Prometheus:
    """A running server. Samples of an instant query are dictionaries with `metric` and `value`."""

    def __init__(self, folder: Path, url: str) -> None:
        self._targets = folder / "pods.json"
        self._groups: list[dict[str, Any]] = []
        self.url = url

    def scrape(self, pod: dict[str, Any], address: str) -> None:
        """Scrape a training or serving pod at an address and port, labelled by its metadata."""
        metadata = pod["metadata"]
        found = {
            "__meta_kubernetes_namespace": metadata["namespace"],
            "__meta_kubernetes_pod_name": metadata["name"],
            "__meta_kubernetes_pod_annotation_finetune_dev_job_name": metadata["annotations"]["finetune.dev/job-name"],
            "__meta_kubernetes_pod_label_finetune_dev_run": metadata["labels"]["finetune.dev/run"],
        }
        self._groups.append({"targets": [address], "labels": found})
        draft = self._targets.with_suffix(".draft")
        draft.write_text(json.dumps(self._groups))
        draft.replace(self._targets)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of now."""
        return self._ask("query", query=expression)

    def query_range(self, expression: str, start: float, end: float, step_seconds: float = 1) -> list[dict[str, Any]]:
        """Return the series of a time range: dictionaries with `metric` and `values`."""
        return self._ask("query_range", query=expression, start=start, end=end, step=step_seconds)

    def targets(self) -> list[dict[str, Any]]:
        """Return what is scraped, or to be scraped: dictionaries with `scrapePool`, `scrapeUrl` and `labels`."""
        return list(self._get("targets", {"state": "active"})["activeTargets"])

    def rules(self) -> list[dict[str, Any]]:
        """Return the rules of all groups."""
        return [rule for group in self._get("rules", {})["groups"] for rule in group["rules"]]

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that are pending or firing."""
        return list(self._get("alerts", {})["alerts"])

    def _ask(self, path: str, **parameters: Any) -> list[dict[str, Any]]:
        return list(self._get(path, parameters)["result"])

    def _get(self, path: str, parameters: dict[str, Any]) -> dict[str, Any]:
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                answer: dict[str, Any] = json.loads(response.read())
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error
        return dict(answer["data"])


@contextmanager
def running_prometheus(folder: Path, operator: str, rules: Path | None = None) -> Iterator[Prometheus]:
    """Start Prometheus on a free port; end it afterwards. operator: address and port; rules: a file of rule groups."""
    (folder / "pods.json").write_text("[]")
    scrapes = [
        {"job_name": "finetune-operator", "honor_labels": True, "static_configs": [{"targets": [operator]}]},
        {
            "job_name": "finetune-pods",
            "file_sd_configs": [{"files": [str(folder / "pods.json")], "refresh_interval": "1s"}],
            "relabel_configs": [
                {"source_labels": [source], "target_label": label} for source, label in RELABELLING.items()
            ],
        },
    ]
    every = f"{SCRAPE_SECONDS}s"
    timing = {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every}
    settings = {"global": timing, "rule_files": [str(rules)] if rules else [], "scrape_configs": scrapes}
    with running_with(folder, settings) as prometheus:
        yield prometheus


@contextmanager
def running_with(folder: Path, settings: dict[str, Any]) -> Iterator[Prometheus]:
    """Start Prometheus with a configuration on a free port; end it afterwards."""
    (folder / "prometheus.json").write_text(json.dumps(settings))
    port = free_port()
    arguments = {
        "config.file": folder / "prometheus.json",
        "storage.tsdb.path": folder / "data",
        "web.listen-address": f"127.0.0.1:{port}",
    }
    command = [program("prometheus"), *(f"--{name}={value}" for name, value in arguments.items())]
    log = folder / "prometheus.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(process, url, log)
        yield Prometheus(folder, url)
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=1):
                return
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.1)
