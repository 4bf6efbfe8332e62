"""Serving on a real API server: blue/green, and a failed run that changes nothing."""

import json
import time
from collections.abc import Iterator

import pytest

from finetune_api.failures import FailureClass
from tests.builders import Manifest
from tests.integration.operator.runs import failure, success
from tests.integration.operator.test_lifecycle import published
from tests.integration.operator.workbench import Workbench

pytestmark = pytest.mark.cluster


def make_available(bench: Workbench, deployment: Manifest) -> None:
    """Let the Deployment's pods be ready, as the kubelet would."""
    name = deployment["metadata"]["name"]

    def own() -> list[Manifest]:
        pods = bench.get("pods")
        live = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        return [pod for pod in live if pod["metadata"]["name"].startswith(name)]

    def ready() -> int:
        return (bench.get("deployment", name) or {}).get("status", {}).get("availableReplicas", 0)

    def advance() -> int:
        for pod in own():
            if pod["status"]["phase"] == "Pending":
                bench.run_pod(pod)
                bench.set_status("pod", pod["metadata"]["name"], {"conditions": [{"type": "Ready", "status": "True"}]})
        return ready()

    bench.until(advance, lambda count: count == deployment["spec"]["replicas"], 30)


def left(bench: Workbench, kinds: str) -> list[str]:
    """Return the names of what is left of these kinds, once pods that were told to end have ended."""
    bench.reap()
    return bench.kubectl("get", kinds, "-l", "app.kubernetes.io/component=serving", "-o", "name").split()


def selected_run(bench: Workbench) -> str | None:
    services = bench.get("services")
    return services[0]["spec"]["selector"]["finetune.dev/run"] if services else None


def served(bench: Workbench, **serving: object) -> Manifest:
    published(bench, serving={"enabled": True, **serving})
    (deployment,) = bench.until(lambda: bench.get("deployments"), len)
    make_available(bench, deployment)
    return bench.wait(phase="Ready", reason="Serving")


def second_run(bench: Workbench) -> tuple[Manifest, Manifest]:
    """Edit the inputs; return the status and the pod of the run that follows."""
    bench.edit("job", training={"learningRate": 0.001})
    status = bench.wait(reason="Unschedulable")
    return status, bench.wait_for_pod(f"job-{status['run']['id']}")


def test_published_model_is_served(bench: Workbench) -> None:
    # Amounts that the API server spells otherwise.
    status = served(bench, cpu="0.3333", memory="1.5e9")
    assert status["serving"]["url"] == f"http://job-server.{bench.namespace}.svc"
    assert status["serving"]["digest"] == status["artifact"]["digest"]
    assert status["serving"]["run"] == status["artifact"]["run"] == selected_run(bench)
    status = bench.until(bench.status, lambda found: found["serving"].get("readyReplicas") == 1)
    pods = json.loads(bench.kubectl("get", "pods", "-l", status["serving"]["selector"], "-o", "json"))["items"]
    assert len(pods) == status["serving"]["replicas"] == 1
    assert bench.writes_in(6) == {}


def test_new_model_takes_over_only_when_it_is_ready(bench: Workbench) -> None:
    old = served(bench)["artifact"]
    status, pod = second_run(bench)
    assert status["artifact"] == old
    bench.run_pod(pod)
    bench.end_pod(pod, 0, success(status, digest="b"))
    deployments = bench.until(lambda: bench.get("deployments"), lambda found: len(found) == 2)
    status = bench.wait(phase="Deploying")
    assert status["serving"]["digest"] == old["digest"]
    assert selected_run(bench) == old["run"]
    (green,) = [found for found in deployments if old["run"] not in found["metadata"]["name"]]
    make_available(bench, green)
    status = bench.wait(phase="Ready")
    assert status["serving"]["digest"] == status["artifact"]["digest"] == "sha256:" + "b" * 64
    assert selected_run(bench) == status["run"]["id"]
    bench.until(
        lambda: left(bench, "deployments"), lambda names: names == [f"deployment.apps/{green['metadata']['name']}"]
    )


def test_failed_run_leaves_the_old_model_serving(bench: Workbench) -> None:
    old = served(bench)
    status, pod = second_run(bench)
    bench.run_pod(pod)
    bench.end_pod(pod, 72, failure(status, FailureClass.NON_FINITE_LOSS, "the loss became NaN at step 3."))
    status = bench.wait(phase="Failed", reason="NonFiniteLoss")
    assert status["serving"] == old["serving"] | {"readyReplicas": 1, "replicas": 1}
    assert status["artifact"] == old["artifact"]
    assert selected_run(bench) == old["artifact"]["run"]
    assert len(bench.get("deployments")) == 1


