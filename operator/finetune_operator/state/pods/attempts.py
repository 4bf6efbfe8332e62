"""Which pods of a run count as failed attempts. The Job counts by exit codes; only its operator can read the rest."""

from collections.abc import Sequence

from finetune_api.failures import NOT_COUNTED
from finetune_operator.kinds import Manifest
from finetune_operator.state.pods import pods
from finetune_operator.state.pods.disruption import is_rejected, is_self_inflicted


def attempts(training_job: Manifest | None, own_pods: Sequence[Manifest]) -> int:
    """Return how many failed pods of a run count; the Job's own count lags behind its pods.

    A pod that its node turned away never ran: the Job counts it, we do not. A pod that was evicted for what it used
    itself would do so again: the Job does not count it, we do.
    """
    status = (training_job or {}).get("status") or {}
    failed = [pod for pod in own_pods if pods.has_failed(pod)]
    counted = [pod for pod in failed if _counts_for_the_job(pod)]
    by_the_job = max(int(status.get("failed") or 0), len(counted))
    own_fault = sum(is_self_inflicted(pod) and not _counts_for_the_job(pod) for pod in failed)
    return max(0, by_the_job - rejections(own_pods)) + own_fault


def rejections(own_pods: Sequence[Manifest]) -> int:
    """Return how many pods their nodes turned away."""
    return sum(map(is_rejected, own_pods))


def is_free(pod: Manifest) -> bool:
    """Whether a failed pod does not count."""
    return is_rejected(pod) or not (_counts_for_the_job(pod) or is_self_inflicted(pod))


def is_last(pod: Manifest, attempts: int, max_retries: int) -> bool:
    """Whether the pod's failure is the end of its run: no other pod follows."""
    if not pods.has_failed(pod) or is_free(pod):
        return False
    return attempts > max_retries or pods.has_failed_for_good(pod)


def _counts_for_the_job(pod: Manifest) -> bool:
    """Whether the Job's podFailurePolicy counts the pod's failure."""
    return not pods.is_disrupted(pod) and pods.class_of((pods.ended(pod) or {}).get("exitCode")) not in NOT_COUNTED
