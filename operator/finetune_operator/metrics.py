"""What the operator counts while it works, for Prometheus. What is read on demand is in `exposition`."""

from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

from finetune_api.failures import FailureClass
from finetune_api.handoff import Stage
from finetune_operator.occurrence import Measure, Occurrence

disable_created_metrics()  # type: ignore[no-untyped-call]

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
LONG_SECONDS = (1, 5, 15, 30, _MINUTE, 150, 300, 600, 1200, 1800, _HOUR, 7200, 14400, 28800, _DAY, 3 * _DAY, 7 * _DAY)
"""Buckets of what takes a second or a week."""
SUCCEEDED, FAILED = "Succeeded", "Failed"
NO_ANSWER = "error"
"""Code of a request that got no answer."""

RESULTS = ("ok", "conflict", "error")
RECONCILES = Counter("finetune_operator_reconcile", "Reconciliations: ok, conflict or error.", ["result"])
RECONCILE_SECONDS = Histogram("finetune_operator_reconcile_duration_seconds", "Time that one reconciliation took.")
API_REQUESTS = Counter(
    "finetune_operator_api_requests",
    "Requests to the API server without those of the watches, by verb and status code; error: no answer.",
    ["verb", "code"],
)
API_WRITES = Counter("finetune_operator_api_writes", "Successful writes to the API server.", ["verb", "kind"])
LEADER = Gauge("finetune_operator_leader", "1 while this replica acts, 0 while it stands by.")

RUNS_FINISHED = Counter(
    "finetune_runs_finished",
    "Runs that ended; failure_class: why one failed, the reason of its condition Succeeded.",
    ["namespace", "result", "failure_class"],
)
RUN_RETRIES = Counter("finetune_run_retries", "Attempts that failed and were followed by another.", ["namespace"])
QUEUE_WAIT_SECONDS = Histogram(
    "finetune_queue_wait_seconds",
    "Time from the launch of a run until its first pod works.",
    ["namespace"],
    buckets=LONG_SECONDS,
)
STAGE_SECONDS = Histogram(
    "finetune_stage_duration_seconds",
    "Time that a stage of a training pod took which has come to its end.",
    ["stage"],
    buckets=LONG_SECONDS,
)
GPU_SECONDS = Counter("finetune_gpu_seconds", "GPUs times the seconds that trainers worked with them.", ["namespace"])
COST = Counter("finetune_cost", "What these GPU-seconds cost, where a price is set.", ["namespace", "currency"])


class Tally:
    """Counts what written statuses tell of. A GPU costs its price per hour; at 0, no cost is told."""

    def __init__(self, gpu_hour_price: float = 0.0, currency: str = "") -> None:
        self._price = gpu_hour_price
        self._currency = currency

    def begin(self, namespaces: Iterable[str]) -> None:
        """Show counters from 0 on, each namespace's too: Prometheus takes no notice of what one begins with."""
        for result in RESULTS:
            RECONCILES.labels(result)
        for stage in Stage:
            STAGE_SECONDS.labels(stage)
        for namespace in namespaces:
            RUNS_FINISHED.labels(namespace, SUCCEEDED, "")
            for failure in FailureClass:
                RUNS_FINISHED.labels(namespace, FAILED, failure)
            for family in (RUN_RETRIES, QUEUE_WAIT_SECONDS, GPU_SECONDS):
                family.labels(namespace)
            if self._price:
                COST.labels(namespace, self._currency)

    def count(self, namespace: str, occurrences: Iterable[Occurrence]) -> None:
        """Count what has occurred in a namespace."""
        for occurrence in occurrences:
            self._count(namespace, occurrence)

    def _count(self, namespace: str, occurrence: Occurrence) -> None:
        amount, label = occurrence.amount, occurrence.label
        match occurrence.measure:
            case Measure.RUN_SUCCEEDED:
                RUNS_FINISHED.labels(namespace, SUCCEEDED, "").inc(amount)
            case Measure.RUN_FAILED:
                RUNS_FINISHED.labels(namespace, FAILED, label).inc(amount)
            case Measure.RETRY:
                RUN_RETRIES.labels(namespace).inc(amount)
            case Measure.QUEUE_WAIT_SECONDS:
                QUEUE_WAIT_SECONDS.labels(namespace).observe(amount)
            case Measure.STAGE_SECONDS:
                STAGE_SECONDS.labels(label).observe(amount)
            case Measure.GPU_SECONDS:
                GPU_SECONDS.labels(namespace).inc(amount)
                if self._price:
                    COST.labels(namespace, self._currency).inc(amount / _HOUR * self._price)
