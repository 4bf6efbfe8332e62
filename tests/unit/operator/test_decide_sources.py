"""Chains: a FineTuneJob that starts from what another one publishes."""

import json

import pytest

from finetune_api.failures import FailureClass
from finetune_api.handoff import RunRequest
from finetune_api.keys import ConditionType
from finetune_operator.resource.chains import sources_of, view_of
from tests.builders import merge
from tests.unit.operator.builders import DIGEST, Scene, is_idle, kinds, reasons

FROM_BASE = {"source": "job://base", "secretRef": None}
OTHER_DIGEST = "sha256:" + "b" * 64


def reader(name: str = "job", source: str = "base", **spec: object) -> Scene:
    """Return a job that starts from another one's model, with no credentials of its own for it."""
    return Scene(name, **merge({"model": {"source": f"job://{source}", "secretRef": None}}, spec))


def published(name: str = "base", **spec: object) -> Scene:
    return Scene(name, **spec).succeeds()


def republished(scene: Scene, digest: str = OTHER_DIGEST) -> Scene:
    """Let a published job have published again, other files."""
    artifact = {**scene.status["artifact"], "run": "0000beef", "digest": digest}
    scene.resource = {**scene.resource, "status": {**scene.status, "artifact": artifact}}
    return scene


def started(base: Scene, **spec: object) -> Scene:
    """Return a job that has resolved its source and launched its run."""
    scene = reader(**spec).beside(base)
    scene.act()
    scene.act()
    return scene


def failed_base() -> Scene:
    base = Scene("base")
    base.act()
    base.ended_pod(65, base.report(FailureClass.BAD_DATA, "train.csv, line 3: no label."))
    base.job_ends("Failed", "PodFailurePolicy")
    base.act()
    return base


def suspended_base() -> Scene:
    base = Scene("base", suspend=True)
    base.act()
    return base


def training_base() -> Scene:
    base = Scene("base")
    base.act()
    base.running_pod()
    base.act()
    return base


