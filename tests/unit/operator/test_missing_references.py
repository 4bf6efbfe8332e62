"""Secrets, ConfigMaps and ServiceAccounts that pods wait for: the message names the field that asks."""

from typing import Any

import pytest

from tests.unit.operator.builders import Scene

COMPUTE: dict[str, Any] = {
    "env": [
        {"name": "A", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}},
        {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "site", "key": "name"}}},
    ],
    "envFrom": [{"secretRef": {"name": "more"}}, {"configMapRef": {"name": "site"}}],
    "caBundle": {"configMapKeyRef": {"name": "authorities", "key": "ca.crt"}},
}


@pytest.mark.parametrize(
    ("message", "reason", "words"),
    [
        ('secret "hub" not found', "SecretNotFound", "Secret hub (spec.compute.env) does not exist"),
        ('secret "more" not found', "SecretNotFound", "Secret more (spec.compute.envFrom) does not exist"),
        (
            'configmap "site" not found',
            "ConfigMapNotFound",
            "ConfigMap site (spec.compute.env, spec.compute.envFrom) does not exist",
        ),
        (
            "couldn't find key token in Secret default/hub",
            "SecretNotFound",
            "Secret hub (spec.compute.env) has no key token. Add it, or correct the field.",
        ),
        (
            "couldn't find key name in ConfigMap default/site",
            "ConfigMapNotFound",
            "ConfigMap site (spec.compute.env) has no key name.",
        ),
        (
            "couldn't find key other in Secret default/of-a-webhook",
            "SecretNotFound",
            "Secret of-a-webhook has no key other.",
        ),
    ],
)
def test_what_a_variable_refers_to_is_named_with_its_field(message: str, reason: str, words: str) -> None:
    scene = Scene(compute=COMPUTE)
    scene.act()
    waiting = {"reason": "CreateContainerConfigError", "message": message}
    scene.pod(containerStatuses=[{"name": "trainer", "image": "trainer:1", "state": {"waiting": waiting}}])
    scene.act()
    assert scene.status["reason"] == reason
    assert words in scene.status["message"]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ('configmap "authorities" not found', "ConfigMap authorities (spec.compute.caBundle) does not exist"),
        (
            "configmap references non-existent config key: ca.crt",
            "ConfigMap authorities (spec.compute.caBundle) has no key ca.crt.",
        ),
    ],
)
def test_missing_authorities_are_named(message: str, words: str) -> None:
    scene = Scene(compute=COMPUTE)
    scene.act()
    pod = scene.pod()
    scene.event(pod, "FailedMount", f'MountVolume.SetUp failed for volume "ca-bundle" : {message}').act()
    assert scene.status["reason"] == "ConfigMapNotFound"
    assert words in scene.status["message"]


def test_missing_service_account_is_told() -> None:
    scene = Scene(compute={"serviceAccountName": "cloud"})
    scene.act()
    refusal = 'error looking up service account default/cloud: serviceaccount "cloud" not found'
    scene.event(scene.training_job, "FailedCreate", f'Error creating: pods "job-1" is forbidden: {refusal}').act()
    assert scene.status["reason"] == "ServiceAccountNotFound"
    words = "ServiceAccount cloud (serviceAccountName) does not exist in this namespace. Create it."
    assert words in scene.status["message"]


def test_a_pod_that_another_scheduler_does_not_take_up_says_for_whom_it_waits() -> None:
    scene = Scene(compute={"schedulerName": "volcano"})
    scene.act()
    scene.pod()["spec"].pop("nodeName")
    scene.act()
    assert "waits for the scheduler volcano (spec.compute.schedulerName)" in scene.status["message"]


def test_memory_that_was_not_enough_is_named_by_the_field_that_limits_it() -> None:
    scene = Scene(compute={"limits": {"memory": "6Gi"}}, maxRetries=0)
    scene.act()
    scene.ended_pod(137, reason="OOMKilled")
    scene.act()
    assert "Raise spec.compute.limits.memory" in scene.status["message"]
