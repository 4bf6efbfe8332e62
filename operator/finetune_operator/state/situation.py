"""Where a FineTuneJob stands at one moment: reckoned once from what was observed, and read by all that is decided."""

from dataclasses import dataclass
from datetime import datetime

from finetune_api.handoff import Progress
from finetune_api.status import FineTuneJobStatus, ProgressStatus
from finetune_operator.desired.defaults import with_defaults
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.observed import Observed
from finetune_operator.state.plan import Policy
from finetune_operator.state.pods import pods
from finetune_operator.state.serving.rollout import Rollout, plan_rollout
from finetune_operator.state.serving.serving_image import with_image
from finetune_operator.state.status.history import known_of_run
from finetune_operator.state.status.progress import at_rest, progress_status
from finetune_operator.state.status.story import Problem
from finetune_operator.state.training.custom_code import without_forbidden_code
from finetune_operator.state.training.failure import run_failure
from finetune_operator.state.training.recorded import as_recorded
from finetune_operator.state.training.run import Run, RunState, assess
from finetune_operator.state.training.sources import Resolution


@dataclass(frozen=True)
class Situation:
    """A FineTuneJob, its run, and what is served of it.

    observed: what all of this was read from, and when. previous: the status that the resource has. known: the part of
    it that tells of this very run. job: the spec with the installation's defaults, under the names by which its run is
    recorded. resolution: what its `job://` sources stand for. said: what the run's newest pod said last. progress: the
    run's progress as the status is to tell it. failure: why the run failed, if it did.
    """

    observed: Observed
    previous: FineTuneJobStatus
    known: FineTuneJobStatus
    job: FineTuneJob
    resolution: Resolution
    run: Run
    rollout: Rollout
    said: Progress | None
    progress: ProgressStatus | None
    failure: Problem | None

    @property
    def now(self) -> datetime:
        """When it was looked at."""
        return self.observed.now

    @property
    def is_done(self) -> bool:
        """Whether the run is published."""
        return self.run.state is RunState.DONE

    @property
    def is_blocked(self) -> bool:
        """Whether children cannot be made, so that nothing may be told that depends on them."""
        refusal = self.observed.refusal
        return bool(self.observed.foreign) or (refusal is not None and refusal.hinders_launch)


def situate(
    job: FineTuneJob, previous: FineTuneJobStatus, observed: Observed, resolution: Resolution, policy: Policy
) -> Situation:
    """Return where a FineTuneJob stands. job: as parsed; resolution: of its sources, all recorded already."""
    job = as_recorded(with_defaults(job.reading(resolution.sources), policy.defaults), previous)
    run = without_forbidden_code(assess(job, previous, observed), job, policy)
    run = with_image(run, job, previous, observed, policy)
    known = known_of_run(job, previous)
    said = _said(job, run, observed)
    return Situation(
        observed=observed,
        previous=previous,
        known=known,
        job=job,
        resolution=resolution,
        run=run,
        rollout=plan_rollout(job, previous, run.artifact, observed, policy),
        said=said,
        progress=_progress(job, run, said, known.progress),
        failure=run_failure(job, previous, run) if run.state is RunState.FAILED else None,
    )


def _said(job: FineTuneJob, run: Run, observed: Observed) -> Progress | None:
    """Return what the run's newest pod said last, if it is of this run."""
    said = run.report.progress if run.report and run.report.progress else None
    if said is None and run.pod is not None and observed.progress_pod_uid == run.pod["metadata"]["uid"]:
        said = observed.progress
    return said if said is not None and said.run_id == job.run_id else None


def _progress(job: FineTuneJob, run: Run, said: Progress | None, known: ProgressStatus | None) -> ProgressStatus | None:
    """Return the newest progress, else what is known of this run; an ETA only while it trains."""
    shown = progress_status(said, known) if said is not None else known
    works = run.state is RunState.ACTIVE and run.pod is not None and pods.is_running(run.pod) and not job.spec.suspend
    return shown if works else at_rest(shown)
