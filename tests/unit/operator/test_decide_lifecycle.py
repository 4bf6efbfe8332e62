"""From nothing to published: what is made, what the status says, and that nothing is done twice."""

import json

import pytest

from finetune_api.failures import FailureClass
from finetune_api.handoff import Stage
from finetune_api.keys import ConditionType
from tests.unit.operator.builders import DIGEST, NOW, Scene, is_idle, kinds, reasons


def test_new_job_gets_job_file_workspace_and_training_job_in_this_order():
    scene = Scene()
    plan = scene.act()
    assert kinds(plan) == ["ConfigMap", "PersistentVolumeClaim", "Job"]
    assert reasons(plan) == ["RunStarted"]
    assert scene.status["phase"] == "Pending"
    assert scene.status["workspace"] == "job-workspace"
    assert scene.status["run"] == {
        "id": scene.job.run_id,
        "launch": scene.job.launch,
        "attempt": 0,
        "startedAt": "2026-01-02T03:04:05Z",
    }


def test_launched_job_is_left_alone():
    scene = Scene()
    scene.act()
    assert is_idle(scene.decide())


def test_own_claim_is_used_and_none_is_made():
    scene = Scene(storage={"existingClaim": "mine"})
    assert kinds(scene.act()) == ["ConfigMap", "Job"]
    assert scene.status["workspace"] == "mine"
    volumes = scene.training_job["spec"]["template"]["spec"]["volumes"]
    assert {"name": "workspace", "persistentVolumeClaim": {"claimName": "mine"}} in volumes


@pytest.mark.parametrize(
    ("stage", "phase", "reason", "trained", "evaluated"),
    [
        (Stage.DATA, "Training", "Training", "Unknown", "Unknown"),
        (Stage.TRAIN, "Training", "Training", "Unknown", "Unknown"),
        (Stage.EVALUATE, "Evaluating", "Evaluating", "True", "Unknown"),
        (Stage.EXPORT, "Publishing", "Publishing", "True", "True"),
        (Stage.PUSH, "Publishing", "Publishing", "True", "True"),
    ],
)
def test_phase_and_conditions_follow_the_stage(stage: Stage, phase: str, reason: str, trained: str, evaluated: str):
    scene = Scene()
    scene.act()
    scene.running_pod()
    scene.says(stage, step=114, eta_seconds=250.4, loss=0.1234567890).act()
    assert (scene.status["phase"], scene.status["reason"]) == (phase, reason)
    assert scene.condition(ConditionType.TRAINED) == trained
    assert scene.condition(ConditionType.EVALUATED) == evaluated
    assert scene.condition(ConditionType.READY) == "False"
    assert scene.status["progress"]["display"] == "114/200 57%"
    assert scene.status["progress"]["eta"] == "4m10s"
    assert scene.status["progress"]["loss"] == 0.123457


def test_progress_is_pulled_only_from_a_running_pod():
    scene = Scene()
    scene.act()
    assert scene.decide().pull is None
    pod = scene.running_pod()
    pull = scene.decide().pull
    assert pull is not None
    assert (pull.pod_uid, pull.address, pull.run_id) == (pod["metadata"]["uid"], "10.0.0.7", scene.job.run_id)


def test_silent_pod_keeps_the_progress_that_was_known():
    scene = Scene()
    scene.act()
    scene.running_pod()
    scene.says(Stage.TRAIN, step=50).act()
    scene.progress = None
    assert is_idle(scene.decide())


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        (Stage.EVALUATE, "The tuned model is being evaluated."),
        (Stage.EXPORT, "The model is being exported."),
        (Stage.PUSH, "The model is being published."),
    ],
)
def test_what_goes_on_is_not_told_as_done(stage: Stage, words: str):
    scene = Scene()
    scene.act()
    scene.running_pod()
    scene.says(stage, step=200, eta_seconds=0.0).act()
    assert scene.status["message"] == words
    assert "eta" not in scene.status["progress"]


