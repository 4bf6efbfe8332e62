"""Options of the pods, from the spec to the pod templates; and that what is not asked for changes nothing."""

import hashlib
import json
from typing import Any

import pytest

from finetune_operator.desired.config_map import run_request
from finetune_operator.kinds import Manifest
from tests.unit.operator.pod_templates import job, templates

CA_ITEM = {"key": "ca.crt", "path": "ca-bundle.crt"}


def pods(**options: Any) -> list[Manifest]:
    return [template["spec"] for template in templates(job(**options))]


def containers(**options: Any) -> list[Manifest]:
    return [found for spec in pods(**options) for found in (*spec.get("initContainers", ()), *spec["containers"])]


def variables(container: Manifest) -> dict[str, str]:
    return {variable["name"]: variable.get("value", "") for variable in container["env"]}


def test_every_container_is_pulled_as_asked() -> None:
    assert [found["imagePullPolicy"] for found in containers(imagePullPolicy="Always")] == ["Always"] * 3
    assert not any("imagePullPolicy" in found for found in containers())


def test_a_job_without_options_has_the_same_pods_in_every_release() -> None:
    """A changed value here means that an upgrade launches every live training anew."""
    template, _ = templates(job())
    assert hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:16] == "6ec9b3e293714eb3"


@pytest.mark.parametrize(
    ("options", "added"),
    [
        ({"schedulerName": "volcano"}, {"schedulerName": "volcano"}),
        ({"imagePullSecrets": [{"name": "registry"}]}, {"imagePullSecrets": [{"name": "registry"}]}),
        # Set by both names, or the one would bring the other back once it is set no more.
        ({"serviceAccountName": "cloud"}, {"serviceAccountName": "cloud", "serviceAccount": "cloud"}),
        ({"affinity": {"podAffinity": {}}}, {"affinity": {"podAffinity": {}}}),
    ],
    ids=str,
)
def test_options_reach_the_pods_as_they_are(options: Manifest, added: Manifest) -> None:
    for plain, spec in zip(pods(), pods(**options), strict=True):
        assert spec == plain | added


def test_a_longer_end_is_for_checkpoints_and_for_answers_that_are_begun() -> None:
    training, serving = pods(terminationGracePeriodSeconds=600)
    assert training["terminationGracePeriodSeconds"] == serving["terminationGracePeriodSeconds"] == 600
    (server,) = serving["containers"]
    paused = server["lifecycle"]["preStop"]["sleep"]["seconds"]
    answering = int(server["args"][server["args"].index("--grace-seconds") + 1])
    assert 590 < paused + answering < 600


def test_labels_and_annotations_reach_the_pods_beside_the_operators_own() -> None:
    found = job(labels={"team": "nlp"}, annotations={"note": "any words"})
    for plain, template in zip(templates(job()), templates(found), strict=True):
        assert template["metadata"]["labels"] == plain["metadata"]["labels"] | {"team": "nlp"}
        annotations = template["metadata"]["annotations"]
        assert {"note": "any words", "finetune.dev/job-name": "job"}.items() <= annotations.items()


def test_constraints_count_the_pods_that_serve_the_model_and_the_training_pods_of_all_jobs() -> None:
    spread = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    training, serving = (spec["topologySpreadConstraints"] for spec in pods(topologySpreadConstraints=[spread]))
    counted = {"app.kubernetes.io/component": "training", "app.kubernetes.io/part-of": "finetune"}
    assert training == [spread | {"labelSelector": {"matchLabels": counted}}]
    counted = {"app.kubernetes.io/component": "serving", "finetune.dev/job-uid": "uid-1", "finetune.dev/run": "run1"}
    assert serving == [spread | {"labelSelector": {"matchLabels": counted}}]
    own = spread | {"labelSelector": {"matchLabels": {"team": "nlp"}}}
    assert all(spec["topologySpreadConstraints"] == [own] for spec in pods(topologySpreadConstraints=[own]))


def test_variables_are_added_to_the_operators_own_in_every_container() -> None:
    token = {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}}
    whole = [{"secretRef": {"name": "more"}}, {"prefix": "SITE_", "configMapRef": {"name": "site"}}]
    for plain, container in zip(containers(), containers(env=[token], envFrom=whole), strict=True):
        assert container["env"] == [*plain["env"], token]
        assert container["envFrom"] == whole


