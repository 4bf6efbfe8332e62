"""Serving: blue/green, scaling, and a failed run that changes nothing."""

from dataclasses import replace
from datetime import timedelta

from finetune_api.failures import FailureClass
from finetune_operator.desired.service import served_run
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import name_of
from finetune_operator.state.children.contest import Repair, changed_by_others, next_repair
from finetune_operator.state.children.drift import stamp_of
from tests.unit.operator.builders import DIGEST, POLICY, Scene, is_idle, kinds, reasons


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
    assert kinds(plan) == ["Deployment", "PodDisruptionBudget"]
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
    assert ready_message(scene) == "Serving is scaled to 0 replicas."


def test_disabled_serving_removes_deployment_and_service() -> None:
    scene = served()
    plan = scene.edit(serving={"enabled": False}).act()
    assert sorted(child["kind"] for child in plan.deletes) == ["Deployment", "Service"]
    assert "serving" not in scene.status
    assert scene.status["phase"] == "Succeeded"
    assert is_idle(scene.decide())


def test_changed_deployment_and_lost_service_are_put_right() -> None:
    scene = served()
    scene.somebody_sets(scene.one("Deployment"), "spec.replicas", 5)
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


def server_state(**state: object) -> dict[str, object]:
    return {"name": "server", "image": "trainer:1", "ready": False, **state}


def with_counts(deployment: Manifest, **counts: int) -> None:
    deployment["status"] = {"observedGeneration": 1, **counts}


def test_new_pods_that_do_not_start_are_told_while_the_old_ones_answer() -> None:
    """The old replica counts as available, and the new one as updated: together they are no ready rollout."""
    scene = served()
    deployment = scene.one("Deployment")
    scene.serving_pod(deployment, phase="Running", containerStatuses=[server_state(ready=True)])
    scene.edit(serving={"image": "trainer:tpyo"}).act()
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}
    scene.serving_pod(deployment, containerStatuses=[server_state(image="trainer:tpyo", state=waiting)])
    with_counts(deployment, replicas=2, updatedReplicas=1, availableReplicas=1, readyReplicas=1)
    scene.act()
    assert (scene.status["phase"], scene.status["reason"]) == ("Deploying", "ServingNotReady")
    assert scene.condition("Ready") == "False"
    assert "trainer:tpyo" in scene.status["message"]
    assert scene.status["message"].endswith("Other pods of it still answer.")


def test_server_that_runs_out_of_memory_says_so_between_two_crashes_too() -> None:
    scene = served(memory="1Gi")
    deployment = scene.one("Deployment")
    end = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
    pod = scene.serving_pod(deployment, phase="Running", containerStatuses=[server_state(state=waiting, lastState=end)])
    with_counts(deployment, replicas=1, updatedReplicas=1)
    scene.act()
    told = scene.status["message"]
    assert "ran out of memory: spec.serving.memory is 1Gi. Raise it." in told
    assert told.endswith("Nothing answers meanwhile.")
    pod["status"]["containerStatuses"] = [server_state(state={"running": {}}, lastState=end)]
    assert is_idle(scene.decide())


def test_pod_of_an_earlier_template_is_not_blamed_beside_one_that_starts() -> None:
    scene = served(memory="64Mi")
    deployment = scene.one("Deployment")
    end = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
    old = scene.serving_pod(deployment, phase="Running", containerStatuses=[server_state(state=waiting, lastState=end)])
    old["metadata"]["labels"]["pod-template-hash"] = "old"
    with_counts(deployment, replicas=1, updatedReplicas=1)
    scene.act()
    assert "spec.serving.memory is 64Mi" in scene.status["message"]
    scene.edit(serving={"memory": "1Gi"}).act()
    new = scene.serving_pod(deployment, phase="Running", containerStatuses=[server_state(state={"running": {}})])
    new["metadata"]["labels"]["pod-template-hash"] = "new"
    scene.act()
    assert "ran out of memory" not in scene.status["message"]