def test_suspended_run_keeps_its_progress_but_nothing_says_when_it_is_done():
    scene = Scene()
    scene.act()
    pod = scene.running_pod()
    scene.says(Stage.TRAIN, step=50, eta_seconds=60).act()
    assert scene.status["progress"]["eta"] == "1m00s"
    scene.edit(suspend=True).act()
    assert "eta" not in scene.status["progress"]
    scene.remove(pod).act()
    assert (scene.status["phase"], scene.status["progress"]["display"]) == ("Suspended", "50/200 25%")
    assert not {"eta", "etaSeconds"} & set(scene.status["progress"])


def test_resumed_run_does_not_begin_at_nothing():
    scene = Scene()
    scene.act()
    pod = scene.running_pod()
    scene.says(Stage.TRAIN, step=57, loss=0.5, eta_seconds=60).act()
    scene.remove(pod)
    scene.running_pod()
    for stage in (Stage.DATA, Stage.MODEL, Stage.TRAIN):
        scene.says(stage, total=None).act()
        progress = scene.status["progress"]
        assert (progress["stage"], progress["display"], progress["loss"]) == (stage, "57/200 28%", 0.5)
        assert "eta" not in progress
    scene.says(Stage.TRAIN, step=40).act()
    assert scene.status["progress"]["display"] == "40/200 20%"


def test_pod_that_has_not_trained_yet_shows_no_progress():
    scene = Scene()
    scene.act()
    scene.running_pod()
    scene.says(Stage.DATA, total=None).act()
    assert "display" not in scene.status["progress"]
    report = scene.report(FailureClass.BAD_DATA, "line 3.", progress=scene.progress)
    scene.ended_pod(65, report)
    scene.job_ends("Failed", "PodFailurePolicy", failed=1).act()
    assert scene.status["phase"] == "Failed"
    assert "display" not in scene.status["progress"]


def test_a_warning_of_the_pod_stays_in_the_status_of_its_run():
    words = "12 % of the training rows' tokens were cut off"
    scene = Scene()
    scene.act()
    scene.running_pod()
    scene.says(Stage.TRAIN, step=50, warnings=[words]).act()
    assert scene.status["warnings"] == [words]
    scene.says(Stage.DATA, total=None).act()
    assert scene.status["warnings"] == [words]
    assert is_idle(scene.decide())


def test_success_is_told_with_figures_artifact_and_score():
    scene = Scene().succeeds()
    assert scene.status["phase"] == "Succeeded"
    assert scene.status["score"] == "0.912 (base 0.508)"
    assert scene.status["artifact"] == {
        "run": scene.job.run_id,
        "uri": f"s3://finetune/published/{scene.job.run_id}",
        "digest": DIGEST,
        "sizeBytes": 1000,
        "image": "trainer:1",
    }
    assert scene.status["metrics"]["evaluation"] == {"accuracy": 0.9123}
    assert scene.status["run"]["finishedAt"]
    for kind in ("Trained", "Evaluated", "Published", "Succeeded", "Ready"):
        assert scene.condition(kind) == "True"
    assert scene.condition("Reconciling") is None
    assert scene.condition("Stalled") is None
    assert is_idle(scene.decide())


def test_success_is_told_as_soon_as_the_pod_says_so():
    scene = Scene()
    scene.act()
    scene.ended_pod(0, scene.report())
    plan = scene.act()
    assert reasons(plan) == ["Trained", "Evaluated", "Published"]
    scene.job_ends("Complete")
    assert is_idle(scene.decide())


@pytest.mark.parametrize("seen", [True, False], ids=["status-was-written", "gone-before-the-status-was-written"])
def test_job_that_ttl_deletes_after_success_is_not_made_again(seen: bool):
    scene = Scene()
    scene.act()
    pod = scene.ended_pod(0, scene.report())
    scene.job_ends("Complete")
    if seen:
        scene.act()
    scene.remove(scene.training_job, seen=seen).remove(pod, seen=seen)
    assert kinds(scene.act()) == []
    assert scene.status["phase"] == "Succeeded"
    assert is_idle(scene.decide())


