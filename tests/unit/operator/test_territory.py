"""Of several installations over one namespace, one acts; the other takes over when that one is gone."""

from itertools import count

import pytest

from finetune_operator.cluster.territory import LEASE_NAME, LEASE_SECONDS, LOOK_AGAIN_SECONDS, Territory
from finetune_operator.errors import ClusterError, Conflict, NotFound, Refused, Unavailable
from finetune_operator.kinds import Kind, Manifest
from finetune_operator.manifests import namespace_of


class Server:
    """Leases in memory, with the resourceVersion test of the API server; and the clock of all who ask."""

    def __init__(self) -> None:
        self.leases: dict[str, Manifest] = {}
        self.now = 0.0
        self.error: ClusterError | None = None
        self.occupied = {"a"}
        self._versions = count(1)

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        assert (kind.kind, name) == ("Lease", LEASE_NAME)
        if self.error:
            raise self.error
        return self.leases.get(namespace)

    async def create_lease(self, lease: Manifest) -> None:
        if namespace_of(lease) in self.leases:
            raise Conflict("exists")
        self._store(lease)

    async def replace_lease(self, lease: Manifest) -> Manifest:
        known = self.leases[namespace_of(lease)]
        if known["metadata"]["resourceVersion"] != lease["metadata"]["resourceVersion"]:
            raise Conflict("changed")
        return self._store(lease)

    async def delete(self, live: Manifest) -> Manifest | None:
        return self.leases.pop(namespace_of(live))

    def _store(self, lease: Manifest) -> Manifest:
        version = str(next(self._versions))
        # Renewals within a test's moment have times of their own, as real ones have.
        spec = {**lease["spec"], "renewTime": f"{self.now} {version}"}
        stored = {**lease, "metadata": {**lease["metadata"], "resourceVersion": version}, "spec": spec}
        self.leases[namespace_of(lease)] = stored
        return stored

    def installation(self, name: str) -> Territory:
        return Territory(self, name, lambda: self.occupied, clock=lambda: self.now)


async def test_first_installation_acts_and_the_second_yields_as_long_as_it_lives() -> None:
    server = Server()
    first, second = server.installation("system/one"), server.installation("other/two")
    assert await first.is_ours("a")
    for _ in range(30):
        server.now += 10
        await first.renew()
        assert await first.is_ours("a")
        assert not await second.is_ours("a")
    assert second.yielded() == {"a": "system/one"}
    assert "served by another installation of the operator, system/one" in second.complaints()[0]
    assert first.complaints() == []


async def test_second_installation_takes_over_from_one_that_shows_no_life() -> None:
    server = Server()
    first, second = server.installation("system/one"), server.installation("other/two")
    assert await first.is_ours("a")
    server.now += 30
    assert not await second.is_ours("a")
    server.now += LEASE_SECONDS
    assert not await second.is_ours("a"), "it has been seen for no longer than it lasts"
    server.now += LOOK_AGAIN_SECONDS
    assert await second.is_ours("a")
    assert second.complaints() == []
    assert not await first.is_ours("a"), "it had stood still, and sees that it has been replaced"


async def test_another_replica_of_the_same_installation_goes_on_at_once() -> None:
    server = Server()
    assert await server.installation("system/one").is_ours("a")
    assert await server.installation("system/one").is_ours("a")


async def test_lease_goes_with_the_last_job_of_its_namespace() -> None:
    server = Server()
    first = server.installation("system/one")
    assert await first.is_ours("a")
    server.occupied = set()
    await first.renew()
    assert server.leases == {}
    assert await server.installation("other/two").is_ours("a")


async def test_lease_that_may_not_be_had_keeps_nobody_from_acting() -> None:
    server = Server()
    server.error = Refused("leases is forbidden")
    assert await server.installation("system/one").is_ours("a")
    server.error = NotFound("the namespace is being terminated")
    assert await server.installation("system/one").is_ours("a")


async def test_who_cannot_renew_acts_no_longer_than_its_lease_lasts() -> None:
    server = Server()
    first = server.installation("system/one")
    assert await first.is_ours("a")
    server.error = Unavailable("no answer")
    server.now += LEASE_SECONDS - 1
    await first.renew()
    assert await first.is_ours("a")
    server.now += LOOK_AGAIN_SECONDS
    with pytest.raises(Unavailable):
        await first.is_ours("a")
