"""Why a pod, or the whole run, failed: the trainer's last word, else what the kubelet and the Job say."""

import re

from finetune_api.failures import FailureClass
from finetune_api.handoff import Failure, TerminationReport
from finetune_api.keys import Reason
from finetune_api.status import FineTuneJobStatus
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import name_of
from finetune_operator.resource.containers import TRAINER
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.pods import pods
from finetune_operator.state.pods.disruption import outside_problem
from finetune_operator.state.status.story import Problem, closed
from finetune_operator.state.training.deadline import deadline_message, failed_by_deadline, limit_of
from finetune_operator.state.training.job_outcome import failed_condition, outcome
from finetune_operator.state.training.run import Run, recorded_failure

SIGBUS = 135
SIGKILL = 137
_EXIT_CODE = re.compile(r"failed with exit code (\d+)")
IMAGE_FIELD = "spec.compute.image"
RETRY = "set spec.retry to a new value; what is done is kept"

_NEVER_STARTED = ("StartError", "ContainerCannotRun")

_BY_CLASS = {
    FailureClass.NO_ACCELERATOR: "spec.compute.gpus asks for GPUs, but PyTorch found none that it could use. Check the"
    " node's driver and device plugin, spec.compute.runtimeClassName and spec.compute.image.",
    FailureClass.OUT_OF_MEMORY: "The GPU ran out of memory. Lower spec.training.batchSize or maxLength, or set"
    " spec.training.gradientCheckpointing.",
    FailureClass.PREEMPTED: "The pod was stopped from outside; it resumes from its newest checkpoint.",
}


def job_failure(job: FineTuneJob, run: Run) -> Problem:
    """Say why the run failed."""
    failed, is_over = failed_condition(run.job), run.job is None or outcome(run.job)
    if run.job is not None and failed_by_deadline(run.job):
        limit = limit_of(run.job) or job.spec.active_deadline_seconds or 0
        return Problem(Reason.DEADLINE_EXCEEDED, deadline_message(limit))
    problem = last_failure(job, run)
    if failed is None and is_over:
        return problem if problem is not None and run.job is None else _without_result(run)
    reason, words = ((failed or {}).get(key) for key in ("reason", "message"))
    if problem is None:
        return _untold_failure(str(words))
    if reason == "BackoffLimitExceeded" or not (failed or any(map(pods.has_failed_for_good, run.pods))):
        problem = Problem(problem.reason, f"{problem.message} Gave up after {_attempts(run)}.")
    return Problem(problem.reason, f"{problem.message}{_way_on(problem.reason, run.report)}")


def _way_on(reason: str, report: TerminationReport | None) -> str:
    """Say how the run goes on once its cause is mended; a mended spec is another run, or another launch, anyway."""
    if reason == FailureClass.BAD_SPEC:
        return ""
    stage = f"To go on at stage {report.stage}" if report and report.stage else "To go on"
    return f" {stage} once that is mended, {RETRY}."


def _untold_failure(words: str) -> Problem:
    """Say what is left of a failure whose pods are gone: the Job's words, which may name the exit code."""
    code = _EXIT_CODE.search(words)
    failure = (pods.class_of(int(code[1])) if code else None) or FailureClass.BUG
    return Problem(failure, f"The training Job failed: {words}. To see why, and to go on, {RETRY}.")


def last_failure(job: FineTuneJob, run: Run) -> Problem | None:
    """Say why the newest failed pod of the run failed; None when none did."""
    pod = pods.newest(pod for pod in run.pods if pods.has_failed(pod))
    return pod_failure(job, pod, pods.last_word(pod, job.run_id)) if pod else None


def pod_failure(job: FineTuneJob, pod: Manifest, report: TerminationReport | None) -> Problem:
    """Say why a pod failed: what its trainer knows itself, else what came from outside, else the exit code."""
    said = report.failure if report else None
    if said and said.failure_class is not FailureClass.PREEMPTED:
        return Problem(said.failure_class, f"{_told(said)}{beside(pod)}")
    outside = outside_problem(job, pod)
    if outside is not None:
        last_word = f" Its last word: {_told(said)}" if said else ""
        return Problem(outside.reason, f"{outside.message}{last_word}")
    if said:
        return Problem(said.failure_class, _told(said))
    end = pods.ended(pod)
    return _trainer_failure(job, pod, end) if end else _failure_without_trainer(pod)


