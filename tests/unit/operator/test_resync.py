"""The resync: what is missing from a list is asked for by name, namespaces stand alone, history may go back."""

import asyncio
from dataclasses import dataclass, field

import pytest

from finetune_operator.cluster.cache import Cache
from finetune_operator.cluster.key import Key
from finetune_operator.cluster.port import Listing
from finetune_operator.errors import ClusterError, Refused, Unavailable
from finetune_operator.kinds import FINETUNE_JOB, JOB, Kind, Manifest, kind_of
from finetune_operator.manifests import name_of, namespace_of
from finetune_operator.reconcile.resync import Resync
from tests.unit.operator.test_informer_cache import KEY, child, stored


@dataclass
class Server:
    """Lists and reads what a test says; fails in the namespaces that it names."""

    objects: list[Manifest] = field(default_factory=list)
    hidden: list[Manifest] = field(default_factory=list)
    version: int = 100
    failures: dict[str, ClusterError] = field(default_factory=dict)

    async def snapshot(self, kind: Kind, namespace: str | None = None, *, labels: str = "") -> Listing:
        if namespace in self.failures:
            raise self.failures[namespace]
        found = [m for m in self.objects if kind_of(m) == kind and namespace in (None, namespace_of(m))]
        assert bool(labels) == (kind != FINETUNE_JOB)
        return Listing(found, self.version)

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        if namespace in self.failures:
            raise self.failures[namespace]
        known = (*self.objects, *self.hidden)
        return next((m for m in known if (kind_of(m), namespace_of(m), name_of(m)) == (kind, namespace, name)), None)


class Scene:
    """A cache, and a resync that fills it from a server."""

    def __init__(self, server: Server, *namespaces: str) -> None:
        self.server = server
        self.queued: list[Key] = []
        self.cache = Cache(lambda _: None)
        self.compared = asyncio.Event()
        self.resync = Resync(server, self.cache, self.queued.append, namespaces, self.compared.set)  # type: ignore[arg-type]

    async def round(self) -> None:
        self.compared.clear()
        again = asyncio.create_task(self.resync.repeat_for_ever(0.001))
        await asyncio.wait_for(self.compared.wait(), 10)
        again.cancel()

    def uids(self) -> list[str]:
        return [found["metadata"]["uid"] for found in self.cache.children("uid-1")]


async def test_job_that_lost_its_labels_stays_known_and_one_that_is_gone_does_not() -> None:
    scene = Scene(Server([stored(1), child("Job", "job-1", 5), child("Job", "job-2", 5)]))
    await scene.resync.fill()
    assert scene.uids() == ["job-1", "job-2"]
    scene.server.objects = [stored(1)]
    scene.server.hidden = [child("Job", "job-1", 7)]
    await scene.round()
    assert scene.uids() == ["job-1"]
    assert scene.cache.of_kind(JOB)[0]["metadata"]["resourceVersion"] == "7"


async def test_nothing_is_forgotten_while_the_server_does_not_say() -> None:
    scene = Scene(Server([stored(1), child("Job", "job-1", 5)]))
    await scene.resync.fill()
    scene.server.failures = {"default": Unavailable("no answer")}
    scene.server.objects = [stored(1)]
    await scene.round()
    assert scene.uids() == ["job-1"]


@pytest.mark.parametrize("version", [30, 200], ids=["behind", "caught up"])
async def test_older_history_than_the_known_one_rebuilds_the_cache(version: int) -> None:
    scene = Scene(Server([stored(50, phase="Succeeded"), child("Job", "job-1", 60), child("Job", "job-2", 61)]))
    await scene.resync.fill()
    # Back to a backup from before the run ended, and before the second Job was made.
    scene.server.objects = [stored(20, phase="Training"), child("Job", "job-1", 25)]
    scene.server.version = version
    await scene.round()
    assert scene.resync.restored.is_set()
    resource = scene.cache.resource(KEY)
    assert resource is not None
    assert resource["status"] == {"phase": "Training"}
    assert scene.uids() == ["job-1"]
    assert scene.cache.departed("uid-1") == []
    scene.cache.put(stored(31, phase="Succeeded"))
    assert [resource["status"]["phase"] for resource, _ in scene.cache.with_pods()] == ["Succeeded"]


async def test_deletion_that_the_restored_server_knows_nothing_of_is_undone() -> None:
    scene = Scene(Server([stored(1), child("Job", "job-1", 60)]))
    await scene.resync.fill()
    scene.cache.remove(child("Job", "job-1", 70))
    await scene.round()
    assert scene.resync.restored.is_set()
    assert scene.uids() == ["job-1"]


async def test_steady_history_rebuilds_nothing() -> None:
    scene = Scene(Server([stored(1), child("Job", "job-1", 60)]))
    await scene.resync.fill()
    scene.server.objects = [stored(90), child("Job", "job-1", 60)]
    await scene.round()
    assert not scene.resync.restored.is_set()


async def test_forbidden_namespace_does_not_stop_the_others_and_is_named() -> None:
    there = stored(1)
    there["metadata"] |= {"namespace": "closed", "uid": "uid-2"}
    scene = Scene(Server([stored(1), there]), "closed", "default")
    assert scene.resync.complaints(60) == []
    scene.server.failures = {"closed": Refused("finetunejobs is forbidden")}
    assert await scene.resync.fill()
    assert (scene.resync.is_filled("default"), scene.resync.is_filled("closed")) == (True, False)
    assert set(scene.queued) == {KEY}
    assert scene.resync.complaints(60) == ["namespace closed cannot be listed: finetunejobs is forbidden"]
    assert scene.resync.listed() == {"default": True, "closed": False}
    await scene.round()
    assert scene.cache.all_keys() == [KEY]
    scene.server.failures = {}
    await scene.resync.fill_for_ever(0.001)
    assert scene.resync.complaints(60) == []
    assert Key("closed", "job") in scene.queued


async def test_namespace_that_is_closed_later_is_complained_of_when_it_lasts() -> None:
    scene = Scene(Server([stored(1)]), "default")
    await scene.resync.fill()
    scene.server.failures = {"default": Refused("no more")}
    await scene.round()
    assert scene.resync.complaints(60) == []
    assert scene.resync.listed() == {"default": False}
    assert scene.resync.complaints(0) == ["namespace default cannot be listed: no more"]
