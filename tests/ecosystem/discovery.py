"""What Prometheus discovers in Kubernetes: Debian's is built without that, so a test finds it for its file discovery.

Names of labels as in Prometheus' documentation of kubernetes_sd_config, for the roles that monitors make use of.
"""

import json
from collections.abc import Iterator
from typing import Any

from devcluster import Access
from finetune_operator.kinds import Manifest
from tests.integration.chart.test_monitoring import meta_name

Groups = list[dict[str, Any]]


def discovered(cluster: Access, discovery: Manifest) -> Groups:
    """Return the target groups for a kubernetes_sd_config of the role pod or endpoints, as a file has them."""
    find = {"pod": _pods, "endpoints": _endpoints}[discovery["role"]]
    namespaces = discovery.get("namespaces", {}).get("names")
    pairs = (pair for pair in find(cluster) if not namespaces or pair[1]["namespace"] in namespaces)
    return [
        {"targets": [address], "labels": {f"__meta_kubernetes_{name}": value for name, value in labels.items()}}
        for address, labels in pairs
    ]


def _pods(cluster: Access) -> Iterator[tuple[str, dict[str, str]]]:
    for pod in _all(cluster, "pods"):
        if address := pod["status"].get("podIP"):
            for container in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]):
                for port in container.get("ports", ()):
                    names = {"pod_container_name": container["name"], "pod_container_port_name": port.get("name", "")}
                    yield f"{address}:{port['containerPort']}", _of("pod", pod) | names


def _endpoints(cluster: Access) -> Iterator[tuple[str, dict[str, str]]]:
    services, pods = _by_name(cluster, "services"), _by_name(cluster, "pods")
    for found in _all(cluster, "endpoints"):
        namespace = found["metadata"]["namespace"]
        service = services[namespace, found["metadata"]["name"]]
        for subset in found.get("subsets", ()):
            for address in subset.get("addresses", ()):
                target = address.get("targetRef", {"kind": "", "name": ""})
                of_target = {f"endpoint_address_target_{key}": target[key] for key in ("kind", "name")}
                if target["kind"] == "Pod":
                    of_target |= _of("pod", pods[namespace, target["name"]])
                for port in subset["ports"]:
                    of_port = {"endpoint_port_name": port.get("name", "")}
                    yield f"{address['ip']}:{port['port']}", _of("service", service) | of_target | of_port


def _of(kind: str, found: Manifest) -> dict[str, str]:
    """Return the labels that tell of a pod or a service."""
    metadata = found["metadata"]
    labels = {"namespace": metadata["namespace"], f"{kind}_name": metadata["name"]}
    if "phase" in found["status"]:
        labels[f"{kind}_phase"] = found["status"]["phase"]
    for what in ("label", "annotation"):
        for key, value in metadata.get(f"{what}s", {}).items():
            labels |= {f"{kind}_{what}_{meta_name(key)}": value, f"{kind}_{what}present_{meta_name(key)}": "true"}
    return labels


def _by_name(cluster: Access, kind: str) -> dict[tuple[str, str], Manifest]:
    return {(one["metadata"]["namespace"], one["metadata"]["name"]): one for one in _all(cluster, kind)}


def _all(cluster: Access, kind: str) -> list[Manifest]:
    found: list[Manifest] = json.loads(cluster.run_kubectl("get", kind, "--all-namespaces", "-o", "json"))["items"]
    return found
