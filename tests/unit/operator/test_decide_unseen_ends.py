"""How a run ended is not lost, whatever of it went while nobody looked."""

import pytest

from finetune_api.failures import FailureClass
from finetune_operator.kinds import Manifest
from tests.unit.operator.builders import DIGEST, Scene, is_idle, kinds, reasons


def time_to_live(job: Manifest) -> int | None:
    return job["spec"].get("ttlSecondsAfterFinished")


def ends_without_a_word(scene: Scene) -> Scene:
    """Let the Job complete while nobody looks, and its pod be collected."""
    scene.job_ends("Complete", "CompletionsReached")
    return scene


def relaunched(scene: Scene) -> Scene:
    scene.act()
    scene.garbage_collect().act()
    return scene


@pytest.mark.parametrize("failure", [None, FailureClass.BAD_DATA])
def test_job_may_vanish_only_once_the_status_tells_its_end(failure: FailureClass | None):
    scene = Scene(ttlSecondsAfterFinished=60)
    scene.act()
    assert time_to_live(scene.training_job) is None
    scene.ended_pod(65 if failure else 0, scene.report(failure))
    assert not scene.decide().merges
    scene.job_ends("Failed" if failure else "Complete")
    plan = scene.act()
    assert time_to_live(scene.training_job) is None
    assert plan.look_again_seconds == 0
    scene.act()
    assert time_to_live(scene.training_job) == 60
    assert is_idle(scene.decide())


def test_time_to_live_of_an_ended_job_follows_the_spec():
    scene = Scene().succeeds()
    assert time_to_live(scene.training_job) is None
    scene.edit(ttlSecondsAfterFinished=5).act()
    assert time_to_live(scene.training_job) == 5
    scene.edit(ttlSecondsAfterFinished=None).act()
    assert time_to_live(scene.training_job) is None


def test_time_to_live_that_an_earlier_release_set_on_a_live_job_is_taken_back():
    scene = Scene(ttlSecondsAfterFinished=60)
    scene.act()
    scene.training_job["spec"]["ttlSecondsAfterFinished"] = 60
    scene.running_pod()
    scene.act()
    assert time_to_live(scene.training_job) is None


def test_completed_job_whose_pod_is_gone_is_launched_again_and_publishes_what_is_there():
    scene = Scene()
    scene.act()
    first = scene.training_job
    plan = ends_without_a_word(scene).act()
    assert plan.deletes == (first,)
    assert reasons(plan) == ["Relaunched"]
    assert scene.status["reason"] == "StoppingPreviousRun"
    assert is_idle(scene.decide())
    scene.garbage_collect()
    assert kinds(scene.act()) == ["Job"]
    assert scene.training_job["metadata"]["uid"] != first["metadata"]["uid"]
    assert is_idle(scene.decide())
    scene.ended_pod(0, scene.report())
    scene.job_ends("Complete").act()
    assert scene.status["phase"] == "Succeeded"
    assert scene.status["artifact"]["digest"] == DIGEST


def test_job_that_is_seen_a_second_time_before_it_goes_does_not_count_twice():
    scene = Scene()
    scene.act()
    ends_without_a_word(scene).act()
    scene.training_job["metadata"].pop("deletionTimestamp")
    plan = scene.act()
    assert plan.deletes == (scene.training_job,)
    assert scene.status["phase"] == "Pending"


def test_run_without_a_last_word_is_launched_again_only_once():
    scene = Scene()
    scene.act()
    relaunched(ends_without_a_word(scene))
    ends_without_a_word(scene).act()
    assert scene.status["phase"] == "Failed"
    assert "so what it published is unknown" in scene.status["message"]
    assert scene.status["message"].endswith("To have it told, set spec.retry to a new value; what is done is kept.")
    assert is_idle(scene.decide())
    run = scene.status["run"]["id"]
    scene.edit(retry="again").act()
    assert kinds(scene.garbage_collect().act()) == ["ConfigMap", "Job"]
    assert scene.status["run"]["id"] == run
    assert "lostJob" not in scene.status["run"]


def test_end_that_an_earlier_release_recorded_as_failed_stays_so():
    scene = Scene()
    scene.act()
    relaunched(ends_without_a_word(scene))
    ends_without_a_word(scene).act()
    del scene.resource["status"]["run"]["lostJob"]
    assert kinds(scene.act()) == []
    assert scene.status["phase"] == "Failed"


def test_job_and_pod_that_went_while_nobody_looked_are_made_again():
    scene = Scene()
    scene.act()
    scene.running_pod()
    scene.act()
    scene.remove(scene.training_job).remove(scene.one("Pod"))
    assert kinds(scene.act()) == ["Job"]


def test_orphaned_pod_of_the_run_has_the_last_word():
    scene = Scene()
    scene.act()
    pod = scene.ended_pod(0, scene.report())
    scene.remove(scene.training_job)
    pod["metadata"].pop("ownerReferences")
    assert kinds(scene.act()) == []
    assert scene.status["phase"] == "Succeeded"
    scene.remove(pod)
    assert is_idle(scene.decide())


def test_orphaned_pod_that_failed_for_good_fails_the_run():
    scene = Scene()
    scene.act()
    scene.ended_pod(65, scene.report(FailureClass.BAD_DATA, "train.csv, line 3: no label."))
    scene.remove(scene.training_job)
    assert kinds(scene.act()) == []
    assert (scene.status["phase"], scene.status["reason"]) == ("Failed", "BadData")
    scene.remove(scene.one("Pod"))
    assert is_idle(scene.decide())


@pytest.mark.parametrize(
    "other",
    [
        {"labels": {"finetune.dev/run": "00000000"}},
        {"labels": {"finetune.dev/job-uid": "uid-of-another"}},
        {"annotations": {"finetune.dev/launch": "0000"}},
    ],
    ids=str,
)
def test_orphaned_pod_of_anything_else_is_not_believed(other: dict[str, dict[str, str]]):
    scene = Scene()
    scene.act()
    pod = scene.ended_pod(0, scene.report())
    scene.remove(scene.training_job)
    for part, values in other.items():
        pod["metadata"][part] = {**pod["metadata"][part], **values}
    assert kinds(scene.act()) == ["Job"]


def test_job_that_failed_tells_the_class_when_its_pods_are_gone():
    scene = Scene()
    scene.act()
    words = "Container trainer for pod default/job-x failed with exit code 65 matching FailJob rule at index 2"
    scene.job_ends("Failed", "PodFailurePolicy", words, failed=1).act()
    assert (scene.status["phase"], scene.status["reason"]) == ("Failed", "BadData")
    way_on = "To see why, and to go on, set spec.retry to a new value; what is done is kept."
    assert scene.status["message"] == f"The training Job failed: {words}. {way_on}"
