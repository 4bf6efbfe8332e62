"""What `job://` sources stand for: what the other FineTuneJob has published, or what the status recorded of it."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from finetune_api.keys import Phase, Reason
from finetune_api.parts.secrets import SecretRef
from finetune_api.status import FineTuneJobStatus, SourceStatus
from finetune_operator.resource.chains import PublishedModel, SourceView
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.status.story import Problem, Story, going_on, hindered, stalled


@dataclass(frozen=True)
class Resolution:
    """The sources that are known, and why the first of the others is not."""

    sources: tuple[SourceStatus, ...] = ()
    story: Story | None = None

    def news(self, previous: FineTuneJobStatus) -> list[SourceStatus]:
        """Return the sources that the status does not record yet."""
        known = previous.sources or ()
        return [source for source in self.sources if source not in known]


def resolve(job: FineTuneJob, previous: FineTuneJobStatus, views: Mapping[str, SourceView]) -> Resolution:
    """Say what each source stands for: the newest artifact, else the recorded one, so that a run stays undisturbed.

    views: the FineTuneJobs that the sources lead to, over any number of steps, by name.
    """
    recorded = {(source.field, source.job): source for source in previous.sources or ()}
    found: list[SourceStatus] = []
    stories: list[Story] = []
    for field, name in job.job_sources.items():
        known = recorded.get((field, name))
        cycle = _cycle(job.name, name, views)
        view = views.get(name)
        # In a cycle nothing is taken over from each other: every run would start the next one, without end.
        model = view.model if view and not cycle else None
        if model is not None:
            found.append(_source(job, field, name, model))
        elif known is not None:
            found.append(known)
        else:
            stories.append(_cycle_story(field, cycle) if cycle else _waiting_story(job, field, name, view))
    return Resolution(tuple(found), next(iter(stories), None))


def _source(job: FineTuneJob, field: str, name: str, model: PublishedModel) -> SourceStatus:
    inherited = model.secret if field not in job.own_credentials else None
    secret = SecretRef(name=inherited) if inherited else None
    return SourceStatus(field=field, job=name, run=model.run, uri=model.uri, digest=model.digest, secret_ref=secret)


def _cycle(start: str, name: str, views: Mapping[str, SourceView]) -> tuple[str, ...]:
    """Return the shortest way along the sources from `name` back to `start`; empty when there is none."""
    ways: deque[tuple[str, ...]] = deque([(name,)])
    seen = {name}
    while ways:
        way = ways.popleft()
        if way[-1] == start:
            return way
        view = views.get(way[-1])
        for source in sorted(view.sources - seen) if view else ():
            seen.add(source)
            ways.append((*way, source))
    return ()


def _cycle_story(field: str, cycle: tuple[str, ...]) -> Story:
    circle = " → ".join((cycle[-1], *cycle))
    message = (
        f"FineTuneJobs wait for each other: {circle}. Let {field} of this one, or the model source of another of them,"
        " name a model that exists."
    )
    return stalled(Problem(Reason.SOURCE_CYCLE, message))


def _waiting_story(job: FineTuneJob, field: str, name: str, view: SourceView | None) -> Story:
    named = f"FineTuneJob {name} ({field})"
    if view is None:
        message = f"No {named} in namespace {job.namespace}. Apply it, or correct {field}; this one then starts."
        return hindered(Phase.PENDING, Problem(Reason.SOURCE_NOT_FOUND, message))
    if view.deleting:
        message = f"{named} is being deleted and has published nothing. Apply it anew, or correct {field}."
        return hindered(Phase.PENDING, Problem(Reason.SOURCE_NOT_FOUND, message))
    if view.phase == Phase.FAILED:
        message = f"{named} failed: {view.reason}: {view.message} Mend it; this one starts when it is published."
        return hindered(Phase.PENDING, Problem(Reason.SOURCE_FAILED, message))
    if view.phase == Phase.SUSPENDED:
        message = f"Waiting for {named}, which is suspended. Set its spec.suspend to false."
        return going_on(Phase.PENDING, Reason.WAITING_FOR_SOURCE, message)
    state = view.phase if view.reason in ("", view.phase) else f"{view.phase} ({view.reason})"
    message = f"Waiting for {named}, which is {state}. This one starts when it is published."
    return going_on(Phase.PENDING, Reason.WAITING_FOR_SOURCE, message)
