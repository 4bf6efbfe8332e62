"""Whether a run may begin that brings code of its own."""

from dataclasses import replace

from finetune_api.keys import Reason
from finetune_operator.resource.fine_tune_job import FineTuneJob
from finetune_operator.state.plan import Policy
from finetune_operator.state.status.story import Problem
from finetune_operator.state.training.run import Run, RunState


def without_forbidden_code(run: Run, job: FineTuneJob, policy: Policy) -> Run:
    """Return the run, barred if it has not begun and brings code that the operator's settings do not allow."""
    is_ahead = run.state in (RunState.WAITING, RunState.LAUNCHING)
    forbidden = bool(job.spec.code_fields) and not policy.allows_custom_code
    return replace(run, state=RunState.BARRED) if is_ahead and forbidden else run


def code_not_allowed(job: FineTuneJob) -> Problem:
    """Name the fields that bring code, and who can allow it."""
    fields = ", ".join(field.removesuffix(".configMapKeyRef") for field in job.spec.code_fields)
    return Problem(
        Reason.CODE_NOT_ALLOWED,
        f"{fields}: this operator runs no code of a job's own. Remove it, or ask who installed the"
        " operator to allow it (chart value customCode: true, or --custom-code on).",
    )
