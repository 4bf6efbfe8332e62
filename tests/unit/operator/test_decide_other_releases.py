"""What another release or another controller wrote into the status: it hides nothing, and it stays."""

from typing import Any

import pytest

from finetune_api.failures import FailureClass
from finetune_api.handoff import Stage
from tests.builders import merge
from tests.unit.operator.builders import Scene, is_idle, kinds

FOREIGN = {
    "type": "PolicyAccepted",
    "status": "True",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
    "reason": "Checked",
    "message": "by the policy controller",
    "severity": "None",
}
STRANGE: dict[str, Any] = {
    "top-level": {"unheardOf": {"deep": [1, 2]}},
    "phase": {"phase": "Hibernating"},
    "run": {"run": {"node": "a"}},
    "attempt": {"run": {"attempt": "many"}},
    "progress": {"progress": {"quarks": 3}},
    "metrics": {"metrics": {"judge": {"win": 0.5}, "evaluation": {"report": {"a": 1}}}},
    "artifact": {"artifact": {"signature": "x"}},
    "serving": {"serving": {"canary": "b"}},
    "usage": {"budget": {"gpuSeconds": 12}},
}


def failed() -> Scene:
    scene = Scene()
    scene.act()
    pod = scene.ended_pod(65, scene.report(FailureClass.BAD_DATA, "train.csv, line 3: no label."))
    scene.job_ends("Failed", "PodFailurePolicy", failed=1).act()
    return scene.remove(scene.training_job).remove(pod)


def add(scene: Scene, strange: dict[str, Any]) -> Scene:
    scene.resource = {**scene.resource, "status": merge(scene.status, strange)}
    return scene


def test_a_published_run_stays_so_without_a_readable_record_of_its_artifact():
    scene = Scene().succeeds()
    scene.remove(scene.training_job).remove(scene.one("Pod"))
    add(scene, {"artifact": {"digest": {"sha512": "b"}}})
    assert kinds(scene.act()) == []
    assert scene.condition("Succeeded") == "True"
    assert scene.status["artifact"]["digest"] == {"sha512": "b"}
    assert is_idle(scene.decide())


def conditions_of(scene: Scene) -> list[str]:
    return [found["type"] for found in scene.status["conditions"]]


@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE)
def test_a_failed_run_stays_failed_and_is_not_trained_again(strange: dict[str, Any]):
    scene = add(failed(), strange)
    assert kinds(scene.act()) == []
    assert (scene.status["phase"], scene.status["reason"]) == ("Failed", "BadData")
    assert merge(scene.status, {**strange, "phase": "Failed"}) == scene.status
    assert is_idle(scene.decide())


@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE)
def test_a_published_run_stays_published(strange: dict[str, Any]):
    scene = add(Scene().succeeds(), strange)
    assert kinds(scene.act()) == []
    assert merge(scene.status, {**strange, "phase": "Succeeded"}) == scene.status
    assert is_idle(scene.decide())


@pytest.mark.parametrize(
    "change",
    [{"severity": "High"}, {"status": "Maybe"}, {"reason": 7}, {"observedGeneration": "new"}, {"message": None}],
    ids=str,
)
def test_a_failure_told_in_other_words_stays_one(change: dict[str, Any]):
    scene = failed()
    told = [merge(found, change) if found["type"] == "Succeeded" else found for found in scene.status["conditions"]]
    add(scene, {"conditions": told})
    assert kinds(scene.act()) == []
    assert (scene.status["phase"], scene.status["reason"]) == ("Failed", "BadData")
    assert scene.condition("Succeeded") == "False"
    assert is_idle(scene.decide())


def test_without_a_word_about_its_end_a_run_has_neither_failed_nor_succeeded():
    scene = failed()
    silent = [found for found in scene.status["conditions"] if found["type"] != "Succeeded"]
    scene.resource["status"] = {**scene.status, "conditions": silent, "phase": "Pending"}
    assert "Job" in kinds(scene.act())
    assert scene.condition("Succeeded") == "Unknown"


def test_conditions_of_others_keep_their_places_and_their_words():
    scene = Scene()
    scene.act()
    first, last = FOREIGN, {**FOREIGN, "type": "Audited", "status": "Later", "extra": {}}
    add(scene, {"conditions": [first, *scene.status["conditions"], last]})
    assert is_idle(scene.decide())
    scene.running_pod()
    scene.says(Stage.EVALUATE).act()
    assert conditions_of(scene)[0] == "PolicyAccepted"
    assert conditions_of(scene)[-1] == "Audited"
    assert (scene.status["conditions"][0], scene.status["conditions"][-1]) == (first, last)
    scene.ended_pod(0, scene.report())
    scene.job_ends("Complete").act()
    assert "Reconciling" not in conditions_of(scene)
    assert [found for found in scene.status["conditions"] if found["type"] in ("PolicyAccepted", "Audited")] == [
        first,
        last,
    ]
    scene.edit(tuning={"method": "Prefix"}).act()
    assert scene.status["reason"] == "InvalidSpec"
    assert {"PolicyAccepted", "Audited"} <= set(conditions_of(scene))
    assert is_idle(scene.decide())


def test_what_is_not_understood_of_the_history_stays_when_another_run_is_published():
    scene = Scene().succeeds()
    first = {**scene.status["history"][0], "signature": "x"}
    odd = {"run": {"name": "of another kind"}}
    add(scene, {"history": [first, odd]})
    assert is_idle(scene.decide())
    scene.edit(training={"seed": 7}).act()
    scene.garbage_collect().succeeds()
    newest, *others = scene.status["history"]
    assert newest["run"] == scene.job.run_id
    assert others == [first, odd]
    assert is_idle(scene.decide())


def test_what_belonged_to_a_run_goes_with_it():
    scene = Scene()
    scene.act()
    scene.running_pod()
    scene.says(Stage.TRAIN, step=5).act()
    add(
        scene,
        {"progress": {"quarks": 3, "epoch": "first"}, "run": {"node": "a"}, "metrics": {"judge": {}}, "unheardOf": 1},
    )
    scene.says(Stage.TRAIN, step=6).act()
    assert scene.status["progress"] == {**scene.status["progress"], "quarks": 3, "epoch": "first", "step": 6}
    scene.edit(training={"seed": 7})
    scene.progress = None
    scene.act()
    assert "node" not in scene.status["run"]
    assert "progress" not in scene.status
    assert "metrics" not in scene.status
    assert scene.status["unheardOf"] == 1
    assert is_idle(scene.decide())


def test_a_stage_that_only_the_trainers_release_knows_is_shown():
    scene = Scene()
    scene.act()
    scene.running_pod()
    scene.says("Distill", step=3).act()  # type: ignore[arg-type]
    assert scene.status["progress"]["stage"] == "Distill"
    assert scene.status["phase"] == "Training"
    assert is_idle(scene.decide())


@pytest.mark.parametrize("missing", ["digest", "uri", "run"])
def test_half_an_artifact_is_no_model_for_another_job(missing: str):
    source, reader = Scene("base").succeeds(), Scene("reader", model={"source": "job://base"})
    add(source, {"artifact": {missing: None}})
    assert kinds(reader.beside(source).act()) == []
    assert reader.status["reason"] == "WaitingForSource"
