"""What the children look like: names, owners, security, volumes, credentials."""

import pytest

from finetune_api.failures import ExitCode
from finetune_api.runs import NAME_LIMIT
from finetune_api.status import ArtifactStatus
from finetune_operator.desired.config_map import config_map
from finetune_operator.desired.deployment import deployment
from finetune_operator.desired.service import service
from finetune_operator.desired.training_job import training_job
from finetune_operator.desired.workspace import workspace_claim
from finetune_operator.kinds import Manifest
from finetune_operator.resource.fine_tune_job import FineTuneJob, parse_resource
from tests.builders import finetune_job

IMAGE = "trainer:1"
DIGEST = "sha256:1"


def job(name: str = "job", **spec: object) -> FineTuneJob:
    manifest = finetune_job(name, **spec)
    manifest["metadata"] |= {"uid": "uid-1", "generation": 3}
    return parse_resource(manifest)


def artifact(uri: str = "s3://finetune/published/run1") -> ArtifactStatus:
    return ArtifactStatus(run="run1", uri=uri, digest=DIGEST)


def children(found: FineTuneJob) -> list[Manifest]:
    claim = workspace_claim(found)
    assert claim is not None
    return [
        config_map(found),
        claim,
        training_job(found, IMAGE),
        deployment(found, artifact(), IMAGE),
        service(found, "run1"),
    ]


def pod_specs(found: FineTuneJob) -> list[Manifest]:
    owners = training_job(found, IMAGE), deployment(found, artifact(), IMAGE)
    return [owner["spec"]["template"]["spec"] for owner in owners]


def containers(spec: Manifest) -> list[Manifest]:
    return [*spec.get("initContainers", ()), *spec["containers"]]


@pytest.mark.parametrize("name", ["job", "a" * 63, "team.project." + "b" * 230])
def test_children_are_owned_labelled_and_named_within_limits(name: str) -> None:
    for child in children(job(name)):
        metadata = child["metadata"]
        assert len(metadata["name"]) <= NAME_LIMIT
        assert all(len(value) <= NAME_LIMIT for value in metadata["labels"].values())
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "finetune-operator"
        (owner,) = metadata["ownerReferences"]
        assert (owner["uid"], owner["controller"], owner["blockOwnerDeletion"]) == ("uid-1", True, True)


def test_long_names_with_the_same_beginning_do_not_meet() -> None:
    names = {child["metadata"]["name"] for end in "xy" for child in children(job("n" * 200 + end))}
    # ConfigMap and training Job of a run share their name.
    assert len(names) == 2 * 4