def test_address_is_not_told_before_something_answers_there() -> None:
    scene = Scene(serving={"enabled": True}).succeeds()
    assert "url" not in scene.status["serving"]
    deployment = scene.one("Deployment")
    scene.becomes_available(deployment).act()
    assert scene.status["serving"]["url"] == "http://job-server.default.svc"
    with_counts(deployment, replicas=1, updatedReplicas=1)
    scene.act()
    assert scene.status["serving"]["url"] == "http://job-server.default.svc"


def test_served_model_that_dies_while_a_new_run_trains_is_told() -> None:
    scene = served()
    old, deployment = scene.job.run_id, scene.one("Deployment")
    scene.edit(training={"learningRate": 1e-3}).act()
    scene.running_pod()
    scene.act()
    assert scene.condition("Ready") == "True"
    assert ready_message(scene) == f"Run {old} is served."
    end = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    scene.serving_pod(deployment, phase="Running", containerStatuses=[server_state(lastState=end)])
    with_counts(deployment, replicas=1, updatedReplicas=1)
    plan = scene.act()
    assert (scene.status["phase"], scene.status["reason"]) == ("Training", "Training")
    assert f"Run {old} is not served as it should be: " in scene.status["message"]
    assert "ran out of memory" in ready_message(scene)
    assert scene.condition("Ready") == "False"
    assert reasons(plan) == ["ServingNotReady"]
    assert is_idle(scene.decide())


def ready_message(scene: Scene) -> str:
    return next(str(c["message"]) for c in scene.status["conditions"] if c["type"] == "Ready")


def test_paused_deployment_is_told() -> None:
    scene = served()
    deployment = scene.one("Deployment")
    deployment["spec"]["paused"] = True
    scene.act()
    assert scene.status["phase"] == "Ready"
    assert f"kubectl rollout resume deployment/{name_of(deployment)}" in scene.status["message"]
    scene.edit(serving={"memory": "5Gi"}).act()
    with_counts(deployment, replicas=1, availableReplicas=1, readyReplicas=1)
    deployment["spec"]["paused"] = True
    scene.act()
    assert scene.status["reason"] == "ServingNotReady"
    assert f"somebody has paused Deployment {name_of(deployment)}" in scene.status["message"]


def test_pods_that_somebody_changed_are_not_what_is_to_be_served() -> None:
    scene = served()
    scene.somebody_sets(scene.one("Deployment"), "spec.template.spec.enableServiceLinks", True)
    scene.repairs = {("Deployment", name_of(scene.one("Deployment"))): repair(scene, count=1)}
    assert kinds(scene.act()) == []
    assert scene.status["phase"] == "Deploying"


