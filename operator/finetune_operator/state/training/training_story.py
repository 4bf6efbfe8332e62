"""The headline of a run that is not done: waiting, training, retrying, suspended or failed."""

from finetune_api.handoff import Stage
from finetune_api.keys import Component, ConditionType, Phase, Reason
from finetune_api.status import FineTuneJobStatus, ProgressStatus
from finetune_operator.desired.metadata import run_name
from finetune_operator.kinds import Manifest
from finetune_operator.managed_fields import suspender
from finetune_operator.manifests import is_deleting, name_of
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.children.admission import creation_problem
from finetune_operator.state.children.leaving import held_back
from finetune_operator.state.observed import Observed, is_true
from finetune_operator.state.pods import pods
from finetune_operator.state.pods.attempts import is_free
from finetune_operator.state.pods.lost_node import lost_node
from finetune_operator.state.pods.pending_reason import pod_problem, starting_words
from finetune_operator.state.situation import Situation
from finetune_operator.state.status.story import Problem, Story, going_on, hindered, settled, stalled
from finetune_operator.state.training.custom_code import code_not_allowed
from finetune_operator.state.training.failure import beside, last_failure
from finetune_operator.state.training.job_changes import is_suspended_by_others
from finetune_operator.state.training.job_outcome import outcome
from finetune_operator.state.training.recorded import launched_as
from finetune_operator.state.training.run import Run, RunState

TURNED_AWAY = "The pod is made again; this is not counted."

_STAGES = {
    Stage.EVALUATE: (Phase.EVALUATING, Reason.EVALUATING, "The tuned model is being evaluated."),
    Stage.EXPORT: (Phase.PUBLISHING, Reason.PUBLISHING, "The model is being exported."),
    Stage.PUSH: (Phase.PUBLISHING, Reason.PUBLISHING, "The model is being published."),
}


def training_story(situation: Situation) -> Story:
    """Return the headline of a run that is not done."""
    job, run, observed = situation.job, situation.run, situation.observed
    ended = code_not_allowed(job) if run.state is RunState.BARRED else situation.failure
    if ended is not None:
        return stalled(ended)
    if job.spec.suspend or (run.state is RunState.ACTIVE and is_suspended_by_others(run.job)):
        return _suspended(job, run, observed)
    if run.state is RunState.STOPPING:
        return _stopping(situation)
    if run.pod is None or pods.has_failed(run.pod):
        return _between_pods(situation)
    if pods.is_running(run.pod) or pods.ended(run.pod) or is_deleting(run.pod):
        return _running(situation, run.pod)
    return _waiting(job, run.pod, observed)


def _suspended(job: FineTuneJob, run: Run, observed: Observed) -> Story:
    stopping = _pod_stops(run, observed)
    if stopping is not None:
        return stopping
    if job.spec.suspend or run.job is None:
        return settled(Phase.SUSPENDED, Reason.SUSPENDED, "spec.suspend is true. Set it to false to go on.")
    who = suspender(run.job)
    by = f"by {who}" if who else "when it was created, by an admission webhook such as Kueue's"
    message = (
        f"Job {name_of(run.job)} is suspended by somebody else: {by}. It goes on when it is resumed there; until then"
        " it is left alone."
    )
    return hindered(Phase.SUSPENDED, Problem(Reason.SUSPENDED_BY_OTHERS, message))


def _pod_stops(run: Run, observed: Observed) -> Story | None:
    """Tell of a pod that has to stop for a suspension; None when none is there."""
    if run.pod is None or pods.is_over(run.pod):
        return None
    problem = lost_node(run.pod, observed.now)
    if problem is not None:
        return hindered(Phase.SUSPENDED, problem)
    return going_on(Phase.SUSPENDED, Reason.SUSPENDED, f"Pod {name_of(run.pod)} saves a checkpoint and stops.")


def _stopping(situation: Situation) -> Story:
    """Tell what a new Job has to wait for."""
    job, run, observed = situation.job, situation.run, situation.observed
    if run.job is not None and outcome(run.job):
        problem = last_failure(job, run)
        message = f"{problem.message} {TURNED_AWAY}" if problem else situation.previous.message or TURNED_AWAY
        return hindered(Phase.PENDING, Problem(Reason.POD_REJECTED, message))
    for pod in observed.pods(Component.TRAINING):
        lost = lost_node(pod, observed.now)
        if lost is not None:
            return hindered(Phase.PENDING, lost)
    for found in observed.jobs:
        held = held_back(found)
        if held is not None:
            return hindered(Phase.PENDING, held)
    waits = ", ".join(run.blockers) or (name_of(run.job) if run.job else "")
    return going_on(Phase.PENDING, Reason.STOPPING_PREVIOUS_RUN, f"Waiting until what ran before is gone: {waits}.")


