"""Only what changes the weights trains again: what else is edited, on a live, a failed and a published run."""

import json
from datetime import timedelta
from typing import Any

import pytest

from finetune_api.failures import FailureClass
from finetune_api.handoff import Stage
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import timestamp
from tests.builders import merge
from tests.unit.operator.builders import DIGEST, Scene, is_idle, kinds

SETTINGS: dict[str, dict[str, Any]] = {
    "logging": {"training": {"loggingIntervalSteps": 5}},
    "checkpoints": {"training": {"checkpointIntervalSteps": 50}},
    "evaluations": {"training": {"evaluationIntervalSteps": 50}},
    "cross-check": {"training": {"globalBatchSize": 8}},
    "truncation": {"dataset": {"truncationWarningShare": 0.5}},
    "baseline": {"evaluation": {"baseline": False}},
    "batch": {"evaluation": {"batchSize": 4}},
    "deadline": {"activeDeadlineSeconds": 3600},
    "cpu": {"compute": {"cpu": "1000m"}},
    "memory": {"compute": {"memory": "4096Mi"}},
}
JUDGED_OTHERWISE = {"evaluation": {"baseline": False}}


def live(**spec: Any) -> Scene:
    scene = Scene(**spec)
    scene.act()
    scene.running_pod()
    scene.says(Stage.TRAIN, step=50).act()
    return scene


def of_an_earlier_release(scene: Scene) -> Scene:
    """Let the run bear the names that the release before gave it."""
    identity = scene.job.identity
    run = {**scene.status["run"], "id": identity.former_run, "launch": identity.former_launch}
    for added in ("inputs", "launchInputs", "evaluation"):
        run.pop(added, None)
    status = {key: value for key, value in {**scene.status, "run": run}.items() if key != "history"}
    if "artifact" in status:
        uri = status["artifact"]["uri"].replace(identity.run, identity.former_run)
        status["artifact"] = {**status["artifact"], "run": identity.former_run, "uri": uri}
        status["artifact"].pop("evaluation", None)
    scene.resource = {**scene.resource, "status": status}
    names = {"labels": {"finetune.dev/run": run["id"]}, "annotations": {"finetune.dev/launch": run["launch"]}}
    for found in (*scene.of_kind("Job"), *scene.of_kind("Pod"), *scene.of_kind("ConfigMap")):
        found["metadata"] = merge(found["metadata"], {**names, "name": f"job-{run['id']}"})
        if found["kind"] == "Job":
            found["spec"]["template"]["metadata"] = merge(found["spec"]["template"]["metadata"], names)
    scene.progress = None
    return scene


def jobs_of(scene: Scene) -> list[Manifest]:
    return [found for found in scene.of_kind("Job") if not found["metadata"].get("deletionTimestamp")]


@pytest.mark.parametrize("change", SETTINGS.values(), ids=SETTINGS)
def test_a_live_run_goes_on(change: dict[str, Any]):
    scene = live()
    before = scene.status["run"]
    plan = scene.edit(**change).act()
    assert (kinds(plan), plan.deletes) == ([], ())
    assert scene.status["run"] == before
    assert scene.status["phase"] == "Training"
    assert is_idle(scene.decide())


@pytest.mark.parametrize("setting", [name for name in SETTINGS if name not in ("baseline", "batch")])
def test_a_published_run_stays_as_it_is(setting: str):
    scene = Scene().succeeds()
    plan = scene.edit(**SETTINGS[setting]).act()
    assert (kinds(plan), plan.deletes) == ([], ())
    assert scene.status["phase"] == "Succeeded"
    assert is_idle(scene.decide())


