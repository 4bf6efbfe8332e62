"""`reconcile(key)`: observe what is there, decide (purely), act: children first, status last."""

import asyncio
import logging
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from finetune_api.keys import Reason
from finetune_operator.cluster.cache import Cache
from finetune_operator.cluster.key import Key
from finetune_operator.cluster.port import Cluster
from finetune_operator.cluster.progress import ProgressBoard, ProgressTarget
from finetune_operator.cluster.territory import LOOK_AGAIN_SECONDS, Territory
from finetune_operator.errors import ClusterError, Conflict, NotFound, Refused
from finetune_operator.kinds import Manifest
from finetune_operator.logs import about, fields, learn
from finetune_operator.manifests import label_for, uid_of
from finetune_operator.metrics import RECONCILE_SECONDS, RECONCILES, Tally
from finetune_operator.reconcile.children import NameTaken, lacks_job, look, put_in_place, unseen_pods
from finetune_operator.reconcile.event import event
from finetune_operator.reconcile.explain import read_events
from finetune_operator.reconcile.tracing import ERROR, OK, ReconcileSpans
from finetune_operator.state.children.contest import ChildKey, Repair, changed_by_others, key_of, next_repair
from finetune_operator.state.children.drift import stamp_of
from finetune_operator.state.decide import decide
from finetune_operator.state.observed import Observed, Refusal
from finetune_operator.state.plan import Note, Plan, Policy
from finetune_operator.state.status.headline import own_fault

logger = logging.getLogger(__name__)

RECONCILE_TIMEOUT_SECONDS = 60.0
LASTING_FAILURES = 4
"""Failures in a row, over some seconds, after which the status tells of them."""


