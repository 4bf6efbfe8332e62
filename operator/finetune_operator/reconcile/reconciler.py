"""`reconcile(key)`: observe what is there, decide (purely), act: children first, status last."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from finetune_operator.cluster.cache import Cache
from finetune_operator.cluster.key import Key
from finetune_operator.cluster.port import Cluster
from finetune_operator.cluster.progress import ProgressBoard, ProgressTarget
from finetune_operator.errors import ClusterError, Conflict, NotFound, Refused
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import name_of, namespace_of, uid_of
from finetune_operator.metrics import RECONCILE_SECONDS, RECONCILES
from finetune_operator.reconcile.children import NameTaken, lacks_job, look, put_in_place, unseen_pods
from finetune_operator.reconcile.event import event
from finetune_operator.reconcile.explain import read_events
from finetune_operator.state.decide import decide
from finetune_operator.state.observed import Observed, Refusal
from finetune_operator.state.plan import Plan, Policy

logger = logging.getLogger(__name__)

RECONCILE_TIMEOUT_SECONDS = 60.0


class Reconciler:
    """Brings the cluster to what FineTuneJobs ask for, one key at a time."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        cache: Cache,
        board: ProgressBoard,
        policy: Policy,
        identity: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._board = board
        self._policy = policy
        self._identity = identity
        self._clock = clock

    async def reconcile(self, key: Key) -> float | None:
        """Look at one FineTuneJob; return after how many seconds to look again. Raises to be called again."""
        result = "error"
        try:
            with RECONCILE_SECONDS.time():
                async with asyncio.timeout(RECONCILE_TIMEOUT_SECONDS):
                    look_again_seconds = await self._reconcile(key)
            result = "ok"
            return look_again_seconds
        except (Conflict, NotFound) as error:
            # The cluster is ahead of the cache: what it says will arrive, or has gone.
            result = "conflict"
            logger.info("reconcile again key=%s why=%s", key, error)
            raise
        except (ClusterError, TimeoutError) as error:
            logger.warning("reconcile failed key=%s why=%s", key, error or "took too long")
            raise
        except Exception:
            logger.exception("reconcile failed key=%s: a bug in the operator", key)
            raise
        finally:
            RECONCILES.labels(result=result).inc()

    async def _reconcile(self, key: Key) -> float | None:
        observed = await self._observe(key)
        if observed is None:
            self._board.watch(key, None)
            return None
        plan = self._decide(observed)
        if plan.applies or lacks_job(observed):
            observed = await self._confirm(observed, plan)
            plan = self._decide(observed)
        return await self._act(key, observed, plan)

    def _decide(self, observed: Observed) -> Plan:
        return decide(observed, self._policy, self._clock())

    async def _observe(self, key: Key) -> Observed | None:
        """Read what is known of a FineTuneJob, and the Events about what does not get on."""
        observed = self._known(key)
        if observed is None:
            return None
        for pod in await unseen_pods(self._cluster, observed):
            self._cache.put(pod)
            observed = replace(observed, children=tuple(self._cache.children(uid_of(observed.resource))))
        return replace(observed, events=await read_events(self._cluster, observed, self._clock()))

    def _known(self, key: Key) -> Observed | None:
        resource = self._cache.resource(key)
        if resource is None:
            return None
        uid = uid_of(resource)
        pod_uid, progress = self._board.newest(key) or ("", None)
        return Observed(
            resource=resource,
            children=tuple(self._cache.children(uid)),
            departed=tuple(self._cache.departed(uid)),
            progress=progress,
            progress_pod_uid=pod_uid,
            sources=self._cache.sources(key),
        )

    async def _confirm(self, observed: Observed, plan: Plan) -> Observed:
        """Take in what the API server itself says about the places where children are to be made."""
        found = await look(self._cluster, observed, plan.applies)
        for live in found.own:
            self._cache.put(live)
        children = tuple(self._cache.children(uid_of(observed.resource)))
        return replace(observed, children=children, foreign=found.foreign)

    async def _act(self, key: Key, observed: Observed, plan: Plan) -> float | None:
        """Carry the plan out. A child that may not be made is told in the status, and tried again later."""
        hindrance = await self._apply_all(observed, plan)
        if hindrance:
            children = tuple(self._cache.children(uid_of(observed.resource)))
            observed = replace(observed, children=children, **hindrance)
            plan = self._decide(observed)
        for merge in plan.merges:
            self._cache.put(await self._cluster.merge(merge.live, merge.changes))
        for child in plan.deletes:
            logger.info("delete key=%s child=%s/%s", key, child["kind"], name_of(child))
            left = await self._cluster.delete(child)
            if left is not None:
                self._cache.put(left)
        await self._tell(key, observed, plan)
        pull = plan.pull
        self._board.watch(key, ProgressTarget(pull.pod_uid, pull.address, pull.run_id) if pull else None)
        return plan.look_again_seconds

    async def _apply_all(self, observed: Observed, plan: Plan) -> dict[str, Any]:
        """Apply the children; return what is in the way, as fields of Observed, if something is."""
        known = {(child["kind"], name_of(child)) for child in observed.children}
        for child in plan.applies:
            is_new = (child["kind"], name_of(child)) not in known
            try:
                self._cache.put(await put_in_place(self._cluster, child, is_new=is_new))
            except NameTaken as taken:
                return {"foreign": (taken.live,)}
            except Refused as error:
                logger.warning("refused child=%s/%s why=%s", child["kind"], name_of(child), error)
                return {"refusal": Refusal(child["kind"], name_of(child), str(error))}
            logger.info("apply child=%s/%s/%s new=%s", namespace_of(child), child["kind"], name_of(child), is_new)
        return {}

    async def _tell(self, key: Key, observed: Observed, plan: Plan) -> None:
        """Write the status, then the Events: a step that could not be written is not told either."""
        if plan.status is not None:
            self._cache.put(await self._cluster.replace_status(observed.resource, plan.status))
            before, after = (_headline(status) for status in (observed.resource.get("status"), plan.status))
            level = logging.DEBUG if before == after else logging.INFO
            logger.log(level, "status key=%s phase=%s reason=%s", key, *after)
        self._cache.forget_departed(uid_of(observed.resource), observed.departed)
        for note in plan.notes:
            await self._cluster.record(event(observed.resource, note, self._identity, self._clock()))


def _headline(status: Manifest | None) -> tuple[str | None, str | None]:
    """Return phase and reason: what a reader of the log wants to know, unlike each step of the progress."""
    return (status or {}).get("phase"), (status or {}).get("reason")
