"""Edits while something runs: never two training Jobs, never pods of two runs."""

from datetime import timedelta

import pytest

from finetune_api.failures import FailureClass
from finetune_api.handoff import Stage
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import name_of
from finetune_operator.state.children.contest import key_of, next_repair
from tests.unit.operator.builders import Scene, is_idle, kinds, reasons

NEW_RUN = {"training": {"learningRate": 1e-3}}
NEW_LAUNCH = {"compute": {"memory": "8Gi"}}


@pytest.mark.parametrize("edit", [NEW_RUN, NEW_LAUNCH], ids=["new-run", "same-run-launched-anew"])
def test_live_job_is_stopped_before_the_next_is_made(edit: Manifest):
    scene = Scene()
    scene.act()
    old, pod = scene.training_job, scene.running_pod()
    scene.edit(**edit)
    plan = scene.act()
    assert kinds(plan) == []
    assert [name_of(child) for child in plan.deletes] == [name_of(old)]
    assert reasons(plan) == ["RunSuperseded"]
    assert scene.status["reason"] == "StoppingPreviousRun"
    assert scene.status["phase"] == "Pending"
    assert name_of(pod) in scene.status["message"]
    assert is_idle(scene.decide())
    scene.garbage_collect()
    assert kinds(scene.act())[-1] == "Job"
    assert len(scene.of_kind("Job")) == 1
    assert scene.status["run"]["id"] == scene.job.run_id


LIVE = {"training": {"learningRate": 1e-4}, "compute": {"env": [{"name": "A", "value": "1"}]}}
EDITS = {
    "spec.training.learningRate from 0.0001 to 0.001": NEW_RUN,
    "spec.compute.memory from unset to 8Gi": NEW_LAUNCH,
    "spec.compute.env": {"compute": {"env": [{"name": "A", "value": "2"}]}},
    "spec.retry from unset to again": {"retry": "again"},
    "spec.runId from unset to 2": {"runId": "2"},
    "spec.output.secretRef.name from s3 to s4": {"output": {"secretRef": {"name": "s4"}}},
    "spec.model.source": {"model": {"source": f"s3://finetune/{'m' * 60}"}},
    "spec.dataset.limit from unset to 9, spec.dataset.seed from unset to 7, spec.training.maxSteps from unset to 5 and"
    " 1 more": {"dataset": {"limit": 9, "seed": 7}, "training": {"maxSteps": 5, "seed": 8}},
    "spec.training.seed from unset to 8": {"training": {"seed": 8}, "evaluation": {"baseline": False}},
}


@pytest.mark.parametrize("fields", EDITS)
def test_a_run_that_is_stopped_is_told_with_what_was_edited(fields: str):
    scene = Scene(**LIVE)
    scene.act()
    scene.running_pod()
    old = scene.job.run_id
    (told,) = scene.edit(**EDITS[fields]).act().notes
    course = "is stopped, and launched anew" if scene.job.run_id == old else f"gives way to run {scene.job.run_id}"
    assert told.message == f"The spec has changed ({fields}): run {old} {course}."


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        ({}, " (spec.training.learningRate from 0.0001 to 0.001)"),
        ({"job.json": "{"}, ""),
        ({"job.json": "[]"}, ""),
        ({"job.json": None}, ""),
    ],
)
def test_what_was_edited_is_told_as_far_as_an_earlier_release_recorded_it(data: Manifest, fields: str):
    scene = Scene(**LIVE)
    scene.act()
    scene.running_pod()
    old = scene.job.run_id
    file = scene.one("ConfigMap")
    file["data"] = {key: text for key, text in {"job.json": file["data"]["job.json"], **data}.items() if text}
    (told,) = scene.edit(**NEW_RUN, retry="again").act().notes
    assert told.message == f"The spec has changed{fields}: run {old} gives way to run {scene.job.run_id}."


def test_pod_that_outlives_its_job_still_blocks_the_next_run():
    scene = Scene()
    scene.act()
    pod = scene.running_pod()
    scene.edit(**NEW_RUN).act()
    scene.remove(scene.training_job)
    assert kinds(scene.act()) == []
    scene.remove(pod)
    assert "Job" in kinds(scene.act())


def test_pod_that_has_ended_blocks_nothing():
    scene = Scene()
    scene.act()
    scene.ended_pod(70)
    scene.edit(**NEW_RUN).act()
    scene.remove(scene.training_job)
    assert "Job" in kinds(scene.act())


def test_job_file_of_a_superseded_run_goes_with_it():
    scene = Scene()
    scene.act()
    scene.running_pod()
    scene.edit(**NEW_RUN).act()
    scene.garbage_collect().act()
    scene.act()
    scene.garbage_collect()
    assert [name_of(found) for found in scene.of_kind("ConfigMap")] == [f"job-{scene.job.run_id}"]


