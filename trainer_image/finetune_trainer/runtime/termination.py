"""The last word: the report that the kubelet delivers, whatever the end was."""

from pathlib import Path

from finetune_api.handoff import TERMINATION_MESSAGE_LIMIT_BYTES, Metrics, TerminationReport
from finetune_trainer.log import say


def write_report(report: TerminationReport, path: Path | None) -> None:
    """Write the report where the kubelet looks for it; without a kubelet (None), nowhere. Never raises."""
    if path is None:
        return
    try:
        path.write_bytes(fit(report))
    except OSError as error:
        say("end", f"the report could not be written to {path}: {error}")


def fit(report: TerminationReport) -> bytes:
    """Return the report as JSON of at most 4096 bytes: what matters least is left out first."""
    for candidate in (report, *_shorter(report)):
        encoded = candidate.model_dump_json(by_alias=True, exclude_none=True).encode()
        if len(encoded) <= TERMINATION_MESSAGE_LIMIT_BYTES:
            return encoded
    bare = TerminationReport(run_id=report.run_id[:63], stage=report.stage)
    return bare.model_dump_json(by_alias=True, exclude_none=True).encode()


def _shorter(report: TerminationReport) -> list[TerminationReport]:
    without_train = report.model_copy(update={"metrics": report.metrics.model_copy(update={"train": {}})})
    few = report.model_copy(update={"metrics": _first_metrics(report.metrics, 8), "progress": None})
    none = report.model_copy(update={"metrics": Metrics(), "progress": None})
    return [without_train, few, none, *(_with_message(none, length) for length in (2000, 1000, 400))]


def _first_metrics(metrics: Metrics, count: int) -> Metrics:
    cut = {name: dict(list(getattr(metrics, name).items())[:count]) for name in Metrics.model_fields}
    return Metrics.model_validate(cut)


def _with_message(report: TerminationReport, length: int) -> TerminationReport:
    if report.failure is None:
        return report
    message = report.failure.message[: length - 1] + "…"
    return report.model_copy(update={"failure": report.failure.model_copy(update={"message": message})})
