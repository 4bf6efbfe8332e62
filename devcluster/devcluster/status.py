"""A table for people: what runs, since when, where, in which version."""

from . import binaries, cgroups
from .api import Api
from .cluster import Cluster
from .errors import DevclusterError
from .layout import Layout
from .records import Record
from .startup import GPU


def report(cluster: Cluster) -> tuple[str, bool]:
    """The text, and whether everything is healthy. Raises DevclusterError when there is no such cluster."""
    record = cluster.record()
    health = cluster.health(record)
    lines = [*_components(record, health), "", *_facts(cluster, record)]
    return "\n".join(lines), all(health.values())


def _components(record: Record, health: dict[str, bool]) -> list[str]:
    row = "{:<24}{:>9}{:>10}{:>11}  {}".format
    lines = [row("COMPONENT", "PID", "UP", "MEMORY", "STATE")]
    for name, ready in health.items():
        process = record.processes.get(name)
        if process is None or not process.alive:
            lines.append(row(name, "-", "-", "-", "dead"))
            continue
        uptime, memory = f"{process.uptime_seconds:.0f} s", f"{process.memory_bytes / 2**20:.0f} MiB"
        lines.append(row(name, process.pid, uptime, memory, "ready" if ready else "not ready"))
    return lines


def _facts(cluster: Cluster, record: Record) -> list[str]:
    memory = cgroups.memory_bytes(Layout(record.name).cgroup)
    addresses = record.addresses
    facts = {
        "API server": f"https://{addresses.node}:6443",
        "S3": f"{cluster.s3.endpoint} (bucket {cluster.s3.bucket})" if cluster.s3 else "none",
        "pods, Services": f"{addresses.pods}, {addresses.services} (reachable from this host)",
        "kubeconfig": str(cluster.kubeconfig),
        "audit log": str(cluster.audit_log),
        "memory": f"{memory / 2**20:.0f} MiB of all components and pods" if memory is not None else "not known",
        "versions": ", ".join(f"{name} {version}" for name, version in binaries.versions().items()),
        "node": _node(record) if record.options.with_node else "none (control plane only)",
    }
    return [f"{name + ':':<16}{value}" for name, value in facts.items()]


def _node(record: Record) -> str:
    try:
        node = Api(Layout(record.name), record.addresses).get(f"/api/v1/nodes/{record.name}")["status"]
    except (DevclusterError, OSError) as error:
        return f"not known: {error}"
    ready = next((one["status"] for one in node["conditions"] if one["type"] == "Ready"), "Unknown")
    condition = {"True": "Ready", "False": "NotReady"}.get(ready, "Ready is not known")
    info, gpus = node["nodeInfo"], node["allocatable"].get(GPU, 0)
    return f"{condition}, {info['kubeletVersion']}, {info['containerRuntimeVersion']}, {gpus} GPUs"