def _between_pods(situation: Situation) -> Story:
    job, previous, run, observed = situation.job, situation.previous, situation.run, situation.observed
    since = run.pod["metadata"]["creationTimestamp"] if run.pod else ""
    problem = creation_problem(observed.events, since)
    if problem is not None:
        return hindered(Phase.PENDING, problem)
    failure = last_failure(job, run)
    stopped = previous.phase == Phase.SUSPENDED and previous.run is not None and previous.run.started_at is not None
    if stopped or (failure is None and previous.reason == Reason.RESUMING):
        return going_on(Phase.PENDING, Reason.RESUMING, f"Run {job.run_id} resumes: its Job is creating a pod.")
    if failure is None or run.pod is None:
        return _creating(job)
    held = f" {run.lingering.message}" if run.lingering else ""
    return hindered(Phase.PENDING, _another_pod(job, run, failure, held))


def _another_pod(job: FineTuneJob, run: Run, failure: Problem, held: str) -> Problem:
    """Tell that another pod follows, and whether the failure of the last one counts."""
    follows = f"Attempt {run.attempts + 1} of {job.spec.max_retries + 1} follows."
    if failure.reason == Reason.POD_REJECTED:
        return Problem(Reason.POD_REJECTED, f"{failure.message} {TURNED_AWAY} {follows}")
    if run.pod is not None and is_free(run.pod):
        return Problem(Reason.RESUMING, f"{failure.message}{held} The run resumes, and this is not counted. {follows}")
    return Problem(Reason.RETRYING, f"{failure.message}{held} {follows}")


def _waiting(job: FineTuneJob, pod: Manifest, observed: Observed) -> Story:
    problem = pod_problem(pod, observed, job, job.spec.compute, "spec.compute")
    if problem is not None:
        return hindered(Phase.PENDING, problem)
    scheduler = job.spec.compute.scheduler_name
    if scheduler and not pods.is_scheduled(pod):
        message = f"Pod {name_of(pod)} waits for the scheduler {scheduler} (spec.compute.schedulerName)."
        return going_on(Phase.PENDING, Reason.CREATING_POD, message)
    if not pods.is_scheduled(pod):
        return _creating(job)
    return going_on(Phase.PENDING, Reason.POD_STARTING, starting_words(pod, observed))


def _creating(job: FineTuneJob) -> Story:
    message = f"Training Job {run_name(job, job.run_id)} is creating its pod."
    return going_on(Phase.PENDING, Reason.CREATING_POD, message)


def _running(situation: Situation, pod: Manifest) -> Story:
    job, previous, progress = situation.job, situation.previous, situation.progress
    problem = lost_node(pod, situation.now)
    if problem is not None:
        return hindered(Phase.TRAINING, problem)
    if is_deleting(pod):
        return going_on(Phase.TRAINING, Reason.TRAINING, f"Pod {name_of(pod)} is being stopped.")
    stage = progress.stage if progress and not _is_of_pod_before(progress, pod) else None
    if progress is not None and progress.waiting:
        phase = _STAGES[Stage(stage)][0] if stage in _STAGES else Phase.TRAINING
        return hindered(phase, Problem(Reason.WAITING_FOR_STORE, f"Pod {name_of(pod)} waits: {progress.waiting}."))
    if stage in _STAGES:
        return going_on(*_STAGES[Stage(stage)])
    if _is_trained(job, previous):
        words = f"Run {job.run_id} is trained, and goes on from there in pod {name_of(pod)}."
        return going_on(Phase.EVALUATING, Reason.EVALUATING, words)
    resumed = previous.run.resumed_from_step if previous.run and launched_as(job, previous) else None
    origin = f", resumed from step {resumed}" if resumed else ""
    return going_on(
        Phase.TRAINING, Reason.TRAINING, f"Run {job.run_id} trains in pod {name_of(pod)}{origin}.{beside(pod)}"
    )


def _is_of_pod_before(progress: ProgressStatus, pod: Manifest) -> bool:
    """Whether the stage was told before this pod began."""
    began = (pod.get("status") or {}).get("startTime")
    return bool(began and progress.stage_started_at and began > progress.stage_started_at)


def _is_trained(job: FineTuneJob, previous: FineTuneJobStatus) -> bool:
    """Whether the run has its training behind it, as one that is judged or published anew."""
    is_this_run = previous.run is not None and previous.run.id == job.run_id
    return is_this_run and is_true(previous, ConditionType.TRAINED)
