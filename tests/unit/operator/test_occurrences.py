"""What counters are told: each run's end, each retry, each wait and each GPU-second, once."""

from datetime import timedelta

import pytest

from finetune_api.failures import FailureClass
from finetune_api.handoff import Stage
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import timestamp
from finetune_operator.occurrence import Measure, Occurrence
from finetune_operator.resource.containers import TRAINER
from finetune_operator.state.plan import Plan
from tests.unit.operator.builders import Scene

ON_A_GPU = {"compute": {"gpus": 1}}


def later(scene: Scene, seconds: int) -> Scene:
    scene.now += timedelta(seconds=seconds)
    return scene


def works(scene: Scene) -> Manifest:
    """Let a pod's trainer start now."""
    state = {"running": {"startedAt": timestamp(scene.now)}}
    return scene.pod(phase="Running", podIP="10.0.0.7", containerStatuses=[{"name": TRAINER, "state": state}])


def ends(scene: Scene, pod: Manifest, exit_code: int = 70, message: str = "") -> None:
    """Let the pod's trainer end now."""
    status = pod["status"]["containerStatuses"][0]
    start = (status["state"].get("running") or {})["startedAt"]
    end = {"exitCode": exit_code, "startedAt": start, "finishedAt": timestamp(scene.now), "message": message}
    pod["status"] = {"phase": "Failed" if exit_code else "Succeeded"}
    pod["status"]["containerStatuses"] = [{"name": TRAINER, "state": {"terminated": end}}]


def counted(plan: Plan, measure: Measure) -> list[Occurrence]:
    return [occurrence for occurrence in plan.occurrences if occurrence.measure is measure]


def gpu_seconds(*plans: Plan) -> float:
    return sum(found.amount for plan in plans for found in counted(plan, Measure.GPU_SECONDS))


def test_run_that_succeeds_is_counted_once() -> None:
    scene = Scene()
    scene.act()
    scene.ended_pod(0, scene.report())
    scene.job_ends("Complete")
    assert counted(scene.act(), Measure.RUN_SUCCEEDED) == [Occurrence(Measure.RUN_SUCCEEDED)]
    assert later(scene, 60).act().occurrences == ()


def succeeds(scene: Scene) -> Plan:
    """Let the run be launched, and succeed later."""
    scene.act()
    scene.garbage_collect().act()
    scene.ended_pod(0, scene.report())
    scene.job_ends("Complete")
    return later(scene, 60).act()


@pytest.mark.parametrize("collected", [True, False], ids=["its Job is gone", "its Job is still there"])
def test_run_that_is_gone_back_to_has_not_run_again(collected: bool) -> None:
    scene = Scene()
    succeeds(scene)
    scene.edit(training={"seed": 7})
    if collected:
        assert counted(succeeds(scene), Measure.RUN_SUCCEEDED) == [Occurrence(Measure.RUN_SUCCEEDED)]
    later(scene, 60).act()
    scene.edit(training={"seed": None})
    plans = [later(scene, 60).act() for _ in range(3)]
    assert scene.status["phase"] == "Succeeded"
    assert [found for plan in plans for found in counted(plan, Measure.RUN_SUCCEEDED)] == []


def test_run_that_failed_and_is_launched_again_is_counted_again() -> None:
    scene = Scene()
    scene.act()
    scene.ended_pod(65, scene.report(FailureClass.BAD_DATA, "Row 3 has no label."))
    scene.job_ends("Failed", "PodFailurePolicy", failed=1)
    assert counted(scene.act(), Measure.RUN_FAILED) == [Occurrence(Measure.RUN_FAILED, label="BadData")]
    scene.edit(retry="again").act()
    assert counted(succeeds(scene), Measure.RUN_SUCCEEDED) == [Occurrence(Measure.RUN_SUCCEEDED)]


def test_run_that_fails_is_counted_with_its_class_and_its_end_is_no_retry() -> None:
    scene = Scene()
    scene.act()
    scene.ended_pod(65, scene.report(FailureClass.BAD_DATA, "Row 3 has no label."))
    first = scene.act()
    scene.job_ends("Failed", "PodFailurePolicy", failed=1)
    plans = [first, scene.act(), scene.act()]
    told = [occurrence for plan in plans for occurrence in plan.occurrences]
    assert told == [Occurrence(Measure.RUN_FAILED, label="BadData")]


def test_retries_are_counted_and_the_last_attempt_is_none() -> None:
    scene = Scene(maxRetries=1)
    scene.act()
    scene.ended_pod(70, scene.report(FailureClass.BUG, "It broke."))
    assert counted(scene.act(), Measure.RETRY) == [Occurrence(Measure.RETRY, 1)]
    assert scene.act().occurrences == ()
    scene.ended_pod(70, scene.report(FailureClass.BUG, "It broke again."))
    assert [found.measure for found in scene.act().occurrences] == [Measure.RUN_FAILED]
    scene.job_ends("Failed", "BackoffLimitExceeded", failed=2)
    assert scene.act().occurrences == ()


