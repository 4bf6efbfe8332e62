"""Edits of a live FineTuneJob on a real API server."""

import pytest

from tests.integration.operator.runs import success
from tests.integration.operator.test_lifecycle import published
from tests.integration.operator.workbench import Workbench

pytestmark = pytest.mark.cluster


def test_new_inputs_stop_the_old_pod_before_the_new_one_starts(bench: Workbench) -> None:
    bench.submit()
    first = bench.wait(reason="Unschedulable")["run"]["id"]
    bench.run_pod(bench.wait_for_pod())
    bench.wait(phase="Training")
    bench.edit("job", training={"learningRate": 0.001})
    status = bench.wait(reason="StoppingPreviousRun")
    assert status["run"]["id"] != first
    # The old pod takes its time to write a checkpoint: nothing may start meanwhile.
    assert bench.writes_in(4) == {}
    assert len(bench.get("pods")) == 1
    bench.reap()
    pod = bench.wait_for_pod(f"job-{status['run']['id']}")
    assert pod["metadata"]["labels"]["finetune.dev/run"] == status["run"]["id"]
    assert [job["metadata"]["name"] for job in bench.get("jobs")] == [f"job-{status['run']['id']}"]
    assert "RunSuperseded" in bench.events()


def test_more_memory_launches_the_same_run_anew(bench: Workbench) -> None:
    bench.submit()
    first = bench.wait(reason="Unschedulable")["run"]
    before = bench.get("jobs")[0]["metadata"]
    bench.edit("job", compute={"memory": "6Gi"})
    bench.until(
        lambda: [job["metadata"]["uid"] for job in bench.get("jobs")], lambda uids: uids != [before["uid"]] and uids
    )
    status = bench.wait(reason="Unschedulable")
    assert status["run"]["id"] == first["id"]
    assert status["run"]["launch"] != first["launch"]
    assert bench.get("jobs")[0]["metadata"]["name"] == before["name"]


def test_suspended_job_stops_its_pod_and_resumes(bench: Workbench) -> None:
    bench.submit()
    bench.wait(reason="Unschedulable")
    bench.run_pod(bench.wait_for_pod())
    bench.wait(phase="Training")
    bench.edit("job", suspend=True)
    bench.wait(phase="Suspended")
    bench.until(lambda: bench.get("pods"), lambda pods: all("deletionTimestamp" in p["metadata"] for p in pods))
    bench.reap()
    bench.until(bench.status, lambda status: all(c["type"] != "Reconciling" for c in status["conditions"]))
    bench.edit("job", suspend=False)
    bench.wait_for_pod()
    bench.wait(phase="Pending")


def test_job_that_starts_suspended_makes_nothing_until_it_is_let_go(bench: Workbench) -> None:
    bench.submit(suspend=True)
    bench.wait(phase="Suspended")
    assert bench.get("jobs") == bench.get("persistentvolumeclaims") == []
    bench.edit("job", suspend=False)
    bench.wait_for_pod()


def test_going_back_to_the_published_inputs_trains_nothing(bench: Workbench) -> None:
    before = published(bench)
    bench.wait(phase="Succeeded")
    bench.edit("job", training={"learningRate": 0.001})
    bench.wait(reason="Unschedulable")
    bench.edit("job", training={"learningRate": None})
    status = bench.wait(phase="Succeeded")
    bench.until(lambda: [job["metadata"]["name"] for job in bench.get("jobs")], lambda names: len(names) == 1)
    assert status["artifact"] == before["artifact"]
    assert status["score"] == "0.900 (base 0.500)"


def test_retries_and_deadline_reach_the_live_job(bench: Workbench) -> None:
    bench.submit(ttlSecondsAfterFinished=60)
    bench.wait(reason="Unschedulable")
    bench.edit("job", maxRetries=9, activeDeadlineSeconds=600)

    def fields() -> list[int | None]:
        spec = bench.get("jobs")[0]["spec"]
        return [spec.get(name) for name in ("backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished")]

    # The pod waits, which is not counted.
    bench.until(fields, lambda found: found == [9, None, None])
    bench.run_pod(bench.wait_for_pod())
    _, deadline, _ = bench.until(fields, lambda found: found[1] is not None)
    assert deadline is not None
    assert 600 <= deadline < 660
    assert len(bench.get("jobs")) == 1


def test_deadline_ends_the_run_and_a_longer_one_resumes_it(bench: Workbench) -> None:
    bench.submit(activeDeadlineSeconds=3)
    first = bench.wait_for_pod()
    bench.run_pod(first)
    bench.until(lambda: [p for p in bench.get("pods") if p["metadata"].get("deletionTimestamp")], len)
    bench.reap()
    assert bench.wait(phase="Failed", reason="DeadlineExceeded")["run"]["activeSeconds"] >= 3
    bench.edit("job", activeDeadlineSeconds=2)
    generation = bench.get("ftj", "job")["metadata"]["generation"]
    status = bench.until(bench.status, lambda status: status["observedGeneration"] == generation)
    assert "activeDeadlineSeconds (3)" in status["message"]
    assert status["phase"] == "Failed"
    bench.edit("job", activeDeadlineSeconds=3600)
    status = bench.wait(reason="Unschedulable")
    pod = bench.wait_for_pod()
    bench.run_pod(pod)
    bench.end_pod(pod, 0, success(status))
    bench.wait(phase="Succeeded")


def test_job_whose_labels_are_taken_stays_the_only_one(bench: Workbench) -> None:
    bench.submit()
    first = bench.wait(reason="Unschedulable")
    pod = bench.wait_for_pod()
    bench.run_pod(pod)
    bench.wait(phase="Training")
    (job,) = bench.get("jobs")
    for kind in ("job", "pod"):
        bench.kubectl(
            "label", kind, "--all", "app.kubernetes.io/managed-by-", "finetune.dev/job-uid=gone", "--overwrite"
        )
    assert bench.writes_in(7) == {}
    # What is not watched any more is not forgotten, be it by an operator that has just started.
    bench.operator.kill()
    bench.operator.start()
    assert bench.writes_in(2) == {}
    bench.edit("job", training={"learningRate": 0.001})
    bench.wait(reason="StoppingPreviousRun")
    assert "create/Job" not in bench.writes_in(3)
    assert [found["metadata"]["uid"] for found in bench.get("jobs")] in ([], [job["metadata"]["uid"]])
    bench.reap()
    second = bench.wait(reason="Unschedulable", timeout_seconds=20)
    assert second["run"]["id"] != first["run"]["id"]
    assert len(bench.get("jobs")) == 1


def test_run_whose_labels_are_taken_is_published(bench: Workbench) -> None:
    bench.submit()
    status = bench.wait(reason="Unschedulable")
    pod = bench.wait_for_pod()
    for kind in ("job", "pod", "configmap", "pvc"):
        bench.kubectl(
            "label", kind, "--all", "app.kubernetes.io/managed-by=policy", "finetune.dev/job-uid-", "--overwrite"
        )
    bench.operator.kill()
    bench.operator.start()
    bench.run_pod(pod)
    bench.end_pod(pod, 0, success(status))
    assert bench.wait(phase="Succeeded", timeout_seconds=20)["run"]["id"] == status["run"]["id"]
    assert len(bench.get("jobs")) == 1
