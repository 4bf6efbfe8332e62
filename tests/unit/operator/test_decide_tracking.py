"""A tracker of the training: its Secret, its page in the status, and what an edit of it does."""

import json

import pytest

from finetune_api.handoff import Stage
from finetune_api.spec.tracking import TrackedRun
from finetune_operator.desired.references import references
from tests.unit.operator.builders import Scene, is_idle, kinds

TRACKING = {"type": "MLflow", "endpoint": "http://mlflow:5000", "secretRef": {"name": "mlflow"}}
PAGE = {"type": "MLflow", "url": "http://mlflow:5000/#/experiments/1/runs/a"}


def live(**spec: object) -> Scene:
    scene = Scene(**spec)
    scene.act()
    scene.running_pod()
    return scene


def test_the_trainer_is_told_of_the_tracker_and_given_its_secret_as_files():
    scene = Scene(tracking=TRACKING)
    scene.act()
    assert json.loads(scene.one("ConfigMap")["data"]["job.json"])["tracking"] == TRACKING
    pod = scene.training_job["spec"]["template"]["spec"]
    assert {"name": "secret-tracking", "secret": {"secretName": "mlflow", "defaultMode": 0o440}} in pod["volumes"]
    (container,) = pod["containers"]
    assert {"name": "secret-tracking", "mountPath": "/etc/finetune/secrets/tracking", "readOnly": True} in container[
        "volumeMounts"
    ]
    assert "mlflow" not in json.dumps(container["env"])
    assert "spec.tracking.secretRef" in {reference.asked_by for reference in references(scene.job)}


def test_the_page_is_in_the_status_and_stays_when_the_last_word_has_no_room_for_it():
    scene = live(tracking=TRACKING).says(Stage.TRAIN, step=50, tracking=TrackedRun.model_validate(PAGE))
    scene.act()
    assert scene.status["tracking"] == PAGE
    scene.children.remove(scene.one("Pod"))
    scene.progress = None
    scene.ended_pod(0, scene.report())
    scene.job_ends("Complete").act()
    assert (scene.status["phase"], scene.status["tracking"]) == ("Succeeded", PAGE)
    scene.edit(training={"seed": 7}).act()
    assert "tracking" not in scene.status, "that of another run"


@pytest.mark.parametrize("tracking", [TRACKING, {"type": "WandB", "tags": {"team": "nlp"}}], ids=lambda t: t["type"])
def test_a_tracker_changes_no_run_and_a_published_one_is_left_alone(tracking: dict[str, object]):
    scene = Scene().succeeds()
    run = scene.status["run"]["id"]
    plan = scene.edit(tracking=tracking).act()
    assert (kinds(plan), plan.deletes, scene.status["run"]["id"]) == ([], (), run)
    assert scene.status["phase"] == "Succeeded"
    assert is_idle(scene.decide())


def test_a_live_run_goes_on_from_its_checkpoint_with_another_tracker():
    scene = live(tracking=TRACKING)
    run = scene.status["run"]["id"]
    plan = scene.edit(tracking={"secretRef": {"name": "the-right-one"}}).act()
    assert plan.deletes == (scene.training_job,)
    scene.garbage_collect()
    assert kinds(scene.act()) == ["ConfigMap", "Job"]
    assert scene.status["run"]["id"] == run
