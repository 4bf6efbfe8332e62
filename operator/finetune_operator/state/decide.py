"""The decision: what was observed in, a plan out. Pure; every rule of the lifecycle is a line of its table test."""

from dataclasses import replace
from datetime import datetime

from finetune_api.keys import Phase, Reason
from finetune_api.status import FineTuneJobStatus
from finetune_operator.desired.config_map import config_map
from finetune_operator.desired.defaults import with_defaults
from finetune_operator.desired.metadata import run_name
from finetune_operator.desired.training_job import training_job
from finetune_operator.kinds import CONFIG_MAP, Manifest
from finetune_operator.manifests import is_deleting, name_of
from finetune_operator.resource.fine_tune_job import FineTuneJob, InvalidSpec, parse_resource
from finetune_operator.state.children.conflict import conflict_story, goes_by_itself
from finetune_operator.state.children.contest import contests, not_held_back
from finetune_operator.state.children.drift import differs, stamped
from finetune_operator.state.children.leaving import leave
from finetune_operator.state.children.refusal import refused_story
from finetune_operator.state.inquiry import inquiries, is_silent
from finetune_operator.state.observed import Observed, previous_status
from finetune_operator.state.plan import Note, Plan, Policy, Pull
from finetune_operator.state.pods import pods
from finetune_operator.state.serving.rollout import Rollout, plan_rollout, serving_story, unserved
from finetune_operator.state.serving.serving_image import with_image
from finetune_operator.state.status.events import notes
from finetune_operator.state.status.headline import headline
from finetune_operator.state.status.next_status import changed, compose, newest_progress, next_progress
from finetune_operator.state.status.occurrences import occurrences
from finetune_operator.state.status.run_spans import Step, run_spans
from finetune_operator.state.status.story import Problem, Story, settled, stalled
from finetune_operator.state.status.usage import usage
from finetune_operator.state.training.custom_code import without_forbidden_code
from finetune_operator.state.training.job_changes import job_changes
from finetune_operator.state.training.recorded import as_recorded, is_judged
from finetune_operator.state.training.retention import retention
from finetune_operator.state.training.run import Run, RunState, assess
from finetune_operator.state.training.sources import Resolution, resolve
from finetune_operator.state.training.training_story import run_failure, training_story
from finetune_operator.state.training.workspace import absent_claim, growth, loss


def decide(observed: Observed, policy: Policy, now: datetime) -> Plan:
    """Return what to do about a FineTuneJob, and the status that says how it stands once that is done."""
    if is_deleting(observed.resource):
        return leave(observed, now)
    observed = replace(observed, now=now)
    previous = previous_status(observed.resource)
    try:
        job = parse_resource(observed.resource)
    except InvalidSpec as error:
        story = stalled(Problem(Reason.INVALID_SPEC, f"{error}."))
        wire, told = headline(observed.resource, previous, story, now)
        return Plan(status=wire, notes=told)
    resolution = resolve(job, previous, observed.sources)
    if resolution.news(previous):
        return _record(observed, previous, resolution)
    job = as_recorded(with_defaults(job.reading(resolution.sources), policy.defaults), previous)
    run = without_forbidden_code(assess(job, previous, observed), job, policy)
    run = with_image(run, job, previous, observed, policy)
    rollout = plan_rollout(job, previous, run.artifact, observed, policy)
    progress = newest_progress(job, run, observed)
    failure = run_failure(job, previous, run) if run.state is RunState.FAILED else None
    story = _story(job, previous, run, rollout=rollout, observed=observed, resolution=resolution)
    story = replace(story, asides=_asides(job, run, rollout, observed, now))
    status = compose(job, previous, run, rollout=rollout, story=story, progress=progress, failure=failure, now=now)
    needed = (*_run_children(job, run, observed, policy), *rollout.applies)
    applies, apply_pause = not_held_back(needed, observed.repairs, now)
    if observed.foreign or (observed.refusal and observed.refusal.hinders_launch):
        applies, rollout = (), Rollout()
        status = _not_launched(status, previous)
    outdated = run.state is RunState.DONE and run.artifact is not None and not is_judged(job, run.artifact)
    kept = retention(job, previous, run, observed, now)
    if kept.is_over:
        status = status.model_copy(update={"workspace": None})
    status = _with_usage(status, previous, observed, job)
    next_wire = changed(status, observed.resource)
    told = notes(job, previous, status, story, observed) if next_wire is not None else ()
    counted = occurrences(job, previous, status, run) if next_wire is not None else ()
    traced = policy.traces is not None and next_wire is not None
    merges, merge_pause = job_changes(job, previous, run, observed, now)
    allowed, _ = job_changes(job, status, run, observed, now)
    return Plan(
        applies=applies,
        merges=(*merges, *growth(job, observed)),
        deletes=(*run.stop, *_old_config_maps(job, run, observed), *rollout.deletes, *kept.delete),
        status=next_wire,
        notes=(*loss(job, previous, applies), *_lingering_notes(run), *kept.notes, *told),
        # What the new status allows, a time to live or judging the model again, is done as soon as that is written.
        look_again_seconds=0.0
        if allowed != merges or outdated
        else _soonest(apply_pause, merge_pause, kept.seconds_left, _look_again(job, observed, policy, run)),
        pull=_pull(job, run),
        occurrences=counted,
        spans=run_spans(Step(job, previous, status, observed, counted)) if traced else (),
    )


