"""The operator without Helm: install.yaml, and Kustomize on top of it."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.install import NAMESPACE
from deploy.__main__ import BASE, Loader, main
from devcluster import Access

pytestmark = pytest.mark.cluster

OVERLAY = BASE.parent / "overlay"
INSTALL = BASE / "install.yaml"

Manifest = dict[str, Any]


def named(text: str) -> dict[tuple[str, str], Manifest]:
    return {(found["kind"], found["metadata"]["name"]): found for found in yaml.load_all(text, Loader) if found}


def test_the_committed_file_is_current_and_an_edited_one_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().err
    edited = tmp_path / "install.yaml"
    edited.write_text(INSTALL.read_text().replace("replicas: 1", "replicas: 3"))
    assert main(["--check", "--output", str(edited)]) == 1
    assert capsys.readouterr().err == f"{edited} is out of date; run: python -m deploy\n"


def test_nothing_of_helm_is_left(control_plane: Access) -> None:
    objects = named(INSTALL.read_text())
    assert {"Namespace", "CustomResourceDefinition", "ServiceAccount", "Deployment"} <= {kind for kind, _ in objects}
    heads = [found["metadata"] for found in objects.values()]
    heads += [found["spec"]["template"]["metadata"] for (kind, _), found in objects.items() if kind == "Deployment"]
    told = [{**head.get("labels", {}), **head.get("annotations", {})} for head in heads]
    assert not [word for one in told for word in (*one, *one.values()) if "helm" in word.lower()]
    assert named(control_plane.run_kubectl("kustomize", str(BASE))) == objects


def test_the_api_server_takes_every_object_in_a_namespace_of_its_own(api: Access) -> None:
    objects = named(INSTALL.read_text())
    api.apply(objects["Namespace", NAMESPACE])
    told = api.run_kubectl(
        *("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-o", "json", "-f", str(INSTALL))
    )
    taken = json.loads(told)["items"]
    assert len(taken) == len(objects)
    assert {found["metadata"].get("namespace", NAMESPACE) for found in taken} == {NAMESPACE}


def test_an_overlay_names_images_namespace_and_settings(control_plane: Access) -> None:
    objects = named(control_plane.run_kubectl("kustomize", str(OVERLAY)))
    assert {found["metadata"].get("namespace", "ml-platform") for found in objects.values()} == {"ml-platform"}
    binding = objects["ClusterRoleBinding", "finetune-operator"]
    assert [subject["namespace"] for subject in binding["subjects"]] == ["ml-platform"]
    spec = objects["Deployment", "finetune-operator"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    settings = {one["name"]: one.get("value") for one in container["env"]}
    assert spec["replicas"] == 2
    assert container["image"] == "registry.example.com/finetune/operator:0.1.0"
    assert settings["FINETUNE_TRAINER_IMAGE"] == "registry.example.com/finetune/trainer:0.1.0"
    assert settings["FINETUNE_LOG_FORMAT"] == "json"
    assert settings["FINETUNE_CUSTOM_CODE"] == "off"
