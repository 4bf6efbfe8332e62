"""Why a pod, or the whole run, failed: the trainer's last word, else what the kubelet and the Job say."""

import re

from finetune_api.failures import NOT_COUNTED, FailureClass
from finetune_api.handoff import TerminationReport
from finetune_api.keys import Reason
from finetune_operator.desired.resource import FineTuneJob
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import name_of
from finetune_operator.state import pods
from finetune_operator.state.deadline import deadline_message, failed_by_deadline
from finetune_operator.state.run import Run, outcome
from finetune_operator.state.story import Problem

SIGKILL = 137
_EXIT_CODE = re.compile(r"failed with exit code (\d+)")
AGAIN = "To train again, set spec.runId to a new value."

_BY_CLASS = {
    FailureClass.OUT_OF_MEMORY: "The GPU ran out of memory. Lower spec.training.batchSize or maxLength, or set"
    " spec.training.gradientCheckpointing.",
    FailureClass.PREEMPTED: "The pod was stopped from outside; it resumes from its newest checkpoint.",
}


def job_failure(job: FineTuneJob, run: Run) -> Problem:
    """Say why the run failed."""
    failed = next((c for c in _conditions(run.job) if c.get("type") == "Failed" and c.get("status") == "True"), None)
    if run.job is not None and failed_by_deadline(run.job):
        return Problem(Reason.DEADLINE_EXCEEDED, deadline_message(job))
    problem = last_failure(job, run)
    if failed is None:
        return problem if problem is not None and run.job is None else _without_result(run)
    if problem is None:
        return _untold_failure(str(failed.get("message")))
    if failed.get("reason") == "BackoffLimitExceeded":
        return Problem(problem.reason, f"{problem.message} Gave up after {_attempts(run)}.")
    return problem


def _untold_failure(words: str) -> Problem:
    """Say what is left of a failure whose pods are gone: the Job's words, which may name the exit code."""
    code = _EXIT_CODE.search(words)
    failure = (pods.class_of(int(code[1])) if code else None) or FailureClass.BUG
    return Problem(failure, f"The training Job failed: {words}. {AGAIN}")


def last_failure(job: FineTuneJob, run: Run) -> Problem | None:
    """Say why the newest failed pod of the run failed; None when none did."""
    pod = pods.newest(pod for pod in run.pods if pods.has_failed(pod))
    return pod_failure(job, pod, pods.last_word(pod, job.run_id)) if pod else None


def pod_failure(job: FineTuneJob, pod: Manifest, report: TerminationReport | None) -> Problem:
    """Say why a pod failed."""
    if report and report.failure:
        return Problem(report.failure.failure_class, report.failure.message)
    end = pods.ended(pod) or {}
    code = end.get("exitCode")
    if end.get("reason") == "OOMKilled" or code == SIGKILL:
        return Problem(FailureClass.OUT_OF_MEMORY, _out_of_memory(job, str(end.get("reason") or "")))
    status = pod.get("status") or {}
    if status.get("reason") == "Evicted":
        return Problem(FailureClass.PREEMPTED, f"Pod {name_of(pod)} was evicted: {status.get('message')}")
    if not end:
        why = status.get("message") or status.get("reason") or "its node gave no reason"
        return Problem(FailureClass.PREEMPTED, f"Pod {name_of(pod)} was stopped from outside: {why}")
    failure = pods.class_of(code) or FailureClass.BUG
    default = f"The trainer ended with exit code {code} and no last word. See: kubectl logs {name_of(pod)}"
    return Problem(failure, _BY_CLASS.get(failure, default))


def attempts(run: Run) -> int:
    """Return how many pods of the run's Job failed and were counted; the Job's own count lags behind its pods."""
    status = (run.job or {}).get("status") or {}
    failed = [pod for pod in run.pods if pods.has_failed(pod) and not _is_free(pod)]
    return max(int(status.get("failed") or 0), len(failed))


def _is_free(pod: Manifest) -> bool:
    """Whether the Job's podFailurePolicy does not count the pod's failure."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    disrupted = any(c.get("type") == "DisruptionTarget" and c.get("status") == "True" for c in conditions)
    return disrupted or pods.class_of((pods.ended(pod) or {}).get("exitCode")) in NOT_COUNTED


def _attempts(run: Run) -> str:
    count = attempts(run)
    return "1 attempt" if count == 1 else f"{count} attempts"


def _conditions(job: Manifest | None) -> list[Manifest]:
    return list(((job or {}).get("status") or {}).get("conditions") or ())


def _out_of_memory(job: FineTuneJob, reason: str) -> str:
    memory = job.spec.compute.memory
    cause = "ran out of memory" if reason == "OOMKilled" else "was killed, most likely for want of memory"
    return (
        f"The training pod {cause} (spec.compute.memory is {memory}). Raise spec.compute.memory, or lower"
        " spec.training.batchSize or maxLength."
    )


def _without_result(run: Run) -> Problem:
    ended = run.job is not None and outcome(run.job) == "Complete"
    what = "The training Job completed" if ended else "The training Job ended"
    return Problem(
        FailureClass.BUG,
        f"{what}, but its pod's last message is gone or unreadable, as it was when the run was launched before, so what"
        f" it published is unknown. {AGAIN}",
    )