class Reconciler:
    """Brings the cluster to what FineTuneJobs ask for, one key at a time."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        cache: Cache,
        territory: Territory,
        board: ProgressBoard,
        policy: Policy,
        identity: str,
        clock: Callable[[], datetime],
        tally: Tally,
        spans: ReconcileSpans,
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._territory = territory
        self._board = board
        self._policy = policy
        self._identity = identity
        self._clock = clock
        self._tally = tally
        self._spans = spans
        self._failures: Counter[Key] = Counter()
        self._repairs: dict[Key, dict[ChildKey, Repair]] = {}

    async def reconcile(self, key: Key) -> float | None:
        """Look at one FineTuneJob; return after how many seconds to look again. Raises to be called again."""
        with about(namespace=key.namespace, name=key.name):
            self._learn_run(self._cache.resource(key))
            return await self._counted(key)

    async def _counted(self, key: Key) -> float | None:
        result, start = ERROR, self._clock()
        try:
            with RECONCILE_SECONDS.time():
                async with asyncio.timeout(RECONCILE_TIMEOUT_SECONDS):
                    look_again_seconds = await self._reconcile(key)
            result = OK
            return look_again_seconds
        except (Conflict, NotFound) as error:
            # The cluster is ahead of the cache: what it says will arrive, or has gone.
            result = "conflict"
            logger.info("reconcile again", extra=fields(why=error))
            raise
        except (ClusterError, TimeoutError) as error:
            logger.warning("reconcile failed", extra=fields(why=error or "took too long"))
            raise
        except Exception:
            logger.exception("reconcile failed: a bug in the operator")
            raise
        finally:
            if result != OK:
                self._failures[key] += 1
            RECONCILES.labels(result=result).inc()
            end, failure = self._clock(), sys.exception()
            self._spans.tell(key, self._cache.resource(key), result=result, start=start, end=end, error=failure)

    async def _reconcile(self, key: Key) -> float | None:
        observed = self._known(key)
        if observed is None:
            self._board.watch(key, None)
            self._failures.pop(key, None)
            self._repairs.pop(key, None)
            return None
        if not await self._territory.is_ours(key.namespace):
            self._board.watch(key, None)
            return LOOK_AGAIN_SECONDS
        try:
            return await self._bring_about(key, observed)
        except ClusterError as error:
            if error.attempt.verb == "status":
                raise
            observed = replace(self._known(key) or observed, refusal=self._refusal(key, error))
            plan = self._decide(observed)
            await self._tell(key, observed, plan)
            return plan.look_again_seconds
        except Exception as error:
            if self._failures[key] + 1 >= LASTING_FAILURES:
                wire, notes = own_fault(observed.resource, error, self._clock())
                await self._tell(key, observed, Plan(status=wire, notes=notes))
            raise

    async def _bring_about(self, key: Key, observed: Observed) -> float | None:
        observed = await self._look_around(observed)
        plan = self._decide(observed)
        if plan.applies or lacks_job(observed):
            observed = await self._confirm(observed, plan)
            plan = self._decide(observed)
        return await self._act(key, observed, plan)

    def _learn_run(self, resource: Manifest | None) -> None:
        """Let the log's lines tell run, attempt and trace, as a FineTuneJob's status has them."""
        run = ((resource or {}).get("status") or {}).get("run") or {}
        learn(run=run.get("id"), attempt=run.get("attempt"), trace_id=self._spans.trace_of(resource))

    def _refusal(self, key: Key, error: ClusterError) -> Refusal:
        """Return what is to be told of an error: a refusal at once, another when it lasts. Raises it otherwise."""
        lasting = not isinstance(error, Refused)
        if lasting and self._failures[key] + 1 < LASTING_FAILURES:
            raise error
        attempt = error.attempt
        child = f"{attempt.kind}/{attempt.name}"
        logger.warning("refused", extra=fields(verb=attempt.verb, child=child, why=error))
        return Refusal(attempt.kind, attempt.name, str(error), attempt.verb, lasting=lasting)

    def _decide(self, observed: Observed) -> Plan:
        plan = decide(observed, self._policy, self._clock())
        self._learn_run({**observed.resource, "status": plan.status})
        return plan

    async def _look_around(self, observed: Observed) -> Observed:
        """Read what the watches do not show: pods without our labels, and Events about what does not get on."""
        for pod in await unseen_pods(self._cluster, observed):
            self._cache.put(pod)
            observed = self._refreshed(observed)
        return replace(observed, events=await read_events(self._cluster, observed, self._clock()))

    def _refreshed(self, observed: Observed, **changes: Any) -> Observed:
        """Return the same with the children that are known by now."""
        children = tuple(self._cache.children(uid_of(observed.resource)))
        return replace(observed, children=children, **changes)

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
            repairs=dict(self._repairs.get(key, {})),
        )

    async def _confirm(self, observed: Observed, plan: Plan) -> Observed:
        """Take in what the API server itself says about the places where children are to be made."""
        found = await look(self._cluster, observed, plan.applies)
        for live in found.own:
            self._cache.put(live)
        return self._refreshed(observed, foreign=found.foreign)

    async def _act(self, key: Key, observed: Observed, plan: Plan) -> float | None:
        """Carry the plan out. A child that may not be made is told in the status, and tried again later."""
        hindrance = await self._apply_all(key, observed, plan)
        if hindrance:
            observed = self._refreshed(observed, **hindrance)
            plan = self._decide(observed)
        refusal = await self._change_all(key, plan)
        if refusal and not observed.refusal:
            observed = self._refreshed(observed, refusal=refusal)
            plan = self._decide(observed)
        await self._tell(key, observed, plan)
        if not observed.refusal:
            self._failures.pop(key, None)
        pull = plan.pull
        self._board.watch(key, ProgressTarget(pull.pod_uid, pull.address, pull.run_id) if pull else None)
        return plan.look_again_seconds

    async def _change_all(self, key: Key, plan: Plan) -> Refusal | None:
        """Change and delete live objects; return what the API server refused first. One of them holds up no other."""
        errors: list[ClusterError] = []
        for merge in plan.merges:
            try:
                self._cache.put(await self._cluster.merge(merge.live, merge.changes))
                self._remember(key, merge.live, merge.wish, merge.over)
            except ClusterError as error:
                errors.append(error)
        for child in plan.deletes:
            logger.info("delete", extra=fields(child=label_for(child)))
            try:
                left = await self._cluster.delete(child)
            except ClusterError as error:
                errors.append(error)
            else:
                self._repairs.get(key, {}).pop(key_of(child), None)
                if left:
                    self._cache.put(left)
        return self._refusal(key, errors[0]) if errors else None

    async def _apply_all(self, key: Key, observed: Observed, plan: Plan) -> dict[str, Any]:
        """Apply the children; return what is in the way, as fields of Observed, if something is."""
        known = {key_of(child): child for child in observed.children}
        for child in plan.applies:
            live = known.get(key_of(child))
            is_new = live is None
            try:
                self._cache.put(await put_in_place(self._cluster, child, is_new=is_new))
                self._remember(key, child, stamp_of(child), changed_by_others(child, live))
            except NameTaken as taken:
                return {"foreign": (taken.live,)}
            except ClusterError as error:
                return {"refusal": self._refusal(key, error)}
            logger.info("apply", extra=fields(child=label_for(child), new=is_new))
        return {}

    def _remember(self, key: Key, child: Manifest, wish: str, over: str) -> None:
        """Note that a child has been brought to what is wished: one that somebody changes back waits the next time."""
        repairs = self._repairs.setdefault(key, {})
        repair = repairs[key_of(child)] = next_repair(repairs.get(key_of(child)), wish, over, self._clock())
        if repair.count:
            logger.info("put right", extra=fields(child=label_for(child), count=repair.count, why=over))

    async def _tell(self, key: Key, observed: Observed, plan: Plan) -> None:
        """Write the status, then the Events: a step that could not be written is not told either."""
        if plan.status is not None:
            self._cache.put(await self._write_status(key, observed, plan.status))
            self._tally.count(key.namespace, plan.occurrences)
            self._spans.send(plan.spans)
            before, after = (_headline(status) for status in (observed.resource.get("status"), plan.status))
            level = logging.DEBUG if before == after else logging.INFO
            logger.log(level, "status", extra=fields(phase=after[0], reason=after[1]))
        self._cache.forget_departed(uid_of(observed.resource), observed.departed)
        for note in plan.notes:
            await self._record(observed.resource, note)

    async def _write_status(self, key: Key, observed: Observed, status: Manifest) -> Manifest:
        """Write the status; where even that is refused, an Event says so, once."""
        try:
            return await self._cluster.replace_status(observed.resource, status)
        except NotFound:
            # Deleted, and the watch is late: nothing may be made again for it meanwhile.
            self._cache.remove(observed.resource)
            raise
        except Refused as error:
            if not self._failures[key]:
                note = Note(Reason.API_SERVER_REFUSED, f"The status cannot be written: {error}", warning=True)
                await self._record(observed.resource, note)
            raise

    async def _record(self, resource: Manifest, note: Note) -> None:
        """Record an Event; the status tells the same, so that one that is not taken is no reason to stop."""
        try:
            await self._cluster.record(event(resource, note, self._identity, self._clock()))
        except ClusterError as error:
            logger.warning("event not recorded", extra=fields(reason=note.reason, why=error))


def _headline(status: Manifest | None) -> tuple[str | None, str | None]:
    """Return phase and reason: what a reader of the log wants to know, unlike each step of the progress."""
    return (status or {}).get("phase"), (status or {}).get("reason")