def deleted(base: Scene) -> Scene:
    base.resource["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    return base


def request(scene: Scene) -> RunRequest:
    return RunRequest.model_validate(json.loads(scene.one("ConfigMap")["data"]["job.json"]))


NAMED = "FineTuneJob base (spec.model.source)"


@pytest.mark.parametrize(
    ("others", "reason", "message"),
    [
        (
            [],
            "SourceNotFound",
            f"No {NAMED} in namespace default. Apply it, or correct spec.model.source; this one then starts.",
        ),
        (
            [Scene("base")],
            "WaitingForSource",
            f"Waiting for {NAMED}, which is Pending. This one starts when it is published.",
        ),
        (
            [training_base()],
            "WaitingForSource",
            f"Waiting for {NAMED}, which is Training. This one starts when it is published.",
        ),
        (
            [suspended_base()],
            "WaitingForSource",
            f"Waiting for {NAMED}, which is suspended. Set its spec.suspend to false.",
        ),
        (
            [failed_base()],
            "SourceFailed",
            f"{NAMED} failed: BadData: train.csv, line 3: no label. To go on once that is mended, set spec.retry to a"
            " new value; what is done is kept. Mend it; this one starts when it is published.",
        ),
        (
            [deleted(training_base())],
            "SourceNotFound",
            f"{NAMED} is being deleted and has published nothing. Apply it anew, or correct spec.model.source.",
        ),
    ],
    ids=["missing", "new", "training", "suspended", "failed", "deleted"],
)
def test_waiting_says_for_what_and_makes_nothing(others: list[Scene], reason: str, message: str):
    scene = reader().beside(*others)
    plan = scene.act()
    assert kinds(plan) == []
    assert plan.look_again_seconds is None
    assert reasons(plan) == [reason]
    assert (scene.status["phase"], scene.status["reason"]) == ("Pending", reason)
    assert scene.status["message"] == message
    assert scene.condition(ConditionType.RECONCILING) == "True"
    assert {"run", "workspace", "sources"}.isdisjoint(scene.status)
    assert is_idle(scene.decide())


def test_published_source_is_recorded_first_and_then_the_run_starts():
    base = published()
    scene = reader().beside(base)
    plan = scene.act()
    assert kinds(plan) == []
    assert reasons(plan) == ["SourceResolved"]
    assert plan.look_again_seconds == 0
    recorded = {"field": "spec.model.source", "job": "base", "run": base.job.run_id, "digest": DIGEST}
    assert scene.status["sources"] == [
        recorded | {"uri": f"s3://finetune/published/{base.job.run_id}", "secretRef": {"name": "s3"}}
    ]
    plan = scene.act()
    assert kinds(plan) == ["ConfigMap", "PersistentVolumeClaim", "Job"]
    assert reasons(plan) == ["RunStarted"]
    assert request(scene).sources["spec.model.source"].digest == DIGEST
    assert request(scene).model.source == "job://base"
    assert scene.status["run"]["id"] == scene.job.run_id
    assert is_idle(scene.decide())


def test_model_is_read_as_it_was_published_unless_the_spec_says_otherwise():
    base = published(output={"destination": "pvc://store/models", "secretRef": {"name": "theirs"}})
    inherited = started(base).training_job["spec"]["template"]["spec"]["volumes"]
    assert {"name": "secret-model", "secret": {"secretName": "theirs", "defaultMode": 0o440}} in inherited
    assert {"name": "claim-0", "persistentVolumeClaim": {"claimName": "store", "readOnly": True}} in inherited
    own = started(base, model={"secretRef": {"name": "mine"}})
    volumes = own.training_job["spec"]["template"]["spec"]["volumes"]
    assert {"name": "secret-model", "secret": {"secretName": "mine", "defaultMode": 0o440}} in volumes
    assert "secretRef" not in own.status["sources"][0]


def test_further_models_of_a_task_have_their_own_source_claim_and_secret():
    base = published(output={"destination": "pvc://store/models", "secretRef": {"name": "theirs"}})
    scene = Scene(task="PPO", ppo={"rewardModel": {"source": "job://base"}}).beside()
    scene.act()
    assert scene.status["message"].startswith("No FineTuneJob base (spec.ppo.rewardModel.source) in namespace default.")
    scene.beside(base).act()
    scene.act()
    volumes = {volume["name"]: volume for volume in scene.training_job["spec"]["template"]["spec"]["volumes"]}
    assert volumes["secret-model"]["secret"]["secretName"] == "s3"
    assert volumes["secret-reward-model"]["secret"]["secretName"] == "theirs"
    assert volumes["claim-0"]["persistentVolumeClaim"]["claimName"] == "store"
    assert request(scene).sources["spec.ppo.rewardModel.source"].digest == DIGEST


def test_missing_inherited_secret_is_told_by_who_names_it():
    scene = started(published(output={"secretRef": {"name": "theirs"}}))
    pod = scene.pod()
    scene.event(pod, "FailedMount", 'MountVolume.SetUp failed for volume "x": secret "theirs" not found')
    scene.act()
    assert scene.status["reason"] == "SecretNotFound"
    assert "Secret theirs (spec.output.secretRef of FineTuneJob base) does not exist" in scene.status["message"]


@pytest.mark.parametrize("fate", ["deleted", "deleting", "failed", "unpublished"])
def test_source_that_goes_does_not_disturb_a_run_that_has_begun(fate: str):
    base = published()
    scene = started(base)
    scene.running_pod()
    scene.act()
    gone = {"deleted": [], "deleting": [deleted(base)], "failed": [failed_base()], "unpublished": [Scene("base")]}
    scene.beside(*gone[fate])
    assert is_idle(scene.decide())
    scene.remove(scene.of_kind("Pod")[0])
    scene.ended_pod(0, scene.report())
    scene.job_ends("Complete").act()
    assert scene.status["phase"] == "Succeeded"
    assert is_idle(scene.decide())


def test_edited_reader_of_a_deleted_source_trains_again_from_what_is_recorded():
    scene = started(published()).succeeds().beside()
    plan = scene.edit(training={"seed": 7}).act()
    assert "Job" in kinds(plan)
    assert request_digest(scene) == DIGEST


def request_digest(scene: Scene) -> str:
    newest = scene.of_kind("ConfigMap")[-1]
    sources = json.loads(newest["data"]["job.json"])["sources"]
    return str(sources["spec.model.source"]["digest"])


def test_new_artifact_is_a_new_run_and_the_old_model_stays_meanwhile():
    base = published()
    scene = started(base).succeeds()
    first = scene.status
    base.edit(training={"seed": 7}).act()
    assert is_idle(scene.decide()), "a source that trains again changes nothing yet"
    republished(base)
    assert reasons(scene.act()) == ["SourceResolved"]
    plan = scene.act()
    assert kinds(plan) == ["ConfigMap", "Job"]
    assert scene.status["run"]["id"] != first["run"]["id"]
    assert scene.status["artifact"] == first["artifact"]
    assert request_digest(scene) == OTHER_DIGEST


def test_new_artifact_supersedes_a_live_run():
    base = published()
    scene = started(base)
    scene.running_pod()
    scene.act()
    republished(base)
    scene.act()
    plan = scene.act()
    assert [child["kind"] for child in plan.deletes] == ["Job"]
    assert reasons(plan) == ["RunSuperseded"]
    assert "(the model of spec.model.source from run e6425f87 to run 0000beef)" in plan.notes[0].message
    scene.garbage_collect()
    assert "Job" in kinds(scene.act())


def test_same_files_published_elsewhere_train_nothing_again():
    base = published()
    scene = started(base).succeeds()
    first = scene.status["run"]["id"]
    base.status["artifact"]["uri"] = "s3://elsewhere/published/x"
    scene.act()
    scene.act()
    assert (scene.status["phase"], scene.status["run"]["id"]) == ("Succeeded", first)
    assert len(scene.of_kind("Job")) == 1


def test_source_that_is_changed_for_an_unpublished_one_ends_the_live_run():
    scene = started(published())
    scene.running_pod()
    scene.act()
    scene.edit(model={"source": "job://other"})
    plan = scene.act()
    assert [child["kind"] for child in plan.deletes] == ["Job"]
    assert reasons(plan) == ["RunSuperseded"]
    assert "(spec.model.source from job://base to job://other)" in plan.notes[0].message
    scene.garbage_collect().act()
    assert scene.status["reason"] == "SourceNotFound"
    assert "sources" not in scene.status


def test_suspended_reader_starts_nothing_when_its_source_publishes():
    scene = reader(suspend=True).beside(published())
    scene.act()
    scene.act()
    assert (scene.status["phase"], scene.status["run"].get("startedAt")) == ("Suspended", None)
    scene.edit(suspend=False)
    assert "Job" in kinds(scene.act())


@pytest.mark.parametrize(
    ("sources", "circle"),
    [
        ({"job": "job"}, "job → job"),
        ({"job": "b", "b": "job"}, "job → b → job"),
        ({"job": "b", "b": "c", "c": "d", "d": "job"}, "job → b → c → d → job"),
    ],
    ids=["itself", "two", "four"],
)
def test_cycle_is_refused_with_its_whole_way_and_recovers(sources: dict[str, str], circle: str):
    scenes = {name: reader(name, source) for name, source in sources.items()}
    scene = scenes["job"].beside(*scenes.values())
    plan = scene.act()
    assert kinds(plan) == []
    assert reasons(plan) == ["SourceCycle"]
    assert scene.condition(ConditionType.STALLED) == "True"
    assert f"FineTuneJobs wait for each other: {circle}. " in scene.status["message"]
    assert is_idle(scene.decide())
    scene.edit(model={"source": "s3://finetune/models/tiny"})
    assert "Job" in kinds(scene.act())
    assert scene.condition(ConditionType.STALLED) is None


def test_cycle_that_is_closed_later_does_not_disturb_who_has_started():
    base = published()
    scene = started(base).succeeds()
    base.edit(model={"source": "job://job", "secretRef": None}).beside(scene)
    base.act()
    assert base.status["reason"] == "SourceCycle"
    republished(base)
    assert is_idle(scene.decide()), "else each run would start the next one for ever"


def test_reader_of_a_cycle_that_it_is_not_part_of_is_told_who_failed():
    b, c = reader("base", "c"), reader("c", "base")
    b.beside(c).act()
    scene = reader().beside(b, c)
    scene.act()
    assert scene.status["reason"] == "SourceFailed"
    assert "SourceCycle: FineTuneJobs wait for each other: base → c → base" in scene.status["message"]


def test_sources_are_found_in_every_block():
    spec = {"model": {"source": "job://a"}, "ppo": {"rewardModel": {"source": "job://b"}}}
    assert sources_of({"spec": {**spec, "dataset": {"train": {"source": "s3://b/x.csv"}}}}) == {"a", "b"}


def test_readers_do_not_see_how_far_a_training_has_come():
    base = training_base()
    before = view_of(base.resource)
    base.resource["status"] = {**base.status, "message": "other words", "progress": {"step": 3}}
    assert view_of(base.resource) == before
