"""Containers beside the trainer, as a service mesh injects them: told by their name, never taken for the trainer."""

from datetime import timedelta

import pytest

from finetune_api.failures import FailureClass
from finetune_api.handoff import TerminationReport
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import timestamp
from finetune_operator.resource.containers import TRAINER
from tests.unit.operator.builders import NOW, Scene, is_idle, kinds, reasons

PROXY = "istio-proxy"
RUNNING: Manifest = {"running": {}}


def two_containers(trainer: Manifest, proxy: Manifest) -> list[Manifest]:
    return [{"name": PROXY, "state": proxy}, {"name": TRAINER, "state": trainer}]


def outlived(scene: Scene, exit_code: int, report: TerminationReport | None, seconds: int) -> Manifest:
    """Add a pod whose trainer ended some seconds ago while another container runs."""
    pod = scene.ended_pod(exit_code, report, finishedAt=timestamp(NOW - timedelta(seconds=seconds)))
    end = pod["status"]["containerStatuses"][0]["state"]
    pod["status"] |= {"phase": "Running", "containerStatuses": two_containers(end, RUNNING)}
    return pod


def test_init_container_that_fails_is_told_by_its_name() -> None:
    scene = Scene(maxRetries=0)
    scene.act()
    end = {"exitCode": 65, "reason": "Error", "message": "iptables: permission denied\n"}
    waiting = {"name": TRAINER, "state": {"waiting": {"reason": "PodInitializing"}}}
    init = {"name": "istio-init", "state": {"terminated": end}}
    scene.pod(phase="Failed", initContainerStatuses=[init], containerStatuses=[waiting])
    scene.job_ends("Failed", "BackoffLimitExceeded", failed=1)
    scene.act()
    assert (scene.status["phase"], scene.status["reason"]) == ("Failed", "ContainerFailed")
    assert "Container istio-init of pod" in scene.status["message"]
    assert "exit code 65: iptables: permission denied. See: kubectl logs" in scene.status["message"]


def test_trainer_that_cannot_be_started_is_quoted() -> None:
    scene = Scene()
    scene.act()
    message = 'failed to create containerd task: exec: "python": executable file not found in $PATH'
    scene.ended_pod(128, reason="StartError", message=message)
    scene.act()
    assert (
        f"Container trainer of pod {scene.one('Pod')['metadata']['name']} could not be started"
        in (scene.status["message"])
    )
    assert message in scene.status["message"]


def test_container_that_the_node_lost_track_of_has_not_run_out_of_memory() -> None:
    scene = Scene()
    scene.act()
    message = "The container could not be located when the pod was terminated"
    scene.ended_pod(137, reason="ContainerStatusUnknown", message=message)
    scene.act()
    assert message in scene.status["message"]
    assert "spec.compute.memory" not in scene.status["message"]


def test_success_ends_the_job_that_a_sidecar_would_keep_running() -> None:
    scene = Scene()
    scene.act()
    outlived(scene, 0, scene.report(), seconds=5)
    assert not scene.act().deletes
    assert scene.status["phase"] == "Succeeded"
    assert f"Container {PROXY} of pod" in scene.status["message"]
    assert "native sidecar" in scene.status["message"]
    assert scene.decide().look_again_seconds
    scene.now = NOW + timedelta(seconds=60)
    plan = scene.act()
    assert [child["kind"] for child in plan.deletes] == ["Job"]
    assert reasons(plan) == ["ContainerOutlives"]
    scene.garbage_collect().act()
    assert kinds(scene.decide()) == []
    assert scene.status["phase"] == "Succeeded"
    assert PROXY not in scene.status["message"]
    assert is_idle(scene.decide())


def test_success_is_recorded_before_its_job_ends() -> None:
    scene = Scene()
    scene.act()
    outlived(scene, 0, scene.report(), seconds=600)
    plan = scene.act()
    assert not plan.deletes
    assert scene.status["artifact"]
    assert [child["kind"] for child in scene.act().deletes] == ["Job"]


def test_sidecar_that_crashes_makes_no_success_a_failure() -> None:
    scene = Scene()
    scene.act()
    pod = scene.ended_pod(0, scene.report())
    end = pod["status"]["containerStatuses"][0]["state"]
    crash = {"terminated": {"exitCode": 1}}
    pod["status"] |= {"phase": "Failed", "containerStatuses": two_containers(end, crash)}
    scene.act()
    assert scene.status["phase"] == "Succeeded"
    assert [child["kind"] for child in scene.act().deletes] == ["Job"]
    assert kinds(scene.garbage_collect().act()) == []
    assert scene.status["phase"] == "Succeeded"


@pytest.mark.parametrize(("seconds", "ended"), [(5, []), (60, ["Pod"])])
def test_failed_pod_that_a_sidecar_keeps_running_is_ended_so_that_its_job_sees_it(
    seconds: int, ended: list[str]
) -> None:
    scene = Scene()
    scene.act()
    outlived(scene, 69, scene.report(FailureClass.UNAVAILABLE, "s3 is down."), seconds)
    plan = scene.act()
    assert [child["kind"] for child in plan.deletes] == ended
    assert scene.status["message"].startswith("s3 is down. ")
    assert f"Container {PROXY} of pod" in scene.status["message"]
    assert scene.status["message"].endswith("Attempt 2 of 4 follows.")
    assert not scene.act().deletes or not ended


def test_native_sidecar_ends_by_itself() -> None:
    scene = Scene()
    scene.act()
    pod = scene.ended_pod(0, scene.report(), finishedAt=timestamp(NOW - timedelta(minutes=5)))
    pod["status"] |= {"phase": "Running", "initContainerStatuses": [{"name": PROXY, "state": RUNNING}]}
    scene.act()
    assert not scene.act().deletes
    assert PROXY not in scene.status["message"]


def test_sidecar_that_crashes_while_the_trainer_works_is_told() -> None:
    scene = Scene()
    scene.act()
    pod = scene.running_pod()
    crash = {"terminated": {"exitCode": 1, "finishedAt": timestamp(NOW)}}
    pod["status"]["containerStatuses"] = two_containers(RUNNING, crash)
    scene.act()
    assert scene.status["reason"] == "Training"
    assert scene.status["message"].endswith(f"Container {PROXY} beside it has failed with exit code 1.")


@pytest.mark.parametrize(("seconds", "told"), [(-5, True), (5, False)], ids=["before-the-trainer", "with-the-pod"])
def test_failure_names_the_sidecar_that_had_failed_before(seconds: int, told: bool) -> None:
    scene = Scene()
    scene.act()
    report = scene.report(FailureClass.UNAVAILABLE, "s3 is down.")
    pod = scene.ended_pod(69, report, finishedAt=timestamp(NOW))
    crash = {"terminated": {"exitCode": 137, "finishedAt": timestamp(NOW + timedelta(seconds=seconds))}}
    pod["status"]["containerStatuses"] = two_containers(pod["status"]["containerStatuses"][0]["state"], crash)
    scene.act()
    assert (f"Container {PROXY} beside it has failed" in scene.status["message"]) is told