def test_retries_that_nobody_saw_are_counted_too() -> None:
    scene = Scene(maxRetries=3)
    scene.act()
    scene.ended_pod(70)
    scene.ended_pod(70)
    scene.running_pod()
    assert counted(scene.act(), Measure.RETRY) == [Occurrence(Measure.RETRY, 2)]


def test_wait_in_the_queue_is_told_when_the_first_pod_works_and_not_for_later_ones() -> None:
    scene = Scene()
    scene.act()
    scene.training_job["metadata"]["creationTimestamp"] = timestamp(scene.now)
    pod = scene.pod()
    assert counted(later(scene, 30).act(), Measure.QUEUE_WAIT_SECONDS) == []
    scene.remove(pod)
    pod = works(later(scene, 60))
    assert counted(scene.act(), Measure.QUEUE_WAIT_SECONDS) == [Occurrence(Measure.QUEUE_WAIT_SECONDS, 90)]
    ends(later(scene, 60), pod)
    scene.act()
    works(later(scene, 60))
    assert counted(scene.act(), Measure.QUEUE_WAIT_SECONDS) == []


def test_stage_is_told_when_a_later_one_begins() -> None:
    scene = Scene()
    scene.act()
    pod = works(scene)
    scene.says(Stage.DATA, total=None).act()
    told = later(scene, 7).says(Stage.TRAIN, step=1).act()
    assert counted(told, Measure.STAGE_SECONDS) == [Occurrence(Measure.STAGE_SECONDS, 7, "Data")]
    assert counted(later(scene, 5).says(Stage.TRAIN, step=100).act(), Measure.STAGE_SECONDS) == []
    # A pod that takes over begins with the data again: what it interrupts has not come to its end.
    scene.remove(pod)
    works(scene)
    assert counted(later(scene, 9).says(Stage.DATA, total=None).act(), Measure.STAGE_SECONDS) == []


def test_last_stage_is_told_with_the_end_of_the_run() -> None:
    scene = Scene()
    scene.act()
    pod = works(scene)
    scene.says(Stage.PUSH, step=200).act()
    ends(later(scene, 11), pod, exit_code=0, message=scene.report().model_dump_json(by_alias=True, exclude_none=True))
    told = counted(scene.act(), Measure.STAGE_SECONDS)
    assert told == [Occurrence(Measure.STAGE_SECONDS, 11, "Push")]


def test_gpu_seconds_add_up_to_what_the_pods_worked_whenever_they_are_told() -> None:
    scene = Scene(**ON_A_GPU)
    plans = [scene.act()]
    pod = works(later(scene, 100))
    plans += [later(scene, 10).says(Stage.TRAIN, step=step).act() for step in range(1, 6)]
    assert gpu_seconds(*plans) == 50
    assert scene.status["usage"]["gpuSeconds"] == 50
    ends(later(scene, 7), pod)
    plans += [later(scene, 3).act(), later(scene, 60).act()]
    assert gpu_seconds(*plans) == 57
    works(scene)
    plans += [later(scene, 20).says(Stage.TRAIN, step=9).act()]
    assert gpu_seconds(*plans) == scene.status["usage"]["gpuSeconds"] == 77


def test_gpu_seconds_alone_are_no_reason_to_write_a_status() -> None:
    scene = Scene(**ON_A_GPU)
    scene.act()
    works(scene)
    scene.says(Stage.TRAIN, step=1).act()
    assert later(scene, 600).act().status is None


def test_work_of_a_run_that_gives_way_is_counted_with_the_next() -> None:
    scene = Scene(**ON_A_GPU)
    plans = [scene.act()]
    pod = works(scene)
    plans.append(later(scene, 30).says(Stage.TRAIN, step=1).act())
    scene.progress = None
    plans.append(later(scene, 30).edit(training={"seed": 7}).act())
    assert gpu_seconds(*plans) == 60
    ends(later(scene, 15), pod, exit_code=143)
    scene.remove(pod, seen=False).garbage_collect()
    plans += [later(scene, 5).act() for _ in range(3)]
    assert gpu_seconds(*plans) == scene.status["usage"]["gpuSeconds"] == 75


def test_job_without_gpus_uses_none() -> None:
    scene = Scene()
    scene.act()
    works(scene)
    plan = later(scene, 30).says(Stage.TRAIN, step=1).act()
    assert gpu_seconds(plan) == 0
    assert "usage" not in scene.status
