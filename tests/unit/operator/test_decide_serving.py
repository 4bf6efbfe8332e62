"""Serving: blue/green, scaling, and a failed run that changes nothing."""

from finetune_api.failures import FailureClass
from finetune_operator.desired.service import served_run
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import name_of
from tests.unit.operator.builders import DIGEST, Scene, is_idle, kinds, reasons


def served(**serving: object) -> Scene:
    """Return a job whose first run is served."""
    scene = Scene(serving={"enabled": True, **serving}).succeeds()
    scene.becomes_available(scene.one("Deployment")).act()
    return scene


def retrained(scene: Scene) -> Manifest:
    """Let a second run succeed; return its Deployment, whose pods are not ready yet."""
    scene.edit(training={"learningRate": 1e-3}).act()
    scene.ended_pod(0, scene.report())
    scene.job_ends("Complete").act()
    return scene.of_kind("Deployment")[-1]


def test_published_model_gets_deployment_and_service() -> None:
    scene = Scene(serving={"enabled": True})
    scene.act()
    scene.ended_pod(0, scene.report())
    assert kinds(scene.act()) == ["Deployment", "Service"]
    assert (scene.status["phase"], scene.status["reason"]) == ("Deploying", "Deploying")
    assert scene.condition("Published") == "True"
    assert scene.condition("Ready") == "False"
    assert is_idle(scene.decide())


def test_job_is_ready_when_its_pods_are() -> None:
    scene = Scene(serving={"enabled": True}).succeeds()
    plan_reasons = reasons(scene.becomes_available(scene.one("Deployment")).act())
    assert plan_reasons == ["Serving"]
    assert scene.status["phase"] == "Ready"
    assert scene.condition("Ready") == "True"
    assert scene.status["serving"] == {
        "url": "http://job-server.default.svc",
        "run": scene.job.run_id,
        "digest": DIGEST,
        "replicas": 1,
        "readyReplicas": 1,
        "selector": "app.kubernetes.io/component=serving,finetune.dev/job-uid=uid-of-job,"
        f"finetune.dev/run={scene.job.run_id}",
    }


def test_old_generation_of_a_deployment_is_not_ready() -> None:
    scene = Scene(serving={"enabled": True}).succeeds()
    deployment = scene.one("Deployment")
    scene.becomes_available(deployment)
    deployment["metadata"]["generation"] = 2
    scene.act()
    assert scene.status["phase"] == "Deploying"


def test_service_keeps_to_the_old_run_until_the_new_one_is_ready() -> None:
    scene = served()
    old = scene.job.run_id
    green = retrained(scene)
    assert len(scene.of_kind("Deployment")) == 2
    assert served_run(scene.one("Service")) == old
    assert scene.status["serving"]["run"] == old
    assert scene.status["phase"] == "Deploying"
    plan = scene.becomes_available(green).act()
    assert kinds(plan) == ["Service"]
    assert [name_of(child) for child in plan.deletes if child["kind"] == "Deployment"] == [f"job-{old}-server"]
    assert served_run(scene.one("Service")) == scene.job.run_id
    assert scene.status["serving"]["run"] == scene.job.run_id
    scene.garbage_collect().act()
    assert is_idle(scene.decide())


def test_failed_run_changes_nothing_of_what_is_served() -> None:
    scene = served()
    serving, artifact = scene.status["serving"], scene.status["artifact"]
    scene.edit(training={"learningRate": 1e-3}).act()
    scene.ended_pod(72, scene.report(FailureClass.NON_FINITE_LOSS, "the loss became NaN."))
    plan = scene.job_ends("Failed", "PodFailurePolicy", failed=1).act()
    assert not [child for child in (*plan.applies, *plan.deletes) if child["kind"] in ("Deployment", "Service")]
    assert scene.status["phase"] == "Failed"
    assert (scene.status["serving"], scene.status["artifact"]) == (serving, artifact)


def test_replicas_and_placement_change_the_deployment_in_place() -> None:
    scene = served()
    plan = scene.edit(serving={"replicas": 3, "nodeSelector": {"disk": "fast"}}).act()
    assert kinds(plan) == ["Deployment"]
    assert scene.one("Deployment")["spec"]["replicas"] == 3
    assert scene.status["phase"] == "Deploying"
    scene.becomes_available(scene.one("Deployment")).act()
    assert scene.status["phase"] == "Ready"
    plan = scene.edit(serving={"nodeSelector": None}).act()
    assert kinds(plan) == ["Deployment"]
    assert "nodeSelector" not in scene.one("Deployment")["spec"]["template"]["spec"]


def test_serving_scaled_to_zero_is_ready() -> None:
    scene = Scene(serving={"enabled": True, "replicas": 0}).succeeds()
    scene.becomes_available(scene.one("Deployment")).act()
    assert (scene.status["phase"], scene.status["reason"]) == ("Ready", "ScaledToZero")


def test_disabled_serving_removes_deployment_and_service() -> None:
    scene = served()
    plan = scene.edit(serving={"enabled": False}).act()
    assert sorted(child["kind"] for child in plan.deletes) == ["Deployment", "Service"]
    assert "serving" not in scene.status
    assert scene.status["phase"] == "Succeeded"
    assert is_idle(scene.decide())


def test_changed_deployment_and_lost_service_are_put_right() -> None:
    scene = served()
    scene.one("Deployment")["spec"]["replicas"] = 5
    scene.remove(scene.one("Service"))
    assert kinds(scene.act()) == ["Deployment", "Service"]


def test_crashing_server_is_explained() -> None:
    scene = Scene(serving={"enabled": True}).succeeds()
    state = {
        "name": "server",
        "image": "trainer:1",
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting"}},
        "lastState": {"terminated": {"exitCode": 1, "message": "config.json: digest does not match"}},
    }
    scene.serving_pod(scene.one("Deployment"), phase="Running", containerStatuses=[state])
    plan = scene.act()
    assert scene.status["reason"] == "ServingNotReady"
    assert "config.json: digest does not match" in scene.status["message"]
    assert "back-off" not in scene.status["message"]
    assert reasons(plan) == ["ServingNotReady"]


def test_serving_pods_that_quota_refuses_are_explained() -> None:
    scene = Scene(serving={"enabled": True}).succeeds()
    message = 'pods "x" is forbidden: exceeded quota: few'
    scene.one("Deployment")["status"] = {
        "conditions": [{"type": "ReplicaFailure", "status": "True", "message": message}]
    }
    scene.act()
    assert scene.status["reason"] == "ServingNotReady"
    assert "exceeded quota: few" in scene.status["message"]
