"""Policies on a real API server: what they refuse, in which words, and what they let through."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from crdgen.manifest import custom_resource_definition
from demo.install import CHART
from devcluster import Access, CommandFailed
from tests.builders import Manifest, finetune_job
from tests.integration.chart.helm import RELEASE, of_kind, rendered

pytestmark = pytest.mark.cluster

LIMITED, FREE, ORPHANED = "policy-limited", "policy-free", "policy-orphaned"
LIMITS = {
    "trainingImages": ["registry.example/trainer:1", "registry.example/team/*"],
    "servingImages": [],
    "modelSources": ["hf://*", "s3://finetune/*"],
    "dataSources": ["s3://finetune/data/*"],
    "destinations": ["s3://finetune/published*"],
    "maxTrainingGPUs": 0,
    "maxServingGPUs": 2,
    "maxServingReplicas": 4,
    "maxTrainingHours": 2,
    "allowEnv": False,
    "allowCustomCode": False,
}
VARIABLE = [{"name": "A", "value": "b"}]
ENOUGH_SECONDS = 30


def of_namespace(name: str) -> Manifest:
    return {"matchLabels": {"kubernetes.io/metadata.name": name}}


@pytest.fixture(scope="module")
def policies(server: Access, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Access]:
    """The policies at work: limits for one namespace, none for another, and lost ones for a third."""
    limits = {
        "strict": {"namespaceSelector": of_namespace(LIMITED), **LIMITS},
        "empty": {"namespaceSelector": of_namespace(FREE)},
        "lost": {"namespaceSelector": of_namespace(ORPHANED), "allowEnv": False},
    }
    manifests = rendered(tmp_path_factory.mktemp("policies"), policies={"enabled": True, "limits": limits})
    kinds = ("ConfigMap", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    ours = [found for kind in kinds for found in of_kind(manifests, kind)]
    namespaces = (LIMITED, FREE, ORPHANED)
    server.apply(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in namespaces))
    server.apply(old_job())
    lost = f"{RELEASE}-limits-lost"
    server.apply(*(found for found in ours if found["metadata"]["name"] != lost or found["kind"] != "ConfigMap"))
    deadline = time.monotonic() + ENOUGH_SECONDS
    while not all(refusal(server, job(namespace, compute={"env": VARIABLE})) for namespace in (LIMITED, ORPHANED)):
        assert time.monotonic() < deadline, "the policies do not take effect"
        time.sleep(0.5)
    yield server
    policy_kinds = "validatingadmissionpolicybindings,validatingadmissionpolicies"
    server.run_kubectl("delete", policy_kinds, "-l", f"app.kubernetes.io/instance={RELEASE}")


def job(namespace: str = LIMITED, name: str = "job", **spec: Any) -> Manifest:
    """Return a job within the limits, but for what is given."""
    return finetune_job(name, namespace, **{"activeDeadlineSeconds": 7200, **spec})


def old_job() -> Manifest:
    """Return a job from before the limits, beyond them."""
    return finetune_job("old", LIMITED, compute={"image": "elsewhere.example/trainer:1"})


def refusal(server: Access, manifest: Manifest, *command: str) -> str:
    """Return what the policy says; empty if the manifest passes."""
    arguments = command or ("apply", "--dry-run=server", "-f", "-")
    try:
        server.run_kubectl(*arguments, input_text=json.dumps(manifest))
    except CommandFailed as error:
        text = str(error)
        assert "ValidatingAdmissionPolicy" in text or "no params found" in text, text
        return text.partition("denied request: ")[2].strip() or text
    return ""


REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"compute": {"image": "registry.example/trainer:2"}},
        "spec.compute.image is registry.example/trainer:2, which this namespace may not train with; allowed:"
        " registry.example/trainer:1, registry.example/team/*; remove the field to train with the image of the"
        " operator",
    ),
    (
        {"serving": {"image": "registry.example/team/server:1"}},
        "spec.serving.image is registry.example/team/server:1, which this namespace may not serve with; allowed: none;"
        " remove the field to serve with the image that trained the model",
    ),
    (
        {"model": {"source": "s3://finetune-2/model"}},
        "spec.model.source is s3://finetune-2/model, from where this namespace may not take models; allowed: hf://*,"
        " s3://finetune/*, job://*",
    ),
    (
        {"task": "DPO", "dpo": {"referenceModel": {"source": "pvc://models/a"}}},
        "spec.dpo.referenceModel.source is pvc://models/a, from where this namespace may not take models; allowed:"
        " hf://*, s3://finetune/*, job://*",
    ),
    (
        {
            "dataset": {
                "train": {"source": None, "sources": ["s3://finetune/data/a.csv", "s3://other/b.csv"]},
                "evaluation": {"source": "pvc://rows/c.csv"},
            }
        },
        "spec.dataset.evaluation.source has pvc://rows/c.csv, spec.dataset.train.sources has s3://other/b.csv, from"
        " where this namespace may not take data; allowed: s3://finetune/data/*",
    ),
    (
        {"output": {"destination": "pvc://claim/path"}},
        "spec.output.destination is pvc://claim/path, where this namespace may not publish to; allowed:"
        " s3://finetune/published*",
    ),
    ({"compute": {"gpus": 1}}, "spec.compute.gpus is 1; this namespace may train with 0 at most"),
    (
        {"serving": {"enabled": True, "gpus": 1, "replicas": 3}},
        "spec.serving asks for 3 GPUs (gpus times replicas); this namespace may serve with 2 at most",
    ),
    (
        {"serving": {"enabled": True, "replicas": 5}},
        "spec.serving.replicas is 5; this namespace may have 4 at most",
    ),
    (
        {"activeDeadlineSeconds": None},
        "spec.activeDeadlineSeconds is not set; this namespace may train for 2 h at most: set it to 7200 or less",
    ),
    (
        {"activeDeadlineSeconds": 7201},
        "spec.activeDeadlineSeconds is 7201; this namespace may train for 2 h at most: set it to 7200 or less",
    ),
    (
        {"compute": {"env": VARIABLE}, "serving": {"envFrom": [{"configMapRef": {"name": "site"}}]}},
        "spec.compute.env, spec.serving.envFrom: environment variables are not for use in this namespace; remove them",
    ),
    (
        {"evaluation": {"metrics": [{"name": "own", "configMapKeyRef": {"name": "code", "key": "own.py"}}]}},
        "spec.evaluation.metrics: code of your own is not for use in this namespace; remove it",
    ),
]


@pytest.mark.parametrize(("spec", "words"), REFUSED, ids=[str(spec)[:60] for spec, _ in REFUSED])
def test_beyond_the_limits_is_refused_with_field_found_and_allowed(
    policies: Access, spec: dict[str, Any], words: str
) -> None:
    assert refusal(policies, job(**spec)) == words


def test_within_the_limits_everything_passes(policies: Access) -> None:
    compute = {"image": "registry.example/team/trainer@sha256:1"}
    serving = {"enabled": True, "gpus": 1, "replicas": 2}
    assert refusal(policies, job(compute=compute, serving=serving, activeDeadlineSeconds=60)) == ""
    assert refusal(policies, job(model={"source": "job://other", "secretRef": None})) == ""
    assert refusal(policies, job(serving={"enabled": True, "replicas": 4})) == ""


def test_limits_that_name_nothing_hold_nobody(policies: Access) -> None:
    everything: dict[str, Any] = {}
    for spec, _ in REFUSED[:3] + REFUSED[5:8]:
        everything |= spec
    assert refusal(policies, job(FREE, **everything)) == ""


def test_limits_that_are_lost_let_nothing_pass(policies: Access) -> None:
    assert "no params found" in refusal(policies, job(ORPHANED))


def test_a_job_from_before_the_limits_can_be_stopped_labelled_and_deleted_but_not_changed(policies: Access) -> None:
    labelled = old_job()
    labelled["metadata"]["labels"] = {"team": "ml"}
    assert refusal(policies, labelled) == ""
    changed = old_job()
    changed["spec"]["dataset"]["limit"] = 10
    assert refusal(policies, changed).startswith("spec.compute.image is elsewhere.example/trainer:1")
    stopped = old_job()
    stopped["spec"]["suspend"] = True
    assert refusal(policies, stopped, "apply", "-f", "-") == ""
    assert refusal(policies, old_job() | {"spec": old_job()["spec"] | {"suspend": False}}).startswith("spec.compute")
    assert refusal(policies, {}, "-n", LIMITED, "delete", "finetunejob", "old", "--cascade=foreground") == ""


def test_kubectl_scale_is_held_to_the_limits_too(policies: Access) -> None:
    assert refusal(policies, job(name="scaled", serving={"enabled": True}), "apply", "-f", "-") == ""
    scale = ("-n", LIMITED, "scale", "finetunejob", "scaled")
    assert refusal(policies, {}, *scale, "--replicas=2") == ""
    assert "for replicas without a GPU, edit the FineTuneJob" in refusal(policies, {}, *scale, "--replicas=3")
    assert refusal(policies, {}, *scale, "--replicas=5").startswith(
        "spec.serving.replicas is 5; this namespace may have 4"
    )


def test_the_policies_know_every_source_that_a_job_may_name() -> None:
    template = (CHART / "templates/policies/jobs.yaml").read_text()
    spec = custom_resource_definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    names = set(places(spec, "spec"))
    assert len(names) > 10
    assert {
        name for name in names if f'"{name.removeprefix("spec.")}"' not in template and name not in template
    } == set()


def places(schema: Manifest, path: str) -> Iterator[str]:
    """Yield the fields that hold URIs; dataset.columns names columns."""
    for name, child in schema.get("properties", {}).items():
        if name in ("source", "sources", "destination") and not path.endswith(".columns"):
            yield f"{path}.{name}"
        yield from places(child, f"{path}.{name}")
    if "items" in schema:
        yield from places(schema["items"], path)
