"""Jobs that bring code of their own: run only where the operator's settings allow it."""

from dataclasses import replace
from typing import Any

import pytest

from finetune_api.keys import ConditionType
from finetune_operator.state.decide import decide
from tests.unit.operator.builders import NOW, POLICY, Scene, is_idle, kinds

FIELD = "spec.grpo.rewardFunctions[polite].python"
CODE = {
    "task": "GRPO",
    "grpo": {
        "rewardFunctions": [
            {"name": "json", "type": "JSON"},
            {
                "name": "polite",
                "type": "Python",
                "python": {"configMapKeyRef": {"name": "rewards", "key": "polite.py"}},
            },
        ]
    },
}


METRIC = {
    "evaluation": {
        "metrics": [
            {"name": "toxicity", "source": "pvc://tools/metrics/toxicity"},
            {"name": "polite", "configMapKeyRef": {"name": "metrics", "key": "polite.py"}},
        ]
    }
}


class Allowing(Scene):
    """The operator allows code."""

    def decide(self) -> Any:
        return decide(self.observed(), replace(POLICY, allows_custom_code=True), NOW)


def test_code_that_is_not_allowed_starts_nothing_and_says_whom_to_ask() -> None:
    scene = Scene(**CODE)
    assert kinds(scene.act()) == []
    assert scene.status["reason"] == "CodeNotAllowed"
    assert scene.status["message"].startswith(f"{FIELD}: this operator runs no code")
    assert "--custom-code on" in scene.status["message"]
    assert scene.condition(ConditionType.STALLED) == "True"
    assert is_idle(scene.decide())


def test_metrics_are_code_wherever_they_lie() -> None:
    for metric in METRIC["evaluation"]["metrics"]:
        scene = Scene(evaluation={"metrics": [metric]})
        assert kinds(scene.act()) == []
        assert scene.status["reason"] == "CodeNotAllowed"
        assert scene.status["message"].startswith(f"spec.evaluation.metrics[{metric['name']}]")


def test_a_published_run_is_not_judged_again_by_metrics_that_are_not_allowed() -> None:
    scene = Scene(serving={"enabled": True}).succeeds()
    scene.becomes_available(scene.one("Deployment")).act()
    scene.edit(**METRIC).act()
    assert kinds(scene.garbage_collect().act()) == []
    assert scene.status["reason"] == "CodeNotAllowed"
    assert scene.condition(ConditionType.PUBLISHED) == "True"
    assert scene.one("Deployment")


def test_the_pod_gets_the_metrics_that_are_allowed() -> None:
    scene = Allowing(**METRIC)
    scene.act()
    spec = scene.training_job["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    item = {"key": "polite.py", "path": "metric-polite"}
    assert volumes["code"]["projected"] == {"sources": [{"configMap": {"name": "metrics", "items": [item]}}]}
    claims = [volume["persistentVolumeClaim"] for volume in volumes.values() if "persistentVolumeClaim" in volume]
    assert {"claimName": "tools", "readOnly": True} in claims


def test_metrics_change_no_run() -> None:
    assert Scene(**METRIC).job.run_id == Scene().job.run_id


def test_a_job_that_was_refused_begins_once_the_operator_allows_it() -> None:
    scene = Scene(**CODE)
    scene.act()
    allowing = Allowing(**CODE)
    allowing.resource = scene.resource
    assert kinds(allowing.act()) == ["ConfigMap", "PersistentVolumeClaim", "Job"]
    assert allowing.condition(ConditionType.STALLED) is None


def test_a_job_that_waits_for_its_model_is_told_at_once() -> None:
    scene = Scene(**CODE, model={"source": "job://absent", "secretRef": None})
    scene.act()
    assert scene.status["reason"] == "CodeNotAllowed"


def test_what_is_published_stays_so_when_the_operator_stops_allowing_it() -> None:
    allowing = Allowing(**CODE).succeeds()
    forbidding = Scene(**CODE)
    forbidding.resource, forbidding.children = allowing.resource, allowing.children
    assert is_idle(forbidding.decide())
    assert forbidding.status["phase"] == "Succeeded"


def test_what_runs_when_the_operator_stops_allowing_it_goes_on() -> None:
    allowing = Allowing(**CODE)
    allowing.act()
    allowing.running_pod()
    forbidding = Scene(**CODE)
    forbidding.resource, forbidding.children = allowing.resource, allowing.children
    plan = forbidding.act()
    assert plan.deletes == ()
    assert forbidding.status["phase"] == "Training"


def test_the_pod_gets_each_file_by_a_name_of_its_own_read_only() -> None:
    scene = Allowing(**CODE)
    scene.act()
    spec = scene.training_job["spec"]["template"]["spec"]
    (volume,) = (volume for volume in spec["volumes"] if volume["name"] == "code")
    item = {"key": "polite.py", "path": "reward-function-polite"}
    assert volume["projected"] == {"sources": [{"configMap": {"name": "rewards", "items": [item]}}]}
    (mount,) = (mount for mount in spec["containers"][0]["volumeMounts"] if mount["name"] == "code")
    assert mount == {"name": "code", "mountPath": "/etc/finetune/code", "readOnly": True}


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ('MountVolume.SetUp failed for volume "code" : configmap "rewards" not found', "does not exist"),
        (
            'MountVolume.SetUp failed for volume "code" : configmap references non-existent config key: polite.py',
            "has no key polite.py",
        ),
    ],
)
def test_missing_code_is_named_with_its_field(message: str, words: str) -> None:
    scene = Allowing(**CODE)
    scene.act()
    pod = scene.pod(conditions=[{"type": "PodScheduled", "status": "True"}])
    scene.event(pod, "FailedMount", message)
    scene.act()
    assert scene.status["reason"] == "ConfigMapNotFound"
    assert scene.status["message"].startswith(f"ConfigMap rewards ({FIELD}.configMapKeyRef) {words}")
