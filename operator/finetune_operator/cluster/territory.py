"""Whose FineTuneJobs a namespace's are: of several installations of the operator, the one that holds its Lease acts."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from finetune_api import GROUP, PLURAL
from finetune_operator.cluster.lease import Leases
from finetune_operator.errors import ClusterError, Conflict, NotFound, Refused
from finetune_operator.kinds import LEASE, Manifest
from finetune_operator.logs import fields

logger = logging.getLogger(__name__)

LEASE_NAME = f"{PLURAL}.{GROUP}"
LEASE_SECONDS = 60
RENEW_SECONDS = 20.0
LOOK_AGAIN_SECONDS = 5.0
"""Time between two looks at a namespace of another installation."""


class NamespaceLeases(Leases, Protocol):
    """What is asked of the API server: as for the election, and to let go for good."""

    async def delete(self, live: Manifest) -> Manifest | None:
        """Delete this very Lease."""


@dataclass
class _Claim:
    """What is known of one namespace. Times are the monotonic clock's.

    held_until: before then nobody else may act. holder: another installation that may. seen, since: its last sign of
    life, and when it was first seen. needless: no Lease can be had, so that nobody else is known of.
    """

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    held_until: float = 0.0
    look_after: float = 0.0
    holder: str = ""
    seen: tuple[str, str] = ("", "")
    since: float = 0.0
    needless: bool = False


class Territory:
    """The namespaces of one installation, in whichever replica it acts. installation: its name, such as system/name.

    occupied: returns the namespaces that have FineTuneJobs. A Lease is there for these alone.
    """

    def __init__(
        self,
        leases: NamespaceLeases,
        installation: str,
        occupied: Callable[[], set[str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._leases = leases
        self._installation = installation
        self._occupied = occupied
        self._clock = clock
        self._claims: dict[str, _Claim] = {}

    async def is_ours(self, namespace: str) -> bool:
        """Whether this installation may act in a namespace. Raises ClusterError when the API server does not say."""
        claim = self._claims.setdefault(namespace, _Claim())
        async with claim.lock:
            if self._clock() >= max(claim.held_until, claim.look_after):
                await self._take(namespace, claim)
            return claim.needless or self._clock() < claim.held_until

    async def renew_for_ever(self) -> None:
        """Keep the Leases of the occupied namespaces, and let go of those that have no FineTuneJob any more."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await self.renew()

    async def renew(self) -> None:
        """Renew every Lease once. What cannot be renewed now may be the next time."""
        occupied = self._occupied()
        for namespace, claim in list(self._claims.items()):
            try:
                async with claim.lock:
                    if namespace in occupied:
                        await self._take(namespace, claim)
                    else:
                        del self._claims[namespace]
                        await self._leave(namespace)
            except ClusterError as error:
                logger.warning("lease not renewed", extra=fields(namespace=namespace, why=error))

    def yielded(self) -> dict[str, str]:
        """Return the namespaces that are left to another installation, with its name."""
        return {namespace: claim.holder for namespace, claim in self._claims.items() if claim.holder}

    def complaints(self) -> list[str]:
        """Say which namespaces are left to whom."""
        return [
            f"namespace {namespace} is served by another installation of the operator, {holder}; this one,"
            f" {self._installation}, leaves it alone"
            for namespace, holder in self.yielded().items()
        ]

    async def _take(self, namespace: str, claim: _Claim) -> None:
        """Take or renew the Lease, unless somebody else holds it."""
        asked_at = self._clock()
        claim.look_after = asked_at + LOOK_AGAIN_SECONDS
        try:
            lease = await self._leases.get(LEASE, namespace, LEASE_NAME)
            other = self._other(lease, claim) if lease else ""
            if not other:
                await self._write(lease, namespace)
        except Conflict:
            claim.look_after = 0.0  # Another was faster: it is seen at the next look.
            return
        except NotFound:
            other = ""  # The namespace goes: nobody can hold anything there.
        except Refused as error:
            if not claim.needless:
                about = fields(namespace=namespace, why=error)
                logger.warning("no lease may be had: another installation would not be noticed", extra=about)
            claim.needless = True
            return
        if other != claim.holder:
            about = fields(namespace=namespace, ours=not other, other=other or claim.holder)
            logger.warning("another installation serves the namespace, or did", extra=about)
        claim.holder, claim.needless = other, False
        claim.held_until = 0.0 if other else asked_at + LEASE_SECONDS

    def _other(self, lease: Manifest, claim: _Claim) -> str:
        """Return which other installation holds the Lease; empty if none does, or has shown no life for its time."""
        spec = lease.get("spec") or {}
        holder = str(spec.get("holderIdentity") or "")
        sign = (holder, str(spec.get("renewTime")))
        if sign != claim.seen:
            claim.seen, claim.since = sign, self._clock()
        lasts = float(spec.get("leaseDurationSeconds") or LEASE_SECONDS)
        is_alive = self._clock() - claim.since <= lasts
        return holder if holder not in ("", self._installation) and is_alive else ""

    async def _write(self, lease: Manifest | None, namespace: str) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        known = (lease or {}).get("spec") or {}
        same = known.get("holderIdentity") == self._installation
        spec = {
            "holderIdentity": self._installation,
            "leaseDurationSeconds": LEASE_SECONDS,
            "acquireTime": known.get("acquireTime", now) if same else now,
            "renewTime": now,
        }
        if lease is not None:
            await self._leases.replace_lease({**lease, "spec": spec})
            return
        head = {"name": LEASE_NAME, "namespace": namespace}
        await self._leases.create_lease(
            {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": head, "spec": spec}
        )

    async def _leave(self, namespace: str) -> None:
        lease = await self._leases.get(LEASE, namespace, LEASE_NAME)
        if lease is not None and (lease.get("spec") or {}).get("holderIdentity") == self._installation:
            await self._leases.delete(lease)
