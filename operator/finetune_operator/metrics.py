"""What Prometheus can ask the operator."""

from collections.abc import Callable, Iterable

from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import REGISTRY, Collector

RECONCILES = Counter("finetune_operator_reconcile", "Reconciliations, by result.", ["result"])
RECONCILE_SECONDS = Histogram("finetune_operator_reconcile_duration_seconds", "Time that one reconciliation took.")
API_WRITES = Counter("finetune_operator_api_writes", "Successful writes to the API server.", ["verb", "kind"])


class _Gauges(Collector):
    """Figures that are read from the running parts when Prometheus asks, so that they cannot be stale."""

    def __init__(self, phases: Callable[[], dict[str, int]], depth: Callable[[], int]) -> None:
        self._phases = phases
        self._depth = depth

    def collect(self) -> Iterable[GaugeMetricFamily]:
        jobs = GaugeMetricFamily("finetune_jobs", "FineTuneJobs, by phase.", labels=["phase"])
        for phase, count in self._phases().items():
            jobs.add_metric([phase], count)
        yield jobs
        yield GaugeMetricFamily(
            "finetune_operator_queue_depth", "FineTuneJobs that wait to be reconciled.", value=self._depth()
        )


def expose(phases: Callable[[], dict[str, int]], depth: Callable[[], int]) -> None:
    """Register the figures that are read on demand: jobs by phase, and the length of the queue."""
    REGISTRY.register(_Gauges(phases, depth))
