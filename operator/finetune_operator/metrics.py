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

    def __init__(
        self,
        phases: Callable[[], dict[str, int]],
        depth: Callable[[], int],
        listed: Callable[[], dict[str, bool]],
        yielded: Callable[[], dict[str, str]],
    ) -> None:
        self._phases = phases
        self._depth = depth
        self._listed = listed
        self._yielded = yielded

    def collect(self) -> Iterable[GaugeMetricFamily]:
        jobs = GaugeMetricFamily("finetune_jobs", "FineTuneJobs, by phase.", labels=["phase"])
        for phase, count in self._phases().items():
            jobs.add_metric([phase], count)
        yield jobs
        listed = GaugeMetricFamily(
            "finetune_operator_namespace_listed",
            "1 if all of a watched namespace (empty: of the cluster) could be listed at the last attempt.",
            labels=["namespace"],
        )
        for namespace, went_well in self._listed().items():
            listed.add_metric([namespace], float(went_well))
        yield listed
        yielded = GaugeMetricFamily(
            "finetune_operator_namespace_yielded",
            "1 for each namespace that is left to another installation of the operator.",
            labels=["namespace", "holder"],
        )
        for namespace, holder in self._yielded().items():
            yielded.add_metric([namespace, holder], 1.0)
        yield yielded
        yield GaugeMetricFamily(
            "finetune_operator_queue_depth", "FineTuneJobs that wait to be reconciled.", value=self._depth()
        )


def expose(
    phases: Callable[[], dict[str, int]],
    depth: Callable[[], int],
    listed: Callable[[], dict[str, bool]],
    yielded: Callable[[], dict[str, str]],
) -> None:
    """Register the figures that are read on demand: jobs by phase, the queue's length, namespaces known and yielded."""
    REGISTRY.register(_Gauges(phases, depth, listed, yielded))
