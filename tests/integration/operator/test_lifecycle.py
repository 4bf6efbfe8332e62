"""A FineTuneJob's life on a real API server, from apply to published and served."""

import json

import pytest

from finetune_api.failures import FailureClass
from finetune_api.handoff import Stage
from tests.integration.operator.runs import failure, progress, success
from tests.integration.operator.workbench import Workbench

pytestmark = pytest.mark.cluster


def published(bench: Workbench, name: str = "job", digest: str = "a", **spec: object) -> dict:
    """Bring a job to its end and return its status."""
    bench.submit(name, **spec)
    status = bench.wait(name, phase="Pending")
    pod = bench.wait_for_pod(name)
    bench.run_pod(pod)
    bench.end_pod(pod, 0, success(status, digest=digest))
    return bench.until(lambda: bench.status(name), lambda status: "artifact" in status)


def live_pods(bench: Workbench) -> list[dict]:
    return [pod for pod in bench.get("pods") if pod["status"]["phase"] in ("Pending", "Running")]


def test_job_is_trained_evaluated_and_published(bench: Workbench) -> None:
    bench.submit()
    status = bench.wait(phase="Pending", reason="Unschedulable")
    pod = bench.wait_for_pod()
    address, tell = bench.serve_progress(progress(status, Stage.TRAIN, 30, loss=0.7, eta_seconds=12))
    bench.run_pod(pod, address)
    status = bench.wait(phase="Training", reason="Training")
    status = bench.until(bench.status, lambda status: "progress" in status)
    assert status["progress"]["display"] == "30/200 15%"
    assert status["progress"]["eta"] == "12s"
    tell(progress(status, Stage.EVALUATE, 200))
    bench.wait(phase="Evaluating")
    tell(progress(status, Stage.PUSH, 200))
    bench.wait(phase="Publishing")
    bench.end_pod(pod, 0, success(status))
    status = bench.wait(phase="Succeeded")
    assert status["score"] == "0.900 (base 0.500)"
    assert {c["type"] for c in status["conditions"] if c["status"] == "True"} == {
        "Trained",
        "Evaluated",
        "Published",
        "Succeeded",
        "Ready",
    }
    bench.until(lambda: bench.get("jobs")[0]["status"].get("succeeded"), lambda count: count == 1)
    assert bench.events() == ["RunStarted", "Unschedulable", "Trained", "Evaluated", "Published"]


def test_submitting_costs_at_most_five_writes_before_the_pod_and_idling_none(bench: Workbench) -> None:
    bench.submit()
    bench.wait(reason="Unschedulable")
    writes = bench.operator.writes()
    # ConfigMap, claim, Job, status and Event; then the pod's reason is told: one status and one Event more.
    assert writes == {
        "create/ConfigMap": 1,
        "create/PersistentVolumeClaim": 1,
        "create/Job": 1,
        "status/FineTuneJob": 2,
        "create/Event": 2,
    }
    assert bench.writes_in(8) == {}


def test_condition_of_another_controller_stays_without_a_fight(bench: Workbench) -> None:
    bench.submit()
    bench.wait(reason="Unschedulable")
    time = "2026-01-01T00:00:00Z"
    foreign = {"type": "Accepted", "status": "True", "reason": "Checked", "message": "", "lastTransitionTime": time}
    added = [{"op": "add", "path": "/status/conditions/1", "value": foreign}]
    bench.kubectl("patch", "ftj", "job", "--subresource=status", "--type=json", "-p", json.dumps(added))
    assert bench.writes_in(3) == {}
    bench.run_pod(bench.wait_for_pod())
    status = bench.wait(phase="Training")
    assert status["conditions"][1] == foreign
    bench.end_pod(bench.wait_for_pod(), 0, success(status))
    assert foreign in bench.wait(phase="Succeeded")["conditions"]


def test_bad_data_fails_at_once_and_says_why(bench: Workbench) -> None:
    bench.submit()
    status = bench.wait(reason="Unschedulable")
    pod = bench.wait_for_pod()
    bench.run_pod(pod)
    bench.end_pod(pod, 65, failure(status, FailureClass.BAD_DATA, "train.csv, line 3: no label; add one."))
    status = bench.wait(phase="Failed", reason="BadData")
    assert status["message"].startswith("train.csv, line 3: no label; add one.")
    assert status["run"]["finishedAt"]
    assert bench.events()[-1] == "BadData"
    assert len(bench.get("pods")) == 1


def test_failed_pods_are_retried_counted_and_explained(bench: Workbench) -> None:
    bench.submit(maxRetries=1)
    status = bench.wait(reason="Unschedulable")
    first = bench.wait_for_pod()
    bench.run_pod(first)
    bench.end_pod(first, 69, failure(status, FailureClass.UNAVAILABLE, "s3 does not answer."))
    status = bench.wait(reason="Retrying")
    assert status["message"] == "s3 does not answer. Attempt 2 of 2 follows."
    assert status["run"]["attempt"] == 1
    second = bench.until(lambda: live_pods(bench), len, 30)[0]
    bench.run_pod(second)
    bench.end_pod(second, 69, failure(status, FailureClass.UNAVAILABLE, "s3 does not answer."))
    status = bench.wait(phase="Failed")
    assert status["reason"] == "Unavailable"
    assert status["message"].startswith("s3 does not answer. Gave up after 2 attempts.")
    assert [reason for reason in bench.events() if reason not in ("Unschedulable", "VolumeNotReady")] == [
        "RunStarted",
        "Retrying",
        "Unavailable",
    ]


