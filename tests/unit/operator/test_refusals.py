"""What the API server refuses is on the resource, and does not hide how the run stands."""

import pytest

from finetune_api.failures import FailureClass
from tests.unit.operator.builders import Scene, is_idle, reasons

DENIED = 'admission webhook "x" denied the request: no'
WEBHOOK = 'Internal error occurred: failed calling webhook "x.example": connection refused'
ROLE = 'jobs.batch "job-1" is forbidden: User "system:serviceaccount:a:b" cannot delete resource "jobs"'


@pytest.mark.parametrize(
    ("verb", "message", "lasting", "reason", "words"),
    [
        (
            "patch",
            'admission webhook "x" denied the request: no',
            False,
            "AdmissionRefused",
            "Job job-1 cannot be changed",
        ),
        ("delete", 'admission webhook "x" denied the request: no', False, "AdmissionRefused", "cannot be deleted"),
        ("delete", ROLE, False, "ApiServerRefused", "The operator's role does not allow it"),
        ("patch", WEBHOOK, True, "AdmissionRefused", "mend or remove the webhook"),
        ("delete", "etcdserver: request timed out", True, "ApiServerRefused", "cannot be deleted, time and again"),
    ],
)
def test_refused_change_is_told_and_the_run_goes_on(
    verb: str, message: str, lasting: bool, reason: str, words: str
) -> None:
    scene = Scene()
    scene.act()
    scene.running_pod()
    scene.act()
    before = scene.status
    scene.refuse("Job", "job-1", message, verb, lasting=lasting)
    plan = scene.act()
    assert (scene.status["phase"], scene.status["reason"]) == ("Training", reason)
    assert words in scene.status["message"]
    assert message.split(":", maxsplit=1)[0] in scene.status["message"]
    assert scene.condition("Reconciling") == "True"
    assert scene.status["run"] == before["run"]
    assert reasons(plan) == [reason]
    assert plan.look_again_seconds
    assert plan.pull
    assert is_idle(scene.decide())
    scene.refusal = None
    scene.act()
    assert scene.status["reason"] == "Training"


def test_child_that_fails_time_and_again_is_told_and_not_counted_as_made() -> None:
    scene = Scene()
    scene.refuse("Job", "job-1", WEBHOOK, "create", lasting=True)
    plan = scene.act()
    assert plan.applies == ()
    assert scene.status["message"].startswith("Job job-1 cannot be made, time and again: Internal error")
    assert "startedAt" not in scene.status["run"]


def test_reads_that_are_refused_are_told() -> None:
    scene = Scene()
    scene.refuse("", "", 'jobs.batch is forbidden: User "x" cannot list resource "jobs"', "read")
    scene.act()
    assert scene.status["message"].startswith("An object cannot be read: jobs.batch is forbidden")


def test_failure_stays_the_headline_and_the_refusal_is_said_after_it() -> None:
    scene = Scene()
    scene.act()
    scene.ended_pod(65, scene.report(FailureClass.BAD_DATA, "train.csv, line 3: no label."))
    scene.job_ends("Failed")
    scene.act()
    scene.refuse("ConfigMap", "job-0", "denied the request: no", "delete").act()
    assert (scene.status["phase"], scene.status["reason"]) == ("Failed", "BadData")
    assert scene.status["message"].startswith("train.csv, line 3: no label. To go on")
    assert "is kept. ConfigMap job-0 cannot be deleted" in scene.status["message"]
    scene.refusal = None
    scene.act()
    assert scene.status["message"].endswith("what is done is kept.")


def test_what_is_served_stays_ready_while_something_is_refused() -> None:
    scene = Scene(serving={"enabled": True}).succeeds()
    scene.becomes_available(scene.one("Deployment")).act()
    scene.refuse("Deployment", "job-old", "denied the request: no", "delete").act()
    assert scene.condition("Ready") == "True"
    assert (scene.status["phase"], scene.status["reason"]) == ("Ready", "AdmissionRefused")


OWNER = {"apiVersion": "example.com/v1", "kind": "FineTuneJob", "name": "job", "uid": "u", "controller": True}


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"ownerReferences": [OWNER]}, "belongs to FineTuneJob job"),
        ({"ownerReferences": [{**OWNER, "kind": "Workflow", "controller": False}]}, "belongs to Workflow job"),
        ({"labels": {"app.kubernetes.io/managed-by": "finetune-operator"}}, "was left behind when its FineTuneJob"),
        ({"labels": {"app.kubernetes.io/managed-by": "ansible"}}, "is managed by ansible"),
        ({"annotations": {"meta.helm.sh/release-name": "web"}}, "belongs to the Helm release web"),
        ({}, "was not made by the operator"),
    ],
)
def test_what_is_in_the_way_is_told_with_its_owner_and_looked_at_rarely(metadata: dict, words: str) -> None:
    scene = Scene()
    head = {"name": "job-workspace", "namespace": "default", **metadata}
    scene.foreign = [{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": head}]
    plan = scene.act()
    assert scene.status["reason"] == "NameConflict"
    assert words in scene.status["message"]
    assert plan.look_again_seconds is not None
    assert plan.look_again_seconds >= 15
