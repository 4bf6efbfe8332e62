"""What happens when pods and operators die in the middle of a training."""

import json
from collections.abc import Callable

import pytest

from demo.inputs import s3_client
from demo.install import NAMESPACE as OPERATOR_NAMESPACE
from tests.builders import Manifest
from tests.e2e.lifecycle.conftest import Bench, Status, phase_is, until

pytestmark = [pytest.mark.cluster, pytest.mark.e2e]

LONG = {"training": {"epochs": 12, "batchSize": 8, "checkpointIntervalSteps": 20, "loggingIntervalSteps": 5}}


def has_trained(steps: int) -> Callable[[Status], bool]:
    return lambda status: status.get("progress", {}).get("step", 0) >= steps


def published_weights(bench: Bench, status: Status) -> str:
    assert bench.cluster.s3 is not None
    bucket, _, prefix = status["artifact"]["uri"].removeprefix("s3://").partition("/")
    body = s3_client(bench.cluster.s3).get_object(Bucket=bucket, Key=f"{prefix}/finetune-manifest.json")["Body"].read()
    return next(file["sha256"] for file in json.loads(body)["files"] if file["path"] == "model.safetensors")


def test_killed_pod_resumes_to_the_same_weights(bench: Bench, job: Callable[..., Manifest]) -> None:
    calm = bench.apply(job("-calm", **LONG))
    undisturbed = bench.wait(calm, phase_is("Succeeded", "Failed"), 180)
    disturbed = bench.apply(job("-hit", **LONG))
    bench.wait(disturbed, has_trained(60))
    (pod,) = bench.objects("pods", disturbed)
    bench.cluster.run_kubectl("delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force")
    status = bench.wait(disturbed, phase_is("Succeeded", "Failed"), 180)
    assert status["phase"] == undisturbed["phase"] == "Succeeded", status
    assert status["run"]["resumedFromStep"] >= 20
    assert status["metrics"]["train"]["loss"] == undisturbed["metrics"]["train"]["loss"]
    assert published_weights(bench, status) == published_weights(bench, undisturbed)


def test_killed_operator_changes_nothing(bench: Bench, job: Callable[..., Manifest]) -> None:
    name = bench.apply(job(**LONG))
    bench.wait(name, has_trained(20))
    before = {item["metadata"]["uid"] for item in bench.objects("jobs", name) + bench.objects("pods", name)}
    pods = ["-n", OPERATOR_NAMESPACE, "delete", "pods", "-l", "app.kubernetes.io/name=finetune-operator"]
    bench.cluster.run_kubectl(*pods, "--grace-period=0", "--force")
    status = bench.wait(name, phase_is("Succeeded", "Failed"), 180)
    after = {item["metadata"]["uid"] for item in bench.objects("jobs", name) + bench.objects("pods", name)}
    assert status["phase"] == "Succeeded", status
    assert after == before
    reasons = [event["reason"] for event in bench.events(name)]
    assert reasons.count("RunStarted") == 1


def test_deletion_leaves_only_what_was_published(bench: Bench, job: Callable[..., Manifest]) -> None:
    name = bench.apply(job(**LONG))
    bench.wait(name, has_trained(10))
    bench.cluster.run_kubectl("delete", "finetunejob", name, "--wait=false")
    kinds = "jobs,pods,configmaps,persistentvolumeclaims,deployments,services"
    until(lambda: bench.objects(kinds, name), lambda left: not left, 30)


def test_suspended_job_stops_and_resumes(bench: Bench, job: Callable[..., Manifest]) -> None:
    name = bench.apply(job(**LONG))
    bench.wait(name, has_trained(10))
    bench.cluster.run_kubectl("patch", "ftj", name, "--type=merge", "-p", '{"spec":{"suspend":true}}')
    bench.wait(name, phase_is("Suspended"))
    until(lambda: bench.objects("pods", name), lambda pods: not pods, 30)
    bench.cluster.run_kubectl("patch", "ftj", name, "--type=merge", "-p", '{"spec":{"suspend":false}}')
    status = bench.wait(name, phase_is("Succeeded", "Failed"), 180)
    assert status["phase"] == "Succeeded", status
    assert status["run"]["resumedFromStep"] >= 10


@pytest.mark.slow
def test_edited_inputs_supersede_a_live_run(bench: Bench, job: Callable[..., Manifest]) -> None:
    manifest = job(**LONG)
    name = bench.apply(manifest)
    first = bench.wait(name, has_trained(10))["run"]["id"]
    manifest["spec"]["training"]["epochs"] = 1
    bench.apply(manifest)
    most = 0

    def finished(status: Status) -> bool:
        nonlocal most
        most = max(most, len(bench.objects("pods", name)))
        return status.get("run", {}).get("id") != first and status.get("phase") in {"Succeeded", "Failed"}

    status = bench.wait(name, finished, 180)
    assert status["phase"] == "Succeeded", status
    assert most == 1
