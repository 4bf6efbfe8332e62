"""The deadline counts what trainers work, over all pods and launches of a run, and never what they wait."""

from datetime import timedelta
from typing import Any

from finetune_operator.kinds import Manifest
from finetune_operator.manifests import timestamp
from finetune_operator.resource.containers import TRAINER
from tests.unit.operator.builders import Scene, is_idle, kinds

LIMIT = 600


def launched(**spec: Any) -> Scene:
    """Return a job with a limit, whose Job has started."""
    scene = Scene(activeDeadlineSeconds=LIMIT, **spec)
    scene.act()
    return started(scene)


def started(scene: Scene) -> Scene:
    scene.training_job["status"] = {"startTime": timestamp(scene.now)}
    return scene


def after(scene: Scene, seconds: int) -> Scene:
    scene.now += timedelta(seconds=seconds)
    return scene


def runs(scene: Scene, pod: Manifest) -> Manifest:
    """Let the pod's trainer start now."""
    running = {"running": {"startedAt": timestamp(scene.now)}}
    pod["status"] = {
        "phase": "Running",
        "podIP": "10.0.0.7",
        "containerStatuses": [{"name": TRAINER, "state": running}],
    }
    scene.act()
    return pod


def ends(scene: Scene, pod: Manifest, exit_code: int = 70) -> Manifest:
    """Let the pod's trainer end now."""
    start = pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"]
    end = {"terminated": {"exitCode": exit_code, "startedAt": start, "finishedAt": timestamp(scene.now)}}
    pod["status"] = {"phase": "Failed", "containerStatuses": [{"name": TRAINER, "state": end}]}
    scene.act()
    return pod


def deadline(scene: Scene) -> int | None:
    """Return the Job's own deadline, which counts from its start."""
    found: int | None = scene.training_job["spec"].get("activeDeadlineSeconds")
    return found


def test_waiting_for_a_node_is_not_counted() -> None:
    scene = launched()
    pod = scene.pod()
    scene.act()
    assert deadline(scene) is None
    after(scene, 5000)
    assert is_idle(scene.decide())
    runs(scene, pod)
    assert deadline(scene) == 5000 + LIMIT
    after(scene, 100)
    assert is_idle(scene.decide())


def test_what_earlier_pods_worked_is_counted_and_the_time_between_them_is_not() -> None:
    scene = launched()
    pod = runs(scene, scene.pod())
    ends(after(scene, 200), pod)
    assert deadline(scene) is None
    assert (scene.status["run"]["activeSeconds"], scene.status["run"]["activeUntil"]) == (200, timestamp(scene.now))
    assert is_idle(scene.decide())
    second = scene.pod()
    runs(after(scene, 3000), second)
    assert deadline(scene) == 3200 + LIMIT - 200
    ends(after(scene, 100), second)
    assert scene.status["run"]["activeSeconds"] == 300


def test_work_is_counted_once_whether_its_pod_stays_or_goes() -> None:
    scene = launched()
    pod = runs(scene, scene.pod())
    ends(after(scene, 200), pod)
    scene.remove(pod, seen=False).act()
    assert scene.status["run"]["activeSeconds"] == 200
    assert is_idle(scene.decide())


def test_a_pod_that_goes_without_a_word_worked_until_it_went() -> None:
    scene = launched()
    pod = runs(scene, scene.pod())
    after(scene, 250)
    scene.remove(pod, seen=False).act()
    assert scene.status["run"]["activeSeconds"] == 250
    assert deadline(scene) is None


def test_work_before_a_suspension_or_another_launch_counts() -> None:
    scene = launched()
    pod = runs(scene, scene.pod())
    scene.edit(suspend=True).act()
    ends(after(scene, 200), pod, exit_code=143)
    scene.remove(pod).act()
    scene.edit(suspend=False, compute={"memory": "64Gi"}).act()
    scene.garbage_collect()
    assert "Job" in kinds(scene.act())
    assert scene.status["run"]["activeSeconds"] == 200
    started(after(scene, 1000))
    runs(scene, scene.pod())
    assert deadline(scene) == LIMIT - 200