def test_preempted_pod_is_replaced_and_not_counted(bench: Workbench) -> None:
    bench.submit(maxRetries=0)
    status = bench.wait(reason="Unschedulable")
    pod = bench.wait_for_pod()
    bench.run_pod(pod)
    bench.end_pod(pod, 143, failure(status, FailureClass.PREEMPTED, "stopped; checkpoint 40 is saved."))
    (replacement,) = bench.until(lambda: live_pods(bench), len, 30)
    assert replacement["metadata"]["name"] != pod["metadata"]["name"]
    assert bench.status()["run"]["attempt"] == 0


def test_job_removed_by_ttl_is_not_made_again(bench: Workbench) -> None:
    status = published(bench, ttlSecondsAfterFinished=0)
    bench.until(lambda: bench.get("jobs"), lambda jobs: not jobs)
    assert bench.writes_in(7) == {}
    assert bench.status()["phase"] == "Succeeded"
    assert bench.status()["artifact"] == status["artifact"]


def test_end_that_nobody_saw_is_found_out_by_launching_again(bench: Workbench) -> None:
    bench.submit()
    status = bench.wait(reason="Unschedulable")
    pod = bench.wait_for_pod()
    bench.run_pod(pod)
    bench.operator.kill()
    bench.end_pod(pod, 0, success(status))
    bench.until(lambda: bench.get("jobs")[0]["status"].get("succeeded"), lambda count: count == 1)
    bench.kubectl("delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force")
    bench.operator.start()
    second = bench.wait_for_pod(but=pod["metadata"]["name"])
    bench.run_pod(second)
    bench.end_pod(second, 0, success(status))
    bench.wait(phase="Succeeded")
    assert "Relaunched" in bench.events()


def test_deleted_resource_takes_everything_along(bench: Workbench) -> None:
    published(bench, serving={"enabled": True})
    bench.until(lambda: bench.get("deployments"), len)
    bench.kubectl("delete", "ftj", "job")

    def left() -> list[str]:
        bench.reap()
        kinds = "jobs,pods,configmaps,persistentvolumeclaims,deployments,services"
        selector = "app.kubernetes.io/managed-by=finetune-operator"
        return bench.kubectl("get", kinds, "-l", selector, "-o", "name").split()

    bench.until(left, lambda names: not names, 30)
    assert bench.writes_in(3) == {}


def test_job_deleted_while_it_runs_is_made_again(bench: Workbench) -> None:
    bench.submit()
    bench.wait(reason="Unschedulable")
    pod = bench.wait_for_pod()
    bench.run_pod(pod)
    bench.wait(phase="Training")
    job = bench.get("jobs")[0]
    bench.kubectl("delete", "job", job["metadata"]["name"], "--wait=false")
    bench.wait(reason="StoppingPreviousRun")
    assert bench.get("jobs") == []
    bench.reap()
    bench.until(lambda: bench.get("jobs"), len)
    assert bench.get("jobs")[0]["metadata"]["uid"] != job["metadata"]["uid"]


def test_deleted_resource_that_a_finalizer_keeps_stops_working(bench: Workbench) -> None:
    bench.submit()
    bench.run_pod(bench.wait_for_pod())
    bench.wait(phase="Training")
    keep = '{"metadata":{"finalizers":["example.com/backup"]}}'
    bench.kubectl("patch", "ftj", "job", "--type=merge", "-p", keep)
    bench.kubectl("delete", "ftj", "job", "--wait=false")
    assert "example.com/backup" in bench.wait(phase="Terminating", reason="HeldByFinalizer")["message"]
    bench.reap()
    bench.until(lambda: [*bench.get("jobs"), *bench.get("pods")], lambda left: not left)
    bench.kubectl("patch", "ftj", "job", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    bench.until(lambda: bench.get("ftj"), lambda left: not left)


def test_workspace_of_a_published_run_is_deleted_and_claimed_anew(bench: Workbench) -> None:
    published(bench, workspaceTTLSecondsAfterFinished=0)
    bench.until(lambda: bench.get("persistentvolumeclaims"), lambda claims: claims == [])
    assert "workspace" not in bench.status()
    # Without a volume, another kind of volume may be asked for.
    bench.edit("job", storage={"size": "2Gi"}, training={"seed": 1})
    bench.wait(reason="Unschedulable")
    (claim,) = bench.get("persistentvolumeclaims")
    assert claim["spec"]["resources"]["requests"]["storage"] == "2Gi"
