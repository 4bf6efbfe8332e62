"""The job file of a launch: written once, short, and left alone by every later release."""

import json
from copy import deepcopy

import pytest

from finetune_api.handoff import RunRequest
from finetune_operator.desired.config_map import job_file, run_request
from finetune_operator.kinds import Manifest
from tests.unit.operator.builders import Scene, is_idle, kinds

OLD_FILE = {"job.json": json.dumps({"version": 1, "optionOfThatRelease": True})}


def of_an_older_release(scene: Scene) -> Manifest:
    """Let the job file be one that this release would write otherwise."""
    file = scene.one("ConfigMap")
    file["data"] = deepcopy(OLD_FILE)
    file["metadata"]["annotations"] = {"finetune.dev/applied": "0123"}
    return file


@pytest.mark.parametrize("running", [True, False])
def test_the_job_file_of_a_live_run_never_changes(running: bool):
    scene = Scene()
    scene.act()
    if running:
        scene.running_pod()
        scene.act()
    of_an_older_release(scene)
    assert is_idle(scene.decide())


def test_a_suspended_run_goes_on_with_its_job_file():
    scene = Scene()
    scene.act()
    scene.edit(suspend=True).act()
    of_an_older_release(scene)
    assert is_idle(scene.decide())
    assert kinds(scene.edit(suspend=False).act()) == []
    assert scene.training_job["spec"]["suspend"] is False
    assert scene.one("ConfigMap")["data"] == OLD_FILE


def test_a_run_that_is_retried_goes_on_with_its_job_file():
    scene = Scene()
    scene.act()
    scene.ended_pod(69)
    scene.act()
    of_an_older_release(scene)
    scene.pod()
    assert kinds(scene.act()) == []


def test_a_job_file_that_somebody_deleted_is_made_again():
    scene = Scene()
    scene.act()
    scene.remove(scene.one("ConfigMap"))
    assert kinds(scene.act()) == ["ConfigMap"]
    assert is_idle(scene.decide())


def test_a_job_file_that_lost_its_labels_gets_them_back_and_keeps_its_words():
    scene = Scene()
    scene.act()
    of_an_older_release(scene)["metadata"]["labels"] = {}
    (applied,) = scene.act().applies
    assert applied["data"] == OLD_FILE
    assert applied["metadata"]["labels"]


def test_another_launch_writes_its_own_job_file():
    scene = Scene()
    scene.act()
    of_an_older_release(scene)
    scene.edit(compute={"memory": "64Gi"}).act()
    scene.children.remove(scene.training_job)
    plan = scene.act()
    assert kinds(plan) == ["ConfigMap", "Job"]
    assert json.loads(plan.applies[0]["data"]["job.json"])["compute"] == {"memory": "64Gi"}


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"tuning": {"method": "QLoRA", "qlora": {"rank": 16, "quantType": "fp4"}}},
        {"tuning": {"method": "LoRA", "lora": {}}},
        {"training": {"maxSteps": 5, "learningRate": 5e-5, "packing": False, "lrSchedulerArguments": {}}},
        {"dataset": {"evaluation": {"fraction": 0.1}, "columns": {"text": "body"}, "seed": 42}},
        {"dataset": {"evaluation": {"source": "s3://b/e.csv"}, "truncationWarningShare": 0}},
        {"sequenceClassification": {"problemType": "MultiLabel", "labels": ["a", "b"]}},
        {"task": "SFT", "sft": {"completionOnlyLoss": False}, "evaluation": {"samplePrompts": ["hello"]}},
        {"compute": {"cpu": 1, "memory": "4Gi", "gpus": 1}},
    ],
    ids=str,
)
def test_what_is_left_out_of_the_job_file_is_the_default(spec: dict):
    scene = Scene(**spec)
    assert RunRequest.model_validate_json(job_file(scene.job)) == run_request(scene.job)