@pytest.mark.parametrize("change", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("ended", [False, True])
def test_a_run_of_an_earlier_release_goes_on_under_its_name_whatever_is_edited_then(
    change: dict[str, Any], ended: bool
):
    counted = merge(merge(SETTINGS["logging"], SETTINGS["baseline"]), {"compute": {"cpu": "1500m", "memory": "2e9"}})
    scene = of_an_earlier_release(Scene(**counted).succeeds() if ended else live(**counted))
    name, phase = scene.status["run"]["id"], scene.status["phase"]
    plan = scene.act()
    assert (kinds(plan), plan.deletes, scene.status["run"]["id"]) == ([], (), name)
    assert scene.status["phase"] == phase
    assert is_idle(scene.decide())
    change = {"evaluation": {"baseline": None}} if change == SETTINGS["baseline"] else change
    change = {"compute": {"cpu": "1.5", "memory": "2000M"}} if "compute" in change else change
    plan = scene.edit(**change).act()
    assert scene.status["run"]["id"] == name
    if ended and "evaluation" in change:
        assert plan.deletes == tuple(scene.of_kind("Job"))
    else:
        assert (kinds(plan), plan.deletes) == ([], ())
        assert is_idle(scene.decide())


def test_a_run_of_an_earlier_release_gives_way_to_one_with_other_weights():
    scene = of_an_earlier_release(live(**SETTINGS["logging"]))
    scene.act()
    plan = scene.edit(training={"seed": 7}).act()
    assert plan.deletes == (scene.training_job,)
    assert "inputs" not in scene.status["run"]


def test_another_evaluation_of_a_published_run_judges_it_again_without_another_run():
    scene = Scene(serving={"enabled": True}).succeeds()
    before = scene.status
    scene.becomes_available(scene.one("Deployment")).act()
    old = scene.training_job
    plan = scene.edit(**JUDGED_OTHERWISE).act()
    assert plan.deletes == (old,)
    scene.garbage_collect()
    plan = scene.act()
    assert kinds(plan) == ["ConfigMap", "Job"]
    run = before["run"]["id"]
    assert [note.message for note in plan.notes if note.reason == "RunStarted"] == [
        f"Run {run} is trained, and goes on from there as Job job-{run}."
    ]
    file = json.loads(plan.applies[0]["data"]["job.json"])
    assert (file["evaluation"], file["trained"]) == ({"baseline": False}, True)
    assert scene.status["run"]["id"] == before["run"]["id"]
    assert scene.condition("Published") == "True"
    assert scene.condition("Succeeded") == "Unknown"
    assert scene.one("Deployment")
    pod = scene.running_pod()
    pod["status"]["startTime"] = timestamp(scene.now + timedelta(minutes=5))
    scene.act()
    assert (scene.status["phase"], scene.status["reason"]) == ("Evaluating", "Evaluating")
    assert f"Run {before['run']['id']} is trained, and goes on from there" in scene.status["message"]
    scene.remove(pod)
    scene.ended_pod(0, scene.report())
    scene.job_ends("Complete").act()
    assert (scene.condition("Succeeded"), scene.status["artifact"]["digest"]) == ("True", DIGEST)
    assert is_idle(scene.decide())
    scene.remove(scene.training_job)
    scene.act()
    assert is_idle(scene.decide())


def test_a_run_that_is_judged_again_keeps_the_figures_of_its_training():
    trained = {"loss": 0.0, "learning_rate": 1e-5, "tokens_per_second": 900.0}
    scene = live()
    scene.says(Stage.TRAIN, step=200, **trained).act()
    scene.children.remove(scene.one("Pod"))
    scene.succeeds()
    scene.edit(**JUDGED_OTHERWISE).act()
    scene.garbage_collect().act()
    pod = scene.running_pod()
    for stage, step, total in ((Stage.DATA, 0, None), (Stage.EVALUATE, 200, 200)):
        scene.says(stage, step, total).act()
        assert scene.status["progress"]["loss"] == 0.0
    scene.remove(pod)
    scene.ended_pod(0, scene.report())
    scene.job_ends("Complete").act()
    told = scene.status["progress"]
    assert (told["loss"], told["learningRate"], told["tokensPerSecond"]) == tuple(trained.values())


def test_a_live_run_is_judged_as_edited_meanwhile_once_it_is_published():
    scene = live()
    scene.edit(**JUDGED_OTHERWISE).act()
    scene.children.remove(scene.one("Pod"))
    scene.ended_pod(0, scene.report())
    plan = scene.job_ends("Complete").act()
    assert scene.status["phase"] == "Succeeded"
    assert plan.look_again_seconds == 0
    assert scene.act().deletes == (scene.training_job,)
    scene.garbage_collect()
    assert kinds(scene.act()) == ["ConfigMap", "Job"]
    scene.ended_pod(0, scene.report())
    scene.job_ends("Complete").act()
    assert is_idle(scene.decide())


def test_going_back_to_the_evaluation_that_was_done_does_nothing_more():
    scene = Scene().succeeds()
    scene.edit(**JUDGED_OTHERWISE).act()
    scene.garbage_collect().edit(evaluation=None)
    plan = scene.act()
    assert kinds(plan) == []
    assert scene.status["phase"] == "Succeeded"


def test_an_earlier_run_is_gone_back_to_first_and_then_judged_by_another_evaluation():
    scene = Scene().succeeds()
    first = scene.status["run"]["id"]
    scene.edit(training={"seed": 7}).act()
    scene.garbage_collect().succeeds()
    plan = scene.edit(training={"seed": None}, **JUDGED_OTHERWISE).act()
    assert (kinds(plan), scene.status["run"]["id"], scene.status["phase"]) == ([], first, "Succeeded")
    assert plan.look_again_seconds == 0
    scene.act()
    scene.garbage_collect()
    plan = scene.act()
    assert kinds(plan) == ["ConfigMap", "Job"]
    assert json.loads(plan.applies[0]["data"]["job.json"])["trained"] is True
    scene.ended_pod(0, scene.report())
    scene.job_ends("Complete").act()
    assert scene.status["phase"] == "Succeeded"
    assert is_idle(scene.decide())


def test_an_evaluation_that_fails_leaves_the_published_model_and_is_not_tried_for_ever():
    scene = Scene().succeeds()
    scene.edit(**JUDGED_OTHERWISE).act()
    scene.garbage_collect().act()
    scene.ended_pod(70, scene.report(FailureClass.BUG, "no."))
    scene.job_ends("Failed", "BackoffLimitExceeded", failed=4).act()
    assert scene.status["phase"] == "Failed"
    assert (scene.condition("Published"), scene.condition("Succeeded")) == ("True", "False")
    assert scene.status["artifact"]["digest"] == DIGEST
    assert is_idle(scene.decide())
    scene.edit(evaluation={"batchSize": 1}).act()
    scene.garbage_collect()
    assert "Job" in kinds(scene.act())


def test_a_failed_run_is_tried_again_with_another_evaluation():
    scene = live()
    scene.children.remove(scene.one("Pod"))
    scene.ended_pod(71, scene.report(FailureClass.OUT_OF_MEMORY, "evaluating."))
    scene.job_ends("Failed", "BackoffLimitExceeded", failed=4).act()
    assert scene.status["phase"] == "Failed"
    name = scene.status["run"]["id"]
    assert is_idle(scene.decide())
    scene.edit(evaluation={"batchSize": 1}).act()
    scene.garbage_collect()
    assert kinds(scene.act()) == ["ConfigMap", "Job"]
    assert scene.status["run"]["id"] == name
