"""What Kopf is used for: watching. Each event goes into the cache, and its FineTuneJob's key into the queue."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Protocol

import kopf

from finetune_api.keys import LABEL_MANAGED_BY, MANAGED_BY
from finetune_operator.cluster.absence import take_leave
from finetune_operator.cluster.cache import Cache
from finetune_operator.cluster.connection import Credentials
from finetune_operator.cluster.key import Key
from finetune_operator.cluster.port import Cluster
from finetune_operator.errors import ClusterError
from finetune_operator.kinds import CHILDREN, FINETUNE_JOB, Kind, Manifest
from finetune_operator.logs import fields
from finetune_operator.manifests import label_for, version_of

logger = logging.getLogger(__name__)

WATCH_BACKOFFS = (1, 1, 2, 3, 5, 8, 13)
LONGEST_WATCH_BACKOFF_SECONDS = 15
END_TIMEOUT_SECONDS = 2.0


class Enqueue(Protocol):
    """Has a FineTuneJob looked at."""

    def __call__(self, key: Key, *, first: bool = False) -> None:
        """first: before the others."""


class EndlessBackoffs:
    """Pauses between the attempts of one request, without end: an outage of the API server ends no watch."""

    def __iter__(self) -> Iterator[float]:
        yield from WATCH_BACKOFFS
        while True:
            yield LONGEST_WATCH_BACKOFF_SECONDS


class NoDiffBase(kopf.DiffBaseStorage):
    """Keeps nothing of past states: events are only passed on, so a copy of each object would be for nothing."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        """Return an empty essence."""
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        """Return nothing."""
        return None

    def store(self, **_: Any) -> None:
        """Keep nothing."""


def watch_settings() -> kopf.OperatorSettings:
    """Return Kopf's settings: it only watches; it writes nothing, neither annotations nor Events."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.networking.error_backoffs = EndlessBackoffs()
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5
    settings.queueing.idle_timeout = 1.0
    settings.queueing.exit_timeout = 0.5
    settings.persistence.diffbase_storage = NoDiffBase()
    for kind in CHILDREN:
        settings.watching.label_selectors[kind.group, kind.version, kind.plural] = f"{LABEL_MANAGED_BY}={MANAGED_BY}"
    return settings


def watch_registry(
    cluster: Cluster, cache: Cache, enqueue: Enqueue, login: Callable[[], Awaitable[Credentials]]
) -> kopf.OperatorRegistry:
    """Return the handlers: one per watched kind, and the login that shares the client's credentials."""
    registry = kopf.OperatorRegistry()
    for kind in (FINETUNE_JOB, *CHILDREN):
        handler = _handler(kind, cluster, cache, enqueue)
        kopf.on.event(kind.group, kind.version, kind.plural, id=kind.plural, registry=registry)(handler)

    @kopf.on.login(registry=registry)
    async def log_in(**_: Any) -> kopf.ConnectionInfo:
        known = await login()
        return kopf.ConnectionInfo(
            server=known.server,
            ca_path=known.ca_path,
            ca_data=known.ca_data,
            insecure=known.insecure,
            token=known.token,
            certificate_path=known.certificate_path,
            private_key_path=known.private_key_path,
            proxy_url=known.proxy_url,
        )

    return registry


async def watch_for_ever(
    registry: kopf.OperatorRegistry,
    namespaces: tuple[str, ...],
    take_signals: Callable[[], None],
) -> None:
    """Watch until cancelled, or until a watch cannot go on, whose error is raised.

    Kopf's own way to run its tasks ends with cancelling every task of the process that is younger than they are.
    """
    tasks = await kopf.spawn_tasks(
        registry=registry,
        settings=watch_settings(),
        standalone=True,
        clusterwide=not namespaces,
        namespaces=namespaces,
    )
    # Kopf has taken the signals over; the caller has more to end than Kopf knows of.
    take_signals()
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.gather(*done)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=END_TIMEOUT_SECONDS)


def _handler(kind: Kind, cluster: Cluster, cache: Cache, enqueue: Enqueue) -> Callable[..., Awaitable[None]]:
    async def on_event(event: Manifest, **_: Any) -> None:
        manifest = {**event["object"], "apiVersion": kind.api_version, "kind": kind.kind}
        key = cache.key_of(manifest)
        if event["type"] == "DELETED":
            await _take_leave(cluster, cache, manifest)
        elif not cache.put(manifest):
            return
        if key is not None:
            enqueue(key, first=kind == FINETUNE_JOB and not (manifest.get("status") or {}).get("phase"))

    return on_event


async def _take_leave(cluster: Cluster, cache: Cache, manifest: Manifest) -> None:
    try:
        await take_leave(cluster, cache, manifest, version_of(manifest))
    except ClusterError as error:
        # It stays known until the next resync: believing it gone could make a second training Job.
        logger.info("deletion not confirmed", extra=fields(child=label_for(manifest), why=error))
