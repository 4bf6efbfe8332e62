"""What ends a pod from outside comes before its exit code; what its node turns away is launched again for free."""

from datetime import timedelta

import pytest

from finetune_api.failures import FailureClass
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import timestamp
from finetune_operator.resource.containers import TRAINER
from tests.unit.operator.builders import NOW, Scene, is_idle, kinds, reasons

KILLED = {"name": TRAINER, "state": {"terminated": {"exitCode": 137, "reason": "Error"}}}
HUNGRY = (
    "The node was low on resource: ephemeral-storage. Threshold quantity: 10Gi, available: 9Gi. Container trainer was"
    " using 80Gi, request is 0, has larger consumption of ephemeral-storage. "
)
NO_DEVICE = (
    "Pod was rejected: Allocate failed due to requested number of devices unavailable for nvidia.com/gpu. Requested: 1,"
    " Available: 0, which is unexpected"
)


def disrupted(reason: str, message: str) -> Manifest:
    """Return the conditions of a pod that was disrupted."""
    return {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message}]}


def evicted(message: str, *, by_pressure: bool = True) -> Manifest:
    """Return the status that the kubelet gives an evicted pod."""
    condition = disrupted("TerminationByKubelet", message) if by_pressure else {}
    return {"phase": "Failed", "reason": "Evicted", "message": message, "containerStatuses": [KILLED], **condition}


@pytest.mark.parametrize(
    ("status", "words"),
    [
        pytest.param(
            evicted("The node was low on resource: memory. Threshold quantity: 100Mi, available: 64Mi. "),
            "was evicted: The node was low on resource: memory.",
            id="pressure-of-others",
        ),
        pytest.param(
            disrupted("PreemptionByScheduler", "default-scheduler: preempting to accommodate a higher priority pod"),
            "was preempted by a pod of higher priority: default-scheduler",
            id="preempted",
        ),
        pytest.param(
            disrupted("EvictionByEvictionAPI", "Eviction API: evicting"), "as when its node is drained", id="drained"
        ),
        pytest.param(
            disrupted("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint"),
            "its node does not answer or has a taint that it does not tolerate",
            id="taint",
        ),
        pytest.param(
            disrupted("DeletionByPodGC", "PodGC: node no longer exists"), "its node no longer exists", id="node-gone"
        ),
        pytest.param(
            {
                "reason": "Terminated",
                "message": "Pod was terminated in response to imminent node shutdown.",
                **disrupted("TerminationByKubelet", "Pod was terminated in response to imminent node shutdown."),
            },
            "its node shuts down",
            id="shutdown",
        ),
        pytest.param(
            {"reason": "Preempting", "message": "Preempted in order to admit critical pod"},
            "give way to a critical pod",
            id="critical-pod",
        ),
        pytest.param(
            {"reason": "DeadlineExceeded", "message": "Pod was active on the node longer than the specified deadline"},
            "activeDeadlineSeconds of the pod itself",
            id="deadline-of-the-pod",
        ),
    ],
)
def test_what_happened_to_the_pod_comes_before_its_exit_code(status: Manifest, words: str) -> None:
    scene = Scene()
    scene.act()
    scene.pod(**{"phase": "Failed", "containerStatuses": [KILLED], **status})
    scene.act()
    assert words in scene.status["message"], scene.status["message"]
    assert "spec.compute.memory" not in scene.status["message"]


@pytest.mark.parametrize(
    ("finished_seconds", "deleted"), [(None, True), (20, True), (-60, False)], ids=["unknown", "after", "before"]
)
def test_pod_that_somebody_deletes_has_not_run_out_of_memory(finished_seconds: int | None, deleted: bool) -> None:
    scene = Scene()
    scene.act()
    end = {} if finished_seconds is None else {"finishedAt": timestamp(NOW + timedelta(seconds=finished_seconds))}
    pod = scene.ended_pod(137, reason="Error", **end)
    pod["metadata"] |= {
        "deletionTimestamp": timestamp(NOW + timedelta(seconds=30)),
        "deletionGracePeriodSeconds": 30,
    }
    scene.act()
    assert ("was deleted while it worked" in scene.status["message"]) is deleted
    assert ("spec.compute.memory" in scene.status["message"]) is not deleted


