"""The README's way from an empty cluster to a served model with a dashboard that has data: two commands."""

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest

from dashboards.reading import boards, filled
from demo.ask import ask, forwarded, service_of
from demo.install import NAMESPACE, RELEASE
from demo.stories import load_story
from demo.watch import Status, follow, read_status
from devcluster import Cluster
from tests.e2e.release.readme import commands, run
from tests.prometheus import Prometheus, running_prometheus

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.e2e,
    pytest.mark.node,
    pytest.mark.slow,
    pytest.mark.timeout(1200, func_only=True),
]

CHART, HEADING = "finetune-jobs", "From an empty cluster to a served model"
TRAINED_AND_SERVED_SECONDS = 900


def shown(prometheus: Prometheus, board: str, panel: str, since: float, **variables: str) -> list[dict[str, Any]]:
    """Return the series that a dashboard's panel draws, of the time since then."""
    (asked,) = (one for found in boards() if found.name == board for one in found.targets if one.panel == panel)
    now = time.time()
    return prometheus.query_range(filled(asked.expression, variables, math.ceil(now - since), 15), since, now)


class Discovery:
    """Finds pods for Prometheus as the chart's PodMonitors do: Debian's knows no Kubernetes."""

    def __init__(self, cluster: Cluster, prometheus: Prometheus) -> None:
        self._cluster = cluster
        self._prometheus = prometheus
        self._known: set[str] = set()

    def look(self) -> None:
        """Let what runs by now be scraped."""
        labels = "app.kubernetes.io/part-of=finetune,app.kubernetes.io/component in (training,serving)"
        found = json.loads(self._cluster.run_kubectl("get", "pods", "-A", "-l", labels, "-o", "json"))["items"]
        for pod in found:
            address = pod["status"].get("podIP")
            if address and pod["metadata"]["uid"] not in self._known:
                self._known.add(pod["metadata"]["uid"])
                (port,) = pod["spec"]["containers"][0]["ports"]
                self._prometheus.scrape(pod, f"{address}:{port['containerPort']}")


def test_two_commands_lead_from_nothing_to_a_served_model_and_a_dashboard(empty: Cluster, tmp_path: Path) -> None:
    (inputs,) = commands(CHART, HEADING, "sudo python -m demo inputs")
    run(empty, inputs.removeprefix("sudo "))
    operator, jobs = commands(CHART, HEADING, "helm ")
    began = time.time()
    run(empty, operator)
    address = empty.run_kubectl("-n", NAMESPACE, "get", "service", RELEASE, "-o", "jsonpath={.spec.clusterIP}")
    with running_prometheus(tmp_path, f"{address}:8080") as prometheus:
        run(empty, jobs)
        discovery = Discovery(empty, prometheus)

        def look() -> Status:
            discovery.look()
            return read_status(empty, "genres")

        *_, status = follow(look, frozenset({"Ready"}), TRAINED_AND_SERVED_SECONDS)
        for question in load_story("movie-genres").ask:
            with forwarded(empty, f"service/{service_of(status)}") as url:
                assert question.is_right(ask(url, "genres", question))
        losses = shown(prometheus, "job", "Loss", began, namespace="default", name="genres")
        phases = shown(prometheus, "fleet", "Jobs by phase", began, namespace=".+")
    (curve,) = losses
    assert curve["metric"]["run"] == status["run"]["id"]
    first, last = (float(curve["values"][at][1]) for at in (0, -1))
    assert last < first, losses
    assert {"Training", "Ready"} <= {one["metric"]["phase"] for one in phases}
