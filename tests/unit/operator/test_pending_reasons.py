"""Why something does not run, from what schedulers, kubelets and controllers really say."""

from datetime import timedelta
from pathlib import Path

import pytest

from finetune_api.failures import FailureClass
from finetune_api.keys import Reason
from finetune_operator.kinds import Manifest
from tests.unit.operator.builders import Scene, is_idle, unscheduled


@pytest.mark.parametrize(
    ("waiting", "reason", "words"),
    [
        pytest.param(
            {"reason": "ErrImagePull", "message": 'failed to pull "trainer:1": not found'},
            "ImagePullFailed",
            ["Image trainer:1 cannot be pulled (not found)", "spec.compute.image"],
            id="no-such-image",
        ),
        pytest.param(
            {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "trainer:1": 401 Unauthorized'},
            "ImagePullFailed",
            ["(access denied)", "spec.compute.imagePullSecrets"],
            id="image-needs-credentials",
        ),
        pytest.param(
            {"reason": "InvalidImageName", "message": "couldn't parse image name"},
            "ImagePullFailed",
            ["'trainer:1' is no valid image name"],
            id="image-name",
        ),
        pytest.param(
            {"reason": "CreateContainerConfigError", "message": 'secret "s3" not found'},
            "SecretNotFound",
            ["Secret s3 (spec.model.secretRef, spec.dataset.secretRef, spec.output.secretRef)"],
            id="secret-of-an-environment-variable",
        ),
        pytest.param(
            {"reason": "CreateContainerError", "message": "device /dev/nvidia0 is missing"},
            "ContainerNotStarting",
            ["device /dev/nvidia0 is missing"],
            id="runtime",
        ),
        pytest.param(
            {"reason": "ImageInspectError", "message": 'Failed to inspect image "sha256:1": rpc error: blob not found'},
            "ImagePullFailed",
            ["Image trainer:1 is on the node, but cannot be read: Failed to inspect image"],
            id="image-store-broken",
        ),
        pytest.param(
            {"reason": "ErrImageNeverPull", "message": 'Container image "trainer:1" is not present with pull policy'},
            "ImagePullFailed",
            ["is not on the node, and may not be pulled", "spec.compute.image"],
            id="image-not-on-the-node",
        ),
        pytest.param(
            {"reason": "SignatureValidationFailed", "message": "image pull failed because the signature validation"},
            "ImagePullFailed",
            ["has no signature that the node accepts"],
            id="image-unsigned",
        ),
        pytest.param(
            {"reason": "ImagePullBackOff", "message": "ErrImagePull: 429 Too Many Requests - toomanyrequests"},
            "ImagePullFailed",
            ["(the registry allows no more pulls for now)"],
            id="rate-limit",
        ),
        pytest.param(
            {"reason": "CreateContainerConfigError", "message": "couldn't find key TOKEN in Secret default/hub"},
            "SecretNotFound",
            ["Secret hub (spec.compute.env) has no key TOKEN."],
            id="key-of-a-secret",
        ),
        pytest.param(
            {"reason": "CreateContainerConfigError", "message": 'configmap "tunables" not found'},
            "ConfigMapNotFound",
            ["ConfigMap tunables (spec.compute.envFrom) does not exist in this namespace. Create it."],
            id="config-map-of-the-environment",
        ),
        pytest.param(
            {
                "reason": "CreateContainerConfigError",
                "message": "container has runAsNonRoot and image runs as root",
            },
            "ContainerNotStarting",
            ["Container trainer cannot start: container has runAsNonRoot and image runs as root"],
            id="other-configuration-errors",
        ),
        pytest.param(
            {"reason": "PostStartHookError", "message": "Exec lifecycle hook ([/wait]) failed"},
            "ContainerNotStarting",
            ["Exec lifecycle hook ([/wait]) failed"],
            id="whatever-reason-there-is",
        ),
        pytest.param({"reason": "ContainerCreating"}, "PodStarting", ["is starting"], id="just-starting"),
    ],
)
def test_kubelet_verdict(waiting: Manifest, reason: str, words: list[str]) -> None:
    token = {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "TOKEN"}}}
    scene = Scene(compute={"env": [token], "envFrom": [{"configMapRef": {"name": "tunables"}}]})
    scene.act()
    scene.pod(containerStatuses=[{"name": "trainer", "image": "trainer:1", "state": {"waiting": waiting}}])
    scene.act()
    assert scene.status["reason"] == reason
    assert all(word in scene.status["message"] for word in words), scene.status["message"]


