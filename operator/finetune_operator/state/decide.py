"""The decision: what was observed in, a plan out. Pure; every rule of the lifecycle is a line of its table test."""

from dataclasses import replace
from datetime import datetime

from finetune_api.keys import Phase, Reason
from finetune_api.status import FineTuneJobStatus
from finetune_operator.desired.config_map import config_map
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
from finetune_operator.state.plan import Merge, Note, Plan, Policy, Pull
from finetune_operator.state.pods import pods
from finetune_operator.state.serving.rollout import serving_story, unserved
from finetune_operator.state.situation import Situation, situate
from finetune_operator.state.status.events import notes
from finetune_operator.state.status.headline import headline
from finetune_operator.state.status.keeping import changed
from finetune_operator.state.status.next_status import compose
from finetune_operator.state.status.occurrences import occurrences
from finetune_operator.state.status.run_spans import Step, run_spans
from finetune_operator.state.status.story import Problem, Story, settled, stalled
from finetune_operator.state.status.usage import usage
from finetune_operator.state.training.job_changes import job_changes
from finetune_operator.state.training.recorded import is_judged
from finetune_operator.state.training.retention import Retention, retention
from finetune_operator.state.training.run import Run, RunState
from finetune_operator.state.training.sources import Resolution, resolve
from finetune_operator.state.training.training_story import training_story
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
    return _plan(situate(job, previous, observed, resolution, policy), policy)


def _plan(situation: Situation, policy: Policy) -> Plan:
    """Return what to do where a FineTuneJob stands: its children, its status, what is told, when to look again."""
    job, previous, run = situation.job, situation.previous, situation.run
    observed, now = situation.observed, situation.now
    story = replace(_story(situation), asides=_asides(situation))
    kept = retention(job, previous, run, observed, now)
    status = _status(situation, story, kept)
    wire = changed(status, observed.resource)
    applies, apply_pause = _applies(situation, policy)
    merges, merge_pause = job_changes(job, previous, run, observed, now)
    pauses = (apply_pause, merge_pause, kept.seconds_left, _look_again(situation, policy))
    plan = Plan(
        applies=applies,
        merges=(*merges, *growth(job, observed)),
        deletes=(
            *run.stop,
            *_old_config_maps(job, run, observed),
            *(() if situation.is_blocked else situation.rollout.deletes),
            *kept.delete,
        ),
        status=wire,
        notes=(*loss(job, previous, applies), *_lingering_notes(run), *kept.notes),
        look_again_seconds=0.0 if _goes_on_at_once(situation, status, merges) else _soonest(*pauses),
        pull=_pull(job, run),
    )
    return plan if wire is None else _with_news(plan, situation, status, story, policy)


def _with_news(plan: Plan, situation: Situation, status: FineTuneJobStatus, story: Story, policy: Policy) -> Plan:
    """Return the plan with all that is told beside a status that is written: Events, counters, spans."""
    job, previous, observed = situation.job, situation.previous, situation.observed
    counted = occurrences(job, previous, status, situation.run)
    return replace(
        plan,
        notes=(*plan.notes, *notes(job, previous, status, story, observed)),
        occurrences=counted,
        spans=run_spans(Step(job, previous, status, observed, counted)) if policy.traces is not None else (),
    )


def _status(situation: Situation, story: Story, kept: Retention) -> FineTuneJobStatus:
    """Return the next status, with what has been used. Work that merely goes on is no reason to write it."""
    status = compose(situation, story)
    if situation.is_blocked:
        status = _not_launched(status, situation.previous)
    if kept.is_over:
        status = status.model_copy(update={"workspace": None})
    resource, observed = situation.job.spec.compute.gpu_resource_name, situation.observed
    ended = usage(situation.previous, observed, resource, with_live=False)
    status = status.model_copy(update={"usage": ended})
    if changed(status, observed.resource) is None:
        return status
    return status.model_copy(update={"usage": usage(situation.previous, observed, resource, with_live=True)})


def _goes_on_at_once(situation: Situation, status: FineTuneJobStatus, merges: tuple[Merge, ...]) -> bool:
    """Whether the new status allows what the one before did not: a time to live, or judging the model again."""
    job, run = situation.job, situation.run
    allowed, _ = job_changes(job, status, run, situation.observed, situation.now)
    outdated = situation.is_done and run.artifact is not None and not is_judged(job, run.artifact)
    return allowed != merges or outdated


def _story(situation: Situation) -> Story:
    """Choose the headline: what a person has to mend comes first."""
    observed = situation.observed
    if observed.foreign:
        return conflict_story(situation.job, observed.foreign[0])
    story = _undisturbed(situation)
    return refused_story(observed.refusal, story) if observed.refusal else story


def _undisturbed(situation: Situation) -> Story:
    """Return the headline as the run and its serving give it."""
    job, run = situation.job, situation.run
    if run.state is RunState.WAITING and situation.resolution.story is not None:
        return situation.resolution.story
    if not situation.is_done:
        return training_story(situation)
    if job.spec.serving.enabled:
        return serving_story(job, situation.rollout)
    where = f" to {run.artifact.uri}" if run.artifact else ""
    held = f" {run.lingering.message}" if run.lingering else ""
    return settled(Phase.SUCCEEDED, Reason.PUBLISHED, f"Run {job.run_id} is published{where}.{held}")


def _asides(situation: Situation) -> tuple[Problem, ...]:
    """Return what is wrong beside the headline."""
    gone = None if situation.is_done else unserved(situation.job, situation.rollout)
    return (*([gone] if gone else []), *contests(situation.observed.repairs, situation.now))


def _applies(situation: Situation, policy: Policy) -> tuple[tuple[Manifest, ...], float | None]:
    """Return the children to apply, and in how many seconds those that are held back are due."""
    needed = (*_run_children(situation, policy), *situation.rollout.applies)
    applies, pause = not_held_back(needed, situation.observed.repairs, situation.now)
    return (() if situation.is_blocked else applies), pause


def _soonest(*seconds: float | None) -> float | None:
    return min((found for found in seconds if found is not None), default=None)


def _run_children(situation: Situation, policy: Policy) -> tuple[Manifest, ...]:
    """Return what training needs and is not there: job file, workspace, Job. Each is made once for a launch."""
    job, run, observed = situation.job, situation.run, situation.observed
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


def _look_again(situation: Situation, policy: Policy) -> float | None:
    """Return when to look again at what no watch tells: Events of others, and objects that are not ours."""
    job, run, observed = situation.job, situation.run, situation.observed
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