def test_pods_are_restricted_and_hold_no_token() -> None:
    for spec in pod_specs(job()):
        assert spec["automountServiceAccountToken"] is False
        security = spec["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] == security["fsGroup"] == 1000
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(spec):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_no_container_reads_a_secret_into_its_environment() -> None:
    for spec in pod_specs(job()):
        for container in containers(spec):
            assert [variable["name"] for variable in container["env"]] == ["HOME", "TMPDIR", "OMP_WAIT_POLICY"]
            assert not any("valueFrom" in variable for variable in container["env"])
            assert "envFrom" not in container


def test_each_block_mounts_its_own_secret() -> None:
    found = job(model={"secretRef": {"name": "hub"}}, dataset={"secretRef": {"name": "data"}})
    (spec, _) = pod_specs(found)
    secrets = {volume["name"]: volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume}
    assert secrets == {"secret-model": "hub", "secret-dataset": "data", "secret-output": "s3"}
    mounts = {mount["name"]: mount for mount in spec["containers"][0]["volumeMounts"]}
    assert mounts["secret-model"]["mountPath"] == "/etc/finetune/secrets/model"
    assert all(mounts[name]["readOnly"] for name in secrets)


def test_claims_are_mounted_read_only_unless_they_are_written_to() -> None:
    found = job(
        model={"source": "pvc://models/base", "secretRef": None},
        dataset={
            "train": {"source": None, "sources": ["pvc://shared/train.csv", "pvc://more/part-*.csv"]},
            "test": {"source": "pvc://tests/test.csv"},
        },
        output={"destination": "pvc://shared/out", "secretRef": None},
    )
    (spec, _) = pod_specs(found)
    mounts = {mount["mountPath"]: mount.get("readOnly", False) for mount in spec["containers"][0]["volumeMounts"]}
    assert all(mounts[f"/volumes/{claim}"] is True for claim in ("models", "more", "tests"))
    assert mounts["/volumes/shared"] is False
    assert mounts["/workspace"] is False
    assert mounts["/etc/finetune/job"] is True
    sources = [volume["persistentVolumeClaim"] for volume in spec["volumes"] if "persistentVolumeClaim" in volume]
    # fsGroup changes the owner of files on volumes that may be written to, and only there.
    assert {source["claimName"]: source.get("readOnly", False) for source in sources} == {
        "job-workspace": False,
        "models": True,
        "more": True,
        "shared": False,
        "tests": True,
    }


@pytest.mark.parametrize("written", [True, False])
def test_a_claim_that_is_the_workspace_too_is_one_volume(written: bool) -> None:
    output = {"destination": "pvc://ours/out", "secretRef": None} if written else {}
    model = {"source": "pvc://ours/base", "secretRef": None}
    found = job(storage={"existingClaim": "ours"}, model=model, output=output)
    (spec, _) = pod_specs(found)
    claims = [volume for volume in spec["volumes"] if "persistentVolumeClaim" in volume]
    assert claims == [{"name": "workspace", "persistentVolumeClaim": {"claimName": "ours"}}]
    mounts = [mount for mount in spec["containers"][0]["volumeMounts"] if mount["name"] == "workspace"]
    second = {"name": "workspace", "mountPath": "/volumes/ours"}
    assert mounts == [
        {"name": "workspace", "mountPath": "/workspace"},
        second if written else {**second, "readOnly": True},
    ]


def test_job_fails_at_once_on_terminal_codes_and_ignores_disruptions() -> None:
    spec = training_job(job(maxRetries=5, activeDeadlineSeconds=60), IMAGE)["spec"]
    rules = spec["podFailurePolicy"]["rules"]
    assert [rule["action"] for rule in rules] == ["Ignore", "Ignore", "FailJob"]
    assert rules[1]["onExitCodes"]["values"] == [ExitCode.PREEMPTED]
    assert rules[2]["onExitCodes"]["values"] == [64, 65, 66, 72, 73, 77]
    assert spec["backoffLimit"] == 5
    assert "ttlSecondsAfterFinished" not in spec
    assert spec["podReplacementPolicy"] == "Failed"


def test_placement_reaches_the_pods() -> None:
    placement = {
        "gpus": 1,
        "cpu": 2,
        "memory": "8Gi",
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "priorityClassName": "high",
        "runtimeClassName": "nvidia",
        "image": "own:2",
    }
    for spec in pod_specs(job(compute=placement, serving={"enabled": True, **placement})):
        container = spec["containers"][0]
        assert container["image"] == "own:2"
        assert container["resources"] == {
            "requests": {"cpu": "2", "memory": "8Gi", "nvidia.com/gpu": "1"},
            "limits": {"memory": "8Gi", "nvidia.com/gpu": "1"},
        }
        assert spec["nodeSelector"] == {"disk": "fast"}
        assert spec["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
        assert (spec["priorityClassName"], spec["runtimeClassName"]) == ("high", "nvidia")


def test_model_in_a_bucket_is_fetched_and_checked_before_it_is_served() -> None:
    spec = deployment(job(), artifact(), IMAGE)["spec"]["template"]["spec"]
    (fetch,), (server,) = spec["initContainers"], spec["containers"]
    assert fetch["args"] == ["fetch", "s3://finetune/published/run1", "--digest", DIGEST, "--into", "/model"]
    assert server["args"] == ["serve", "--model", "/model", "--digest", DIGEST, "--name", "job", "--port", "8080"]
    assert server["readinessProbe"]["httpGet"]["path"] == "/healthz"


def test_server_is_told_which_gpus_it_was_given() -> None:
    serving = {"enabled": True, "gpus": 1, "gpuResourceName": "example.com/gpu"}
    (server,) = deployment(job(serving=serving), artifact(), IMAGE)["spec"]["template"]["spec"]["containers"]
    assert server["args"][-4:] == ["--gpus", "1", "--gpu-resource-name", "example.com/gpu"]


def test_model_on_a_claim_is_served_from_there() -> None:
    spec = deployment(job(), artifact("pvc://out/published/run1"), IMAGE)["spec"]["template"]["spec"]
    assert "initContainers" not in spec
    assert spec["containers"][0]["args"][:3] == ["serve", "--model", "/volumes/out/published/run1"]
    assert [volume["name"] for volume in spec["volumes"]] == ["scratch", "claim-0"]
    mount = spec["containers"][0]["volumeMounts"][1]
    assert mount == {"name": "claim-0", "mountPath": "/volumes/out", "readOnly": True}
    assert spec["volumes"][1]["persistentVolumeClaim"] == {"claimName": "out", "readOnly": True}