def test_image_pull_reads_the_same_while_the_kubelet_alternates() -> None:
    scene = Scene()
    scene.act()
    status = {"name": "trainer", "image": "trainer:1"}
    pod = scene.pod()
    for reason in ("ErrImagePull", "ImagePullBackOff", "ErrImagePull"):
        waiting = {"reason": reason, "message": f'{reason}: "trainer:1": not found'}
        pod["status"]["containerStatuses"] = [{**status, "state": {"waiting": waiting}}]
        scene.act()
    assert is_idle(scene.decide())


def test_what_the_node_is_refused_for_a_moment_is_no_problem() -> None:
    scene = Scene()
    scene.act()
    pod = scene.pod()
    scene.act()
    told = scene.status["message"]
    refused = 'claims "job-workspace" is forbidden: no relationship found between node "n1" and this object'
    scene.event(pod, "FailedMount", refused).act()
    assert scene.status["message"] == told


@pytest.mark.parametrize(
    ("event", "message", "reason", "words"),
    [
        pytest.param(
            "FailedMount",
            'MountVolume.SetUp failed for volume "secret-model" : secret "s3" not found',
            "SecretNotFound",
            ["Secret s3", "spec.model.secretRef"],
            id="secret",
        ),
        pytest.param(
            "FailedMount",
            'MountVolume.SetUp failed for volume "job" : configmap "job-1" not found',
            "VolumeNotReady",
            ["ConfigMap job-1"],
            id="config-map",
        ),
        pytest.param(
            "FailedAttachVolume",
            "Multi-Attach error for volume pvc-1",
            "VolumeNotReady",
            ["Multi-Attach error"],
            id="attached-elsewhere",
        ),
    ],
)
def test_events_of_a_pod_that_does_not_start(event: str, message: str, reason: str, words: list[str]) -> None:
    scene = Scene()
    scene.act()
    scene.event(scene.pod(), event, message).act()
    assert scene.status["reason"] == reason
    assert all(word in scene.status["message"] for word in words), scene.status["message"]


SANDBOX = 'Failed to create pod sandbox: rpc error: plugin type="calico" failed (add): no addresses left'


@pytest.mark.parametrize(
    ("event", "message", "seconds", "told"),
    [
        pytest.param("FailedCreatePodSandBox", SANDBOX, 0, True, id="sandbox"),
        pytest.param("FailedPrepareDynamicResources", "Failed to prepare dynamic resources: claim", 0, True, id="dra"),
        pytest.param("NetworkNotReady", "network is not ready: cni plugin not initialized", 0, False, id="just-now"),
        pytest.param("NetworkNotReady", "network is not ready: cni plugin not initialized", 60, True, id="later"),
        pytest.param("FailedScheduling", "0/1 nodes are available", 60, False, id="history"),
    ],
)
def test_whatever_warning_there_is_gets_quoted_after_a_while(
    event: str, message: str, seconds: int, told: bool
) -> None:
    scene = Scene()
    scene.act()
    scene.event(scene.pod(), event, message)
    scene.events[-1]["type"] = "Warning"
    scene.now += timedelta(seconds=seconds)
    scene.act()
    assert (scene.status["reason"] == "PodNotStarting") is told
    assert (f"{event}: {message}" in scene.status["message"]) is told


def test_warning_from_before_the_image_was_pulled_is_history() -> None:
    scene = Scene()
    scene.act()
    pod = scene.pod()
    scene.event(pod, "FailedCreatePodSandBox", SANDBOX).event(pod, "FailedMount", 'secret "s3" not found')
    scene.event(pod, "Pulling", 'Pulling image "trainer:1"')
    scene.now += timedelta(seconds=60)
    scene.act()
    assert scene.status["reason"] == "PodStarting"
    assert scene.status["message"].endswith(': Pulling image "trainer:1".')


