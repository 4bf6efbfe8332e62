"""The runs that were published: what may be gone back to without training, and what is served of it."""

from datetime import datetime
from typing import Any

from finetune_api.keys import Reason
from finetune_api.status import (
    HISTORY_FIGURES_LIMIT,
    HISTORY_LIMIT,
    ArtifactStatus,
    FineTuneJobStatus,
    PublishedRun,
)
from finetune_operator.manifests import timestamp
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.status.story import Problem
from finetune_operator.state.training.published import is_published


def published_before(job: FineTuneJob, previous: FineTuneJobStatus) -> PublishedRun | None:
    """Return the entry of the run that the spec asks for, if it was ever published where the spec wants it."""
    return next((entry for entry in previous.history or () if is_published(job, entry)), None)


def known_of_run(job: FineTuneJob, previous: FineTuneJobStatus) -> FineTuneJobStatus:
    """Return what the status tells of the run that the spec asks for: as the newest, else as one that is gone back to.

    An empty status where it tells nothing of it.
    """
    if previous.run is not None and previous.run.id == job.run_id:
        return previous
    before = published_before(job, previous)
    if before is None:
        return FineTuneJobStatus()
    return FineTuneJobStatus(progress=before.progress, metrics=before.metrics, score=before.score)


def next_history(
    previous: FineTuneJobStatus, told: FineTuneJobStatus, now: datetime, *, is_done: bool
) -> list[PublishedRun] | None:
    """Return the history with what was published now; newest first. What is known of a place is told once.

    told: the next status. is_done: its artifact and figures are those of the run that the spec asks for.
    """
    known, artifact = _kept(previous, told), told.artifact
    if artifact is None:
        return known or None
    figures = _figures(told) if is_done else {}
    entry = next((entry for entry in known if (entry.run, entry.uri) == (artifact.run, artifact.uri)), None)
    if entry is not None and entry.digest == artifact.digest:
        judged = entry.model_copy(update={"evaluation": artifact.evaluation, **figures})
        is_judged_anew = entry.evaluation != artifact.evaluation
        return [judged if other is entry and is_judged_anew else other for other in known]
    newest = PublishedRun(**artifact.model_dump(), **figures, published_at=timestamp(now))
    older = [other for other in known if other is not entry]
    return [
        newest,
        *older[: HISTORY_FIGURES_LIMIT - 1],
        *map(_without_figures, older[HISTORY_FIGURES_LIMIT - 1 : HISTORY_LIMIT - 1]),
    ]


def _kept(previous: FineTuneJobStatus, told: FineTuneJobStatus) -> list[PublishedRun]:
    """Return the history so far. A run that an earlier release published takes its figures along when it is left."""
    known, left = list(previous.history or ()), previous.run
    if left is None or (told.run is not None and told.run.id == left.id):
        return known
    return [
        entry.model_copy(update=_figures(previous))
        if entry.run == left.id and entry.artifact == previous.artifact and entry.metrics is None
        else entry
        for entry in known
    ]


def _figures(told: FineTuneJobStatus) -> dict[str, Any]:
    return {"score": told.score, "progress": told.progress, "metrics": told.metrics}


def _without_figures(entry: PublishedRun) -> PublishedRun:
    return entry.model_copy(update={"progress": None, "metrics": None})


def to_serve(
    job: FineTuneJob, previous: FineTuneJobStatus, artifact: ArtifactStatus | None
) -> tuple[ArtifactStatus | None, Problem | None]:
    """Return what is to be served: the newest artifact, or that of the pinned run; and why there is none."""
    pinned = job.spec.serving.pinned_run
    if not pinned or (artifact is not None and artifact.run == pinned):
        return artifact, None
    entries = previous.history or ()
    entry = next((entry for entry in entries if entry.run == pinned), None)
    if entry is not None:
        return entry.artifact, None
    runs = ", ".join(dict.fromkeys(entry.run for entry in entries)) or "none"
    words = f"spec.serving.pinnedRun is {pinned}, which this job has not published; published runs: {runs}."
    return None, Problem(Reason.PINNED_RUN_NOT_FOUND, f"{words} Name one of these, or leave pinnedRun out.")
