"""Why a pod does not run is on the resource within seconds, in words that say what to do."""

import time

import pytest

from tests.builders import Manifest
from tests.integration.operator.workbench import Workbench

pytestmark = pytest.mark.cluster

WITHIN_SECONDS = 10


def reason_appears(bench: Workbench, reason: str, since: float) -> str:
    message: str = bench.wait(reason=reason)["message"]
    assert time.monotonic() - since < WITHIN_SECONDS
    assert reason in bench.until(bench.events, lambda events: reason in events, 3)
    return message


def kubelet_says(bench: Workbench, pod: Manifest, reason: str, message: str) -> None:
    """Report an Event about the pod, as the kubelet does."""
    reference = {"kind": "Pod", "name": pod["metadata"]["name"], "namespace": bench.namespace}
    bench.apply(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{pod['metadata']['name']}.1", "namespace": bench.namespace},
            "involvedObject": {**reference, "uid": pod["metadata"]["uid"]},
            "type": "Warning",
            "reason": reason,
            "message": message,
            "lastTimestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
    )


def test_no_node(bench: Workbench) -> None:
    started = time.monotonic()
    bench.submit()
    assert "No node fits" in reason_appears(bench, "Unschedulable", started)


@pytest.mark.parametrize("waiting", ["ErrImagePull", "ImagePullBackOff"])
def test_image_that_cannot_be_pulled(bench: Workbench, waiting: str) -> None:
    bench.submit(compute={"image": "nowhere/trainer:1"})
    pod = bench.wait_for_pod()
    started = time.monotonic()
    bench.bind(pod)
    state = {"waiting": {"reason": waiting, "message": 'rpc error: "nowhere/trainer:1": not found'}}
    container = {"name": "trainer", "image": "nowhere/trainer:1", "imageID": "", "ready": False, "restartCount": 0}
    bench.set_status("pod", pod["metadata"]["name"], {"containerStatuses": [{**container, "state": state}]})
    message = reason_appears(bench, "ImagePullFailed", started)
    assert "nowhere/trainer:1" in message
    assert "spec.compute.image" in message


def test_missing_secret(bench: Workbench) -> None:
    bench.submit()
    pod = bench.wait_for_pod()
    started = time.monotonic()
    bench.bind(pod)
    kubelet_says(bench, pod, "FailedMount", 'MountVolume.SetUp failed for volume "x": secret "s3" not found')
    message = reason_appears(bench, "SecretNotFound", started)
    assert "Secret s3 (spec.model.secretRef, spec.dataset.secretRef, spec.output.secretRef)" in message


def test_quota(bench: Workbench) -> None:
    bench.kubectl("create", "quota", "no-pods", "--hard=pods=0")
    started = time.monotonic()
    bench.submit()
    assert "no-pods" in reason_appears(bench, "QuotaExceeded", started)


def test_quota_on_the_job_itself(bench: Workbench) -> None:
    bench.kubectl("create", "quota", "no-jobs", "--hard=count/jobs.batch=0")
    time.sleep(0.5)
    started = time.monotonic()
    bench.submit()
    message = reason_appears(bench, "QuotaExceeded", started)
    assert message.startswith("Job job-")
    assert bench.writes_in(4) == {}
    bench.kubectl("delete", "quota", "no-jobs")
    bench.until(lambda: bench.get("jobs"), len, 30)


def test_pod_security(bench: Workbench) -> None:
    bench.kubectl("label", "namespace", bench.namespace, "pod-security.kubernetes.io/enforce=restricted")
    bench.submit()
    bench.wait(reason="Unschedulable")
    bench.wait_for_pod()


def test_name_of_somebody_else_is_reported_and_left_alone(bench: Workbench) -> None:
    bench.kubectl("create", "configmap", "probe")
    bench.submit(suspend=True)
    run_id = bench.wait(phase="Suspended")["run"]["id"]
    bench.kubectl("create", "configmap", f"job-{run_id}", "--from-literal=mine=yes")
    started = time.monotonic()
    bench.edit("job", suspend=False)
    message = reason_appears(bench, "NameConflict", started)
    assert f"ConfigMap job-{run_id}" in message
    assert bench.get("configmap", f"job-{run_id}")["data"] == {"mine": "yes"}
    assert bench.get("jobs") == []
    assert bench.writes_in(4) == {}
    bench.kubectl("delete", "configmap", f"job-{run_id}")
    bench.wait_for_pod()
