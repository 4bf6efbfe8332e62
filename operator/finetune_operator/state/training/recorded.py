"""Under which id and launch the run that the spec asks for is already known: what is recorded goes on."""

from dataclasses import replace

from finetune_api.status import ArtifactStatus, FineTuneJobStatus
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.status.history import published_before


def as_recorded(job: FineTuneJob, previous: FineTuneJobStatus) -> FineTuneJob:
    """Return the job with the id and the launch under which the status records what the spec asks for, if it does.

    Earlier releases gave other names to some runs: with fields that change no weights, an edit of which made another
    run, and with other spellings of amounts.
    """
    known = replace(job, run_id=_run_id(job, previous))
    artifact = recorded_artifact(known, previous)
    is_trained = artifact is not None and artifact.run == known.run_id and not is_judged(known, artifact)
    return replace(known, launch=_launch(known, previous), is_trained=is_trained)


def launched_as(job: FineTuneJob, previous: FineTuneJobStatus) -> bool:
    """Whether the recorded run is the one that the spec asks for."""
    run = previous.run
    return run is not None and run.id == job.run_id and run.launch == job.launch


def is_judged(job: FineTuneJob, artifact: ArtifactStatus) -> bool:
    """Whether the run's artifact is judged as the spec wants."""
    return artifact.evaluation == job.identity.evaluation


def recorded_evaluation(job: FineTuneJob, previous: FineTuneJobStatus) -> str | None:
    """Return the digest of the evaluation of the recorded launch, or of one that is gone back to; else the spec's."""
    run = previous.run
    if run is None or not launched_as(job, previous):
        before = published_before(job, previous)
        return before.evaluation if before is not None else job.identity.evaluation
    # An earlier release recorded none, but its launch digest counted it.
    return run.evaluation or (job.identity.evaluation if run.launch == job.identity.former_launch else None)


def recorded_artifact(job: FineTuneJob, previous: FineTuneJobStatus) -> ArtifactStatus | None:
    """Return the artifact that the status tells of. An earlier release's run id counted what it was judged by."""
    artifact = previous.artifact
    is_counted = job.run_id != job.identity.run and (previous.run is None or previous.run.inputs is None)
    if artifact is None or artifact.run != job.run_id or not is_counted:
        return artifact
    return artifact.model_copy(update={"evaluation": job.identity.evaluation})


def _run_id(job: FineTuneJob, previous: FineTuneJobStatus) -> str:
    run, identity = previous.run, job.identity
    if run is not None and (run.inputs or run.id) == identity.run:
        return run.id
    if run is not None and run.id == identity.former_run:
        return run.id
    published = [entry.run for entry in (previous.artifact, *(previous.history or ())) if entry is not None]
    is_former = identity.former_run in published and identity.run not in published
    return identity.former_run if is_former else identity.run


def _launch(job: FineTuneJob, previous: FineTuneJobStatus) -> str:
    run, artifact, identity = previous.run, previous.artifact, job.identity
    if run is None or run.id != job.run_id:
        return identity.launch
    if (run.launch_inputs or run.launch) != identity.launch and run.launch != identity.former_launch:
        return identity.launch
    known = replace(job, launch=run.launch)
    if run.finished_at is None or recorded_evaluation(known, previous) == identity.evaluation:
        return run.launch
    # It has ended under another evaluation: one that failed is tried again, one that is published is judged again.
    is_settled = artifact is not None and artifact.run == job.run_id and is_judged(job, artifact)
    return run.launch if is_settled else identity.judging
