"""A table for people: what runs, since when, where, in which version."""

from . import binaries, cgroups
from .cluster import Cluster
from .errors import DevclusterError
from .layout import Layout
from .records import Record


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
        "node": _node(cluster) if record.options.with_node else "none (control plane only)",
    }
    return [f"{name + ':':<16}{value}" for name, value in facts.items()]


def _node(cluster: Cluster) -> str:
    columns = (
        "custom-columns=A:.metadata.name,B:.status.conditions[-1].type,C:.status.nodeInfo.kubeletVersion,"
        "D:.status.nodeInfo.containerRuntimeVersion,E:.status.allocatable.nvidia\\.com/gpu"
    )
    try:
        text = cluster.run_kubectl("get", "nodes", "--no-headers", "-o", columns, timeout_seconds=10)
    except DevclusterError as error:
        return str(error)
    name, condition, kubelet, runtime, gpus = text.split()
    return f"{name}, {condition}, kubelet {kubelet}, {runtime}, {gpus} GPUs"
