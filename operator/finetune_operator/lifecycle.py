"""The operator's life: stand by, be elected, list, watch and work, and end cleanly."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from typing import Any

from finetune_api.spans import open_spans
from finetune_operator import __version__, endpoints
from finetune_operator.cluster.cache import Cache
from finetune_operator.cluster.client import ApiServer
from finetune_operator.cluster.key import Key
from finetune_operator.cluster.lease import LeaseLock, Seat, campaign
from finetune_operator.cluster.progress import ProgressBoard
from finetune_operator.cluster.territory import Territory
from finetune_operator.errors import ClusterError
from finetune_operator.exposition import Exposition, Sources
from finetune_operator.handlers import watch_for_ever, watch_registry
from finetune_operator.logs import fields
from finetune_operator.metrics import LEADER, Tally
from finetune_operator.reconcile.queue import WorkQueue
from finetune_operator.reconcile.reconciler import Reconciler
from finetune_operator.reconcile.resync import Resync
from finetune_operator.reconcile.tracing import ReconcileSpans
from finetune_operator.settings import Settings
from finetune_operator.state.plan import Policy
from finetune_operator.watchdog import Heartbeat, Watchdog

logger = logging.getLogger(__name__)

EXIT_LOST = 1
CLOSE_TIMEOUT_SECONDS = 2.0
RETRY_SECONDS = 3.0


class Operator:
    """All parts of one running operator."""

    def __init__(self, settings: Settings, server: ApiServer, take_signals: Callable[[], None]) -> None:
        self._settings = settings
        self._server = server
        self._take_signals = take_signals
        self._queue = WorkQueue()
        self._cache = Cache(self._enqueue)
        self._board = ProgressBoard(settings.progress_interval_seconds, self._enqueue)
        self._heartbeat = Heartbeat()
        self._resync = Resync(server, self._cache, self._enqueue, settings.namespaces, self._heartbeat.beat)
        self._territory = Territory(
            server, f"{settings.lease_namespace}/{settings.lease_name}", self._cache.occupied_namespaces
        )
        self._tally = Tally(settings.gpu_hour_price, settings.currency)
        policy = Policy(
            settings.trainer_image,
            settings.pending_interval_seconds,
            allows_custom_code=settings.custom_code,
            defaults=settings.defaults,
            traces=settings.traces,
        )
        service = {"service.name": "finetune-operator", "service.version": __version__}
        self._spans = open_spans(
            settings.otlp_endpoint,
            {**service, "service.instance.id": settings.identity},
            lambda words: logger.warning("traces are left out", extra=fields(why=words)),
        )
        self._reconciler = Reconciler(
            cluster=server,
            cache=self._cache,
            territory=self._territory,
            board=self._board,
            policy=policy,
            identity=settings.identity,
            clock=lambda: datetime.now(UTC),
            tally=self._tally,
            spans=ReconcileSpans(self._spans, settings.reconcile_sampling_ratio, enabled=settings.traces is not None),
        )

    async def run(self, stop: asyncio.Event) -> int:
        """Serve until told to stop (returns 0), or until the Lease or the watches are lost (returns 1)."""
        watchdog = Watchdog(self._queue.longest_wait_seconds, self._heartbeat, self._settings.resync_interval_seconds)
        sources = Sources(self._cache.with_pods, self._queue, self._resync.listed, self._territory.yielded)
        async with AsyncExitStack() as stack:
            runner = await endpoints.start(
                self._settings.http_port,
                watchdog.complaints,
                lambda: [*self._resync.complaints(watchdog.resync_limit_seconds), *self._territory.complaints()],
                Exposition(sources, self._tally).render,
            )
            stack.push_async_callback(_quietly, runner.cleanup())
            stack.push_async_callback(asyncio.to_thread, self._spans.close, CLOSE_TIMEOUT_SECONDS)
            stopped = asyncio.create_task(stop.wait(), name="stop")
            if not self._settings.leader_election:
                return await self._lead(stopped)
            lock = LeaseLock(self._server, self._seat)
            elected = asyncio.Event()
            standing = asyncio.create_task(campaign(lock, elected), name="election")
            stack.push_async_callback(_release, lock, standing)
            logger.info("standing by", extra=fields(identity=lock.identity))
            won = asyncio.create_task(elected.wait(), name="elected")
            await asyncio.wait({won, stopped, standing}, return_when=asyncio.FIRST_COMPLETED)
            return await self._lead(stopped, standing) if elected.is_set() else 0

    @property
    def _seat(self) -> Seat:
        settings = self._settings
        return Seat(settings.lease_namespace, settings.lease_name, settings.identity)

    async def _lead(self, stopped: asyncio.Task[Any], *others: asyncio.Task[Any]) -> int:
        """Act until one of the tasks ends. Returns 0 when that was the wish to stop."""
        logger.info("leading", extra=fields(identity=self._settings.identity))
        LEADER.set(1)
        work = asyncio.create_task(self._work(), name="work")
        try:
            await asyncio.wait({stopped, *others, work}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if work.done() and not work.cancelled() and work.exception():
                logger.error("ending", extra=fields(why=work.exception()))
            await _cancel(work)
        logger.info("stopped")
        return 0 if stopped.done() else EXIT_LOST

    async def _work(self) -> None:
        """List everything, then watch and reconcile until cancelled."""
        while not await self._resync.fill():
            await asyncio.sleep(RETRY_SECONDS)
        parts = [
            *(self._queue.work_for_ever(self._reconciler.reconcile) for _ in range(self._settings.workers)),
            self._resync.fill_for_ever(RETRY_SECONDS),
            self._resync.repeat_for_ever(self._settings.resync_interval_seconds),
            self._territory.renew_for_ever(),
        ]
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            while True:
                await self._watch()
        finally:
            await _cancel(*tasks)
            await self._board.close()

    async def _watch(self) -> None:
        """Watch until cancelled, or until the API server's history has gone back, which no watch survives."""
        registry = watch_registry(self._server, self._cache, self._enqueue, self._server.credentials)
        self._resync.restored.clear()
        restored = asyncio.create_task(self._resync.restored.wait(), name="restored")
        watching = watch_for_ever(registry, self._settings.namespaces, self._take_signals)
        watches = asyncio.create_task(watching, name="watches")
        try:
            await asyncio.wait({restored, watches}, return_when=asyncio.FIRST_COMPLETED)
            if watches.done():
                await watches
        finally:
            await _cancel(restored, watches)

    def _enqueue(self, key: Key, *, first: bool = False) -> None:
        """Have a FineTuneJob looked at, unless it is not known yet what else is in its namespace."""
        if self._resync.is_filled(key.namespace):
            self._queue.add(key, first=first)


async def _release(lock: LeaseLock, standing: asyncio.Task[Any]) -> None:
    await _cancel(standing)
    await _quietly(lock.release())


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=CLOSE_TIMEOUT_SECONDS)


async def _quietly(closing: Coroutine[Any, Any, Any]) -> None:
    """Close something; that it cannot be closed in time is no reason not to end."""
    with suppress(ClusterError, TimeoutError, OSError):
        async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
            await closing
