"""Ends of pods that a Job alone would judge wrongly, with the real Job controller."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from finetune_api.failures import FailureClass
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import timestamp
from finetune_operator.resource.containers import TRAINER
from tests.integration.operator.runs import failure
from tests.integration.operator.workbench import Workbench

pytestmark = pytest.mark.cluster

NO_DEVICE = "Pod was rejected: Allocate failed due to requested number of devices unavailable for nvidia.com/gpu."
HUNGRY = (
    "The node was low on resource: ephemeral-storage. Threshold quantity: 10Gi, available: 9Gi. Container trainer was"
    " using 80Gi, request is 0, has larger consumption of ephemeral-storage. "
)


def start(bench: Workbench, **spec: object) -> Manifest:
    """Submit a job and return its pod, which has a node."""
    bench.submit(**spec)
    pod = bench.wait_for_pod()
    bench.bind(pod)
    return pod


def test_pod_that_its_node_turns_away_is_made_again_even_where_no_retry_is_left(bench: Workbench) -> None:
    pod = start(bench, maxRetries=0)
    status = {"phase": "Failed", "reason": "UnexpectedAdmissionError", "message": NO_DEVICE}
    bench.set_status("pod", pod["metadata"]["name"], status)
    bench.wait(phase="Pending", reason="PodRejected")
    assert bench.wait_for_pod(but=pod["metadata"]["name"])
    assert bench.status()["run"]["attempt"] == 0


def test_eviction_for_what_the_pod_used_itself_is_not_repeated_for_ever(bench: Workbench) -> None:
    pod = start(bench, maxRetries=0)
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": HUNGRY}
    killed = {TRAINER: {"terminated": {"exitCode": 137, "reason": "Error"}}}
    bench.report_pod(pod, killed, phase="Failed", reason="Evicted", message=HUNGRY, conditions=[condition])
    told = bench.wait(phase="Failed", reason="EphemeralStorageExceeded")
    assert "Gave up after 1 attempt." in told["message"]
    bench.until(lambda: bench.get("jobs")[0]["spec"], lambda spec: spec["suspend"])
    bench.until(
        lambda: [found["metadata"]["name"] for found in bench.get("pods") if found["status"]["phase"] == "Failed"],
        lambda names: names == [pod["metadata"]["name"]],
    )
    bench.edit("job", maxRetries=1)
    assert bench.wait_for_pod(but=pod["metadata"]["name"])
    assert bench.status()["run"]["attempt"] == 1


def test_failure_that_a_sidecar_hides_reaches_its_job(bench: Workbench) -> None:
    pod = start(bench)
    status = bench.status()
    report = json.dumps(failure(status, FailureClass.BAD_DATA, "line 3.").to_wire())
    finished = timestamp(datetime.now(UTC) - timedelta(minutes=1))
    ended = {"terminated": {"exitCode": 65, "finishedAt": finished, "message": report}}
    bench.report_pod(pod, {TRAINER: ended, "istio-proxy": {"running": {}}}, phase="Running")
    name = pod["metadata"]["name"]
    bench.until(lambda: bench.get("pod", name), lambda found: "deletionTimestamp" in found["metadata"])
    bench.set_status("pod", name, {"phase": "Failed"})
    assert bench.wait(phase="Failed", reason="BadData")["message"].startswith("line 3. ")
    assert "ContainerOutlives" in bench.events()