def test_job_that_ttl_deletes_after_failure_is_not_made_again():
    scene = Scene()
    scene.act()
    pod = scene.ended_pod(65, scene.report(FailureClass.BAD_DATA, "train.csv, line 3: no label."))
    scene.job_ends("Failed", "PodFailurePolicy", failed=1)
    scene.act()
    told = scene.status
    scene.remove(scene.training_job).remove(pod)
    assert is_idle(scene.decide())
    assert told["reason"] == "BadData"


def test_live_job_that_somebody_deletes_is_made_again_once_its_pod_is_gone():
    scene = Scene()
    scene.act()
    pod = scene.running_pod()
    scene.act()
    scene.remove(scene.training_job)
    assert kinds(scene.act()) == []
    assert scene.status["reason"] == "StoppingPreviousRun"
    assert pod["metadata"]["name"] in scene.status["message"]
    scene.remove(pod)
    assert kinds(scene.act()) == ["Job"]


def test_last_word_of_another_run_is_not_believed():
    scene = Scene()
    scene.act()
    scene.ended_pod(0, scene.report().model_copy(update={"run_id": "00000000"}))
    scene.act()
    assert "artifact" not in scene.status


def test_deleted_resource_gets_nothing():
    scene = Scene()
    scene.resource["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert is_idle(scene.decide())


def test_condition_keeps_its_time_while_its_status_stays():
    scene = Scene()
    scene.act()
    scene.now = NOW.replace(hour=5)
    scene.running_pod()
    scene.act()
    times = {c["type"]: c["lastTransitionTime"] for c in scene.status["conditions"]}
    assert set(times.values()) == {"2026-01-02T03:04:05Z"}
    scene.says(Stage.EVALUATE).act()
    times = {c["type"]: c["lastTransitionTime"] for c in scene.status["conditions"]}
    assert times["Trained"] == "2026-01-02T05:04:05Z"
    assert times["Ready"] == "2026-01-02T03:04:05Z"


def test_every_condition_is_of_the_present_generation():
    scene = Scene().succeeds()
    scene.edit(maxRetries=1).act()
    assert {c["observedGeneration"] for c in scene.status["conditions"]} == {2}
    assert scene.status["observedGeneration"] == 2


def test_spec_that_cannot_be_read_is_told_and_nothing_else_changes():
    scene = Scene().succeeds()
    artifact = scene.status["artifact"]
    scene.edit(tuning={"method": "Prefix"})
    plan = scene.act()
    assert kinds(plan) == []
    assert not plan.deletes
    assert scene.status["reason"] == "InvalidSpec"
    assert "spec.tuning.method" in scene.status["message"]
    assert scene.condition("Stalled") == "True"
    assert scene.status["artifact"] == artifact
    assert reasons(plan) == ["InvalidSpec"]
    assert is_idle(scene.decide())


def test_status_of_another_release_is_read_as_far_as_possible():
    scene = Scene().succeeds()
    scene.resource["status"] = {**scene.status, "progress": {"quarks": 3}, "unheardOf": 1}
    assert kinds(scene.act()) == []
    assert scene.status["phase"] == "Succeeded"


def test_no_secret_value_or_default_can_reach_the_job_file():
    scene = Scene(training={"loggingIntervalSteps": 10, "seed": 7}, evaluation={"baseline": True})
    scene.act()
    request = json.loads(scene.one("ConfigMap")["data"]["job.json"])
    assert request["model"]["secretRef"] == {"name": "s3"}
    assert request == {
        "version": 1,
        "namespace": "default",
        "name": "job",
        "uid": "uid-of-job",
        "runId": scene.job.run_id,
        "model": scene.resource["spec"]["model"],
        "task": "SequenceClassification",
        "dataset": scene.resource["spec"]["dataset"],
        "training": {"seed": 7, "learningRate": 5e-5, "epochs": 3.0},
        "output": scene.resource["spec"]["output"],
    }
