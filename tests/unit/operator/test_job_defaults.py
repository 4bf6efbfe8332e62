"""The chart's defaults: how they join what a job says, what they leave alone, and how mistakes in them are told."""

import json
from dataclasses import replace
from typing import Any

import pytest

from finetune_api.spec.compute import ComputeSpec
from finetune_operator.desired.defaults import JobDefaults, under, with_defaults
from finetune_operator.errors import SettingsError
from finetune_operator.kinds import Manifest
from finetune_operator.settings import read_settings
from tests.unit.operator.builders import POLICY, Scene, is_idle, kinds

CA = {"configMapKeyRef": {"name": "ca", "key": "ca.crt"}}
PROXY = {"httpsProxy": "http://proxy:3128"}


def defaults(**blocks: Any) -> JobDefaults:
    return JobDefaults.model_validate(blocks)


def scene(given: JobDefaults, **spec: Any) -> Scene:
    found = Scene(**spec)
    found.policy = replace(POLICY, defaults=given)
    return found


@pytest.mark.parametrize(
    ("base", "own", "joined"),
    [
        ({"labels": {"a": "1", "b": "1"}}, {"labels": {"b": "2"}}, {"labels": {"a": "1", "b": "2"}}),
        ({"nodeSelector": {"pool": "gpu"}}, {}, {"nodeSelector": {"pool": "gpu"}}),
        (
            {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}]},
            {"env": [{"name": "A", "value": "2"}]},
            {"env": [{"name": "A", "value": "2"}, {"name": "B", "value": "1"}]},
        ),
        (
            {"imagePullSecrets": [{"name": "a"}]},
            {"imagePullSecrets": [{"name": "a"}, {"name": "b"}]},
            {"imagePullSecrets": [{"name": "a"}, {"name": "b"}]},
        ),
        (
            {"tolerations": [{"key": "gpu", "operator": "Exists"}]},
            {"tolerations": [{"key": "spot", "operator": "Exists"}]},
            {"tolerations": [{"key": "gpu", "operator": "Exists"}, {"key": "spot", "operator": "Exists"}]},
        ),
        ({"serviceAccountName": "site"}, {"serviceAccountName": "own"}, {"serviceAccountName": "own"}),
        ({"proxy": PROXY}, {"proxy": {}}, {"proxy": {}}),
        ({"securityContext": {"identity": "Assigned"}}, {}, {"securityContext": {"identity": "Assigned"}}),
    ],
    ids=str,
)
def test_what_a_job_says_wins_over_the_defaults(base: Manifest, own: Manifest, joined: Manifest) -> None:
    options = under(ComputeSpec.model_validate(own), defaults(pods=base).pods)
    assert options == ComputeSpec.model_validate(joined)


def test_defaults_of_one_kind_of_pods_win_over_those_of_all() -> None:
    given = defaults(pods={"serviceAccountName": "any", "caBundle": CA}, serving={"serviceAccountName": "reader"})
    found = scene(given, serving={"enabled": True}).succeeds()
    accounts = {
        kind: found.one(kind)["spec"]["template"]["spec"]["serviceAccountName"] for kind in ("Job", "Deployment")
    }
    assert accounts == {"Job": "any", "Deployment": "reader"}
    for kind in accounts:
        volumes = found.one(kind)["spec"]["template"]["spec"]["volumes"]
        assert "ca-bundle" in [volume["name"] for volume in volumes]


def test_a_default_limit_below_what_a_job_requests_gives_way() -> None:
    given = defaults(pods={"limits": {"memory": "8Gi", "cpu": "4"}})
    found = scene(given, compute={"memory": "64Gi", "cpu": 8})
    found.act()
    (container,) = found.training_job["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"] == {"memory": "64Gi"}


def test_other_defaults_launch_no_training_anew() -> None:
    found = Scene()
    found.act()
    found.running_pod()
    found.act()
    found.policy = replace(POLICY, defaults=defaults(pods={"env": [{"name": "A", "value": "B"}], "proxy": PROXY}))
    assert is_idle(found.decide())


def test_other_defaults_reach_the_servers_at_once() -> None:
    found = Scene(serving={"enabled": True}).succeeds()
    found.becomes_available(found.one("Deployment")).act()
    found.policy = replace(POLICY, defaults=defaults(serving={"schedulerName": "own"}))
    assert kinds(found.act()) == ["Deployment"]
    assert found.one("Deployment")["spec"]["template"]["spec"]["schedulerName"] == "own"


@pytest.mark.parametrize(
    ("storage", "modes", "storage_class"),
    [
        ({}, ["ReadWriteMany"], "shared"),
        ({"storageClassName": "own", "accessModes": ["ReadWriteOncePod"]}, ["ReadWriteOncePod"], "own"),
    ],
    ids=["defaults", "own"],
)
def test_defaults_of_storage_are_for_volumes_that_are_yet_to_be_claimed(
    storage: Manifest, modes: list[str], storage_class: str
) -> None:
    given = defaults(storage={"storageClassName": "shared", "accessModes": ["ReadWriteMany"]})
    found = scene(given, storage=storage)
    found.act()
    claim = found.one("PersistentVolumeClaim")["spec"]
    assert (claim["accessModes"], claim["storageClassName"]) == (modes, storage_class)
    found.policy = POLICY
    assert is_idle(found.decide())


@pytest.mark.parametrize(("own", "seconds"), [(None, 60), (7, 7), (0, 0)])
def test_the_workspaces_time_to_live_is_a_default_too(own: int | None, seconds: int) -> None:
    job = Scene(workspaceTTLSecondsAfterFinished=own).job
    given = defaults(workspaceTTLSecondsAfterFinished=60)
    assert with_defaults(job, given).spec.workspace_ttl_seconds_after_finished == seconds


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{", "is no JSON: Expecting property name"),
        ({"pod": {}}, "pod: Extra inputs are not permitted"),
        ({"pods": {"memory": "8Gi"}}, "pods.memory: Extra inputs are not permitted"),
        ({"compute": {"env": [{"name": "HOME", "value": "/"}]}}, "compute.env: HOME is set by the operator"),
        ({"pods": {"env": [{"name": "A"}]}}, "pods.env: A needs exactly one of value and valueFrom"),
        ({"pods": {"env": [{"name": "HF_TOKEN", "value": "x"}]}}, "pods.env: HF_TOKEN must not hold a secret"),
        ({"pods": {"env": [{"name": "P", "value": "http://me:x@p"}]}}, "pods.env: P must not hold a secret"),
        ({"pods": {"labels": {"finetune.dev/run": "x"}}}, "pods.labels: finetune.dev/run is set by the operator"),
        ({"serving": {"limits": {"cpu": "many"}}}, "serving.limits.cpu: 'many' is no quantity"),
        ({"pods": {"proxy": {"httpProxy": "http://me:x@proxy"}}}, "pods.proxy.httpProxy: String should match"),
        ({"storage": {"accessModes": ["Any"]}}, "storage.accessModes.0: Input should be 'ReadWriteOnce'"),
    ],
    ids=str,
)
def test_mistakes_in_the_defaults_are_told_at_the_start(given: str | Manifest, message: str) -> None:
    text = given if isinstance(given, str) else json.dumps(given)
    with pytest.raises(SettingsError) as error:
        read_settings([], {"FINETUNE_DEFAULTS": text})
    assert str(error.value).startswith(f"--defaults, which the chart's value defaults sets: {message}")
    assert "me:x@" not in str(error.value)
