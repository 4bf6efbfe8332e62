"""The chart: what its values make of the operator's settings, and what it renders."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.install import CHART
from devcluster import Access, CommandFailed
from finetune_operator.settings import Settings, read_settings

pytestmark = pytest.mark.cluster

SERVER = ("--kube-version", "1.36.0")
DEFAULTS = {
    "pods": {
        "serviceAccountName": "cloud",
        "env": [{"name": "NOTE", "value": 'as "$(HOME)" & <more>'}],
        "caBundle": {"configMapKeyRef": {"name": "ca", "key": "ca.crt"}},
        "limits": {"cpu": 4},
    },
    "storage": {"accessModes": ["ReadWriteMany"]},
}


def rendered(cluster: Access, folder: Path, **values: Any) -> list[dict[str, Any]]:
    file = folder / "values.yaml"
    file.write_text(json.dumps(values))
    text = cluster.run_helm("template", "release", str(CHART), *SERVER, "--values", str(file))
    return [manifest for manifest in yaml.safe_load_all(text) if manifest]


def settings(manifests: list[dict[str, Any]]) -> Settings:
    """Read the settings as the operator's container would, with the kubelet's expansion of $$."""
    (operator,) = [found for found in manifests if found["kind"] == "Deployment"]
    variables = operator["spec"]["template"]["spec"]["containers"][0]["env"]
    return read_settings([], {found["name"]: found.get("value", "").replace("$$", "$") for found in variables})


def test_defaults_of_jobs_reach_the_operator_as_they_are(control_plane: Access, tmp_path: Path) -> None:
    defaults = settings(rendered(control_plane, tmp_path, defaults=DEFAULTS)).defaults.to_wire()
    assert {name: block for name, block in defaults.items() if block} == DEFAULTS


def test_unset_defaults_are_none(control_plane: Access, tmp_path: Path) -> None:
    assert not any(settings(rendered(control_plane, tmp_path)).defaults.to_wire().values())


def test_a_misspelt_block_of_defaults_is_refused(control_plane: Access, tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"(?i)additional propert"):
        rendered(control_plane, tmp_path, defaults={"pod": {}})


ASKED = [
    *(("", verb) for verb in ("get", "create")),
    *(("status", verb) for verb in ("get", "update")),
    *(("scale", verb) for verb in ("get", "patch")),
]


def test_roles_of_the_cluster_reach_finetunejobs(control_plane: Access, tmp_path: Path) -> None:
    roles = [found for found in rendered(control_plane, tmp_path) if found["kind"] == "ClusterRole"]
    binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding"}
    group = "rbac.authorization.k8s.io"
    bindings = [
        {
            **binding,
            "metadata": {"name": name, "namespace": "default"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": group, "kind": "User", "name": name}],
        }
        for name in ("view", "edit", "admin")
    ]
    control_plane.apply(*roles, *bindings)
    expected = {
        "view": [True, False, True, False, True, False],
        "edit": [True, True, True, False, True, True],
        "admin": [True, True, True, False, True, True],
    }
    deadline = time.monotonic() + 20
    while (told := {name: allowed(control_plane, name) for name in expected}) != expected:
        assert time.monotonic() < deadline, told
        time.sleep(0.5)


def allowed(cluster: Access, user: str) -> list[bool]:
    """Return whether a user may do what is ASKED with FineTuneJobs."""
    attributes = [
        {"namespace": "default", "group": "finetune.dev", "resource": "finetunejobs", "subresource": part, "verb": verb}
        for part, verb in ASKED
    ]
    reviews = [
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": user, "resourceAttributes": asked},
        }
        for asked in attributes
    ]
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": reviews})
    shown = ("-o", "jsonpath={.status.allowed} ")
    return [
        answer == "true" for answer in cluster.run_kubectl("create", "-f", "-", *shown, input_text=document).split()
    ]
