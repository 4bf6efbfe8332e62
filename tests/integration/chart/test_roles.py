"""What the cluster's own roles may do with FineTuneJobs, by the roles that the chart adds to them."""

import json
import time
from pathlib import Path

import pytest

from devcluster import Access
from tests.integration.chart.helm import of_kind, rendered

pytestmark = pytest.mark.cluster

ASKED = [
    *(("", verb) for verb in ("get", "create")),
    *(("status", verb) for verb in ("get", "update")),
    *(("scale", verb) for verb in ("get", "patch")),
]


def test_roles_of_the_cluster_reach_finetunejobs(control_plane: Access, tmp_path: Path) -> None:
    roles = of_kind(rendered(tmp_path), "ClusterRole")
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
