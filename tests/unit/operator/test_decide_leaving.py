"""Deletion: what somebody else's finalizer keeps stops working, and says who keeps it."""

import pytest

from finetune_api.failures import FailureClass
from finetune_operator.state.plan import Plan
from tests.unit.operator.builders import Scene, is_idle, reasons

FOREIGN = "example.com/backup"


def deleted(scene: Scene, *finalizers: str) -> Scene:
    scene.resource["metadata"] |= {"deletionTimestamp": "2026-01-02T03:10:00Z", "finalizers": list(finalizers)}
    return scene


def test_job_that_a_foreign_finalizer_keeps_stops_its_training_and_says_so() -> None:
    scene = Scene()
    scene.act()
    scene.running_pod()
    scene.act()
    plan = deleted(scene, FOREIGN).act()
    assert [child["kind"] for child in plan.deletes] == ["Job"]
    assert (plan.applies, plan.merges, plan.pull) == ((), (), None)
    assert (scene.status["phase"], scene.status["reason"]) == ("Terminating", "HeldByFinalizer")
    assert FOREIGN in scene.status["message"]
    assert reasons(plan) == ["HeldByFinalizer"]
    assert scene.status["run"]["id"]
    assert is_idle(scene.decide())
    scene.garbage_collect()
    assert is_idle(scene.decide())


def test_what_a_kept_job_serves_goes_too() -> None:
    scene = Scene(serving={"enabled": True}).succeeds()
    scene.becomes_available(scene.one("Deployment")).act()
    plan = deleted(scene, FOREIGN, "foregroundDeletion").act()
    assert {child["kind"] for child in plan.deletes} == {"Job", "Deployment", "Service"}
    assert scene.condition("Ready") == "False"


@pytest.mark.parametrize("finalizers", [(), ("foregroundDeletion",), ("orphan",), ("orphan", FOREIGN)])
def test_deletion_that_the_garbage_collector_sees_to_is_left_to_it(finalizers: tuple[str, ...]) -> None:
    scene = Scene()
    scene.act()
    scene.running_pod()
    assert deleted(scene, *finalizers).decide() == Plan()


def test_refused_deletion_of_a_kept_job_is_told() -> None:
    scene = Scene()
    scene.act()
    deleted(scene, FOREIGN).refuse("Job", "job-1", "denied the request: no", "delete").act()
    assert (scene.status["phase"], scene.status["reason"]) == ("Terminating", "AdmissionRefused")


def test_old_job_that_a_foreign_finalizer_keeps_is_named_with_it() -> None:
    scene = Scene()
    scene.act()
    pod = scene.running_pod()
    scene.edit(training={"learningRate": 1e-3}).act()
    old = scene.training_job
    old["metadata"]["finalizers"] = [FOREIGN, "foregroundDeletion"]
    scene.act()
    assert scene.status["reason"] == "StoppingPreviousRun"
    scene.remove(pod)
    old["metadata"]["finalizers"] = [FOREIGN]
    plan = scene.act()
    assert scene.status["reason"] == "HeldByFinalizer"
    assert f"kubectl patch job {old['metadata']['name']}" in scene.status["message"]
    assert plan.applies == ()


def test_why_a_run_failed_is_told_once_for_people_and_once_for_programs() -> None:
    scene = Scene()
    scene.act()
    scene.ended_pod(65, scene.report(FailureClass.BAD_DATA, "train.csv, line 3: no label."))
    scene.job_ends("Failed", "PodFailurePolicy")
    scene.act()
    told = {c["type"] for c in scene.status["conditions"] if "line 3" in c["message"]}
    assert told == {"Stalled", "Succeeded"}
    assert scene.status["message"].startswith("train.csv, line 3: no label. To go on")
    assert {c["reason"] for c in scene.status["conditions"]} == {"BadData"}
