"""A failed run is launched again by one field, and a pod that waits for a store is told to wait."""

from finetune_api.failures import FailureClass
from finetune_api.handoff import Stage
from tests.unit.operator.builders import Scene, is_idle, kinds, reasons


def unpublished() -> Scene:
    """Return a job whose run failed to publish, for good."""
    scene = Scene(maxRetries=0)
    scene.act()
    report = scene.report(FailureClass.UNAVAILABLE, "s3://b/x: the store answers 503.", stage=Stage.PUSH)
    scene.ended_pod(69, report)
    scene.job_ends("Failed", "BackoffLimitExceeded", failed=1).act()
    return scene


def test_a_failed_push_names_the_stage_and_the_field_by_which_it_goes_on() -> None:
    scene = unpublished()
    assert (scene.status["phase"], scene.status["reason"]) == ("Failed", "Unavailable")
    assert scene.status["message"] == (
        "s3://b/x: the store answers 503. Gave up after 1 attempt. To go on at stage Push once that is mended, set"
        " spec.retry to a new value; what is done is kept."
    )
    assert is_idle(scene.decide())


def test_a_new_value_launches_the_same_run_again() -> None:
    scene = unpublished()
    run = scene.status["run"]["id"]
    scene.edit(retry="2026-01-02").act()
    plan = scene.garbage_collect().act()
    assert kinds(plan) == ["ConfigMap", "Job"]
    assert scene.status["run"]["id"] == run
    assert scene.status["phase"] == "Pending"
    scene.ended_pod(0, scene.report())
    scene.job_ends("Complete").act()
    assert scene.status["phase"] == "Succeeded"
    assert is_idle(scene.decide())


def test_a_retry_of_what_is_published_does_nothing() -> None:
    scene = Scene().succeeds()
    plan = scene.edit(retry="again").act()
    assert kinds(plan) == []
    assert scene.status["phase"] == "Succeeded"


def test_a_pod_that_waits_for_a_store_is_told_to_wait_until_it_goes_on() -> None:
    scene = Scene()
    scene.act()
    scene.running_pod()
    words = "s3://b/x: the store answers 503; waiting for 4m00s, for up to 1h56m more"
    assert reasons(scene.says(Stage.PUSH, 200, waiting=words).act()) == ["Trained", "Evaluated", "WaitingForStore"]
    assert (scene.status["phase"], scene.status["reason"]) == ("Publishing", "WaitingForStore")
    assert words in scene.status["message"]
    scene.says(Stage.PUSH, 200).act()
    assert scene.status["reason"] == "Publishing"
    assert "waiting" not in scene.status["progress"]