def test_what_the_trainer_knows_itself_comes_before_all() -> None:
    scene = Scene()
    scene.act()
    pod = scene.ended_pod(65, scene.report(FailureClass.BAD_DATA, "line 3."))
    pod["status"] |= disrupted("EvictionByEvictionAPI", "Eviction API: evicting")
    scene.act()
    assert scene.status["message"].startswith("line 3.")


def test_preempted_run_resumes_and_says_so() -> None:
    scene = Scene()
    scene.act()
    pod = scene.ended_pod(143, scene.report(FailureClass.PREEMPTED, "told to stop; saved a checkpoint at step 40."))
    pod["status"] |= disrupted("EvictionByEvictionAPI", "Eviction API: evicting")
    plan = scene.act()
    assert scene.status["reason"] == "Resuming"
    assert "saved a checkpoint at step 40. The run resumes, and this is not counted." in scene.status["message"]
    assert reasons(plan) == ["Resuming"]
    assert scene.status["run"]["attempt"] == 0


def test_resume_of_a_suspended_run_is_no_retry() -> None:
    scene = Scene()
    scene.act()
    scene.running_pod()
    scene.act()
    scene.edit(suspend=True).act()
    scene.remove(scene.one("Pod"))
    scene.ended_pod(143, scene.report(FailureClass.PREEMPTED, "told to stop."))
    scene.act()
    assert scene.status["phase"] == "Suspended"
    scene.edit(suspend=False)
    for _ in range(2):
        scene.act()
        assert (scene.status["phase"], scene.status["reason"]) == ("Pending", "Resuming")
        scene.children = [child for child in scene.children if child["kind"] != "Pod"]


def test_run_that_was_suspended_before_it_began_does_not_resume() -> None:
    scene = Scene(suspend=True)
    scene.act()
    scene.edit(suspend=False).act()
    assert scene.status["reason"] == "CreatingPod"


@pytest.mark.parametrize(
    ("message", "by_pressure", "reason", "words"),
    [
        pytest.param(
            HUNGRY, True, "EphemeralStorageExceeded", "Raise spec.compute.ephemeralStorage, which also", id="pressure"
        ),
        pytest.param(
            "Pod ephemeral local storage usage exceeds the total limit of containers 10Gi. ",
            False,
            "EphemeralStorageExceeded",
            "spec.compute.ephemeralStorage",
            id="limit-of-the-pod",
        ),
        pytest.param(
            'Container trainer exceeded its local ephemeral storage limit "10Gi". ',
            False,
            "EphemeralStorageExceeded",
            "spec.compute.ephemeralStorage",
            id="limit-of-the-container",
        ),
        pytest.param(
            'Usage of EmptyDir volume "scratch" exceeds the limit "1Gi". ',
            False,
            "EphemeralStorageExceeded",
            'EmptyDir volume "scratch"',
            id="limit-of-a-volume",
        ),
        pytest.param(
            'Usage of EmptyDir volume "shared-memory" exceeds the limit "1Gi". ',
            False,
            "OutOfMemory",
            "Raise spec.compute.sharedMemory (it is 1Gi)",
            id="shared-memory",
        ),
        pytest.param(
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 64Mi. Container trainer was"
            " using 5Gi, request is 4Gi, has larger consumption of memory. ",
            True,
            "OutOfMemory",
            "Raise spec.compute.memory (it is 4Gi)",
            id="memory",
        ),
        pytest.param(
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 64Mi. Container istio-proxy"
            " was using 500Mi, request is 0, has larger consumption of memory. ",
            True,
            "ContainerFailed",
            "The trainer is not to blame: mend istio-proxy",
            id="injected-container",
        ),
    ],
)
def test_eviction_for_what_the_pod_used_itself_counts_and_ends(
    message: str, by_pressure: bool, reason: str, words: str
) -> None:
    scene = Scene(maxRetries=1, compute={"sharedMemory": "1Gi"})
    scene.act()
    scene.pod(**evicted(message, by_pressure=by_pressure))
    scene.training_job["status"] = {"failed": 0 if by_pressure else 1}
    scene.act()
    assert scene.status["reason"] == "Retrying"
    assert scene.status["run"]["attempt"] == 1
    assert words in scene.status["message"]
    scene.pod(**evicted(message, by_pressure=by_pressure))
    if not by_pressure:
        scene.job_ends("Failed", "BackoffLimitExceeded", failed=2)
    scene.act()
    assert (scene.status["phase"], scene.status["reason"]) == ("Failed", reason)
    assert "Gave up after 2 attempts." in scene.status["message"]
    assert scene.training_job["spec"]["suspend"] is by_pressure
    assert is_idle(scene.decide())