def _told(failure: Failure) -> str:
    """Return the trainer's own words, with the field to mend where they do not name it."""
    words = closed(failure.message)
    return words if not failure.field or failure.field in words else f"{words} The field is {failure.field}."


def beside(pod: Manifest) -> str:
    """Name a container that failed before the trainer ended, or while it works, as a sentence to add; else empty."""
    other = pods.failed_container(pod)
    if other is None:
        return ""
    end, trainer = other["state"]["terminated"], pods.ended(pod)
    if trainer and str(end.get("finishedAt") or "") >= str(trainer.get("finishedAt") or ""):
        return ""  # It was ended with the pod.
    return f" Container {other['name']} beside it has failed with exit code {end['exitCode']}."


def _trainer_failure(job: FineTuneJob, pod: Manifest, end: Manifest) -> Problem:
    """Say what the kubelet tells of the trainer's end."""
    code, reason, message = end.get("exitCode"), str(end.get("reason") or ""), str(end.get("message") or "")
    if reason in _NEVER_STARTED:
        words = f"Container {TRAINER} of pod {name_of(pod)} could not be started: {message.strip() or reason}"
        return Problem(Reason.CONTAINER_NOT_STARTING, f"{words}. The image must be a trainer image: see {IMAGE_FIELD}.")
    if reason == "ContainerStatusUnknown":
        words = f"The node of pod {name_of(pod)} no longer knew the container, as after a restart of the node"
        return Problem(FailureClass.PREEMPTED, f"{words}: {closed(message)}")
    if code == SIGBUS:
        words = "The trainer ended by a bus error, as it does when /dev/shm is full. Raise spec.compute.sharedMemory."
        return Problem(FailureClass.OUT_OF_MEMORY, words)
    if reason == "OOMKilled" or code == SIGKILL:
        return Problem(FailureClass.OUT_OF_MEMORY, _out_of_memory(job, reason))
    failure = pods.class_of(code) or FailureClass.BUG
    default = f"The trainer ended with exit code {code} and no last word. See: kubectl logs {name_of(pod)} -c {TRAINER}"
    return Problem(failure, f"{_BY_CLASS.get(failure, default)}{beside(pod)}")


def _failure_without_trainer(pod: Manifest) -> Problem:
    """Say why a pod failed whose trainer never ran: for another container, or for no reason that anyone gave."""
    other, name = pods.failed_container(pod), name_of(pod)
    if other is None:
        return Problem(FailureClass.PREEMPTED, f"Pod {name} was stopped from outside: its node gave no reason.")
    end = other["state"]["terminated"]
    last = " ".join(str(end.get("message") or "").split()) or str(end.get("reason") or "Error")
    words = f"Container {other['name']} of pod {name} failed before the trainer ran, with exit code {end['exitCode']}"
    return Problem(Reason.CONTAINER_FAILED, f"{words}: {last}. See: kubectl logs {name} -c {other['name']}")


def _attempts(run: Run) -> str:
    count = run.attempts
    return "1 attempt" if count == 1 else f"{count} attempts"


def _out_of_memory(job: FineTuneJob, reason: str) -> str:
    limit = (job.spec.compute.limits or {}).get("memory")
    field, memory = ("limits.memory", limit) if limit else ("memory", job.spec.compute.memory)
    cause = "ran out of memory" if reason == "OOMKilled" else "was killed, most likely for want of memory"
    return (
        f"The training pod {cause} (spec.compute.{field} is {memory}). Raise spec.compute.{field}, or lower"
        " spec.training.batchSize or maxLength."
    )


def _without_result(run: Run) -> Problem:
    ended = run.job is not None and outcome(run.job) == "Complete"
    what = "The training Job completed" if ended else "The training Job ended"
    return Problem(
        FailureClass.BUG,
        f"{what}, but its pod's last message is gone or unreadable, as it was when the run was launched before, so what"
        f" it published is unknown. To have it told, {RETRY}.",
    )


def run_failure(job: FineTuneJob, previous: FineTuneJobStatus, run: Run) -> Problem:
    """Return why the run failed, as the status already tells it: the pods that it was read from may be gone."""
    return recorded_failure(job, previous) or job_failure(job, run)
