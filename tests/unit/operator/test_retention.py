"""The workspace of a run that has ended: when it goes, when it stays, and what a later run does without it."""

from datetime import timedelta
from typing import Any

import pytest

from finetune_api.failures import FailureClass
from finetune_operator.manifests import is_deleting
from finetune_operator.state.plan import Plan
from tests.unit.operator.builders import Scene, is_idle, kinds, reasons

TTL = 3600


def after(scene: Scene, seconds: int) -> Scene:
    scene.now += timedelta(seconds=seconds)
    return scene


def succeeded(**spec: Any) -> Scene:
    return Scene(**{"workspaceTTLSecondsAfterFinished": TTL, **spec}).succeeds()


def failed() -> Scene:
    scene = Scene(workspaceTTLSecondsAfterFinished=TTL)
    scene.act()
    scene.ended_pod(65, scene.report(FailureClass.BAD_DATA, "row 3"))
    scene.job_ends("Failed", "PodFailurePolicy").act()
    return scene


def deleted(plan: Plan) -> list[str]:
    return [child["kind"] for child in plan.deletes]


@pytest.mark.parametrize("ended", [succeeded, failed])
def test_workspace_goes_when_its_time_has_passed_since_the_end(ended: Any) -> None:
    scene = ended()
    assert scene.status["workspace"] == "job-workspace"
    plan = after(scene, TTL - 10).decide()
    assert is_idle(plan)
    assert plan.look_again_seconds is not None
    assert 0 < plan.look_again_seconds <= 10
    plan = after(scene, 10).act()
    # A pod holds its claims for as long as it is there.
    assert deleted(plan) == ["Job", "PersistentVolumeClaim"]
    assert reasons(plan) == ["WorkspaceDeleted"]
    # Another storage may be asked for now: the API server lets it change when there is no volume.
    assert "workspace" not in scene.status
    assert is_idle(scene.decide())
    scene.garbage_collect()
    assert is_idle(scene.decide())


def test_workspace_stays_without_a_time_and_while_a_run_goes_on() -> None:
    scene = after(Scene().succeeds(), 10 * TTL)
    assert is_idle(scene.decide())
    scene = Scene(workspaceTTLSecondsAfterFinished=0)
    scene.act()
    scene.running_pod()
    scene.act()
    assert is_idle(after(scene, 10 * TTL).decide())


def test_workspace_stays_while_a_run_is_suspended() -> None:
    scene = Scene(workspaceTTLSecondsAfterFinished=0)
    scene.act()
    scene.edit(suspend=True).act()
    assert deleted(after(scene, TTL).decide()) == []


def test_nothing_goes_before_the_status_tells_how_the_run_ended() -> None:
    scene = Scene(workspaceTTLSecondsAfterFinished=0)
    scene.act()
    scene.ended_pod(0, scene.report())
    assert deleted(scene.act()) == []
    assert scene.status["phase"] == "Succeeded"
    assert deleted(scene.act()) == []
    scene.job_ends("Complete")
    assert deleted(scene.act()) == ["Job", "PersistentVolumeClaim"]


def test_a_claim_of_the_users_own_is_never_deleted() -> None:
    scene = succeeded(storage={"existingClaim": "mine"}, workspaceTTLSecondsAfterFinished=0)
    assert deleted(after(scene, TTL).decide()) == []
    assert scene.status["workspace"] == "mine"


def test_what_is_served_goes_on_being_served() -> None:
    scene = succeeded(serving={"enabled": True}, workspaceTTLSecondsAfterFinished=0)
    assert deleted(scene.act()) == ["Job", "PersistentVolumeClaim"]
    scene.becomes_available(scene.one("Deployment")).act()
    scene.garbage_collect().act()
    assert scene.of_kind("PersistentVolumeClaim") == []
    assert scene.status["phase"] == "Ready"
    assert scene.of_kind("Deployment")


def test_a_later_run_waits_until_the_old_workspace_is_gone_and_claims_a_new_one() -> None:
    scene = succeeded(workspaceTTLSecondsAfterFinished=0)
    scene.act()
    (claim,) = scene.of_kind("PersistentVolumeClaim")
    assert is_deleting(claim)
    scene.edit(training={"seed": 1})
    assert "Job" not in kinds(scene.act())
    assert scene.status["reason"] == "StoppingPreviousRun"
    assert "PersistentVolumeClaim job-workspace" in scene.status["message"]
    scene.garbage_collect()
    assert {"PersistentVolumeClaim", "Job"} <= set(kinds(scene.act()))
    assert scene.status["workspace"] == "job-workspace"


def test_a_model_that_is_to_be_judged_again_keeps_its_workspace_until_it_is() -> None:
    scene = after(succeeded(), TTL + 1)
    scene.edit(evaluation={"baseline": False})
    assert "PersistentVolumeClaim" not in deleted(scene.act())
    scene.act()
    assert scene.of_kind("PersistentVolumeClaim")