def test_new_run_starts_with_a_clean_sheet_but_keeps_the_published_model():
    scene = Scene().succeeds()
    artifact = scene.status["artifact"]
    scene.edit(**NEW_RUN).act()
    assert scene.status["artifact"] == artifact
    assert "metrics" not in scene.status
    assert "score" not in scene.status
    assert "progress" not in scene.status
    assert scene.condition("Published") == "Unknown"
    assert scene.condition("Ready") == "False"


def test_going_back_to_the_published_spec_trains_nothing_and_tells_its_figures_again():
    scene = Scene().succeeds()
    before = scene.status
    scene.edit(**NEW_RUN).act()
    scene.running_pod()
    scene.act()
    scene.edit(training=None)
    plan = scene.act()
    assert kinds(plan) == []
    assert len(plan.deletes) == 1
    scene.garbage_collect().act()
    assert scene.status["phase"] == "Succeeded"
    assert scene.status["artifact"] == before["artifact"]
    assert scene.status["score"] == before["score"]


@pytest.mark.parametrize(
    "edit",
    [{"serving": {"replicas": 3}}, {"maxRetries": 9}, {"compute": {"memory": "8Gi"}}, {"suspend": True}],
    ids=["serving", "retries", "memory", "suspend"],
)
def test_edit_of_a_published_job_that_changes_no_result_trains_nothing(edit: Manifest):
    scene = Scene().succeeds()
    plan = scene.edit(**edit).act()
    assert kinds(plan) == []
    assert not plan.deletes
    assert scene.status["phase"] == "Succeeded"


def test_new_destination_publishes_again_from_the_same_workspace():
    scene = Scene().succeeds()
    run_id = scene.job.run_id
    scene.edit(output={"destination": "s3://elsewhere/published"}).act()
    scene.garbage_collect()
    plan = scene.act()
    assert scene.job.run_id == run_id
    assert kinds(plan) == ["ConfigMap", "Job"]
    assert "s3://elsewhere" in plan.applies[0]["data"]["job.json"]


def test_new_run_id_trains_unchanged_inputs_again():
    scene = Scene().succeeds()
    assert kinds(scene.edit(runId="again").act()) == ["ConfigMap", "Job"]


def test_failed_run_starts_again_when_its_inputs_change():
    scene = Scene()
    scene.act()
    scene.ended_pod(65, scene.report(FailureClass.BAD_DATA, "bad"))
    scene.job_ends("Failed", "PodFailurePolicy", failed=1)
    scene.act()
    scene.edit(**NEW_RUN).act()
    scene.garbage_collect()
    assert "Job" in kinds(scene.act())
    assert scene.status["phase"] == "Pending"
    assert scene.condition("Stalled") is None
    assert scene.condition("Succeeded") == "Unknown"


def test_fields_that_a_live_job_can_take_over_are_merged_into_it():
    scene = Scene()
    scene.act()
    scene.running_pod()
    scene.edit(maxRetries=7, activeDeadlineSeconds=100)
    plan = scene.act()
    (change,) = plan.merges
    assert change.changes["spec"] == {"backoffLimit": 7}
    assert change.changes["metadata"]["annotations"]["finetune.dev/active-deadline-seconds"] == "100"
    assert scene.decide().merges == ()


def test_suspended_job_stops_its_pod_and_resumes():
    scene = Scene()
    scene.act()
    pod = scene.running_pod()
    scene.says(Stage.TRAIN, step=40).act()
    plan = scene.edit(suspend=True).act()
    assert [change.changes["spec"] for change in plan.merges] == [{"suspend": True}]
    assert scene.status["phase"] == "Suspended"
    assert scene.condition("Reconciling") == "True"
    scene.remove(pod).act()
    assert scene.condition("Reconciling") is None
    assert scene.status["progress"]["step"] == 40
    assert is_idle(scene.decide())
    plan = scene.edit(suspend=False).act()
    assert [change.changes["spec"] for change in plan.merges] == [{"suspend": False}]
    assert scene.status["phase"] == "Pending"


def suspends(scene: Scene, value: bool, who: str) -> None:
    """Let somebody else suspend or resume the live Job."""
    live = scene.training_job
    live["spec"]["suspend"] = value
    live["metadata"]["managedFields"] = [{"manager": who, "fieldsV1": {"f:spec": {"f:suspend": {}}}}]


def test_job_that_somebody_else_suspends_stays_so_and_is_told() -> None:
    scene = Scene()
    scene.act()
    suspends(scene, True, "kueue")
    plan = scene.act()
    assert plan.merges == ()
    assert (scene.status["phase"], scene.status["reason"]) == ("Suspended", "SuspendedByOthers")
    assert "suspended by somebody else: by kueue" in scene.status["message"]
    assert is_idle(scene.decide())
    assert [change.changes["spec"] for change in scene.edit(maxRetries=7).act().merges] == [{"backoffLimit": 7}]
    suspends(scene, False, "kueue")
    scene.running_pod()
    scene.act()
    assert scene.status["phase"] == "Training"