def test_scaling_and_resources_change_the_deployment_only(bench: Workbench) -> None:
    status = served(bench)
    job = bench.get("jobs")[0]["metadata"]["uid"]
    bench.kubectl("scale", "ftj", "job", "--replicas=2")
    bench.until(lambda: bench.get("deployments")[0]["spec"]["replicas"], lambda count: count == 2)
    bench.until(lambda: bench.get("poddisruptionbudgets"), len)
    bench.edit("job", serving={"replicas": 0, "nodeSelector": {"disk": "fast"}})
    bench.wait(phase="Ready", reason="ScaledToZero")
    bench.edit("job", serving={"nodeSelector": None})
    bench.until(
        lambda: bench.get("deployments")[0]["spec"]["template"]["spec"].get("nodeSelector"), lambda found: found is None
    )
    assert not bench.get("poddisruptionbudgets")
    assert bench.get("jobs")[0]["metadata"]["uid"] == job
    assert bench.status()["run"] == status["run"]
    bench.edit("job", serving={"strategy": "Recreate"})
    strategy = bench.until(lambda: bench.get("deployments")[0]["spec"]["strategy"], lambda kind: len(kind) == 1)
    assert strategy == {"type": "Recreate"}


def test_upgrade_of_the_trainer_image_restarts_nothing(bench: Workbench) -> None:
    status = served(bench)
    before = bench.get("deployments")[0]["metadata"]
    bench.operator.kill()
    bench.operator.start(FINETUNE_TRAINER_IMAGE="trainer:next")
    time.sleep(4)
    assert bench.operator.writes() == {}
    assert bench.get("deployments")[0]["metadata"]["generation"] == before["generation"]
    assert bench.status()["artifact"]["image"] == status["artifact"]["image"] == "trainer:test"


def test_disabled_serving_removes_deployment_and_service(bench: Workbench) -> None:
    served(bench)
    bench.edit("job", serving={"enabled": False})
    status = bench.wait(phase="Succeeded")
    assert "serving" not in status
    bench.until(lambda: left(bench, "deployments,services,pods"), lambda names: not names)


def test_deployment_that_somebody_changes_is_put_right(bench: Workbench) -> None:
    served(bench)
    name = bench.get("deployments")[0]["metadata"]["name"]
    bench.kubectl("scale", "deployment", name, "--replicas=3")
    bench.until(lambda: bench.get("deployment", name)["spec"]["replicas"], lambda count: count == 1)


def test_additions_of_others_stay(bench: Workbench) -> None:
    served(bench)
    name = bench.get("deployments")[0]["metadata"]["name"]
    port = [{"op": "add", "path": "/spec/ports/-", "value": {"name": "metrics", "port": 9000}}]
    kind = [{"op": "replace", "path": "/spec/type", "value": "NodePort"}]
    bench.kubectl("patch", "service", "job-server", "--type=json", "-p", json.dumps([*port, *kind]))
    bench.kubectl("set", "env", f"deployment/{name}", "DEBUG=1")
    assert not [write for write in bench.writes_in(3) if write.startswith("apply/")]
    assert [port["name"] for port in bench.get("service", "job-server")["spec"]["ports"]] == ["http", "metrics"]
    assert bench.get("service", "job-server")["spec"]["type"] == "NodePort"


def test_fight_over_a_deployment_calms_down_and_is_told(bench: Workbench) -> None:
    served(bench)
    name = bench.get("deployments")[0]["metadata"]["name"]
    before = bench.operator.writes()["apply/Deployment"]

    def scale() -> str:
        """Play an autoscaler of the Deployment."""
        bench.kubectl("scale", "deployment", name, "--replicas=2")
        return str(bench.status().get("message"))

    told = bench.until(scale, lambda message: "back again and again" in message, 30)
    assert f"Deployment {name}" in told
    assert "spec.replicas by kubectl" in told
    assert "kubectl scale ftj" in told
    assert bench.operator.writes()["apply/Deployment"] - before <= 5
    assert "Contested" in bench.events()


def test_serving_pod_that_does_not_start_is_explained(bench: Workbench) -> None:
    published(bench, serving={"enabled": True, "memory": "900Gi"})
    status = bench.wait(phase="Deploying", reason="ServingNotReady")
    assert "No node fits" in status["message"]


@pytest.fixture
def mutator(bench: Workbench) -> Iterator[None]:
    """Admission in this namespace injects a container and rewrites the image, as webhooks do."""
    name = f"mutate-{bench.namespace}"
    mutation = (
        "Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{containers: ["
        "Object.spec.template.spec.containers{name: 'server', image: 'mirror.local/trainer:test'},"
        "Object.spec.template.spec.containers{name: 'sidecar', image: 'proxy:1'}]}}}}"
    )
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": bench.namespace}},
                "resourceRules": [
                    {
                        "apiGroups": ["apps"],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": ["deployments"],
                    }
                ],
            },
            "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": mutation}}],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name},
    }
    for manifest in (policy, binding):
        bench.apply(manifest)
    yield
    for manifest in (policy, binding):
        bench.kubectl("delete", manifest["kind"], name)


@pytest.mark.usefixtures("mutator")
def test_what_admission_makes_of_a_deployment_keeps_nothing_from_being_ready(bench: Workbench) -> None:
    served(bench)
    (deployment,) = bench.get("deployments")
    containers = {found["name"]: found["image"] for found in deployment["spec"]["template"]["spec"]["containers"]}
    assert containers == {"server": "mirror.local/trainer:test", "sidecar": "proxy:1"}
    assert bench.writes_in(6) == {}
