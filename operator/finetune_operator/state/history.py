"""The runs that were published: what may be gone back to without training, and what is served of it."""

from datetime import datetime

from finetune_api.keys import Reason
from finetune_api.status import HISTORY_LIMIT, ArtifactStatus, FineTuneJobStatus, PublishedRun
from finetune_operator.desired.resource import FineTuneJob
from finetune_operator.manifests import timestamp
from finetune_operator.state.published import is_published
from finetune_operator.state.story import Problem


def published_before(job: FineTuneJob, previous: FineTuneJobStatus) -> PublishedRun | None:
    """Return the entry of the run that the spec asks for, if it was ever published where the spec wants it."""
    return next((entry for entry in previous.history or () if is_published(job, entry)), None)


def next_history(
    previous: FineTuneJobStatus, artifact: ArtifactStatus | None, score: str | None, now: datetime
) -> list[PublishedRun] | None:
    """Return the history with what was published now; newest first. What is known of a place is told once."""
    known = list(previous.history or ())
    if artifact is None:
        return known or None
    entry = next((entry for entry in known if (entry.run, entry.uri) == (artifact.run, artifact.uri)), None)
    if entry is not None and entry.digest == artifact.digest:
        judged = entry.model_copy(update={"evaluation": artifact.evaluation, "score": score})
        is_judged_anew = entry.evaluation != artifact.evaluation
        return [judged if other is entry and is_judged_anew else other for other in known]
    newest = PublishedRun(**artifact.model_dump(), score=score, published_at=timestamp(now))
    return [newest, *(other for other in known if other is not entry)][:HISTORY_LIMIT]


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
