"""Why a pod finds no node: what the scheduler says, or that it says nothing, and volumes that it waits for."""

from datetime import timedelta

import pytest

from finetune_operator.state.inquiry import inquiries
from tests.unit.operator.builders import Scene, is_idle, reasons, unscheduled

IN_SPEC = {
    "compute": {"ephemeralStorage": "2Ti", "gpus": 1, "cpu": "8", "memory": "64Gi", "nodeSelector": {"zone": "a"}}
}


@pytest.mark.parametrize(
    ("message", "reason", "words"),
    [
        pytest.param(
            "0/3 nodes are available: 3 Insufficient nvidia.com/gpu. preemption: 0/3 nodes are available: 3 No"
            " preemption victims found for incoming pod.",
            "Unschedulable",
            ["0/3 nodes are available: 3 Insufficient nvidia.com/gpu.", "spec.compute.gpus asks for 1 nvidia.com/gpu"],
            id="no-free-gpu",
        ),
        pytest.param(
            "0/2 nodes are available: 1 Insufficient cpu, 2 Insufficient memory. no new claims to deallocate,."
            " preemption: none",
            "Unschedulable",
            ["spec.compute.cpu asks for 8 cpu", "spec.compute.memory asks for 64Gi memory"],
            id="too-little-cpu-and-memory",
        ),
        pytest.param(
            "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
            "Unschedulable",
            ["No node carries the labels of spec.compute.nodeSelector."],
            id="no-node-with-the-labels",
        ),
        pytest.param(
            "0/1 nodes are available: 1 node(s) had untolerated taint(s).",
            "Unschedulable",
            ["Tolerate the taint in spec.compute.tolerations."],
            id="taint",
        ),
        pytest.param(
            "0/2 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }, 1 node(s) had"
            " untolerated taint {gpu: true}.",
            "Unschedulable",
            ["Nodes are in trouble (node.kubernetes.io/not-ready): they have to recover. Tolerate the taint in spec"],
            id="taints-of-kubernetes",
        ),
        pytest.param(
            'running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded',
            "VolumeNotReady",
            ["PersistentVolumeClaim job-workspace (storage class fast) is not bound yet"],
            id="volume-not-bound-in-time",
        ),
        pytest.param(
            "0/1 nodes are available: 1 Insufficient ephemeral-storage.",
            "Unschedulable",
            ["spec.compute.ephemeralStorage asks for"],
            id="too-little-disk",
        ),
        pytest.param(
            "0/1 nodes are available: 1 Insufficient example.com/fpga.",
            "Unschedulable",
            ["The pod asks for example.com/fpga"],
            id="a-resource-that-a-webhook-added",
        ),
        pytest.param(
            '0/1 nodes are available: persistentvolumeclaim "weights" not found. not found',
            "VolumeNotReady",
            ["PersistentVolumeClaim weights does not exist. Create it, or mend the field that names it."],
            id="missing-claim",
        ),
        pytest.param(
            "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found",
            "VolumeNotReady",
            ["PersistentVolumeClaim job-workspace (storage class fast) is not bound yet"],
            id="unbound-claim",
        ),
        pytest.param("no nodes available to schedule pods", "Unschedulable", ["No node fits"], id="no-nodes"),
        pytest.param(
            "0/2 nodes are available: 2 node(s) were unschedulable. preemption: 0/2 nodes are available",
            "Unschedulable",
            ["kubectl uncordon"],
            id="cordoned",
        ),
        pytest.param(
            "0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity.",
            "Unschedulable",
            ["A volume of the pod is bound to other nodes"],
            id="volume-on-another-node",
        ),
        pytest.param(
            "0/2 nodes are available: 2 Too many pods.",
            "Unschedulable",
            ["as many pods as they may"],
            id="full-of-pods",
        ),
    ],
)
def test_scheduler_verdict(message: str, reason: str, words: list[str]) -> None:
    scene = Scene(**IN_SPEC, storage={"storageClassName": "fast"})
    scene.act()
    scene.one("PersistentVolumeClaim")["status"] = {"phase": "Pending"}
    scene.pod(**unscheduled(message))["spec"].pop("nodeName")
    plan = scene.act()
    assert (scene.status["phase"], scene.status["reason"]) == ("Pending", reason)
    assert all(word in scene.status["message"] for word in words), scene.status["message"]
    assert not {"preemption", "deallocate"} & set(scene.status["message"].replace(":", "").replace(",", "").split())
    assert reasons(plan) == [reason]
    assert scene.condition("Reconciling") == "True"
    assert is_idle(scene.decide())