def test_unmet_condition_is_quoted_after_a_while() -> None:
    scene = Scene()
    scene.act()
    scene.pod(conditions=[{"type": "GpuReady", "status": "False", "message": "the driver is being installed"}])
    scene.act()
    assert scene.status["reason"] == "PodStarting"
    scene.now += timedelta(seconds=60)
    scene.act()
    assert scene.status["reason"] == "PodNotStarting"
    assert "GpuReady is not met: the driver is being installed" in scene.status["message"]


def test_injected_container_is_told_by_its_name() -> None:
    scene = Scene()
    scene.act()
    waiting = {"reason": "ImagePullBackOff", "message": "not found"}
    proxy = {"name": "istio-proxy", "image": "proxy:9", "state": {"waiting": waiting}}
    scene.pod(containerStatuses=[proxy, {"name": "trainer", "state": {"waiting": {"reason": "PodInitializing"}}}])
    scene.act()
    assert "Image proxy:9 cannot be pulled (not found). It is that of container istio-proxy" in scene.status["message"]
    assert "spec.compute.image or" not in scene.status["message"]


def test_missing_pull_secret_is_named() -> None:
    scene = Scene(compute={"imagePullSecrets": [{"name": "registry"}]})
    scene.act()
    waiting = {"reason": "ErrImagePull", "message": "401 Unauthorized"}
    pod = scene.pod(containerStatuses=[{"name": "trainer", "image": "t:1", "state": {"waiting": waiting}}])
    message = "Unable to retrieve some image pull secrets (registry); attempting to pull the image may not succeed."
    scene.event(pod, "FailedToRetrieveImagePullSecret", message).act()
    assert scene.status["reason"] == "SecretNotFound"
    assert "Secret registry (spec.compute.imagePullSecrets)" in scene.status["message"]


