"""What a real API server refuses, or fails at, is on the resource for as long as it lasts."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.builders import Manifest
from tests.integration.operator.workbench import Workbench

pytestmark = pytest.mark.cluster


@contextmanager
def standing(bench: Workbench, *manifests: Manifest) -> Iterator[None]:
    """Have cluster-wide objects of the test's name for a while."""
    for manifest in manifests:
        manifest["metadata"] = {"name": bench.namespace}
        bench.cluster.run_kubectl("create", "-f", "-", input_text=json.dumps(manifest))
    try:
        yield
    finally:
        for manifest in manifests:
            bench.cluster.run_kubectl("delete", manifest["kind"], bench.namespace)


def own_jobs(bench: Workbench, operation: str) -> Manifest:
    rule = {"apiGroups": ["batch"], "apiVersions": ["v1"], "resources": ["jobs"], "operations": [operation]}
    return {
        "selector": {"matchLabels": {"kubernetes.io/metadata.name": bench.namespace}},
        "rule": rule,
    }


def policy_against(bench: Workbench, operation: str) -> list[Manifest]:
    """Return a policy that denies an operation on the namespace's Jobs."""
    matched = own_jobs(bench, operation)
    spec = {
        "matchConstraints": {"namespaceSelector": matched["selector"], "resourceRules": [matched["rule"]]},
        "validations": [{"expression": "false", "message": "ask the platform team first"}],
    }
    binding = {"policyName": bench.namespace, "validationActions": ["Deny"]}
    version = "admissionregistration.k8s.io/v1"
    return [
        {"apiVersion": version, "kind": "ValidatingAdmissionPolicy", "spec": spec},
        {"apiVersion": version, "kind": "ValidatingAdmissionPolicyBinding", "spec": binding},
    ]


def broken_webhook(bench: Workbench, operation: str) -> Manifest:
    """Return a webhook that nobody answers for, which makes the API server fail with 500."""
    matched = own_jobs(bench, operation)
    webhook = {
        "name": "broken.example.com",
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "namespaceSelector": matched["selector"],
        "rules": [matched["rule"]],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "webhooks": [webhook],
    }


def test_deletion_that_a_policy_denies_is_told_until_it_is_allowed(bench: Workbench) -> None:
    bench.submit()
    bench.wait(reason="Unschedulable")
    (job,) = bench.get("jobs")
    with standing(bench, *policy_against(bench, "DELETE")):

        def is_denied() -> bool:
            answer = bench.try_kubectl("delete", "job", job["metadata"]["name"], "--dry-run=server")
            return "ask the platform team first" in answer

        bench.until(is_denied, bool)
        bench.edit("job", training={"learningRate": 0.001})
        message = bench.wait(reason="AdmissionRefused")["message"]
        assert message.startswith(f"Job {job['metadata']['name']} cannot be deleted")
        assert "ask the platform team first" in message
        assert [found["metadata"]["uid"] for found in bench.get("jobs")] == [job["metadata"]["uid"]]
    bench.until(bench.status, lambda status: status["reason"] != "AdmissionRefused", 20)


def test_server_errors_that_last_are_told_until_they_pass(bench: Workbench) -> None:
    bench.submit()
    bench.run_pod(bench.wait_for_pod())
    bench.wait(phase="Training", reason="Training")
    with standing(bench, broken_webhook(bench, "UPDATE")):
        (job,) = bench.get("jobs")
        labelled = ("label", "job", job["metadata"]["name"], "probe=yes", "--dry-run=server")
        bench.until(lambda: "broken.example.com" in bench.try_kubectl(*labelled), bool)
        bench.edit("job", maxRetries=9)
        status = bench.wait(reason="AdmissionRefused")
        assert status["phase"] == "Training"
        assert "broken.example.com" in status["message"]
        assert status["message"].startswith(f"Job {job['metadata']['name']} cannot be changed, time and again")
    bench.wait(phase="Training", reason="Training", timeout_seconds=20)
    assert bench.get("jobs")[0]["spec"]["backoffLimit"] == 9
