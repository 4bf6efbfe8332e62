"""Memory of the operator's cache for 1,000 served FineTuneJobs: `python -m benchmarks.cache_memory`.

Each FineTuneJob comes with its job file, claim, training Job and its ended pod, Deployment with one pod, and Service,
as an API server sends them: every object is parsed on its own, with managedFields and a status. Prints MiB of the
process's anonymous memory for the objects as they come and as the cache keeps them; exits with 1 beyond the limit.
"""

import gc
import json
import multiprocessing
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from finetune_api.status import ArtifactStatus
from finetune_operator.cluster.cache import Cache
from finetune_operator.desired.config_map import config_map
from finetune_operator.desired.deployment import deployment
from finetune_operator.desired.service import service
from finetune_operator.desired.training_job import training_job
from finetune_operator.desired.workspace import workspace_claim
from finetune_operator.kinds import Manifest
from finetune_operator.resource.fine_tune_job import parse_resource
from tests.builders import finetune_job

JOBS = 1_000
MOST_MIB = 60.0
MIB = 1024
IMAGE = "finetune.dev/trainer:1"
TIME = "2026-01-02T03:04:05Z"
CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")


def objects(number: int) -> Iterator[Manifest]:
    """Yield a served FineTuneJob and all that belongs to it."""
    resource = finetune_job(f"job-{number}", "default", serving={"enabled": True})
    resource["metadata"] |= {"uid": f"uid-{number}", "generation": 1, "resourceVersion": "1"}
    job = parse_resource(resource)
    artifact = ArtifactStatus(run=job.run_id, uri=f"s3://models/{job.name}/{job.run_id}", digest="sha256:" + "a" * 64)
    told = {"type": "Ready", "status": "True", "reason": "Serving", "message": "m" * 120, "lastTransitionTime": TIME}
    resource["status"] = {"phase": "Ready", "artifact": artifact.to_wire(), "conditions": [told] * 6}
    claim = workspace_claim(job)
    owners = (training_job(job, IMAGE), deployment(job, artifact, IMAGE))
    yield resource
    for child in (config_map(job), service(job, job.run_id), *([claim] if claim else []), *owners):
        yield {**child, "status": {"conditions": [told] * 2, "observedGeneration": 1, "replicas": 1}}
    for owner in owners:
        yield pod_of(owner)


def pod_of(owner: Manifest) -> Manifest:
    """Return a pod as its owner's template and the kubelet make it."""
    template, uid = owner["spec"]["template"], f"uid-{owner['metadata']['name']}"
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": "n", "uid": uid, "controller": True}
    container = {
        "name": template["spec"]["containers"][0]["name"],
        "image": IMAGE,
        "imageID": "sha256:" + "b" * 64,
        "containerID": "containerd://" + "c" * 64,
        "state": {"terminated": {"exitCode": 0, "message": "m" * 1500, "finishedAt": TIME}},
        "volumeMounts": template["spec"]["containers"][0]["volumeMounts"],
        "resources": template["spec"]["containers"][0]["resources"],
    }
    conditions = [{"type": kind, "status": "True", "lastTransitionTime": TIME} for kind in CONDITIONS]
    metadata = {**template["metadata"], "name": f"{owner['metadata']['name']}-x", "namespace": "default"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**metadata, "ownerReferences": [reference]},
        "spec": {**template["spec"], "nodeName": "node-1", "schedulerName": "default-scheduler"},
        "status": {"phase": "Running", "podIP": "10.0.0.1", "conditions": conditions, "containerStatuses": [container]},
    }


def as_sent(manifest: Manifest) -> Manifest:
    """Return the object as it is parsed from one line of a watch: sharing nothing with any other."""
    head = {"uid": f"uid-{manifest['metadata']['name']}", "resourceVersion": "7", "creationTimestamp": TIME}
    fields = {"f:spec": {f"f:{key}": {} for key in _keys(manifest.get("spec") or {})}}
    managed = [{"manager": "finetune-operator", "operation": "Apply", "time": TIME, "fieldsV1": fields}]
    sent: Manifest = json.loads(
        json.dumps({**manifest, "metadata": {**head, **manifest["metadata"], "managedFields": managed}})
    )
    return sent


def _keys(data: Any) -> Iterator[str]:
    for key, value in data.items() if isinstance(data, dict) else ():
        yield key
        yield from _keys(value)


def memory_mib() -> float:
    """Return this process's anonymous memory."""
    gc.collect()
    with Path("/proc/self/status").open(encoding="ascii") as status:
        line = next(line for line in status if line.startswith("RssAnon"))
    return int(line.split()[1]) / MIB


def measure(*, cached: bool) -> float:
    """Return MiB that 1,000 jobs take, in the cache or as they come."""
    cache, kept = Cache(lambda _: None), []
    before = memory_mib()
    for number in range(JOBS):
        for manifest in map(as_sent, objects(number)):
            if cached:
                cache.put(manifest)
            else:
                kept.append(manifest)
    return memory_mib() - before


def main() -> int:
    """Measure both in processes of their own; print a table."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        whole = pool.apply(measure, kwds={"cached": False})
        cached = pool.apply(measure, kwds={"cached": True})
    print(f"| objects of {JOBS:,} served jobs | MiB |\n|---|---|")
    print(f"| as they are sent | {whole:.0f} |\n| in the cache | {cached:.0f} |")
    return int(cached > MOST_MIB)


if __name__ == "__main__":
    sys.exit(main())
