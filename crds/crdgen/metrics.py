"""`docs/metrics.md`: every metric of operator, training pods and serving pods, read from where they are defined."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from prometheus_client import metrics as instruments
from prometheus_client.core import Metric

from crdgen.tables import table
from finetune_operator import metrics as operator_metrics
from finetune_operator.exposition import Sources, job_families, own_families
from finetune_operator.reconcile.queue import WorkQueue
from finetune_operator.state.status.job_series import FAMILIES as JOB_FAMILIES
from finetune_operator.state.status.job_series import SERIES_PER_JOB
from finetune_trainer.runtime.metrics import FAMILIES as TRAINER_FAMILIES
from finetune_trainer.runtime.metrics import PREFIX as TRAINER_PREFIX
from finetune_trainer.serving.api.metrics import ServingMetrics

HEADER = f"""<!-- Generated from the code by `python -m crdgen`. Do not edit. -->
# Metrics

Prometheus reads the operator at port 8080, a training pod at port 9090 and a serving pod at port 8080, each at
`/metrics`. A FineTuneJob has at most {SERIES_PER_JOB} series of the operator, which end when it is deleted; all others
count by namespace, or are of the operator as a whole. What happens to a run (its end, a retry, its wait, GPU-seconds)
is counted when the status that tells of it has been written: once, whichever replica leads, and however often it
restarts. A replica that stands by tells nothing of FineTuneJobs.

How models are judged is another matter: see [metrics of your own](own-metrics.md).
"""
HEAD = ("Metric", "Type", "Labels", "Meaning")
HEAD_WITH_SERIES = ("Metric", "Type", "Labels", "Series", "Meaning")
FROM_THE_POD = (
    "As the chart's PodMonitor reads them, these also have the labels `namespace`, `pod`, `name` (the FineTuneJob)"
)


@dataclass(frozen=True)
class Entry:
    """A metric as Prometheus shows it. series: the most that one FineTuneJob or pod has, 0 where it is not said."""

    name: str
    type: str
    labels: tuple[str, ...]
    help: str
    series: int = 0


def metrics_page() -> str:
    """Return the text of the page."""
    return "\n".join(
        (
            HEADER,
            "## Each FineTuneJob\n",
            "From the operator; Series: the most that one FineTuneJob has.\n",
            _table(job_entries()),
            "## Runs, and the operator itself\n",
            _table(operator_entries()),
            "## Training pods\n",
            f"{FROM_THE_POD} and `run`. What is not known yet, or not there, has no series.\n",
            _table(trainer_entries()),
            "## Serving pods\n",
            f"{FROM_THE_POD} and `run`. Probes and scrapes are no requests.\n",
            _table(server_entries()),
        )
    )


def catalogue() -> list[Entry]:
    """Return all metrics."""
    return [*job_entries(), *operator_entries(), *trainer_entries(), *server_entries()]


def job_entries() -> list[Entry]:
    """Return what the operator tells of each FineTuneJob."""
    families = [family for family in job_families([], datetime.now(UTC)) if family.name in JOB_FAMILIES]
    return [_from_family(family, JOB_FAMILIES[family.name].series) for family in families]


def operator_entries() -> list[Entry]:
    """Return what the operator counts, and tells of itself."""
    nothing = Sources(lambda: [], WorkQueue(), dict, dict)
    counted = [one for one in vars(operator_metrics).values() if isinstance(one, instruments.MetricWrapperBase)]
    total = [family for family in job_families([], datetime.now(UTC)) if family.name not in JOB_FAMILIES]
    read = [*total, *own_families(nothing)]
    return [*(_from_family(family) for family in read), *map(_from_instrument, counted)]


def trainer_entries() -> list[Entry]:
    """Return what a training pod tells."""
    return [
        _entry(TRAINER_PREFIX + name, family.type, family.labels, family.help, family.series)
        for name, family in TRAINER_FAMILIES.items()
    ]


def server_entries() -> list[Entry]:
    """Return what a serving pod tells."""
    held = vars(ServingMetrics()).values()
    return [_from_instrument(one) for one in held if isinstance(one, instruments.MetricWrapperBase)]


def _from_family(family: Metric, series: int = 0) -> Entry:
    labels = tuple(getattr(family, "_labelnames", ()))
    return _entry(family.name, family.type, labels, family.documentation, series)


def _from_instrument(instrument: instruments.MetricWrapperBase) -> Entry:
    (family,) = instrument.describe()
    return _entry(family.name, family.type, tuple(instrument._labelnames), family.documentation)


def _entry(name: str, kind: str, labels: tuple[str, ...], words: str, series: int = 0) -> Entry:
    return Entry(f"{name}_total" if kind == "counter" else name, kind, labels, words, series)


def _table(entries: Iterable[Entry]) -> str:
    found = list(entries)
    has_series = any(entry.series for entry in found)
    rows = [
        (
            f"`{entry.name}`",
            entry.type,
            ", ".join(f"`{label}`" for label in entry.labels),
            *((str(entry.series),) if has_series else ()),
            entry.help,
        )
        for entry in found
    ]
    return table(HEAD_WITH_SERIES if has_series else HEAD, rows)
