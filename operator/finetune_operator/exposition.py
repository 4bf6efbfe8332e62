"""The text that Prometheus reads: counters, and figures that are read from the running parts when it asks."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import REGISTRY, Collector

from finetune_operator import __version__
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import namespace_of
from finetune_operator.metrics import Tally
from finetune_operator.state.status.job_series import FAMILIES, job_samples, phase_of

JOB_LABELS = ("namespace", "name")

View = tuple[Manifest, tuple[Manifest, ...]]
"""A FineTuneJob, and its pods."""


class Queue(Protocol):
    """What is told of the queue."""

    @property
    def depth(self) -> int:
        """Count of keys that wait for a worker."""

    def longest_wait_seconds(self) -> float:
        """Return for how long the oldest key has waited."""


@dataclass(frozen=True)
class Sources:
    """Where the figures come from.

    jobs: the cached FineTuneJobs. listed: whether each namespace could be listed. yielded: the holder of each namespace
    that is left to another installation.
    """

    jobs: Callable[[], list[View]]
    queue: Queue
    listed: Callable[[], dict[str, bool]]
    yielded: Callable[[], dict[str, str]]


class Exposition:
    """Renders all metrics."""

    def __init__(self, sources: Sources, tally: Tally) -> None:
        self._sources = sources
        self._tally = tally

    async def render(self) -> bytes:
        """Return all as Prometheus text. What takes long, with thousands of FineTuneJobs, does not hold up the rest."""
        jobs = self._sources.jobs()
        self._tally.begin({namespace_of(resource) for resource, _ in jobs})
        registry = CollectorRegistry()
        registry.register(_Now([*own_families(self._sources)], jobs))
        return await asyncio.to_thread(lambda: generate_latest(REGISTRY) + generate_latest(registry))


class _Now(Collector):
    """Families at one moment."""

    def __init__(self, families: list[GaugeMetricFamily], jobs: list[View]) -> None:
        self._families = families
        self._jobs = jobs

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Return nothing: the registry would collect all to learn the names."""
        return ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield from self._families
        yield from job_families(self._jobs, datetime.now(UTC))


def job_families(jobs: Iterable[View], now: datetime) -> Iterator[GaugeMetricFamily]:
    """Return the figures of FineTuneJobs: how many there are, and those of each."""
    counted: Counter[tuple[str, str]] = Counter()
    families = {
        name: GaugeMetricFamily(name, family.help, labels=[*JOB_LABELS, *family.labels])
        for name, family in FAMILIES.items()
    }
    for resource, pods in jobs:
        counted[namespace_of(resource), phase_of(resource)] += 1
        for sample in job_samples(resource, pods, now):
            families[sample.family].add_metric(sample.labels, sample.value)
    total = GaugeMetricFamily("finetune_jobs", "FineTuneJobs, by phase.", labels=["namespace", "phase"])
    for labels, count in sorted(counted.items()):
        total.add_metric(labels, count)
    yield total
    yield from families.values()


def own_families(sources: Sources) -> Iterator[GaugeMetricFamily]:
    """Return the figures of the operator itself."""
    listed = GaugeMetricFamily(
        "finetune_operator_namespace_listed",
        "1 if all of a watched namespace (empty: of the cluster) could be listed at the last attempt.",
        labels=["namespace"],
    )
    for namespace, went_well in sources.listed().items():
        listed.add_metric([namespace], float(went_well))
    yielded = GaugeMetricFamily(
        "finetune_operator_namespace_yielded",
        "1 for each namespace that is left to another installation of the operator.",
        labels=["namespace", "holder"],
    )
    for namespace, holder in sources.yielded().items():
        yielded.add_metric([namespace, holder], 1.0)
    build = GaugeMetricFamily("finetune_operator_build_info", "1, with the operator's version.", labels=["version"])
    build.add_metric([__version__], 1.0)
    queue = sources.queue
    yield from (listed, yielded, build)
    yield GaugeMetricFamily(
        "finetune_operator_queue_depth", "FineTuneJobs that wait to be reconciled.", value=queue.depth
    )
    yield GaugeMetricFamily(
        "finetune_operator_queue_oldest_wait_seconds",
        "How long the one has waited, or been worked on, that did so longest.",
        value=queue.longest_wait_seconds(),
    )