def test_limits_that_somebody_gives_a_job_stay_until_the_spec_says_something_else() -> None:
    scene = Scene(maxRetries=2, activeDeadlineSeconds=100)
    scene.act()
    scene.training_job["spec"] |= {"backoffLimit": 9, "activeDeadlineSeconds": 5}
    assert is_idle(scene.decide())
    plan = scene.edit(maxRetries=3).act()
    assert [change.changes["spec"] for change in plan.merges] == [{"backoffLimit": 3}]


def test_what_is_asked_is_noted_where_the_job_is_already_so() -> None:
    """Otherwise a Job that a person had suspended before the spec did would not be resumed by the spec."""
    scene = Scene()
    scene.act()
    suspends(scene, True, "kubectl-patch")
    scene.edit(suspend=True).act()
    assert scene.status["message"] == "spec.suspend is true. Set it to false to go on."
    scene.edit(suspend=False).act()
    assert scene.training_job["spec"]["suspend"] is False
    assert is_idle(scene.act())


def test_suspension_that_is_asked_for_is_insisted_on_ever_more_rarely() -> None:
    scene = Scene()
    scene.act()
    scene.edit(suspend=True).act()
    insisted = 0
    for _ in range(60):
        scene.now += timedelta(seconds=1)
        suspends(scene, False, "kueue")
        for change in scene.act().merges:
            key = key_of(change.live)
            scene.repairs[key] = next_repair(scene.repairs.get(key), change.wish, change.over, scene.now)
            insisted += 1
    assert 3 <= insisted <= 7
    assert "spec.suspend by kueue" in scene.status["message"]


def test_job_that_is_suspended_from_the_start_gets_no_children():
    scene = Scene(suspend=True)
    assert kinds(scene.act()) == []
    assert scene.status["phase"] == "Suspended"
    assert "workspace" not in scene.status
    assert "startedAt" not in scene.status["run"]
    assert reasons(scene.edit(suspend=False).act()) == ["RunStarted"]


def test_raised_deadline_gives_the_run_another_go():
    scene = Scene(activeDeadlineSeconds=60)
    scene.act()
    scene.running_pod()["status"]["phase"] = "Failed"
    scene.job_ends("Failed", "DeadlineExceeded")
    scene.act()
    assert scene.status["reason"] == "DeadlineExceeded"
    assert is_idle(scene.decide())
    scene.edit(activeDeadlineSeconds=600).act()
    scene.garbage_collect()
    assert "Job" in kinds(scene.act())
    assert scene.status["run"]["id"] == scene.job.run_id


def test_raised_deadline_counts_even_if_the_failed_job_is_gone():
    scene = Scene(activeDeadlineSeconds=60)
    scene.act()
    scene.job_ends("Failed", "DeadlineExceeded")
    scene.act()
    scene.remove(scene.training_job)
    assert is_idle(scene.decide())
    assert "Job" in kinds(scene.edit(activeDeadlineSeconds=600).act())


def test_namesake_that_belongs_to_somebody_else_is_left_alone():
    scene = Scene()
    scene.foreign = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "job-server", "namespace": "n"}}]
    plan = scene.act()
    assert kinds(plan) == []
    assert scene.status["reason"] == "NameConflict"
    assert "ConfigMap job-server" in scene.status["message"]
    assert scene.condition("Stalled") == "True"
    assert "startedAt" not in scene.status["run"]
    assert plan.look_again_seconds is not None


def test_child_of_a_deleted_namesake_is_waited_for():
    scene = Scene()
    owner = {"kind": "FineTuneJob", "name": "job", "uid": "another", "controller": True}
    metadata = {"name": "job-workspace", "namespace": "default", "ownerReferences": [owner]}
    scene.foreign = [{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata}]
    scene.act()
    assert scene.status["reason"] == "StoppingPreviousRun"
    assert scene.condition("Stalled") is None


def test_published_job_that_has_not_quite_ended_is_kept_for_its_figures() -> None:
    scene = Scene()
    scene.act()
    scene.ended_pod(0, scene.report())
    scene.act()
    scene.edit(**NEW_RUN)
    plan = scene.act()
    assert not plan.deletes
    assert kinds(plan) == ["ConfigMap", "Job"]


def test_labels_that_a_policy_tool_rewrites_change_nothing():
    scene = Scene()
    scene.act()
    scene.running_pod()
    scene.act()
    for child in scene.children:
        child["metadata"]["labels"] = {"team": "platform"}
    for child in (scene.training_job, scene.one("Pod")):
        child["metadata"]["annotations"] = {}
    plan = scene.act()
    assert (kinds(plan), plan.deletes, plan.merges) == (["ConfigMap"], (), ())
    assert scene.status["phase"] == "Training"
    scene.edit(**NEW_RUN)
    old = scene.training_job
    plan = scene.act()
    assert kinds(plan) == []
    assert [name_of(child) for child in plan.deletes] == [name_of(old)]
