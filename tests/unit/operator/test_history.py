"""What was published stays known: a run that the spec asks for again trains nothing, and any of them may be served."""

from datetime import timedelta

from finetune_api.handoff import Stage
from finetune_api.status import HISTORY_FIGURES_LIMIT
from finetune_operator.desired.service import served_run
from finetune_operator.manifests import name_of
from tests.unit.operator.builders import DIGEST, METRICS, NOW, Scene, is_idle, kinds, reasons

RATES = (1e-3, 2e-3, 3e-3)


def published_runs(scene: Scene, *rates: float) -> list[str]:
    """Let a run for each learning rate be published, one a day; return their ids, oldest first."""
    runs = []
    for day, rate in enumerate(rates):
        scene.now = NOW + timedelta(days=day)
        scene.edit(training={"learningRate": rate}).succeeds()
        for deployment in scene.of_kind("Deployment"):
            scene.becomes_available(deployment)
        scene.act()
        scene.garbage_collect()
        runs.append(scene.job.run_id)
    return runs


def test_each_published_run_is_told_with_its_score_newest_first() -> None:
    scene = Scene()
    runs = published_runs(scene, *RATES)
    assert [entry["run"] for entry in scene.status["history"]] == runs[::-1]
    assert scene.status["history"][-1] == {
        "run": runs[0],
        "uri": f"s3://finetune/published/{runs[0]}",
        "digest": DIGEST,
        "sizeBytes": 1000,
        "image": "trainer:1",
        "score": "0.912 (base 0.508)",
        "progress": {
            "stage": "Push",
            "stageStartedAt": "2026-01-02T03:04:05Z",
            "step": 200,
            "totalSteps": 200,
            "percent": 100,
            "display": "200/200 100%",
        },
        "metrics": METRICS.to_wire(),
        "publishedAt": "2026-01-02T03:04:05Z",
    }
    scene.act()
    assert is_idle(scene.garbage_collect().decide())


def test_a_spec_that_asks_for_an_earlier_run_again_trains_nothing_however_many_runs_ago() -> None:
    scene = Scene(serving={"enabled": True})
    runs = published_runs(scene, *RATES)
    plan = scene.edit(training={"learningRate": RATES[0]}).act()
    assert kinds(plan) == ["Deployment"]
    assert "Published" in reasons(plan)
    assert scene.status["artifact"]["run"] == scene.status["run"]["id"] == runs[0]
    assert scene.status["score"] == "0.912 (base 0.508)"
    assert len(scene.status["history"]) == len(RATES)
    scene.becomes_available(scene.of_kind("Deployment")[-1])
    scene.act()
    assert served_run(scene.one("Service")) == runs[0]
    assert (scene.status["phase"], scene.status["message"]) == (
        "Ready",
        f"Run {runs[0]} is served at http://job-server.default.svc.",
    )


def test_a_run_that_is_gone_back_to_is_told_with_all_its_figures() -> None:
    scene = Scene()
    scene.edit(training={"learningRate": RATES[0]}).act()
    scene.running_pod()
    scene.says(Stage.TRAIN, step=150, loss=0.25).act()
    scene.remove(scene.one("Pod"))
    scene.progress = None
    scene.succeeds()
    told = scene.status
    published_runs(scene, *RATES[1:])
    scene.edit(training={"learningRate": RATES[0]}).act()
    assert scene.status["run"]["id"] == told["run"]["id"]
    assert told["progress"]["loss"] == 0.25
    for figures in ("progress", "metrics", "score", "scoreMetric"):
        assert scene.status[figures] == told[figures]
    evaluated = next(found for found in scene.status["conditions"] if found["type"] == "Evaluated")
    assert evaluated["message"] == "Score: 0.912 (base 0.508)."
    scene.garbage_collect().act()
    assert is_idle(scene.garbage_collect().decide())


def test_figures_are_kept_of_the_newest_runs_and_of_one_that_an_earlier_release_published() -> None:
    scene = Scene()
    rates = [1e-3 * count for count in range(1, HISTORY_FIGURES_LIMIT + 3)]
    published_runs(scene, rates[0])
    for figures in ("progress", "metrics"):
        del scene.status["history"][0][figures]
    published_runs(scene, rates[1])
    assert all(entry["metrics"] == METRICS.to_wire() for entry in scene.status["history"])
    published_runs(scene, *rates[2:])
    with_figures = [("metrics" in entry, "progress" in entry) for entry in scene.status["history"]]
    assert with_figures == [(True, True)] * HISTORY_FIGURES_LIMIT + [(False, False)] * 2
    assert all(entry["score"] for entry in scene.status["history"])


def test_another_place_is_published_to_from_the_workspace() -> None:
    scene = Scene()
    published_runs(scene, RATES[0])
    scene.edit(output={"destination": "s3://elsewhere/tuned"}).act()
    assert "Job" in kinds(scene.garbage_collect().act())


def test_the_pinned_run_is_served_while_later_ones_are_published() -> None:
    scene = Scene(serving={"enabled": True})
    first, second = published_runs(scene, *RATES[:2])
    assert kinds(scene.edit(serving={"pinnedRun": first}).act()) == ["Deployment"]
    assert served_run(scene.one("Service")) == second, "until the pinned one answers"
    scene.becomes_available(scene.of_kind("Deployment")[-1])
    scene.act()
    assert served_run(scene.one("Service")) == first
    assert scene.status["message"] == (
        f"Run {first} is served at http://job-server.default.svc, as spec.serving.pinnedRun asks; run {second} is"
        " published."
    )
    scene.garbage_collect()
    scene.edit(training={"learningRate": RATES[2]}).succeeds()
    assert [name_of(found) for found in scene.of_kind("Deployment")] == [f"job-{first}-server"]
    assert (scene.status["artifact"]["run"], scene.status["serving"]["run"]) == (scene.job.run_id, first)
    assert scene.status["phase"] == "Ready"


def test_a_pinned_run_that_was_never_published_changes_nothing_of_what_is_served_and_is_told() -> None:
    scene = Scene(serving={"enabled": True})
    runs = published_runs(scene, *RATES[:2])
    serving = scene.status["serving"]
    plan = scene.edit(serving={"pinnedRun": "0badcafe"}).act()
    assert not plan.applies
    assert not [child for child in plan.deletes if child["kind"] in ("Deployment", "Service")]
    assert scene.status["serving"] == serving
    assert scene.status["reason"] == "PinnedRunNotFound"
    assert scene.status["message"].startswith(
        "spec.serving.pinnedRun is 0badcafe, which this job has not published; published runs: "
        f"{runs[1]}, {runs[0]}. Name one"
    )
