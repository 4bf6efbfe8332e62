"""What the chart's values make of the operator's settings."""

from pathlib import Path
from typing import Any

import pytest

from devcluster import CommandFailed
from finetune_operator.settings import Settings, read_settings
from tests.integration.chart.helm import NAMESPACE, RELEASE, operator_pod, rendered

DEFAULTS = {
    "pods": {
        "serviceAccountName": "cloud",
        "env": [{"name": "NOTE", "value": 'as "$(HOME)" & <more>'}],
        "caBundle": {"configMapKeyRef": {"name": "ca", "key": "ca.crt"}},
        "limits": {"cpu": 4},
    },
    "storage": {"accessModes": ["ReadWriteMany"]},
}
OF_THE_POD = {"metadata.name": "pod-1", "metadata.namespace": NAMESPACE}


def settings(folder: Path, **values: Any) -> Settings:
    """Read the settings as the operator's container would, with the kubelet's expansion of $$."""
    variables = operator_pod(rendered(folder, **values))["spec"]["containers"][0]["env"]
    return read_settings([], {variable["name"]: value_of(variable) for variable in variables})


def value_of(variable: dict[str, Any]) -> str:
    if "valueFrom" in variable:
        return OF_THE_POD[variable["valueFrom"]["fieldRef"]["fieldPath"]]
    return str(variable["value"]).replace("$$", "$")


def test_without_values_the_settings_are_the_operators_own(tmp_path: Path) -> None:
    arguments = f"--trainer-image finetune.dev/trainer:0.1.0 --lease-name {RELEASE} --lease-namespace {NAMESPACE}"
    assert settings(tmp_path) == read_settings([*arguments.split(), "--identity", "pod-1"], {})


def test_every_value_reaches_its_setting(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        trainerImage={"repository": "registry.example/trainer", "digest": f"sha256:{'0' * 64}"},
        watchNamespaces=["one", "two"],
        httpPort=9000,
        gpuHourPrice=2.5,
        currency="EUR",
        workers=3,
        progressIntervalSeconds=1.5,
        pendingIntervalSeconds=2,
        resyncIntervalSeconds=30,
        logFormat="json",
        logLevel="debug",
        customCode=True,
        leaderElection={"enabled": False, "leaseName": "lease", "leaseNamespace": "leases"},
    )
    arguments = f"""
        --trainer-image registry.example/trainer@sha256:{"0" * 64} --namespace one,two --http-port 9000 --workers 3
        --progress-interval-seconds 1.5 --pending-interval-seconds 2 --resync-interval-seconds 30 --log-format json
        --log-level debug --custom-code on --leader-election off --lease-name lease --lease-namespace leases
        --identity pod-1 --gpu-hour-price 2.5 --currency EUR
    """
    assert found == read_settings(arguments.split(), {})


def test_defaults_of_jobs_reach_the_operator_as_they_are(tmp_path: Path) -> None:
    defaults = settings(tmp_path, defaults=DEFAULTS).defaults.to_wire()
    assert {name: block for name, block in defaults.items() if block} == DEFAULTS


@pytest.mark.parametrize(
    ("pods", "policy"), [({}, "Always"), ({"imagePullPolicy": "Never"}, "Never")], ids=["unset", "of-the-defaults"]
)
def test_the_trainer_images_pull_policy_is_a_default_of_all_pods(
    tmp_path: Path, pods: dict[str, str], policy: str
) -> None:
    defaults = settings(tmp_path, trainerImage={"pullPolicy": "Always"}, defaults={"pods": pods}).defaults
    assert defaults.pods.image_pull_policy == policy


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"defaults": {"pod": {}}}, r"(?i)additional propert.*'pod'"),
        ({"defaults": {"pods": {"nodeSelektor": {}}}}, r"(?i)additional propert.*'nodeSelektor'"),
        ({"workers": 0}, r"(?s)workers.*minimum"),
        ({"logLevel": "trace"}, r"(?s)logLevel.*'debug', 'info', 'warning', 'error'"),
        ({"image": {"digest": "1234"}}, r"(?s)image.digest|image/digest"),
        ({"metrics": {"serviceMonitors": {}}}, r"(?i)additional propert.*'serviceMonitors'"),
        ({"policies": {"validationActions": ["Deny", "Warn"]}}, r"policies[/.]validationActions"),
        ({"policies": {"limits": {"all": {"images": []}}}}, r"(?i)additional propert.*'images'"),
        ({"policies": {"limits": {"all": {"dataSources": ["bucket/*"]}}}}, r"dataSources[/.]0"),
        ({"env": [{"name": "FINETUNE_WORKERS", "value": "1"}]}, r"env[/.]0[/.]name"),
        ({"replicas": 2, "leaderElection": {"enabled": False}}, "all replicas would act at once; set replicas to 1"),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value),
)
def test_mistaken_values_are_refused_by_name(tmp_path: Path, values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(CommandFailed, match=complaint):
        rendered(tmp_path, **values)