def test_cause_of_a_failed_pull_is_found_where_the_back_off_does_not_quote_it() -> None:
    scene = Scene()
    scene.act()
    waiting = {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "t:1"'}
    pod = scene.pod(containerStatuses=[{"name": "trainer", "image": "t:1", "state": {"waiting": waiting}}])
    scene.event(pod, "Failed", 'Failed to pull image "t:1": dial tcp: lookup registry.example: no such host').act()
    assert "cannot be pulled (the registry does not answer)" in scene.status["message"]


def test_created_secret_is_seen_by_the_kubelet_after_its_back_off_which_is_told() -> None:
    scene = Scene()
    scene.act()
    scene.event(scene.pod(), "FailedMount", 'MountVolume.SetUp failed : secret "s3" not found').act()
    assert "Create it. The kubelet looks for it again within about two minutes." in scene.status["message"]


def test_events_about_other_pods_explain_nothing() -> None:
    scene = Scene()
    scene.act()
    before, pod = scene.pod(phase="Failed"), scene.pod()
    scene.event(before, "FailedMount", 'secret "s3" not found').act()
    assert scene.status["reason"] == "PodStarting"
    assert pod["metadata"]["name"] in scene.status["message"]


def test_newest_event_counts() -> None:
    scene = Scene()
    scene.act()
    pod = scene.pod()
    scene.event(pod, "FailedMount", 'secret "s3" not found').event(pod, "FailedAttachVolume", "busy elsewhere").act()
    assert "busy elsewhere" in scene.status["message"]


@pytest.mark.parametrize(
    ("message", "reason", "words"),
    [
        pytest.param(
            'Error creating: pods "job-1" is forbidden: exceeded quota: gpus, requested: requests.nvidia.com/gpu=1,'
            " used: requests.nvidia.com/gpu=4, limited: requests.nvidia.com/gpu=4",
            "QuotaExceeded",
            ["exceeded quota: gpus"],
            id="quota",
        ),
        pytest.param(
            'Error creating: pods "job-1" is forbidden: failed quota: compute: must specify limits.cpu for: trainer',
            "AdmissionRefused",
            ["wants pods to say more", "Set it in spec.compute.limits", "must specify limits.cpu for: trainer"],
            id="quota-that-counts-limits",
        ),
        pytest.param(
            'Error creating: pods "job-1" is forbidden: failed quota: q: must specify limits.cpu for: istio-proxy;'
            " requests.cpu for: istio-proxy",
            "AdmissionRefused",
            ["Give istio-proxy it where it is added to the pod"],
            id="quota-that-counts-limits-of-an-injected-container",
        ),
        pytest.param(
            'Error creating: pods "job-1" is forbidden: insufficient quota to match these scopes: [{PriorityClass}]',
            "AdmissionRefused",
            ["No ResourceQuota of the namespace covers such pods"],
            id="quota-of-a-priority-class",
        ),
        pytest.param(
            'Error creating: pods "job-1" is forbidden: maximum memory usage per Container is 2Gi, but limit is 4Gi',
            "AdmissionRefused",
            ["A LimitRange refused the pod", "Change spec.compute.memory or spec.compute.limits."],
            id="limit-range",
        ),
        pytest.param(
            'Error creating: pods "job-1" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot',
            "AdmissionRefused",
            ["Pod Security", "pod-security.kubernetes.io/enforce"],
            id="pod-security",
        ),
        pytest.param(
            'Error creating: admission webhook "policy.example.com" denied the request: no cost centre label',
            "AdmissionRefused",
            ["no cost centre label"],
            id="webhook",
        ),
        pytest.param(
            'Error creating: pods "job-1" is forbidden: no PriorityClass with name high was found',
            "AdmissionRefused",
            ["no PriorityClass with name high"],
            id="priority-class",
        ),
    ],
)
def test_pod_that_may_not_be_created(message: str, reason: str, words: list[str]) -> None:
    scene = Scene()
    scene.act()
    scene.event(scene.training_job, "FailedCreate", message).act()
    assert (scene.status["phase"], scene.status["reason"]) == ("Pending", reason)
    assert all(word in scene.status["message"] for word in words), scene.status["message"]


def test_child_that_the_api_server_refuses_is_told_and_tried_again_later() -> None:
    scene = Scene()
    scene.refuse("Job", "job-1", 'jobs.batch "job-1" is forbidden: exceeded quota: few, requested: count/jobs.batch=1')
    plan = scene.act()
    assert plan.applies == ()
    assert scene.status["reason"] == "QuotaExceeded"
    assert scene.status["message"].startswith("Job job-1: The namespace's quota is used up")
    assert "startedAt" not in scene.status["run"]
    assert plan.look_again_seconds
    assert is_idle(scene.decide())


def test_reasons_only_events_tell_are_asked_for_again() -> None:
    scene = Scene()
    scene.act()
    assert scene.decide().look_again_seconds
    pod = scene.pod(**unscheduled("no nodes available"))
    pod["spec"].pop("nodeName")
    assert scene.decide().look_again_seconds is None
    pod["spec"]["nodeName"] = "node-1"
    assert scene.decide().look_again_seconds
    pod["status"]["phase"] = "Running"
    assert scene.decide().look_again_seconds is None


def test_refusal_from_before_the_last_pod_is_history() -> None:
    scene = Scene()
    scene.act()
    scene.event(scene.training_job, "FailedCreate", "exceeded quota: gpus")
    scene.events[0]["lastTimestamp"] = "2026-01-02T03:04:00Z"
    scene.ended_pod(69, scene.report(FailureClass.UNAVAILABLE, "s3 is down."))
    scene.act()
    assert scene.status["reason"] == "Retrying"


def test_pod_that_is_being_stopped_is_not_called_starting() -> None:
    scene = Scene()
    scene.act()
    pod = scene.running_pod()
    scene.act()
    pod["metadata"]["deletionTimestamp"] = "2026-01-02T04:00:00Z"
    scene.act()
    assert scene.status["phase"] == "Training"
    assert "is being stopped" in scene.status["message"]


def test_warning_about_a_job_that_makes_no_pod_is_quoted() -> None:
    scene = Scene()
    scene.act()
    scene.event(scene.training_job, "FailedSync", "the informer is behind")
    scene.events[-1]["type"] = "Warning"
    scene.act()
    assert scene.status["reason"] == "PodNotStarting"
    assert "No pod is made: FailedSync: the informer is behind" in scene.status["message"]


@pytest.mark.parametrize("reason", [*Reason, *FailureClass])
def test_every_reason_is_explained(reason: str) -> None:
    explained = Path(__file__).parents[3] / "docs" / "troubleshooting.md"
    assert f"`{reason}`" in explained.read_text()
