"""The chart's monitors and rules as the real Prometheus Operator reads them, and what a real Prometheus then finds.

The chart is applied, a real operator takes a job from its submission to its server, and the pods are those that the
cluster's controllers make. Only the kubelet is played, and Prometheus' discovery, which Debian's is built without.
"""

import base64
import gzip
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster import Access
from devcluster import prometheus as debian
from finetune_api.handoff import PROGRESS_PORT, SERVING_PORT
from finetune_operator.kinds import Manifest
from tests.ecosystem.controllers import Pinned, running
from tests.ecosystem.discovery import discovered
from tests.integration.chart.helm import NAMESPACE as SYSTEM
from tests.integration.chart.helm import RELEASE, rendered
from tests.integration.operator.crd import install_crd
from tests.integration.operator.operator_process import OperatorProcess
from tests.integration.operator.runs import success
from tests.integration.operator.test_serving import make_available
from tests.integration.operator.workbench import Workbench
from tests.prometheus import running_with

pytestmark = [pytest.mark.cluster, pytest.mark.ecosystem]

MODULE = "github.com/prometheus-operator/prometheus-operator"
PROMETHEUS_OPERATOR = Pinned("prometheus_operator", {"prometheus-operator": f"{MODULE}/cmd/operator"})
ROOT = Path(__file__).parents[2]
TEAM = "monitored"
MONITORING = "monitoring"
LABELS = {"release": "prometheus"}
ADDRESS = "198.19.255.9"
"""Where the operator's pod says that it is: nothing answers there, and a Service may lead there."""
VALUES = {
    "metrics": {
        name: {"enabled": True, "labels": LABELS} for name in ("serviceMonitor", "podMonitor", "prometheusRule")
    }
}


def prometheus(version: str) -> Manifest:
    """Return a Prometheus that takes what kube-prometheus-stack takes: all that has the label of its release."""
    kinds = ("serviceMonitor", "podMonitor", "rule")
    chosen: Manifest = {f"{kind}Selector": {"matchLabels": LABELS} for kind in kinds}
    everywhere: Manifest = {f"{kind}NamespaceSelector": {} for kind in kinds}
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "Prometheus",
        "metadata": {"name": "main", "namespace": MONITORING},
        "spec": {"version": version, "scrapeInterval": "5s", "scrapeTimeout": "1s", **chosen, **everywhere},
    }


def prometheus_version() -> str:
    """Return the version of the Prometheus that reads the configuration, such as v2.42.0."""
    said = subprocess.run(
        [debian.program("prometheus"), "--version"], capture_output=True, text=True, check=True
    ).stdout
    return f"v{said.split()[2].partition('+')[0]}"


@pytest.fixture(scope="module")
def bench(control_plane: Access) -> Iterator[Workbench]:
    """The chart, an operator that works, a job whose model is served, and one that trains."""
    install_crd(control_plane)
    PROMETHEUS_OPERATOR.install_crds(control_plane, MODULE, "example/prometheus-operator-crd")
    for name in (SYSTEM, TEAM, MONITORING):
        control_plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    process = OperatorProcess(control_plane, TEAM, 18391)
    process.start()
    bench = Workbench(control_plane, TEAM, process)
    try:
        serve(bench, "served")
        bench.submit("training", training={"seed": 7})
        bench.run_pod(bench.wait_for_pod("training"))
        yield bench
    finally:
        process.kill()
        bench.close()


def serve(bench: Workbench, name: str) -> None:
    bench.submit(name, serving={"enabled": True})
    pod = bench.wait_for_pod(name)
    bench.run_pod(pod)
    bench.end_pod(pod, 0, success(bench.status(name)))
    (deployment,) = bench.until(lambda: bench.get("deployments"), len)
    make_available(bench, deployment)
    bench.wait(name, phase="Ready")


def install_chart(bench: Workbench, folder: Path, **values: Any) -> None:
    manifests = rendered(folder, **VALUES, **values)
    bench.cluster.apply(*(one for one in manifests if "helm.sh/hook" not in one["metadata"].get("annotations", {})))


def start_operator(bench: Workbench) -> str:
    """Let the operator's pod be ready, as the kubelet would; return its name."""
    system = Workbench(bench.cluster, SYSTEM, bench.operator)
    (pod,) = system.until(lambda: system.get("pods"), lambda pods: len(pods) == 1, 60)
    name: str = pod["metadata"]["name"]
    system.run_pod(pod, ADDRESS)
    system.set_status("pod", name, {"conditions": [{"type": "Ready", "status": "True"}]})
    return name