@pytest.mark.parametrize(
    ("bundle", "source"),
    [
        (
            {"configMapKeyRef": {"name": "ca", "key": "roots.pem"}},
            {"configMap": {"name": "ca", "items": [{"key": "roots.pem", "path": "ca-bundle.crt"}]}},
        ),
        (
            {"secretKeyRef": {"name": "tls", "key": "ca.crt"}},
            {
                "secret": {
                    "secretName": "tls",
                    "items": [{"key": "ca.crt", "path": "ca-bundle.crt"}],
                    "defaultMode": 288,
                }
            },
        ),
    ],
    ids=["config-map", "secret"],
)
def test_authorities_are_mounted_and_told_to_every_library(bundle: Manifest, source: Manifest) -> None:
    for spec in pods(caBundle=bundle):
        assert {"name": "ca-bundle", **source} in spec["volumes"]
    for container in containers(caBundle=bundle):
        mount = {"name": "ca-bundle", "mountPath": "/etc/finetune/ca", "readOnly": True}
        assert mount in container["volumeMounts"]
        told = {name for name, value in variables(container).items() if value == "/etc/finetune/ca/ca-bundle.crt"}
        assert told == {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE"}


def test_a_proxy_is_told_in_both_spellings_and_never_stands_before_the_cluster_itself() -> None:
    proxy = {"httpsProxy": "http://proxy:3128", "noProxy": " .example.org, localhost,"}
    for container in containers(proxy=proxy):
        told = variables(container)
        assert told["HTTPS_PROXY"] == told["https_proxy"] == "http://proxy:3128"
        assert "HTTP_PROXY" not in told
        assert told["NO_PROXY"] == told["no_proxy"]
        assert told["NO_PROXY"].split(",") == [
            *(".example.org", "localhost", "127.0.0.1", ".svc", ".cluster.local"),
            *("169.254.169.254", "169.254.170.2", "169.254.170.23"),
        ]


def test_a_variable_of_the_spec_wins_over_one_that_follows_from_an_option() -> None:
    secret = {"name": "HTTPS_PROXY", "valueFrom": {"secretKeyRef": {"name": "proxy", "key": "url"}}}
    for container in containers(proxy={"httpsProxy": "http://proxy:3128"}, env=[secret]):
        assert [variable for variable in container["env"] if variable["name"] == "HTTPS_PROXY"] == [secret]


@pytest.mark.parametrize(
    ("security", "ids"),
    [
        ({}, {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000}),
        ({"runAsUser": 2000, "fsGroup": 0}, {"runAsUser": 2000, "runAsGroup": 1000, "fsGroup": 0}),
        ({"identity": "Assigned"}, {}),
        (
            {"identity": "Assigned", "supplementalGroups": [5], "seLinuxOptions": {"level": "s0"}},
            {"supplementalGroups": [5], "seLinuxOptions": {"level": "s0"}},
        ),
    ],
    ids=str,
)
def test_users_and_groups_are_for_choice_but_not_that_pods_are_restricted(security: Manifest, ids: Manifest) -> None:
    for spec in pods(securityContext=security):
        assert spec["securityContext"] == {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
            "fsGroupChangePolicy": "OnRootMismatch",
            **ids,
        }


@pytest.mark.parametrize(
    ("options", "requests", "limits"),
    [
        ({}, {}, {}),
        ({"limits": {"cpu": 2}}, {}, {"cpu": "2"}),
        ({"limits": {"memory": "16Gi", "rdma/hca": 1}}, {}, {"memory": "16Gi", "rdma/hca": "1"}),
        ({"ephemeralStorage": "9Gi"}, {"ephemeral-storage": "9Gi"}, {"ephemeral-storage": "9Gi"}),
        (
            {"ephemeralStorage": "9Gi", "limits": {"ephemeral-storage": "20Gi"}},
            {"ephemeral-storage": "9Gi"},
            {"ephemeral-storage": "20Gi"},
        ),
    ],
    ids=str,
)
def test_limits_and_disk_are_added_to_what_is_requested(
    options: Manifest, requests: Manifest, limits: Manifest
) -> None:
    for container in containers(**options):
        assert container["resources"] == {
            "requests": {"cpu": "1", "memory": "4Gi"} | requests,
            "limits": {"memory": "4Gi"} | limits,
        }


def test_shared_memory_is_a_volume_in_memory() -> None:
    for spec in pods(sharedMemory="1Gi"):
        assert {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}} in spec["volumes"]
        for container in spec["containers"]:
            assert {"name": "shared-memory", "mountPath": "/dev/shm"} in container["volumeMounts"]


def test_the_trainer_is_told_what_it_may_use_and_not_how_its_pod_is_made() -> None:
    request = run_request(job(cpu=2, env=[{"name": "A", "value": "B"}], labels={"team": "nlp"})).to_wire()
    assert request["compute"] == {"gpus": 0, "gpuResourceName": "nvidia.com/gpu", "cpu": 2, "memory": "4Gi"}
