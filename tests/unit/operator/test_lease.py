"""The Lease: who has not renewed it in time ends before another replica may act."""

import asyncio
import time

import pytest

from finetune_operator.cluster import lease as lease_module
from finetune_operator.cluster.lease import LeaseLock, Seat, campaign
from finetune_operator.kinds import Kind, Manifest


class Store:
    """Holds one Lease; does not answer any more once it is told to hang."""

    def __init__(self) -> None:
        self.lease: Manifest | None = None
        self.renewed_at = 0.0
        self.hangs = False

    async def get(self, _kind: Kind, _namespace: str, _name: str) -> Manifest | None:
        await self._answer()
        return self.lease

    async def create_lease(self, lease: Manifest) -> None:
        await self.replace_lease(lease)

    async def replace_lease(self, lease: Manifest) -> Manifest:
        await self._answer()
        self.lease, self.renewed_at = lease, time.monotonic()
        return lease

    async def _answer(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()


async def test_lease_lasts_as_long_as_those_of_kubernetes_own_components() -> None:
    """client-go's defaults: a Lease of 15 s, renewed every 2 s, and given up after 10 s."""
    store, elected = Store(), asyncio.Event()
    standing = asyncio.create_task(campaign(LeaseLock(store, Seat("default", "lease", "me")), elected))
    await asyncio.wait_for(elected.wait(), 1)
    standing.cancel()
    assert store.lease is not None
    assert store.lease["spec"]["leaseDurationSeconds"] == 15
    assert (lease_module.RENEW_DEADLINE_SECONDS, lease_module.RETRY_SECONDS) == (10, 2)


async def test_lease_counts_from_its_last_renewal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "RETRY_SECONDS", 1.0)
    monkeypatch.setattr(lease_module, "RENEW_DEADLINE_SECONDS", 1.3)
    monkeypatch.setattr(lease_module, "LEASE_SECONDS", 1.6)
    store, elected = Store(), asyncio.Event()
    standing = asyncio.create_task(campaign(LeaseLock(store, Seat("default", "lease", "me")), elected))
    await asyncio.wait_for(elected.wait(), 1)
    store.hangs = True
    await asyncio.wait_for(standing, 5)
    assert 1.2 < time.monotonic() - store.renewed_at < lease_module.LEASE_SECONDS


async def test_lease_that_is_renewed_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "RETRY_SECONDS", 1.0)
    monkeypatch.setattr(lease_module, "RENEW_DEADLINE_SECONDS", 1.3)
    store, elected = Store(), asyncio.Event()
    standing = asyncio.create_task(campaign(LeaseLock(store, Seat("default", "lease", "me")), elected))
    await asyncio.sleep(2.5)
    assert elected.is_set()
    assert not standing.done()
    standing.cancel()