@pytest.fixture(scope="module")
def prometheus_operator(bench: Workbench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """The Prometheus Operator, with a Prometheus to configure."""
    log = tmp_path_factory.mktemp("prometheus-operator") / "log"
    program = PROMETHEUS_OPERATOR.program("prometheus-operator")
    with running(bench.cluster, program, log, "--web.listen-address=127.0.0.1:18392"):
        bench.cluster.apply(prometheus(prometheus_version()))
        yield bench


def configuration(bench: Workbench, pools: int) -> Manifest:
    """Return the configuration that the Prometheus Operator has written, once it scrapes this many pools."""

    def read() -> Manifest:
        secrets = json.loads(bench.cluster.run_kubectl("-n", MONITORING, "get", "secrets", "-o", "json"))["items"]
        found = [one["data"]["prometheus.yaml.gz"] for one in secrets if one["metadata"]["name"] == "prometheus-main"]
        return yaml.safe_load(gzip.decompress(base64.b64decode(found[0]))) if found else {}

    return bench.until(read, lambda found: len(found.get("scrape_configs", ())) == pools, 60)


def rule_files(cluster: Access, folder: Path) -> list[Path]:
    """Write the rule files that the Prometheus Operator has made."""
    said = cluster.run_kubectl("-n", MONITORING, "get", "configmaps", "-l", "prometheus-name=main", "-o", "json")
    texts = {name: text for one in json.loads(said)["items"] for name, text in one.get("data", {}).items()}
    for name, text in texts.items():
        (folder / name).write_text(text)
    return [folder / name for name in texts]


def outside(found: Manifest, cluster: Access, folder: Path) -> Manifest:
    """Return the configuration for a Prometheus of Debian's outside of the cluster; targets are treated the same."""
    # The pod's second container, the config reloader, fills these in.
    filled = yaml.safe_load(yaml.safe_dump(found).replace("$(SHARD)", "0").replace("$(POD_NAME)", "main-0"))
    for number, scrape in enumerate(filled["scrape_configs"]):
        (discovery,) = scrape.pop("kubernetes_sd_configs")
        (folder / f"{number}.json").write_text(json.dumps(discovered(cluster, discovery)))
        scrape["file_sd_configs"] = [{"files": [str(folder / f"{number}.json")]}]
    return filled | {"rule_files": [str(file) for file in rule_files(cluster, folder)]}


def test_prometheus_finds_the_operator_and_the_pods_of_jobs_and_nothing_else(
    prometheus_operator: Workbench, tmp_path: Path
) -> None:
    bench = prometheus_operator
    install_chart(bench, tmp_path)
    operator = start_operator(bench)
    settings = outside(configuration(bench, pools=3), bench.cluster, tmp_path)
    (tmp_path / "checked.yaml").write_text(yaml.safe_dump(settings))
    subprocess.run([debian.program("promtool"), "check", "config", tmp_path / "checked.yaml"], check=True)
    assert [one["honor_labels"] for one in settings["scrape_configs"] if "serviceMonitor" in one["job_name"]] == [True]

    with running_with(tmp_path, settings) as server:
        targets = bench.until(server.targets, lambda found: len(found) == 3)
        alerts = {rule["name"] for rule in server.rules()}

    pods = {pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod for pod in live(bench)}
    found = {target["scrapePool"]: target for target in targets}
    assert {pool: target["scrapeUrl"] for pool, target in found.items()} == {
        f"serviceMonitor/{SYSTEM}/{RELEASE}/0": f"http://{ADDRESS}:8080/metrics",
        f"podMonitor/{SYSTEM}/{RELEASE}-training/0": url(pods["training"], PROGRESS_PORT),
        f"podMonitor/{SYSTEM}/{RELEASE}-serving/0": url(pods["serving"], SERVING_PORT),
    }
    assert found[f"serviceMonitor/{SYSTEM}/{RELEASE}/0"]["labels"]["pod"] == operator
    for component, job in (("training", "training"), ("serving", "served")):
        labels, metadata = found[f"podMonitor/{SYSTEM}/{RELEASE}-{component}/0"]["labels"], pods[component]["metadata"]
        wanted = {"namespace": TEAM, "pod": metadata["name"], "name": job, "run": bench.status(job)["run"]["id"]}
        assert wanted.items() <= labels.items()
    groups = yaml.safe_load((ROOT / "charts/finetune-operator/files/alerts.yaml").read_text())["groups"]
    assert alerts == {rule["alert"] for group in groups for rule in group["rules"]}


def live(bench: Workbench) -> list[Manifest]:
    return [pod for pod in bench.get("pods") if pod["status"]["phase"] == "Running"]


def url(pod: Manifest, port: int) -> str:
    return f"http://{pod['status']['podIP']}:{port}/metrics"


def test_pods_are_looked_for_only_where_jobs_are_watched(prometheus_operator: Workbench, tmp_path: Path) -> None:
    bench = prometheus_operator
    install_chart(bench, tmp_path, watchNamespaces=[TEAM])

    def looked_in() -> dict[str, list[str]]:
        scrapes = configuration(bench, pools=3)["scrape_configs"]
        discoveries = {one["job_name"].rpartition("/")[0]: one["kubernetes_sd_configs"][0] for one in scrapes}
        return {name: found.get("namespaces", {}).get("names", []) for name, found in discoveries.items()}

    pods = {f"podMonitor/{SYSTEM}/{RELEASE}-{component}": [TEAM] for component in ("training", "serving")}
    bench.until(looked_in, lambda found: found == {f"serviceMonitor/{SYSTEM}/{RELEASE}": [SYSTEM], **pods}, 60)