def _with_usage(
    status: FineTuneJobStatus, previous: FineTuneJobStatus, observed: Observed, job: FineTuneJob
) -> FineTuneJobStatus:
    """Return the status with what has been used. Work that merely goes on is no reason to write it."""
    resource = job.spec.compute.gpu_resource_name
    ended = status.model_copy(update={"usage": usage(previous, observed, resource, with_live=False)})
    if changed(ended, observed.resource) is None:
        return ended
    return status.model_copy(update={"usage": usage(previous, observed, resource, with_live=True)})


def _story(
    job: FineTuneJob,
    previous: FineTuneJobStatus,
    run: Run,
    *,
    rollout: Rollout,
    observed: Observed,
    resolution: Resolution,
) -> Story:
    """Choose the headline: what a person has to mend comes first."""
    if observed.foreign:
        return conflict_story(job, observed.foreign[0])
    story = _undisturbed(job, previous, run, rollout=rollout, observed=observed, resolution=resolution)
    return refused_story(observed.refusal, story) if observed.refusal else story


def _undisturbed(
    job: FineTuneJob,
    previous: FineTuneJobStatus,
    run: Run,
    *,
    rollout: Rollout,
    observed: Observed,
    resolution: Resolution,
) -> Story:
    """Return the headline as the run and its serving give it."""
    if run.state is RunState.WAITING and resolution.story is not None:
        return resolution.story
    if run.state is not RunState.DONE:
        progress = next_progress(job, previous, run, newest_progress(job, run, observed))
        return training_story(job, previous, run, observed, progress)
    if job.spec.serving.enabled:
        return serving_story(job, rollout)
    where = f" to {run.artifact.uri}" if run.artifact else ""
    held = f" {run.lingering.message}" if run.lingering else ""
    return settled(Phase.SUCCEEDED, Reason.PUBLISHED, f"Run {job.run_id} is published{where}.{held}")


def _asides(job: FineTuneJob, run: Run, rollout: Rollout, observed: Observed, now: datetime) -> tuple[Problem, ...]:
    """Return what is wrong beside the headline."""
    gone = unserved(job, rollout) if run.state is not RunState.DONE else None
    return (*([gone] if gone else []), *contests(observed.repairs, now))


def _soonest(*seconds: float | None) -> float | None:
    return min((found for found in seconds if found is not None), default=None)


