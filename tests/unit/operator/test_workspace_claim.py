"""The workspace's claim comes back when somebody deletes it, and grows with the spec."""

from finetune_operator.kinds import Manifest
from tests.unit.operator.builders import Scene, is_idle, kinds, reasons


def asked(scene: Scene) -> str:
    size: str = scene.one("PersistentVolumeClaim")["spec"]["resources"]["requests"]["storage"]
    return size


def running() -> Scene:
    scene = Scene(storage={"size": "10Gi"})
    scene.act()
    scene.running_pod()
    scene.act()
    return scene


def test_a_claim_that_is_gone_is_made_again_and_what_was_lost_is_said() -> None:
    scene = running()
    scene.remove(scene.one("PersistentVolumeClaim"))
    plan = scene.act()
    assert kinds(plan) == ["PersistentVolumeClaim"]
    assert reasons(plan) == ["WorkspaceLost"]
    (note,) = plan.notes
    assert note.warning
    assert "job-workspace was gone" in note.message
    assert scene.status["phase"] == "Training"
    assert is_idle(scene.decide())


def test_a_first_claim_is_no_loss() -> None:
    assert "WorkspaceLost" not in reasons(Scene().act())


def test_a_claim_that_still_goes_away_is_waited_for() -> None:
    scene = running()
    scene.one("PersistentVolumeClaim")["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    assert kinds(scene.act()) == []


def test_a_claim_of_the_users_own_is_never_made() -> None:
    scene = Scene(storage={"existingClaim": "mine"})
    scene.act()
    scene.running_pod()
    assert kinds(scene.act()) == []


def test_the_claim_grows_while_the_run_goes_on() -> None:
    scene = running()
    job: Manifest = scene.training_job
    plan = scene.edit(storage={"size": "20Gi"}).act()
    assert [merge.live["kind"] for merge in plan.merges] == ["PersistentVolumeClaim"]
    assert asked(scene) == "20Gi"
    assert scene.training_job is job
    assert not plan.deletes
    assert is_idle(scene.decide())


def test_a_claim_that_somebody_has_grown_further_stays_so_however_it_is_spelt() -> None:
    scene = running()
    scene.one("PersistentVolumeClaim")["spec"]["resources"]["requests"]["storage"] = "10240Mi"
    assert not scene.act().merges
    scene.one("PersistentVolumeClaim")["spec"]["resources"]["requests"]["storage"] = "50Gi"
    assert not scene.edit(storage={"size": "20Gi"}).act().merges
    assert asked(scene) == "50Gi"


def test_a_claim_that_cannot_grow_is_told_with_the_field_and_what_to_do_while_the_run_goes_on() -> None:
    scene = running()
    scene.edit(storage={"size": "20Gi"})
    words = "only dynamically provisioned pvc can be resized and the storageclass must support resize"
    scene.refuse("PersistentVolumeClaim", "job-workspace", words, "patch").act()
    assert (scene.status["phase"], scene.status["reason"]) == ("Training", "VolumeNotReady")
    assert scene.status["message"] == (
        f"PersistentVolumeClaim job-workspace cannot grow: {words}. Set spec.storage.size back to what the claim has,"
        " or use a storage class whose volumes can grow. The run goes on meanwhile."
    )
