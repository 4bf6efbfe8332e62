"""What the chart makes for Prometheus and Grafana."""

import json
import shutil
from pathlib import Path

from demo.install import CHART
from finetune_operator.kinds import Manifest
from tests.integration.chart.helm import NAMESPACE, RELEASE, of_kind, operator_pod, rendered
from tests.integration.chart.samples import MONITORING, chart_with_files
from tests.unit.operator.pod_templates import job, templates

KINDS = {"ServiceMonitor", "PodMonitor", "PrometheusRule"}


def relabelled(monitor: Manifest, pod: Manifest) -> dict[str, str]:
    """Return the labels that a monitor's first relabelings give to a pod's series."""
    sources = {f"__meta_kubernetes_pod_annotation_{meta_name(key)}": value
               for key, value in pod["metadata"]["annotations"].items()}  # fmt: skip
    sources |= {f"__meta_kubernetes_pod_label_{meta_name(key)}": value
                for key, value in pod["metadata"]["labels"].items()}  # fmt: skip
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    return {
        rule["targetLabel"]: sources[rule["sourceLabels"][0]]
        for rule in endpoint["relabelings"]
        if "sourceLabels" in rule
    }


def meta_name(key: str) -> str:
    """Write a key as Prometheus does in the name of a label."""
    return "".join(letter if letter.isalnum() else "_" for letter in key)


def test_nothing_of_it_is_made_unasked(tmp_path: Path) -> None:
    manifests = rendered(tmp_path)
    assert not {manifest["kind"] for manifest in manifests} & {*KINDS, "ConfigMap", "NetworkPolicy"}


def test_the_operators_series_keep_the_namespaces_of_their_jobs(tmp_path: Path) -> None:
    manifests = rendered(tmp_path, metrics=MONITORING)
    (monitor,) = of_kind(manifests, "ServiceMonitor")
    assert monitor["metadata"]["labels"]["release"] == "prom"
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint == {
        "port": "http",
        "path": "/metrics",
        "honorLabels": True,
        "interval": "30s",
        "scrapeTimeout": "10s",
    }
    (service,) = of_kind(manifests, "Service")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert service["spec"]["selector"].items() <= operator_pod(manifests)["metadata"]["labels"].items()
    assert service["spec"]["ports"][0]["name"] == "http"


def test_series_of_pods_are_labelled_with_job_and_run(tmp_path: Path) -> None:
    monitors = of_kind(rendered(tmp_path, metrics=MONITORING), "PodMonitor")
    found = job()
    pods = dict(zip(("training", "serving"), templates(found), strict=True))
    assert {monitor["metadata"]["name"] for monitor in monitors} == {f"{RELEASE}-{name}" for name in pods}
    for monitor in monitors:
        pod = pods[monitor["metadata"]["name"].rpartition("-")[2]]
        assert monitor["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
        assert monitor["spec"]["namespaceSelector"] == {"any": True}
        run = pod["metadata"]["labels"]["finetune.dev/run"]
        assert relabelled(monitor, pod) == {"name": "job", "run": run}
        ports = {port["name"] for container in pod["spec"]["containers"] for port in container["ports"]}
        (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
        assert endpoint["port"] in ports
        assert endpoint["relabelings"][-1]["targetLabel"] == "cluster"


def test_pods_are_monitored_where_jobs_are_watched(tmp_path: Path) -> None:
    monitors = of_kind(rendered(tmp_path, metrics=MONITORING, watchNamespaces=["one"]), "PodMonitor")
    assert [monitor["spec"]["namespaceSelector"] for monitor in monitors] == [{"matchNames": ["one"]}] * 2


def test_alerts_come_from_the_file_but_for_those_left_out(tmp_path: Path) -> None:
    metrics = {**MONITORING, "runbooksUrl": "https://pages.example/runbooks.md"}
    (rule,) = of_kind(rendered(tmp_path, chart_with_files(tmp_path), metrics=metrics), "PrometheusRule")
    first, record = rule["spec"]["groups"][0]["rules"]
    assert first["alert"] == "First"
    assert first["labels"] == {"severity": "critical", "team": "ml"}
    assert first["annotations"] == {
        "summary": "{{ $labels.name }} is late",
        "runbook_url": "https://pages.example/runbooks.md#first",
    }
    assert record == {"record": "finetune:gpus:sum", "expr": "sum(finetune_job_gpus)"}


def test_a_dashboard_is_a_config_map_as_it_stands_in_its_file(tmp_path: Path) -> None:
    manifests = rendered(tmp_path, chart_with_files(tmp_path), metrics=MONITORING)
    (dashboard,) = of_kind(manifests, "ConfigMap")
    assert dashboard["metadata"]["name"] == f"{RELEASE}-dashboard-fleet"
    assert dashboard["metadata"]["namespace"] == NAMESPACE
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert dashboard["metadata"]["annotations"] == {"grafana_folder": "ML"}
    assert json.loads(dashboard["data"]["fleet.json"]) == {"title": "Fleet", "text": "{{name}}"}


def test_without_files_there_are_no_rules_and_dashboards(tmp_path: Path) -> None:
    copy = tmp_path / "chart"
    shutil.copytree(CHART, copy, ignore=shutil.ignore_patterns("alerts.yaml", "dashboards"))

    manifests = rendered(tmp_path, copy, metrics=MONITORING)
    assert not {manifest["kind"] for manifest in manifests} & {"PrometheusRule", "ConfigMap"}


def test_alerts_and_dashboards_lead_to_the_runbooks_where_people_read_them(tmp_path: Path) -> None:
    runbooks = "https://wiki.example/finetune/runbooks"
    manifests = rendered(tmp_path, metrics={**MONITORING, "runbooksUrl": runbooks})
    (rule,) = of_kind(manifests, "PrometheusRule")
    urls = {found["annotations"]["runbook_url"] for group in rule["spec"]["groups"] for found in group["rules"]}
    assert f"{runbooks}#finetuneoperatordown" in urls
    boards = [json.loads(next(iter(found["data"].values()))) for found in of_kind(manifests, "ConfigMap")]
    assert len(boards) == 4
    assert {link["url"] for board in boards for link in board["links"] if "url" in link} == {runbooks}
    assert all(url.startswith(runbooks) for url in urls)
