"""What live training Jobs take over from the spec: suspend, retries, deadline, time to live.

A field is changed when we wish something else than the last time, not when it differs: Kueue and people may suspend and
resume a Job, or give it other limits, and that is not undone, but for what must not be.
"""

import json
from datetime import datetime

from finetune_api.keys import ANNOTATION_ASKED, ANNOTATION_DEADLINE
from finetune_api.status import FineTuneJobStatus
from finetune_operator.desired.training_job import asked, deadline_annotation, mutable_fields
from finetune_operator.kinds import Manifest
from finetune_operator.managed_fields import suspender
from finetune_operator.manifests import annotation_of, is_deleting
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.children.contest import key_of, seconds_held_back
from finetune_operator.state.observed import Observed
from finetune_operator.state.plan import Merge
from finetune_operator.state.pods.attempts import rejections
from finetune_operator.state.training.active_time import job_deadline, worked_seconds
from finetune_operator.state.training.deadline import live_limit
from finetune_operator.state.training.job_outcome import outcome
from finetune_operator.state.training.run import Run, RunState, is_told

INSISTED = (("suspend", True), ("ttlSecondsAfterFinished", None))
"""What somebody asked for, and what would lose the end of a run: it is put right whoever changes it."""


def job_changes(
    job: FineTuneJob, told: FineTuneJobStatus, run: Run, observed: Observed, now: datetime
) -> tuple[tuple[Merge, ...], float | None]:
    """Return what to change, and in how many seconds what somebody changes back is to be changed again.

    told: the status, which has to tell how a Job ended before it may go.
    """
    staying = [found for found in observed.jobs if not is_deleting(found) and found not in run.stop]
    wishes = [(found, *_wished(job, told, run, found, observed)) for found in staying]
    merges = [merge for found, wished, limit in wishes if (merge := _merge(found, wished, limit))]
    pauses = [seconds_held_back(observed.repairs.get(key_of(found.live)), found.wish, now) for found in merges]
    allowed = tuple(merge for merge, pause in zip(merges, pauses, strict=True) if not pause)
    return allowed, min((pause for pause in pauses if pause), default=None)


def is_suspended_by_others(live: Manifest | None) -> bool:
    """Whether a Job is suspended that we have not asked to be."""
    if live is None or not (live.get("spec") or {}).get("suspend"):
        return False
    before = _last_asked(live)
    return before is not None and not before.get("suspend")


def _wished(
    job: FineTuneJob, told: FineTuneJobStatus, run: Run, live: Manifest, observed: Observed
) -> tuple[Manifest, Manifest]:
    """Return the fields that we wish a Job to have, and the annotation that its limit is to be told by, if another."""
    wished: Manifest = {"ttlSecondsAfterFinished": job.spec.ttl_seconds_after_finished if is_told(live, told) else None}
    if live is run.job and run.is_spent:
        # Its pods stay to be looked at.
        wished["suspend"] = True
    elif live is run.job and run.state in (RunState.ACTIVE, RunState.FAILED) and not outcome(live):
        pod = run.pod if run.pod not in observed.departed else None
        limit = live_limit(job, live, worked_seconds(run.active, pod, observed.now))
        wished |= mutable_fields(job, job_deadline(limit, run.active, live, pod))
        wished["backoffLimit"] = job.spec.max_retries + rejections(run.pods)
        return wished, _limit(live, limit)
    return wished, {}


def _limit(live: Manifest, limit: int | None) -> Manifest:
    told = annotation_of(live, ANNOTATION_DEADLINE) or None
    wanted = deadline_annotation(limit).get(ANNOTATION_DEADLINE)
    return {ANNOTATION_DEADLINE: wanted} if told != wanted else {}


def _merge(live: Manifest, wished: Manifest, limit: Manifest) -> Merge | None:
    spec = live.get("spec") or {}
    before = _last_asked(live)
    # A Job of a release that kept no record is taken to be as it was asked for.
    known = before if before is not None else {field: spec.get(field) for field in wished}
    due = [field for field, value in wished.items() if known.get(field) != value or (field, value) in INSISTED]
    changes = {field: wished[field] for field in due if spec.get(field) != wished[field]}
    wish = asked({**known, **wished})
    if not changes and not limit and (before is None or wish == asked(before)):
        return None
    annotations = {"metadata": {"annotations": {ANNOTATION_ASKED: wish, **limit}}}
    return Merge(live, {**annotations, **({"spec": changes} if changes else {})}, wish, _over(live, changes))


def _last_asked(live: Manifest) -> Manifest | None:
    try:
        found = json.loads(annotation_of(live, ANNOTATION_ASKED))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _over(live: Manifest, changes: Manifest) -> str:
    who = suspender(live) if "suspend" in changes else None
    return ", ".join(f"spec.{field}{f' by {who}' if field == 'suspend' and who else ''}" for field in changes)
