"""200 FineTuneJobs at once, on a real API server without a node: `python -m benchmarks.burst`.

Measures how long it takes until each has its training Job, how many writes the operator makes for it, and that an
idle or restarted operator writes nothing. Prints a table; exits with 1 when a limit is broken.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from devcluster import Cluster
from tests.builders import finetune_job
from tests.integration.operator.crd import install_crd
from tests.integration.operator.operator_process import OperatorProcess

OPERATOR_AGENT = "finetune-operator"
WRITES = {"create", "update", "patch", "delete", "deletecollection"}
PORT = 18499
AS_INSTALLED = {
    "FINETUNE_PROGRESS_INTERVAL_SECONDS": "5",
    "FINETUNE_PENDING_INTERVAL_SECONDS": "4",
    "FINETUNE_RESYNC_INTERVAL_SECONDS": "60",
    "FINETUNE_LEADER_ELECTION": "on",
}
MIB = 1024 * 1024


@dataclass(frozen=True)
class Figure:
    """One measured figure; limit: the most that it may be, None when it is only shown."""

    name: str
    value: float
    limit: float | None = None

    @property
    def is_kept(self) -> bool:
        return self.limit is None or self.value <= self.limit


def main() -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=200, help="FineTuneJobs (default: 200)")
    parser.add_argument("--idle-seconds", type=float, default=60, help="time to watch an idle operator (default: 60)")
    options = parser.parse_args()
    cluster = Cluster("burst")
    cluster.up(control_plane_only=True)
    operator = OperatorProcess(cluster, None, PORT, **AS_INSTALLED)
    try:
        install_crd(cluster)
        operator.start()
        figures = list(measure(cluster, operator, options.jobs, options.idle_seconds))
    finally:
        operator.kill()
        cluster.down()
    show(figures)
    return 0 if all(figure.is_kept for figure in figures) else 1


def measure(cluster: Cluster, operator: OperatorProcess, jobs: int, idle_seconds: float) -> Iterator[Figure]:
    """Submit, wait, and count."""
    started = time.monotonic()
    submit(cluster, jobs)
    submitted = time.monotonic()
    while training_jobs(cluster) < jobs:
        time.sleep(0.2)
    launched = time.monotonic()
    yield Figure("seconds to submit with one kubectl", submitted - started)
    yield Figure("seconds until every FineTuneJob has its Job", launched - started, limit=10)
    yield Figure("CPU seconds of the operator until then", cpu_seconds(operator))
    yield Figure("CPU seconds of the API server until then", server_cpu_seconds(cluster))
    settle(operator)
    yield Figure("seconds until every reason is told", time.monotonic() - started)
    made = writes(cluster)
    until_launched = sum(number for what, number in made.items() if not what.startswith(("finetunejobs", "events")))
    yield Figure("writes per job until its Job, with status and Event", until_launched / jobs + 2, limit=5)
    yield Figure("writes per job in all, with the reason why it waits", sum(made.values()) / jobs)
    applied = sum(number for what, number in made.items() if what != "events")
    yield Figure("of these, children and status", applied / jobs)
    yield Figure("the same by the API server's own count", served_writes(cluster) / jobs)
    time.sleep(idle_seconds)
    yield Figure(f"writes in {idle_seconds:.0f} idle seconds", sum(writes(cluster).values()) - sum(made.values()), 0)
    yield Figure("CPU seconds of the operator", cpu_seconds(operator))
    yield Figure("memory of the operator, MiB", memory_mib(operator))
    operator.kill()
    operator.start()
    time.sleep(15)
    yield Figure("writes after a restart", sum(writes(cluster).values()) - sum(made.values()), 0)


def submit(cluster: Cluster, jobs: int) -> None:
    """Create all FineTuneJobs."""
    items = [finetune_job(f"burst-{index:03}") for index in range(jobs)]
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    cluster.run_kubectl("create", "-f", "-", input_text=document, timeout_seconds=120)


def training_jobs(cluster: Cluster) -> int:
    """Return how many Jobs there are, without loading them."""
    page = json.loads(cluster.run_kubectl("get", "--raw", "/apis/batch/v1/jobs?limit=1"))
    return len(page["items"]) + int(page["metadata"].get("remainingItemCount") or 0)


def settle(operator: OperatorProcess) -> None:
    """Wait until the operator has written nothing for five seconds."""
    before: dict[str, float] = {}
    while (now := operator.writes()) != before:
        before = now
        time.sleep(5)


def writes(cluster: Cluster) -> Counter[str]:
    """Count the operator's successful writes in the audit log, by resource."""
    found: Counter[str] = Counter()
    with cluster.audit_log.open() as lines:
        for line in lines:
            entry = json.loads(line)
            is_ours = entry.get("userAgent") == OPERATOR_AGENT and entry["verb"] in WRITES
            if is_ours and entry.get("responseStatus", {}).get("code", 500) < 300:
                found[entry["objectRef"]["resource"]] += 1
    return found


def served_writes(cluster: Cluster) -> float:
    """Sum apiserver_request_total over what only the operator sends: creates of children and patches of a status."""
    sent = (
        ('verb="POST"', 'resource="configmaps"'),
        ('verb="POST"', 'resource="persistentvolumeclaims"'),
        ('verb="POST"', 'resource="jobs"'),
        ('verb="PATCH"', 'resource="finetunejobs"', 'subresource="status"'),
    )
    lines = cluster.run_kubectl("get", "--raw", "/metrics").splitlines()
    counts = [line for line in lines if line.startswith("apiserver_request_total{") and 'code="2' in line]
    ours = [line for line in counts if any(all(part in line for part in parts) for parts in sent)]
    return sum(float(line.rsplit(" ", 1)[1]) for line in ours)


def cpu_seconds(operator: OperatorProcess) -> float:
    """Return the CPU time that the operator has used."""
    return dict(operator.process_samples())["process_cpu_seconds_total"]


def server_cpu_seconds(cluster: Cluster) -> float:
    """Return the CPU time that the API server has used."""
    lines = cluster.run_kubectl("get", "--raw", "/metrics").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("process_cpu_seconds_total"))


def memory_mib(operator: OperatorProcess) -> float:
    """Return the memory that the operator holds."""
    return dict(operator.process_samples())["process_resident_memory_bytes"] / MIB


def show(figures: list[Figure]) -> None:
    """Print the table."""
    width = max(len(figure.name) for figure in figures)
    for figure in figures:
        limit = "" if figure.limit is None else f"at most {figure.limit:g}"
        verdict = "" if figure.is_kept else "  <- BROKEN"
        print(f"{figure.name:{width}}  {figure.value:8.2f}  {limit}{verdict}")


if __name__ == "__main__":
    sys.exit(main())
