"""A node that does not answer: its pods neither work nor end, which is told with what to do, whatever they are for."""

from datetime import timedelta

import pytest

from finetune_operator.kinds import Manifest
from finetune_operator.manifests import name_of, timestamp
from tests.unit.operator.builders import NOW, Scene, is_idle, reasons, unscheduled


@pytest.mark.parametrize(
    ("deleting", "since_seconds", "lost"),
    [(True, 30, False), (True, 90, True), (False, 30, True)],
    ids=["may-still-stop", "never-stops", "unready-without-a-reason"],
)
def test_node_that_does_not_answer_is_named_with_what_to_do(deleting: bool, since_seconds: int, lost: bool) -> None:
    scene = Scene()
    scene.act()
    pod = scene.running_pod()
    since = timestamp(NOW - timedelta(seconds=since_seconds))
    if deleting:
        pod["metadata"]["deletionTimestamp"] = since
    else:
        pod["status"]["conditions"] = [{"type": "Ready", "status": "False", "lastTransitionTime": since}]
    scene.act()
    assert (scene.status["reason"] == "NodeLost") is lost
    assert ("node-1" in scene.status["message"]) is lost
    assert ("kubectl delete node node-1" in scene.status["message"]) is (deleting and lost)
    assert (since in scene.status["message"]) is lost


def test_suspended_and_superseded_runs_on_a_lost_node_say_so_too() -> None:
    for change in ({"suspend": True}, {"runId": "again"}):
        scene = Scene()
        scene.act()
        pod = scene.running_pod()
        scene.act()
        scene.edit(**change).act()
        pod["metadata"]["deletionTimestamp"] = timestamp(NOW - timedelta(minutes=10))
        scene.act()
        assert scene.status["reason"] == "NodeLost"
        assert "out-of-service" in scene.status["message"]


def on_a_lost_node(scene: Scene, pod: Manifest, *, gone_seconds: int | None = None) -> str:
    """Let the node of a serving pod be lost, for so long that the pod should have ended; return since when."""
    since = timestamp(scene.now - timedelta(seconds=gone_seconds if gone_seconds is not None else 1))
    pod["status"] |= {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": since}],
    }
    if gone_seconds is not None:
        pod["metadata"]["deletionTimestamp"] = since
    for deployment in scene.of_kind("Deployment"):
        deployment["status"] |= {"readyReplicas": 0, "availableReplicas": 0}
    return since


def served(**serving: object) -> tuple[Scene, Manifest]:
    """Return a job whose model is served, and a pod of it."""
    scene = Scene(serving={"enabled": True, **serving}).succeeds()
    deployment = scene.one("Deployment")
    pod = scene.serving_pod(deployment, phase="Running")
    scene.becomes_available(deployment).act()
    return scene, pod


def test_a_server_whose_node_does_not_answer_is_told_at_once() -> None:
    scene, pod = served()
    since = on_a_lost_node(scene, pod)
    plan = scene.act()
    assert (scene.status["phase"], scene.condition("Ready")) == ("Deploying", "False")
    assert scene.status["message"] == (
        f"NodeLost: Node node-1 has not answered since {since}, so nothing is known of pod {name_of(pod)}. Unless it"
        " comes back, the pod is removed after some minutes. Nothing answers meanwhile."
    )
    assert reasons(plan) == ["ServingNotReady"]
    assert is_idle(scene.decide())


def test_one_of_two_servers_on_a_lost_node_is_told_as_such() -> None:
    scene, first = served(replicas=2)
    scene.serving_pod(scene.one("Deployment"), phase="Running")
    on_a_lost_node(scene, first)
    scene.one("Deployment")["status"] |= {"readyReplicas": 1, "availableReplicas": 1}
    scene.act()
    assert scene.status["message"].startswith("NodeLost: Node node-1 has not answered since")
    assert scene.status["message"].endswith("Other pods of it still answer.")


def test_a_server_that_takes_the_place_of_a_lost_one_is_what_counts() -> None:
    scene, lost = served()
    on_a_lost_node(scene, lost, gone_seconds=3600)
    words = "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/unreachable: }."
    successor = scene.serving_pod(scene.one("Deployment"), **unscheduled(words))
    del successor["spec"]["nodeName"]
    scene.act()
    assert scene.status["message"].startswith("Unschedulable: ")
    assert "node.kubernetes.io/unreachable" in scene.status["message"]
    successor["status"] = {"phase": "Running"}
    scene.becomes_available(scene.one("Deployment")).act()
    assert scene.status["phase"] == "Ready"
    assert is_idle(scene.decide())


@pytest.mark.parametrize("edit", [{"serving": {"memory": "5Gi"}}, {"training": {"learningRate": 1e-3}}], ids=str)
@pytest.mark.parametrize(("gone_seconds", "told"), [(30, False), (90, True)])
def test_a_server_that_never_ends_is_told_where_the_next_one_waits_for_it(
    edit: Manifest, gone_seconds: int, told: bool
) -> None:
    scene, lost = served(strategy="Recreate")
    scene.edit(**edit).act()
    if "training" in edit:
        scene.ended_pod(0, scene.report())
        scene.job_ends("Complete").act()
    on_a_lost_node(scene, lost, gone_seconds=gone_seconds)
    plan = scene.act()
    assert scene.status["phase"] == "Deploying"
    assert plan.look_again_seconds is not None
    assert ("NodeLost: Pod " in scene.status["message"]) is told
    assert (f"kubectl delete pod {name_of(lost)} --force" in scene.status["message"]) is told
    assert scene.status["message"].endswith("Nothing answers meanwhile.") or not told


def test_unready_sidecar_is_no_lost_node() -> None:
    scene = Scene()
    scene.act()
    pod = scene.running_pod()
    pod["status"]["conditions"] = [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}]
    scene.act()
    assert scene.status["reason"] == "Training"
