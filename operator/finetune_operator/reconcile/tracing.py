"""Spans of reconciliations: each is a trace of its own, with a link to the run's. A run's own are decided purely."""

import random
from datetime import datetime

from finetune_api.spans import Spans, new_ref
from finetune_api.traces import ERROR_TYPE, JOB_NAME, NAMESPACE, RUN_ID, Span, SpanRef, launch_span, trace_id
from finetune_operator.cluster.key import Key
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import uid_of

RECONCILE = "Reconcile"
OK, ERROR = "ok", "error"


class ReconcileSpans:
    """Sends a share of them, so that an operator with nothing to do sends little; those that fail are all sent."""

    def __init__(self, spans: Spans, ratio: float, *, enabled: bool) -> None:
        self._spans = spans
        self._ratio = ratio
        self._enabled = enabled

    def send(self, spans: tuple[Span, ...]) -> None:
        """Send what was decided of runs."""
        self._spans.send(*spans)

    def trace_of(self, resource: Manifest | None) -> str | None:
        """Return the id of the trace of a FineTuneJob's run; None where there is no run, or no traces are made."""
        run = _run_of(resource)
        return trace_id(uid_of(resource), str(run["id"])) if self._enabled and resource and run else None

    def tell(
        self,
        key: Key,
        resource: Manifest | None,
        *,
        result: str,
        start: datetime,
        end: datetime,
        error: BaseException | None,
    ) -> None:
        """Tell of one that is over. result: as the counter has it."""
        failed = result == ERROR
        if not self._enabled or not (failed or random.random() < self._ratio):
            return
        attributes = {NAMESPACE: key.namespace, JOB_NAME: key.name, "finetune.reconcile.result": result}
        run = _run_of(resource)
        if run:
            attributes[RUN_ID] = str(run["id"])
        if error is not None:
            attributes[ERROR_TYPE] = type(error).__name__
        words = (str(error) or "took too long") if failed else None
        self._spans.send(
            Span(RECONCILE, new_ref(), start, end, attributes=attributes, error=words, link=_link(resource, run))
        )


def _run_of(resource: Manifest | None) -> Manifest:
    run = ((resource or {}).get("status") or {}).get("run") or {}
    return run if run.get("id") and run.get("launch") else {}


def _link(resource: Manifest | None, run: Manifest) -> SpanRef | None:
    return launch_span(uid_of(resource), str(run["id"]), str(run["launch"])) if resource and run else None
