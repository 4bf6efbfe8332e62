"""The cache: newest wins, what is gone stays gone, last words are kept."""

from finetune_api.keys import ANNOTATION_JOB_NAME, LABEL_JOB_UID
from finetune_operator.cluster.cache import Cache
from finetune_operator.cluster.key import Key
from finetune_operator.kinds import Manifest
from tests.builders import finetune_job

KEY = Key("default", "job")


def stored(version: int, uid: str = "uid-1", **status: object) -> Manifest:
    manifest = finetune_job("job")
    manifest["metadata"] |= {"uid": uid, "resourceVersion": str(version), "managedFields": ["long"]}
    return {**manifest, "status": status}


def child(kind: str, uid: str, version: int = 1) -> Manifest:
    """Return a Job that the FineTuneJob owns, or a pod that carries its label."""
    metadata: Manifest = {"name": uid, "namespace": "default", "uid": uid, "resourceVersion": str(version)}
    if kind == "Pod":
        metadata |= {"labels": {LABEL_JOB_UID: "uid-1"}, "annotations": {ANNOTATION_JOB_NAME: "job"}}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
    owner = {"apiVersion": "finetune.dev/v1alpha1", "kind": "FineTuneJob", "uid": "uid-1", "controller": True}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {**metadata, "ownerReferences": [owner]}}


def test_newest_version_wins_whatever_the_order() -> None:
    cache = Cache(lambda _: None)
    assert cache.put(stored(10, phase="Training"))
    assert not cache.put(stored(9, phase="Pending"))
    assert not cache.put(stored(10, phase="Pending"))
    found = cache.resource(KEY)
    assert found is not None
    assert found["status"] == {"phase": "Training"}
    assert "managedFields" not in found["metadata"]


def test_children_are_found_by_their_owner() -> None:
    cache = Cache(lambda _: None)
    cache.put(stored(1))
    cache.put(child("Job", "job-1"))
    cache.put(child("Pod", "pod-1"))
    assert [found["metadata"]["uid"] for found in cache.children("uid-1")] == ["job-1", "pod-1"]
    assert cache.key_of(child("Pod", "pod-1")) == cache.key_of(child("Job", "job-1")) == KEY
    assert cache.children("uid-2") == []


def test_late_news_of_something_deleted_does_not_bring_it_back() -> None:
    cache = Cache(lambda _: None)
    cache.put(stored(1))
    cache.put(child("Job", "job-1", version=5))
    cache.remove(child("Job", "job-1", version=6))
    assert not cache.put(child("Job", "job-1", version=5))
    assert cache.children("uid-1") == []


def test_newer_state_than_the_deletion_shows_that_the_object_lives_on() -> None:
    cache = Cache(lambda _: None)
    cache.put(stored(1))
    cache.put(child("Job", "job-1", version=5))
    # A watch by labels tells of a deletion when a label goes; the object has that very version then.
    cache.remove(child("Job", "job-1", version=6))
    assert cache.put(child("Job", "job-1", version=6))
    assert [found["metadata"]["uid"] for found in cache.children("uid-1")] == ["job-1"]
    assert cache.departed("uid-1") == []
    cache.remove(child("Job", "job-1", version=5))
    assert len(cache.children("uid-1")) == 1


def test_pod_without_labels_belongs_to_the_owner_of_its_job() -> None:
    cache = Cache(lambda _: None)
    cache.put(stored(1))
    cache.put(child("Job", "job-1"))
    pod = child("Pod", "pod-1")
    made_by = {"apiVersion": "batch/v1", "kind": "Job", "uid": "job-1", "controller": True}
    pod["metadata"] |= {"labels": {LABEL_JOB_UID: "somebody"}, "annotations": {}, "ownerReferences": [made_by]}
    cache.put(pod)
    assert cache.key_of(pod) == KEY
    assert [found["metadata"]["uid"] for found in cache.children("uid-1")] == ["job-1", "pod-1"]
    cache.remove(child("Job", "job-1", version=2))
    pod["metadata"]["resourceVersion"] = "2"
    cache.put(pod)
    assert [found["metadata"]["uid"] for found in cache.children("uid-1")] == ["pod-1"]


def test_last_words_are_kept_until_they_are_told() -> None:
    cache = Cache(lambda _: None)
    cache.put(stored(1))
    cache.put(child("Pod", "pod-1"))
    cache.remove(child("Pod", "pod-1", version=2))
    seen = cache.departed("uid-1")
    assert [found["metadata"]["uid"] for found in seen] == ["pod-1"]
    cache.put(child("Pod", "pod-2"))
    cache.remove(child("Pod", "pod-2", version=3))
    cache.forget_departed("uid-1", seen)
    assert [found["metadata"]["uid"] for found in cache.departed("uid-1")] == ["pod-2"]


def test_namesake_made_after_a_deletion_is_another_resource() -> None:
    cache = Cache(lambda _: None)
    cache.put(stored(1))
    cache.put(child("Job", "job-1"))
    cache.put(stored(8, uid="uid-2"))
    cache.remove(stored(7))
    found = cache.resource(KEY)
    assert found is not None
    assert found["metadata"]["uid"] == "uid-2"
    assert cache.children("uid-2") == []


def test_jobs_are_told_with_their_pods_and_nothing_else() -> None:
    cache = Cache(lambda _: None)
    assert cache.with_pods() == []
    cache.put(stored(1, phase="Training"))
    cache.put(child("Job", "job-1"))
    cache.put(child("Pod", "pod-1"))
    ((found, pods),) = cache.with_pods()
    assert found is cache.resource(KEY)
    assert [pod["metadata"]["uid"] for pod in pods] == ["pod-1"]
    cache.remove(stored(2))
    assert cache.with_pods() == []
