"""The spans that the operator adds to a run's trace, from the status before to the status after: pure, as counters are.

Each is told when the status that tells of it has been written: once, whoever leads and whoever restarts. The trainer
tells its stages itself, as parts of its pod's attempt.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from finetune_api.keys import ANNOTATION_LAUNCH, LABEL_RUN, ConditionType
from finetune_api.status import FineTuneJobStatus
from finetune_api.traces import ERROR_TYPE, Span, SpanRef, attempt_span, launch_span, part_of, run_attributes
from finetune_operator.desired.metadata import deployment_name
from finetune_operator.kinds import DEPLOYMENT, Manifest
from finetune_operator.manifests import annotation_of, label_of, name_of, parse_time, timestamp, uid_of
from finetune_operator.occurrence import Measure, Occurrence
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.observed import Observed, condition
from finetune_operator.state.pods import pods
from finetune_operator.state.training.active_time import ended_span, working_since
from finetune_operator.state.training.failure import pod_failure


class Name(StrEnum):
    """What spans are called; the trainer's are called as its stages."""

    RUN = "Run"
    QUEUE = "Queue"
    ATTEMPT = "Attempt"
    ROLLOUT = "Rollout"


SUPERSEDED = "Superseded"


@dataclass(frozen=True)
class Step:
    """From one status of a FineTuneJob to the next. counted: what occurred between them."""

    job: FineTuneJob
    before: FineTuneJobStatus
    after: FineTuneJobStatus
    observed: Observed
    counted: tuple[Occurrence, ...]

    @property
    def root(self) -> SpanRef:
        """The root of the launch that the status after tells of."""
        return launch_span(self.job.uid, self.job.run_id, self.job.launch)

    def occurred(self, measure: Measure) -> bool:
        """Whether this is counted now."""
        return any(found.measure is measure for found in self.counted)


def run_spans(step: Step) -> tuple[Span, ...]:
    """Return the spans of what has come to its end with the status after."""
    return (*_superseded(step), *_queue(step), *_attempts(step), *_run(step), *_rollout(step))


def _superseded(step: Step) -> Iterator[Span]:
    """Tell of a launch that came to no end of its own, and of its pod, which is stopped now."""
    old, new = step.before.run, step.after.run
    if old is None or not old.started_at or old.finished_at or (new and (new.id, new.launch) == (old.id, old.launch)):
        return
    root = launch_span(step.job.uid, old.id, old.launch)
    outcome = {"finetune.outcome": SUPERSEDED}
    attributes = {**_attributes(step.job, old.id), **outcome}
    yield Span(Name.RUN, root, parse_time(old.started_at), step.observed.now, attributes=attributes)
    for pod in step.observed.training_pods:
        start = working_since(pod)
        if label_of(pod, LABEL_RUN) == old.id and old.id != step.job.run_id and start:
            yield _attempt(step, pod, start, step.observed.now, outcome)


def _queue(step: Step) -> Iterator[Span]:
    run = step.after.run
    if run and run.started_at and run.pod_started_at and step.occurred(Measure.QUEUE_WAIT_SECONDS):
        attributes = _attributes(step.job, run.id)
        start, end = parse_time(run.started_at), parse_time(run.pod_started_at)
        yield Span(Name.QUEUE, part_of(step.root, Name.QUEUE), start, end, step.root, attributes)


def _attempts(step: Step) -> Iterator[Span]:
    """Tell of the pods whose trainers have ended since the status before; a run that is gone back to has old ones."""
    run, before = step.after.run, step.before.run
    if not (run and run.active_until and before and before.id == run.id):
        return
    known = before.active_until or ""
    for pod in step.observed.training_pods:
        span = ended_span(pod, step.observed.departed, step.observed.now)
        if span and label_of(pod, LABEL_RUN) == run.id and known < timestamp(span[1]) <= run.active_until:
            yield _attempt(step, pod, *span, {})


def _attempt(step: Step, pod: Manifest, start: datetime, end: datetime, more: Mapping[str, str]) -> Span:
    run_id = label_of(pod, LABEL_RUN)
    launch = launch_span(step.job.uid, run_id, annotation_of(pod, ANNOTATION_LAUNCH))
    code = (pods.ended(pod) or {}).get("exitCode")
    attributes = {
        **_attributes(step.job, run_id),
        "k8s.pod.name": name_of(pod),
        "k8s.pod.uid": uid_of(pod),
        "k8s.node.name": str(pod["spec"].get("nodeName") or ""),
        **({"process.exit.code": code} if code is not None else {}),
        **more,
    }
    problem = pod_failure(step.job, pod, pods.last_word(pod, run_id)) if not more and code != 0 else None
    return Span(
        Name.ATTEMPT,
        attempt_span(launch, uid_of(pod)),
        start,
        end,
        launch,
        {**attributes, ERROR_TYPE: problem.reason} if problem else attributes,
        problem.message if problem else None,
    )


def _run(step: Step) -> Iterator[Span]:
    """Tell of the run's outcome: published, or failed."""
    run = step.after.run
    published = step.occurred(Measure.RUN_SUCCEEDED)
    if run is None or not run.started_at or not run.finished_at or not (published or step.occurred(Measure.RUN_FAILED)):
        return
    told = condition(step.after, ConditionType.SUCCEEDED)
    attributes = {
        **_attributes(step.job, run.id),
        "finetune.outcome": "Succeeded" if published else "Failed",
        "finetune.task": str(step.job.spec.task),
        "finetune.failed_attempts": run.attempt,
    }
    artifact, error = step.after.artifact, None
    if published and artifact:
        attributes |= {"finetune.artifact.uri": artifact.uri, "finetune.artifact.digest": artifact.digest}
    if told and not published:
        attributes[ERROR_TYPE], error = told.reason, told.message
    start, end = parse_time(run.started_at), parse_time(run.finished_at)
    yield Span(Name.RUN, step.root, start, end, attributes=attributes, error=error)


def _rollout(step: Step) -> Iterator[Span]:
    """Tell how long it took from the making of the Deployment until the run's model answered."""
    run, serving, before = step.after.run, step.after.serving, step.before.serving
    if not (run and serving and serving.url and serving.run == run.id and run.finished_at):
        return
    if before and before.url and before.run == serving.run:
        return
    live = step.observed.child(DEPLOYMENT, deployment_name(step.job, run.id))
    if live is not None:
        start, end = parse_time(live["metadata"]["creationTimestamp"]), step.observed.now
        attributes = {**_attributes(step.job, run.id), "finetune.artifact.digest": serving.digest or ""}
        ref = part_of(step.root, f"{Name.ROLLOUT} {uid_of(live)}")
        yield Span(Name.ROLLOUT, ref, start, end, step.root, attributes)


def _attributes(job: FineTuneJob, run_id: str) -> dict[str, str | int]:
    """Return a new dictionary of what all spans say."""
    return {**run_attributes(job.namespace, job.name, job.uid, run_id)}
