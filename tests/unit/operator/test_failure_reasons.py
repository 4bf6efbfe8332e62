"""Why a run failed, from the trainer's last word or what the kubelet and the Job say."""

import pytest

from finetune_api.failures import FailureClass
from finetune_operator.kinds import Manifest
from tests.unit.operator.builders import Scene, is_idle, reasons


def failed(exit_code: int | None, **terminated: str) -> Scene:
    """Return a run whose only pod has failed for good, without a last word."""
    scene = Scene(maxRetries=0)
    scene.act()
    if exit_code is None:
        scene.pod(phase="Failed", **terminated)
    else:
        scene.ended_pod(exit_code, **terminated)
    scene.job_ends("Failed", "BackoffLimitExceeded", failed=1)
    scene.act()
    return scene


@pytest.mark.parametrize(
    ("exit_code", "terminated", "reason", "words"),
    [
        (137, {"reason": "OOMKilled"}, "OutOfMemory", "spec.compute.memory is 4Gi"),
        (137, {"reason": "Error"}, "OutOfMemory", "most likely for want of memory"),
        (71, {}, "OutOfMemory", "spec.training.batchSize"),
        (78, {}, "NoAccelerator", "spec.compute.runtimeClassName"),
        (135, {}, "OutOfMemory", "Raise spec.compute.sharedMemory."),
        (1, {}, "Bug", "exit code 1 and no last word"),
        (139, {}, "Bug", "kubectl logs job-"),
        (None, {"reason": "Evicted", "message": "The node was low on memory."}, "Preempted", "was evicted"),
        (None, {"reason": "NodeLost"}, "Preempted", "stopped from outside: NodeLost"),
    ],
)
def test_end_without_a_last_word(exit_code: int | None, terminated: Manifest, reason: str, words: str) -> None:
    scene = failed(exit_code, **terminated)
    assert (scene.status["phase"], scene.status["reason"]) == ("Failed", reason)
    assert words in scene.status["message"]


def test_last_word_is_quoted_and_marks_every_condition() -> None:
    scene = Scene()
    scene.act()
    scene.ended_pod(77, scene.report(FailureClass.NO_ACCESS, "s3://finetune: access denied; check Secret s3."))
    scene.job_ends("Failed", "PodFailurePolicy", failed=1)
    plan = scene.act()
    assert scene.status["message"] == (
        "s3://finetune: access denied; check Secret s3. To go on once that is mended, set spec.retry to a new value;"
        " what is done is kept."
    )
    assert reasons(plan) == ["NoAccess"]
    assert [scene.condition(kind) for kind in ("Trained", "Published", "Succeeded", "Ready")] == ["False"] * 4
    assert scene.condition("Stalled") == "True"
    assert scene.condition("Reconciling") is None
    assert is_idle(scene.decide())


def test_newest_pod_has_the_last_word() -> None:
    scene = Scene()
    scene.act()
    scene.ended_pod(69, scene.report(FailureClass.UNAVAILABLE, "s3 is down."))
    scene.ended_pod(65, scene.report(FailureClass.BAD_DATA, "line 3."))
    scene.job_ends("Failed", "PodFailurePolicy", failed=2)
    scene.act()
    assert scene.status["reason"] == "BadData"
    assert scene.status["message"].startswith("line 3. To go on")


def test_unreadable_last_word_falls_back_to_the_exit_code() -> None:
    scene = failed(66, message="{not json")
    assert scene.status["reason"] == "MissingInput"


def test_retry_is_announced_with_why_and_how_often() -> None:
    scene = Scene(maxRetries=2)
    scene.act()
    scene.ended_pod(69, scene.report(FailureClass.UNAVAILABLE, "s3 is down."))
    plan = scene.act()
    assert (scene.status["phase"], scene.status["reason"]) == ("Pending", "Retrying"), "no pod trains"
    assert scene.status["message"] == "s3 is down. Attempt 2 of 3 follows."
    assert scene.status["run"]["attempt"] == 1
    assert reasons(plan) == ["Retrying"]
    scene.running_pod()
    scene.act()
    assert scene.status["phase"] == "Training"
    scene.ended_pod(69, scene.report(FailureClass.UNAVAILABLE, "s3 is down."))
    plan = scene.act()
    assert scene.status["run"]["attempt"] == 2
    assert reasons(plan) == ["Retrying"]