def test_deployment_that_is_changed_back_is_put_right_ever_more_rarely() -> None:
    scene = served()
    deployment = scene.one("Deployment")
    key = ("Deployment", name_of(deployment))
    applied = 0
    for _ in range(30):
        scene.now += timedelta(seconds=4)
        if "f:replicas" in deployment["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]:
            scene.somebody_sets(deployment, "spec.replicas", 2, manager="autoscaler")
        plan = scene.decide()
        if kinds(plan) == ["Deployment"]:
            over = changed_by_others(plan.applies[0], deployment)
            scene.repairs = {key: next_repair(scene.repairs.get(key), stamp_of(plan.applies[0]), over, scene.now)}
            applied += 1
        else:
            assert plan.look_again_seconds is not None
        scene.carry_out(plan)
    assert 4 <= applied <= 8
    assert "spec.replicas by autoscaler" in scene.status["message"]
    assert "kubectl scale ftj" in scene.status["message"]


def test_new_wish_is_not_held_back_by_a_fight() -> None:
    scene = served()
    scene.repairs = {("Deployment", name_of(scene.one("Deployment"))): repair(scene, count=9)}
    assert kinds(scene.edit(serving={"memory": "5Gi"}).act()) == ["Deployment"]


def repair(scene: Scene, count: int) -> Repair:
    return Repair(stamp_of(scene.one("Deployment")), scene.now, count, "spec.replicas by somebody")


def image_of(deployment: Manifest) -> str:
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


def upgraded(scene: Scene, image: str = "trainer:2") -> Scene:
    """Let the operator be of another release, with another trainer image."""
    scene.policy = replace(POLICY, trainer_image=image)
    return scene


def test_another_trainer_image_changes_nothing_of_what_is_served() -> None:
    scene = upgraded(served())
    assert is_idle(scene.decide())
    assert scene.status["artifact"]["image"] == "trainer:1"
    scene.edit(serving={"enabled": False}).act()
    scene.garbage_collect().edit(serving={"enabled": True}).act()
    assert image_of(scene.one("Deployment")) == "trainer:1"


def test_taking_another_image_is_a_choice() -> None:
    scene = upgraded(served())
    scene.edit(serving={"image": "trainer:2"}).act()
    assert image_of(scene.one("Deployment")) == "trainer:2"
    scene.edit(serving={"image": None}).act()
    assert image_of(scene.one("Deployment")) == "trainer:1"
    assert image_of(retrained(scene)) == "trainer:2"


def test_model_that_an_earlier_release_serves_keeps_its_image() -> None:
    scene = upgraded(served())
    for recorded in (scene.status["artifact"], *scene.status["history"]):
        del recorded["image"]
    scene.remove(scene.one("Job"))
    scene.act()
    assert image_of(scene.one("Deployment")) == "trainer:1"
    assert scene.status["artifact"]["image"] == "trainer:1"


def test_model_is_served_with_the_image_that_trained_it() -> None:
    scene = Scene(compute={"image": "mine:7"}, serving={"enabled": True})
    scene.act()
    upgraded(scene).succeeds()
    assert image_of(scene.one("Deployment")) == "mine:7"


def test_pods_may_be_replaced_where_there_is_no_room_for_one_more() -> None:
    scene = served(strategy="Recreate")
    assert scene.one("Deployment")["spec"]["strategy"] == {"type": "Recreate"}
    old = scene.one("Deployment")
    scene.edit(training={"learningRate": 1e-3}).act()
    scene.ended_pod(0, scene.report())
    plan = scene.job_ends("Complete").act()
    assert old in plan.deletes
    assert "Deployment" not in kinds(plan)
    scene.act()
    assert "stopped first" in scene.status["message"]
    assert scene.of_kind("Deployment") == [old]
    scene.garbage_collect()
    assert "Deployment" in kinds(scene.act())
    scene.becomes_available(scene.one("Deployment")).act()
    assert scene.status["phase"] == "Ready"


def test_new_model_that_fails_takes_nothing_away_under_recreate_either() -> None:
    scene = served(strategy="Recreate")
    scene.edit(training={"learningRate": 1e-3}).act()
    scene.ended_pod(72, scene.report(FailureClass.NON_FINITE_LOSS, "the loss became NaN."))
    plan = scene.job_ends("Failed", "PodFailurePolicy", failed=1).act()
    assert not [child for child in plan.deletes if child["kind"] == "Deployment"]


def test_several_pods_are_drained_one_at_a_time() -> None:
    scene = served(replicas=2)
    assert scene.one("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    plan = scene.edit(serving={"replicas": 1}).act()
    assert [child["kind"] for child in plan.deletes] == ["PodDisruptionBudget"]
    scene.garbage_collect()
    scene.becomes_available(scene.one("Deployment")).act()
    assert is_idle(scene.decide())


def test_server_that_loads_for_long_is_not_killed_and_one_that_hangs_is() -> None:
    scene = served()
    server = scene.one("Deployment")["spec"]["template"]["spec"]["containers"][0]
    startup, liveness = server["startupProbe"], server["livenessProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] == 3600
    assert liveness["periodSeconds"] * liveness["failureThreshold"] == 60