def test_another_run_has_its_own_time() -> None:
    scene = launched()
    pod = runs(scene, scene.pod())
    ends(after(scene, 200), pod)
    scene.edit(training={"seed": 1}).act()
    scene.garbage_collect()
    scene.act()
    assert "activeSeconds" not in scene.status["run"]


def test_a_run_whose_time_is_up_between_two_pods_ends_at_once() -> None:
    scene = launched()
    pod = runs(scene, scene.pod())
    ends(after(scene, LIMIT + 3), pod)
    assert deadline(scene) == 0


def exceeded(limit: int = LIMIT) -> Scene:
    """Return a job that its deadline has ended after a few seconds of grace."""
    scene = launched()
    scene.edit(activeDeadlineSeconds=limit)
    pod = runs(scene, scene.pod())
    ends(after(scene, limit + 5), pod, exit_code=143)
    scene.job_ends("Failed", "DeadlineExceeded")
    scene.act()
    assert scene.status["reason"] == "DeadlineExceeded"
    assert is_idle(scene.decide())
    return scene


def test_a_raised_limit_gives_what_it_adds() -> None:
    scene = exceeded()
    scene.edit(activeDeadlineSeconds=LIMIT + 100).act()
    scene.garbage_collect()
    assert "Job" in kinds(scene.act())
    started(scene)
    runs(scene, scene.pod())
    assert deadline(scene) == LIMIT + 100 - (LIMIT + 5)


def test_a_limit_raised_before_the_end_is_told_counts_too() -> None:
    scene = launched()
    pod = runs(scene, scene.pod())
    ends(after(scene, LIMIT + 5), pod, exit_code=143)
    scene.job_ends("Failed", "DeadlineExceeded")
    scene.edit(activeDeadlineSeconds=None).act()
    scene.garbage_collect()
    assert "Job" in kinds(scene.act())


def test_a_limit_that_is_up_already_lets_no_pod_start() -> None:
    scene = exceeded()
    scene.edit(activeDeadlineSeconds=LIMIT + 2).act()
    scene.garbage_collect()
    scene.act()
    assert deadline(scene) == 0


def test_a_lowered_limit_that_is_past_is_for_the_next_launch() -> None:
    scene = launched()
    pod = runs(scene, scene.pod())
    after(scene, 100)
    scene.edit(activeDeadlineSeconds=50).act()
    assert deadline(scene) == LIMIT
    assert is_idle(after(scene, 10).decide())
    ends(after(scene, LIMIT), pod, exit_code=143)
    scene.job_ends("Failed", "DeadlineExceeded").act()
    assert scene.status["reason"] == "DeadlineExceeded"
    assert f"({LIMIT})" in scene.status["message"]
    assert is_idle(scene.decide())
    assert kinds(scene.edit(activeDeadlineSeconds=60).act()) == []
    assert scene.status["reason"] == "DeadlineExceeded"


def test_a_first_limit_that_is_past_is_for_the_next_launch() -> None:
    scene = Scene()
    scene.act()
    started(scene)
    runs(scene, scene.pod())
    after(scene, 100)
    scene.edit(activeDeadlineSeconds=50).act()
    assert deadline(scene) is None
    scene.edit(activeDeadlineSeconds=500).act()
    assert deadline(scene) == 500


def test_a_lowered_limit_reaches_the_working_pod() -> None:
    scene = launched()
    runs(scene, scene.pod())
    after(scene, 40)
    scene.edit(activeDeadlineSeconds=50).act()
    assert deadline(scene) == 50
    scene.edit(activeDeadlineSeconds=None).act()
    assert deadline(scene) is None
    assert "finetune.dev/active-deadline-seconds" not in scene.training_job["metadata"]["annotations"]


def test_a_job_of_an_older_release_keeps_its_limit_and_its_end() -> None:
    scene = Scene(activeDeadlineSeconds=LIMIT)
    scene.act()
    del scene.training_job["metadata"]["annotations"]["finetune.dev/active-deadline-seconds"]
    scene.training_job["spec"]["activeDeadlineSeconds"] = LIMIT
    scene.job_ends("Failed", "DeadlineExceeded")
    scene.act()
    assert scene.status["reason"] == "DeadlineExceeded"
    assert is_idle(scene.decide())
