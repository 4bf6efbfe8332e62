"""The safety net under the watches: list everything from time to time, and mend what they missed."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from finetune_api.keys import LABEL_MANAGED_BY, MANAGED_BY
from finetune_operator.cluster.absence import take_leave
from finetune_operator.cluster.cache import Cache
from finetune_operator.cluster.key import Key
from finetune_operator.cluster.port import Cluster, Listing
from finetune_operator.errors import ClusterError, NotFound
from finetune_operator.kinds import CHILDREN, FINETUNE_JOB, Kind, Manifest
from finetune_operator.logs import fields
from finetune_operator.manifests import namespace_of, uid_of, version_of

logger = logging.getLogger(__name__)

CHILD_SELECTOR = f"{LABEL_MANAGED_BY}={MANAGED_BY}"
CHUNK = 50
"""Objects that are handled before others get their turn: the Lease has to be renewed meanwhile."""

T = TypeVar("T")
Scope = str | None
"""A namespace that is watched; None stands for all of them."""


class Resync:
    """Lists the watched kinds, forgets what is gone, takes in what is newer, and has all keys looked at.

    Each namespace for itself: one that may not be read does not stop the others. restored: set when the API server's
    history has gone back, as after etcd was restored from a backup; the watches then have to begin anew, too.
    """

    def __init__(
        self,
        cluster: Cluster,
        cache: Cache,
        enqueue: Callable[[Key], None],
        namespaces: tuple[str, ...],
        on_round: Callable[[], None],
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._enqueue = enqueue
        self._scopes: tuple[Scope, ...] = namespaces or (None,)
        self._on_round = on_round
        self._listed: dict[Scope, float] = {}
        self._why: dict[Scope, str] = {}
        self.restored = asyncio.Event()

    async def fill(self) -> bool:
        """List what was not listed yet: nothing is created before all that exists is known. Return whether any is."""
        missing = [scope for scope in self._scopes if scope not in self._listed]
        self._why |= {scope: "not listed yet" for scope in missing if scope not in self._why}
        for scope in missing:
            await self._visit(scope)
        return bool(self._listed)

    async def fill_for_ever(self, pause_seconds: float) -> None:
        """List until everything has been listed once."""
        while len(self._listed) < len(self._scopes):
            await asyncio.sleep(pause_seconds)
            await self.fill()

    async def repeat_for_ever(self, interval_seconds: float) -> None:
        """Compare at this interval. A server that does not answer is asked again the next time."""
        while True:
            await asyncio.sleep(interval_seconds)
            for scope in list(self._listed):
                await self._visit(scope)
            self._on_round()

    def is_filled(self, namespace: str) -> bool:
        """Whether all that exists in a namespace is known."""
        return not self._listed.keys().isdisjoint((namespace, None))

    def listed(self) -> dict[str, bool]:
        """Tell for each watched namespace, empty for all, whether the last attempt to list it went well."""
        attempted = (scope for scope in self._scopes if scope in self._listed or scope in self._why)
        return {scope or "": scope not in self._why for scope in attempted}

    def complaints(self, limit_seconds: float) -> list[str]:
        """Name what could not be listed so far, or not for this long, and why. Nothing before the first attempt."""
        now = time.monotonic()
        return [
            f"{f'namespace {scope}' if scope else 'the cluster'} cannot be listed: {why}"
            for scope, why in self._why.items()
            if scope not in self._listed or now - self._listed[scope] > limit_seconds
        ]

    async def _visit(self, scope: Scope) -> None:
        """Bring one scope's cache to what the server lists, and have all its FineTuneJobs looked at."""
        try:
            mended = [await self._mend(kind, scope) for kind in (FINETUNE_JOB, *CHILDREN)]
        except ClusterError as error:
            why = _why(error)
            if self._why.get(scope) != why:
                logger.error("cannot list", extra=fields(namespace=scope or "", why=why))
            self._why[scope] = why
        else:
            is_first = scope not in self._listed
            self._listed[scope] = time.monotonic()
            self._why.pop(scope, None)
            if is_first or any(mended):
                logger.info("listed", extra=fields(namespace=scope or "", first=is_first, news=sum(mended)))
        if scope in self._listed:
            for chunk in _batched([key for key in self._cache.all_keys() if scope in (None, key.namespace)]):
                for key in chunk:
                    self._enqueue(key)
                await asyncio.sleep(0)

    async def _mend(self, kind: Kind, scope: Scope) -> int:
        """Bring one kind's cache to what the server lists; return how many objects were missed."""
        before = {uid_of(known): known for known in self._cache.of_kind(kind) if scope in (None, namespace_of(known))}
        floor = {**self._cache.deletions(), **{uid: version_of(known) for uid, known in before.items()}}
        labels = "" if kind == FINETUNE_JOB else CHILD_SELECTOR
        listing = await self._cluster.snapshot(kind, scope, labels=labels)
        if _has_gone_back(listing, before.values(), floor):
            logger.error("history has gone back: the cache begins anew", extra=fields(kind=kind.kind))
            self._cache.forget(before.values())
            before = {}
            self.restored.set()
        changed = 0
        for chunk in _batched(listing.items):
            changed += sum([self._cache.put(manifest) for manifest in chunk])
            await asyncio.sleep(0)
        present = {uid_of(manifest) for manifest in listing.items}
        gone = [known for uid, known in before.items() if uid not in present]
        for chunk in _batched(gone):
            leaves = (take_leave(self._cluster, self._cache, known, version_of(known) + 1) for known in chunk)
            changed += sum(await asyncio.gather(*leaves))
        return changed


def _has_gone_back(listing: Listing, before: Iterable[Manifest], floor: dict[str, int]) -> bool:
    """Whether the server knows less than was known before it was asked. A read never shows an older state."""
    if listing.version < max((version_of(known) for known in before), default=0):
        return True
    return any(version_of(manifest) < floor.get(uid_of(manifest), 0) for manifest in listing.items)


def _batched(items: list[T]) -> Iterable[list[T]]:
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))


def _why(error: ClusterError) -> str:
    if isinstance(error, NotFound):
        return "the CRD finetunejobs.finetune.dev is not installed; install it with the Helm chart"
    return str(error)
