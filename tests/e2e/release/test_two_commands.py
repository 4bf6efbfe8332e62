"""The README's way from an empty cluster to a served model with a dashboard that has data: two commands."""

import json
import math
import re
import subprocess
import sys
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
from tests.prometheus import Prometheus, running_prometheus

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.e2e,
    pytest.mark.node,
    pytest.mark.slow,
    pytest.mark.timeout(1200, func_only=True),
]

ROOT = Path(__file__).resolve().parents[3]
README = ROOT / "charts/finetune-jobs/README.md"
HEADING = "## From an empty cluster to a served model"
TRAINED_AND_SERVED_SECONDS = 900


def commands(begin: str) -> list[str]:
    """Return the commands of the README's section that begin so, each with its continuation lines."""
    section = README.read_text().split(HEADING)[1].split("\n## ")[0]
    code = "".join(re.findall(r"```\n(.*?)```", section, re.DOTALL)).replace("\\\n", "")
    return [line for line in code.splitlines() if line.startswith(begin)]


def run(cluster: Cluster, command: str) -> None:
    """Run a line of the README in a shell that has done `eval "$(python -m devcluster env)"`."""
    assert cluster.s3
    path = f"{Path(sys.executable).parent}:{cluster.env['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env={**cluster.env, **cluster.s3.env, "PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


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
    (inputs,) = commands("sudo python -m demo inputs")
    run(empty, inputs.removeprefix("sudo "))
    operator, jobs = commands("helm ")
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
