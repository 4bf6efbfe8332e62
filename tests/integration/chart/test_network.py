"""The NetworkPolicies that the chart makes."""

from pathlib import Path
from typing import Any

import pytest

from finetune_api.handoff import PROGRESS_PORT
from tests.integration.chart.helm import NAMESPACE, RELEASE, of_kind, operator_pod, rendered
from tests.unit.operator.pod_templates import job, templates


def test_network_policies_let_in_who_has_business(tmp_path: Path) -> None:
    prometheus = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "prom"}}}
    clients = {"podSelector": {"matchLabels": {"client": "yes"}}}
    policy = {"enabled": True, "jobNamespaces": ["one"], "prometheus": [prometheus], "clients": [clients]}
    manifests = rendered(tmp_path, networkPolicy=policy)
    found = {made["metadata"]["name"]: made for made in of_kind(manifests, "NetworkPolicy")}
    assert set(found) == {RELEASE, f"{RELEASE}-training", f"{RELEASE}-serving"}
    operator, training, serving = (found[f"{RELEASE}{name}"]["spec"] for name in ("", "-training", "-serving"))
    pod = operator_pod(manifests)["metadata"]["labels"]
    assert operator["podSelector"]["matchLabels"].items() <= pod.items()
    assert prometheus in operator["ingress"][0]["from"]
    assert {"port": PROGRESS_PORT, "protocol": "TCP"} in operator["egress"][-1]["ports"]
    assert operator["egress"][-1]["to"][0]["podSelector"] == training["podSelector"]
    for policy, template in zip((training, serving), templates(job()), strict=True):
        assert policy["policyTypes"] == ["Ingress"]
        assert policy["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    by_operator, by_prometheus = training["ingress"][0]["from"]
    assert by_prometheus == prometheus
    assert by_operator["podSelector"]["matchLabels"].items() <= pod.items()
    assert by_operator["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": NAMESPACE}
    assert serving["ingress"] == [{"ports": [{"port": "http", "protocol": "TCP"}], "from": [clients, prometheus]}]


def test_served_models_answer_everybody_unless_clients_are_named(tmp_path: Path) -> None:
    manifests = rendered(tmp_path, networkPolicy={"enabled": True}, watchNamespaces=["one", "two"])
    serving = [made for made in of_kind(manifests, "NetworkPolicy") if made["metadata"]["name"] == f"{RELEASE}-serving"]
    assert [made["metadata"]["namespace"] for made in serving] == ["one", "two"]
    assert all(made["spec"]["ingress"] == [{"ports": [{"port": "http", "protocol": "TCP"}]}] for made in serving)


@pytest.mark.parametrize(
    ("endpoint", "more", "rule"),
    [
        ("http://otel.otel:4318", {}, {"ports": [{"port": 4318, "protocol": "TCP"}]}),
        ("https://otel.example/otlp", {}, {"ports": [{"port": 443, "protocol": "TCP"}]}),
        (
            "http://otel.otel",
            {"collectorPorts": [80, 4318], "collector": [{"namespaceSelector": {}}]},
            {
                "ports": [{"port": port, "protocol": "TCP"} for port in (80, 4318)],
                "to": [{"namespaceSelector": {}}],
            },
        ),
    ],
)
def test_the_operator_reaches_the_collector_of_traces(
    tmp_path: Path, endpoint: str, more: dict[str, Any], rule: dict[str, Any]
) -> None:
    headers = {"endpoint": endpoint, "headersSecret": {"name": "otlp"}}
    manifests = rendered(tmp_path, networkPolicy={"enabled": True, **more}, tracing=headers)
    (policy,) = of_kind(manifests, "NetworkPolicy")
    assert policy["spec"]["egress"][-1] == rule
    (container,) = operator_pod(manifests)["spec"]["containers"]
    given = {variable["name"]: variable for variable in container["env"]}
    assert given["OTEL_EXPORTER_OTLP_ENDPOINT"]["value"] == endpoint
    assert given["FINETUNE_OTLP_HEADERS_SECRET"]["value"] == "otlp/headers"
    wanted = {"secretKeyRef": {"name": "otlp", "key": "headers", "optional": True}}
    assert given["OTEL_EXPORTER_OTLP_HEADERS"]["valueFrom"] == wanted
