"""What a FineTuneJob has used of GPUs, over all its runs: a ledger in the status, so that nothing is counted twice."""

from collections.abc import Iterator
from datetime import datetime

from finetune_api.status import FineTuneJobStatus, UsageStatus
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import parse_time, timestamp
from finetune_operator.state.observed import Observed
from finetune_operator.state.training.active_time import ended_span, working_since


def usage(
    previous: FineTuneJobStatus, observed: Observed, gpu_resource_name: str, *, with_live: bool
) -> UsageStatus | None:
    """Return the ledger with the work of trainers that have ended and, if wanted, of the one that works, until now.

    No two trainers of a FineTuneJob work at the same time, whatever their runs: so a time tells what is counted.
    """
    known = previous.usage or UsageStatus()
    total, until = known.gpu_seconds, parse_time(known.counted_until) if known.counted_until else None
    for start, end, gpus in sorted(_work(observed, gpu_resource_name, with_live=with_live)):
        seconds = int((end - (max(start, until) if until else start)).total_seconds())
        if seconds > 0:
            total, until = total + gpus * seconds, end
    return UsageStatus(gpu_seconds=total, counted_until=timestamp(until)) if until else previous.usage


def gpus_of(pod: Manifest, resource_name: str) -> int:
    """Return how many GPUs a pod holds."""
    limits = ((found.get("resources") or {}).get("limits") or {} for found in pod["spec"].get("containers") or ())
    return sum(int(limit.get(resource_name) or 0) for limit in limits)


def _work(observed: Observed, gpu_resource_name: str, *, with_live: bool) -> Iterator[tuple[datetime, datetime, int]]:
    """Yield from when until when each trainer had how many GPUs."""
    for pod in observed.training_pods:
        gpus = gpus_of(pod, gpu_resource_name)
        span = ended_span(pod, observed.departed, observed.now) if gpus else None
        start = working_since(pod) if gpus and with_live else None
        if span is not None:
            yield *span, gpus
        elif start is not None:
            yield start, observed.now.replace(microsecond=0), gpus
