"""Leader election: of several replicas, the one that holds the Lease acts."""

import asyncio
import json
import logging
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection
from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord
from kubernetes.aio.leaderelection.resourcelock.baselock import BaseLock

from finetune_operator.errors import ClusterError
from finetune_operator.kinds import LEASE, Kind, Manifest
from finetune_operator.logs import fields

logger = logging.getLogger(__name__)

LEASE_SECONDS = 15
RENEW_DEADLINE_SECONDS = 10
RETRY_SECONDS = 2
ATTEMPT_TIMEOUT_SECONDS = 3.0


class Leases(Protocol):
    """What the election asks of the API server."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """Read the Lease."""

    async def create_lease(self, lease: Manifest) -> None:
        """Create the Lease; raises Conflict when it is there."""

    async def replace_lease(self, lease: Manifest) -> Manifest:
        """Write the Lease; raises Conflict when it has changed since it was read."""


@dataclass(frozen=True)
class Seat:
    """Which Lease is held, and by whom."""

    namespace: str
    name: str
    identity: str


class LeaseLock(BaseLock):  # type: ignore[misc]
    """The library's election over plain manifests.

    The library's own LeaseLock cannot create a Lease, never times out, and prints a traceback when another
    replica is faster.
    """

    def __init__(self, leases: Leases, seat: Seat) -> None:
        super().__init__(seat.name, seat.namespace, seat.identity)
        self._leases = leases
        self._read: Manifest = {}
        self.renewed_at: float | None = None
        """When the last request that wrote the Lease was sent, by the monotonic clock; None before the first."""

    async def get(self, name: str, namespace: str) -> tuple[bool, Any]:
        """Return the election record, or the reason why there is none."""
        try:
            async with asyncio.timeout(ATTEMPT_TIMEOUT_SECONDS):
                lease = await self._leases.get(LEASE, namespace, name)
        except (ClusterError, TimeoutError) as error:
            return False, ApiException(status=503, reason=f"{error or 'no answer in time'}")
        if lease is None:
            return False, ApiException(status=404, reason="absent", body=json.dumps({"code": 404}))
        self._read = lease
        return True, _record(lease)

    async def create(self, name: str, namespace: str, election_record: LeaderElectionRecord) -> bool:
        """Create the Lease as its holder; False when another replica was faster."""
        lease = {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": {"name": name, "namespace": namespace},
            "spec": _spec(election_record, {}),
        }
        return await self._attempt(self._leases.create_lease(lease))

    async def update(self, name: str, namespace: str, updated_record: LeaderElectionRecord) -> bool:  # noqa: ARG002
        """Write the Lease that was read last; False when it has changed since."""
        lease = {**self._read, "spec": _spec(updated_record, self._read.get("spec") or {})}
        return await self._attempt(self._leases.replace_lease(lease))

    async def release(self) -> None:
        """Let go of the Lease at once, if it is held, so that another replica need not wait until it expires."""
        lease = await self._leases.get(LEASE, self.namespace, self.name)
        spec = (lease or {}).get("spec") or {}
        if lease is not None and spec.get("holderIdentity") == self.identity:
            await self._leases.replace_lease({**lease, "spec": {**spec, "holderIdentity": ""}})

    async def _attempt(self, request: Coroutine[Any, Any, Any]) -> bool:
        sent = time.monotonic()
        try:
            async with asyncio.timeout(ATTEMPT_TIMEOUT_SECONDS):
                await request
        except (ClusterError, TimeoutError) as error:
            why = error or "no answer in time"
            logger.info("lease not written", extra=fields(identity=self.identity, why=why))
            return False
        self.renewed_at = sent
        return True


async def campaign(lock: LeaseLock, elected: asyncio.Event) -> None:
    """Stand for election, and set the event when it is won; end when the Lease is held no more.

    The library's own deadline counts from its next attempt, and each attempt may take its time: the Lease would have
    expired, and another replica act, before it gives up. Here it counts from the last renewal.
    """

    async def started() -> None:
        elected.set()

    async def stopped() -> None:
        return

    election = LeaderElection(
        Config(lock, LEASE_SECONDS, RENEW_DEADLINE_SECONDS, RETRY_SECONDS, started, onstopped_leading=stopped)
    )
    parts = [asyncio.create_task(election.run()), asyncio.create_task(_expire(lock, elected))]
    try:
        await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        logger.error("lease lost", extra=fields(identity=lock.identity))
    finally:
        for part in parts:
            part.cancel()


async def _expire(lock: LeaseLock, elected: asyncio.Event) -> None:
    """Return when the deadline has passed since the Lease was last renewed."""
    await elected.wait()
    while lock.renewed_at is not None:
        left = lock.renewed_at + RENEW_DEADLINE_SECONDS - time.monotonic()
        if left <= 0:
            return
        await asyncio.sleep(left)


def _record(lease: Manifest) -> LeaderElectionRecord:
    spec = lease.get("spec") or {}
    return LeaderElectionRecord(
        spec.get("holderIdentity") or None,
        str(spec.get("leaseDurationSeconds") or "") or None,
        spec.get("acquireTime"),
        spec.get("renewTime"),
    )


def _spec(record: LeaderElectionRecord, known: Manifest) -> Manifest:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    taken_over = known.get("holderIdentity") != record.holder_identity
    return {
        "holderIdentity": record.holder_identity,
        "leaseDurationSeconds": LEASE_SECONDS,
        "acquireTime": now if taken_over else known.get("acquireTime") or now,
        "renewTime": now,
        "leaseTransitions": int(known.get("leaseTransitions") or 0) + int(taken_over),
    }