def _run_children(job: FineTuneJob, run: Run, observed: Observed, policy: Policy) -> tuple[Manifest, ...]:
    """Return what training needs and is not there: job file, workspace, Job. Each is made once for a launch."""
    if run.state is RunState.ACTIVE:
        return (*_kept_job_file(job, observed), *absent_claim(job, observed))
    if run.state is not RunState.LAUNCHING:
        return ()
    deadline = 0 if run.active.reaches(job.spec.active_deadline_seconds) else None
    own = training_job(job, policy.trainer_image, deadline, policy.traces)
    wanted = [config_map(job), *absent_claim(job, observed), own]
    live = {(found["kind"], name_of(found)): found for found in observed.children}

    def is_needed(child: Manifest) -> bool:
        found = live.get((child["kind"], name_of(child)))
        return found is None or (child["kind"] == CONFIG_MAP.kind and differs(child, found))

    return tuple(child for child in map(stamped, wanted) if is_needed(child))


def _kept_job_file(job: FineTuneJob, observed: Observed) -> tuple[Manifest, ...]:
    """Return the job file of a live Job if it is missing, or has lost the labels that it is found by.

    Whatever this release would write, its words stay: the Job's pods run the trainer that it was written for.
    """
    wanted = config_map(job)
    found = observed.child(CONFIG_MAP, name_of(wanted))
    if found is None:
        return (stamped(wanted),)
    is_labelled = wanted["metadata"]["labels"].items() <= (found["metadata"].get("labels") or {}).items()
    return () if is_labelled else (stamped({**wanted, "data": found.get("data") or {}}),)


def _old_config_maps(job: FineTuneJob, run: Run, observed: Observed) -> tuple[Manifest, ...]:
    """Return job files of runs that have no Job any more."""
    # Job file and Job of a run share their name.
    wanted = {run_name(job, job.run_id), *(name_of(found) for found in observed.jobs)}
    old = [found for found in observed.config_maps if name_of(found) not in wanted]
    return tuple(found for found in old if not is_deleting(found)) if not run.blockers else ()


def _pull(job: FineTuneJob, run: Run) -> Pull | None:
    if run.state is not RunState.ACTIVE or run.pod is None or not pods.is_running(run.pod):
        return None
    address = run.pod["status"].get("podIP")
    return Pull(run.pod["metadata"]["uid"], address, job.run_id) if address else None


def _lingering_notes(run: Run) -> tuple[Note, ...]:
    """Tell which containers are ended with their pod, when they are."""
    ends = run.lingering is not None and any(found in run.stop for found in (run.job, run.lingering.pod))
    return (Note(Reason.CONTAINER_OUTLIVES, run.lingering.message, warning=True),) if run.lingering and ends else ()


def _look_again(job: FineTuneJob, observed: Observed, policy: Policy, run: Run) -> float | None:
    """Return when to look again at what no watch tells: Events of others, and objects that are not ours."""
    lasts = observed.refusal is not None or not all(goes_by_itself(job, found) for found in observed.foreign)
    if not lasts and (observed.foreign or run.state is RunState.STOPPING):
        return policy.stopping_interval_seconds
    if lasts:
        return policy.refused_interval_seconds
    if run.state is RunState.LAUNCHING or run.lingering or inquiries(observed):
        return policy.pending_interval_seconds
    return policy.refused_interval_seconds if is_silent(observed) else None


def _not_launched(status: FineTuneJobStatus, previous: FineTuneJobStatus) -> FineTuneJobStatus:
    """Take back what would only be true if the children had been applied."""
    run = status.run
    started = previous.run.started_at if previous.run and run and previous.run.id == run.id else None
    return status.model_copy(
        update={
            "run": run and run.model_copy(update={"started_at": started}),
            "workspace": previous.workspace,
            "serving": previous.serving,
        }
    )


def _record(observed: Observed, previous: FineTuneJobStatus, resolution: Resolution) -> Plan:
    """Write down what the sources stand for before anything is made from them; then look again."""
    status = previous.model_copy(update={"sources": list(resolution.sources)})
    told = tuple(
        Note(
            Reason.SOURCE_RESOLVED,
            f"{source.field} is what run {source.run} of FineTuneJob {source.job} published: {source.uri}.",
        )
        for source in resolution.news(previous)
    )
    return Plan(status=changed(status, observed.resource), notes=told, look_again_seconds=0.0)