def test_closed_scheduling_gates_are_named() -> None:
    scene = Scene()
    scene.act()
    message = "Scheduling is blocked due to non-empty scheduling gates"
    gated = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": message}
    pod = scene.pod(conditions=[gated])
    pod["spec"].pop("nodeName")
    pod["spec"]["schedulingGates"] = [{"name": "kueue.x-k8s.io/admission"}]
    scene.act()
    assert scene.status["reason"] == "SchedulingGated"
    assert "kueue.x-k8s.io/admission" in scene.status["message"]


def test_silent_provisioner_is_named_after_a_while() -> None:
    scene = Scene(storage={"storageClassName": "fast"})
    scene.act()
    claim = scene.one("PersistentVolumeClaim")
    claim["status"] = {"phase": "Pending"}
    claim["metadata"]["annotations"]["volume.kubernetes.io/storage-provisioner"] = "ebs.csi.aws.com"
    scene.pod()["spec"].pop("nodeName")
    scene.act()
    assert scene.status["reason"] == "CreatingPod"
    assert scene.decide().look_again_seconds
    scene.now += timedelta(seconds=60)
    scene.act()
    assert scene.status["reason"] == "VolumeNotReady"
    assert "its provisioner ebs.csi.aws.com says nothing" in scene.status["message"]


def test_silent_scheduler_is_named_after_a_while() -> None:
    scene = Scene(compute={"schedulerName": "volcano"})
    scene.act()
    scene.pod()["spec"].pop("nodeName")
    scene.act()
    assert scene.status["reason"] == "CreatingPod"
    scene.now += timedelta(seconds=120)
    scene.act()
    assert scene.status["reason"] == "Unschedulable"
    assert "see that the scheduler volcano runs" in scene.status["message"]


@pytest.mark.parametrize(
    ("verdict", "asked"),
    [("no nodes available", False), ("pod has unbound immediate PersistentVolumeClaims", True), (None, True)],
)
def test_claim_is_asked_only_while_it_may_be_the_cause(verdict: str | None, asked: bool) -> None:
    scene = Scene()
    scene.act()
    scene.one("PersistentVolumeClaim")["status"] = {"phase": "Pending"}
    scene.pod(**(unscheduled(verdict) if verdict else {}))["spec"].pop("nodeName")
    assert [found["kind"] for found in inquiries(scene.observed())] == (["PersistentVolumeClaim"] if asked else [])


def test_claim_of_a_pod_that_has_a_node_is_not_asked() -> None:
    scene = Scene()
    scene.act()
    scene.one("PersistentVolumeClaim")["status"] = {"phase": "Pending"}
    scene.pod(conditions=[{"type": "PodScheduled", "status": "True"}])
    assert [found["kind"] for found in inquiries(scene.observed())] == ["Pod"]


def test_claim_that_the_scheduler_has_not_seen_yet_is_no_problem() -> None:
    scene = Scene()
    scene.act()
    claim = scene.one("PersistentVolumeClaim")["metadata"]["name"]
    message = f'0/1 nodes are available: persistentvolumeclaim "{claim}" not found.'
    scene.pod(**unscheduled(message))["spec"].pop("nodeName")
    plan = scene.act()
    assert (scene.status["phase"], scene.status["reason"]) == ("Pending", "CreatingPod")
    assert not [note for note in plan.notes if note.warning]


def test_missing_storage_class_is_quoted_from_the_claim() -> None:
    scene = Scene(storage={"storageClassName": "absent"})
    scene.act()
    claim = scene.one("PersistentVolumeClaim")
    claim["status"] = {"phase": "Pending"}
    scene.pod(**unscheduled("pod has unbound immediate PersistentVolumeClaims"))
    scene.event(claim, "ProvisioningFailed", 'storageclass.storage.k8s.io "absent" not found').act()
    assert scene.status["reason"] == "VolumeNotReady"
    assert 'storageclass.storage.k8s.io "absent" not found' in scene.status["message"]