def test_run_that_was_given_up_by_our_count_goes_on_when_it_may_fail_more_often() -> None:
    scene = Scene(maxRetries=0)
    scene.act()
    scene.pod(**evicted(HUNGRY))
    scene.act()
    assert scene.status["phase"] == "Failed"
    scene.edit(maxRetries=2).act()
    assert scene.training_job["spec"] | {"suspend": False, "backoffLimit": 2} == scene.training_job["spec"]
    assert "finishedAt" not in scene.status["run"]
    assert "Attempt 2 of 3 follows." in scene.status["message"]


@pytest.mark.parametrize(
    ("reason", "message", "words"),
    [
        ("UnexpectedAdmissionError", NO_DEVICE, "Allocate failed due to requested number of devices unavailable"),
        (
            "OutOfcpu",
            "Pod was rejected: Node didn't have enough resource: cpu, requested: 8000, used: 3000, capacity: 8000",
            "Node didn't have enough resource: cpu",
        ),
        ("OutOfnvidia.com/gpu", "Node didn't have enough resource: nvidia.com/gpu", "nvidia.com/gpu"),
        ("NodeAffinity", "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match", "NodeAffinity"),
        ("TopologyAffinityError", "Pod was rejected: Resources cannot be allocated with Topology locality", "Topology"),
        ("NodeShutdown", "Pod was rejected: Pod was rejected as the node is shutting down.", "is shutting down"),
        ("Evicted", "Pod was rejected: The node had condition: [DiskPressure]. ", "DiskPressure"),
    ],
)
def test_pod_that_its_node_turns_away_costs_nothing(reason: str, message: str, words: str) -> None:
    scene = Scene(maxRetries=1)
    scene.act()
    scene.pod(phase="Failed", reason=reason, message=message)
    scene.training_job["status"] = {"failed": 1}
    plan = scene.act()
    assert scene.status["reason"] == "PodRejected"
    assert f"Node node-1 turned pod {scene.of_kind('Pod')[-1]['metadata']['name']} away" in scene.status["message"]
    assert words in scene.status["message"]
    assert "Attempt 1 of 2 follows." in scene.status["message"]
    assert scene.status["run"]["attempt"] == 0
    assert reasons(plan) == ["PodRejected"]
    assert scene.training_job["spec"]["backoffLimit"] == 2


def test_job_that_failed_only_since_nodes_turned_its_pods_away_is_made_again() -> None:
    scene = Scene(maxRetries=0)
    scene.act()
    pod = scene.pod(phase="Failed", reason="UnexpectedAdmissionError", message=NO_DEVICE)
    scene.job_ends("Failed", "BackoffLimitExceeded", failed=1)
    scene.training_job["status"]["conditions"][0]["lastTransitionTime"] = timestamp(NOW)
    assert not scene.act().deletes
    assert (scene.status["phase"], scene.status["reason"]) == ("Pending", "PodRejected")
    assert "finishedAt" not in scene.status["run"]
    told = scene.status["message"]
    scene.now = NOW + timedelta(seconds=15)
    assert [child["kind"] for child in scene.act().deletes] == ["Job"]
    scene.remove(pod, seen=False)
    scene.act()
    assert scene.status["message"] == told
    job = scene.training_job
    scene.remove(job, seen=False)
    assert kinds(scene.act()) == ["Job"]
    assert scene.status["run"]["attempt"] == 0
    assert scene.status["phase"] == "Pending"


def test_job_that_really_failed_beside_rejections_has_failed() -> None:
    scene = Scene(maxRetries=0)
    scene.act()
    scene.pod(phase="Failed", reason="UnexpectedAdmissionError", message=NO_DEVICE)
    scene.act()
    scene.ended_pod(70, scene.report(FailureClass.BUG, "KeyError."))
    scene.job_ends("Failed", "BackoffLimitExceeded", failed=2)
    scene.act()
    assert (scene.status["phase"], scene.status["reason"]) == ("Failed", "Bug")
    assert "Gave up after 1 attempt." in scene.status["message"]