def test_a_limit_that_is_lowered_between_two_pods_ends_the_job_as_well() -> None:
    scene = Scene(maxRetries=3)
    scene.act()
    scene.ended_pod(69, scene.report(FailureClass.UNAVAILABLE, "s3 is down."))
    scene.act()
    scene.edit(maxRetries=0).act()
    assert scene.status["phase"] == "Failed"
    assert scene.training_job["spec"]["backoffLimit"] == 0
    assert is_idle(scene.decide())


@pytest.mark.parametrize("status", [{}, {"conditions": [{"type": "DisruptionTarget", "status": "True"}]}])
def test_preempted_pod_is_not_counted(status: Manifest) -> None:
    scene = Scene()
    scene.act()
    pod = scene.ended_pod(143 if not status else 1, scene.report(FailureClass.PREEMPTED, "checkpoint 40 is saved."))
    pod["status"] |= status
    scene.act()
    assert scene.status["run"]["attempt"] == 0
    assert "Attempt 1 of 4 follows." in scene.status["message"]


@pytest.mark.parametrize(
    ("exit_code", "failure", "reason", "way_on"),
    [
        (65, FailureClass.BAD_DATA, "PodFailurePolicy", "line 3. To go on once that is mended"),
        (70, FailureClass.BUG, "BackoffLimitExceeded", "line 3. Gave up after 1 attempt. To go on once"),
    ],
)
def test_a_run_has_failed_as_soon_as_its_last_pod_has(
    exit_code: int, failure: FailureClass, reason: str, way_on: str
) -> None:
    scene = Scene(maxRetries=0)
    scene.act()
    scene.running_pod()
    scene.act()
    scene.children.remove(scene.one("Pod"))
    scene.ended_pod(exit_code, scene.report(failure, "line 3."))
    plan = scene.act()
    assert reasons(plan) == [failure]
    assert plan.merges == ()
    assert (scene.status["phase"], scene.condition("Succeeded")) == ("Failed", "False")
    assert scene.status["message"].startswith(way_on)
    scene.job_ends("Failed", reason, failed=1)
    assert is_idle(scene.decide())


def test_failure_reads_the_same_when_its_pod_is_gone() -> None:
    scene = Scene()
    scene.act()
    pod = scene.ended_pod(65, scene.report(FailureClass.BAD_DATA, "line 3."))
    scene.job_ends("Failed", "PodFailurePolicy", failed=1)
    scene.act()
    scene.remove(pod)
    assert is_idle(scene.decide())


def test_last_word_without_a_full_stop_is_closed_before_the_way_on() -> None:
    scene = Scene()
    scene.act()
    scene.ended_pod(65, scene.report(FailureClass.BAD_DATA, "holds no rows; give at least two"))
    scene.job_ends("Failed", "PodFailurePolicy", failed=1)
    scene.act()
    assert "give at least two. To go on once that is mended" in scene.status["message"]


def test_field_that_the_last_word_leaves_out_is_named() -> None:
    scene = Scene()
    scene.act()
    report = scene.report(FailureClass.MISSING_INPUT, "the store has no bucket 'modles'")
    assert report.failure is not None
    failure = report.failure.model_copy(update={"field": "spec.output.destination"})
    scene.ended_pod(66, report.model_copy(update={"failure": failure}))
    scene.job_ends("Failed", "PodFailurePolicy", failed=1)
    scene.act()
    assert "no bucket 'modles'. The field is spec.output.destination. To go on" in scene.status["message"]
