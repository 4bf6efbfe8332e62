"""The record of the whole run, from which model card, termination report and status are made."""

from dataclasses import asdict
from typing import Any, TypeVar

from pydantic import TypeAdapter

from finetune_api.handoff import RunRequest
from finetune_trainer.data.account import data_report
from finetune_trainer.records import EvaluateRecord, Evaluation, MergeRecord, Results, Sample

SHOWN_LOSSES = 500
Entry = TypeVar("Entry")


def build_report(request: RunRequest, results: Results) -> dict[str, Any]:
    """Return the report as JSON-ready data. Names of Secrets and paths of this pod are left out."""
    data, model, train, evaluate = results.data, results.model, results.train, results.evaluate
    return {
        "version": 1,
        "job": {"namespace": request.namespace, "name": request.name, "runId": request.run_id},
        "task": request.task.value,
        "model": {
            "source": request.model.source,
            "revision": model.revision,
            "sources": {field: source.to_wire() for field, source in request.sources.items()},
            "architecture": model.architecture,
            "weightDtype": model.weight_dtype,
            "code": model.code,
        },
        "data": data_report(request.dataset, data, train.tokens),
        "tuning": request.tuning.to_wire(),
        "training": {
            **request.training.to_wire(),
            "steps": train.steps,
            "epochsDone": train.epochs,
            "trainableParameters": train.trainable_parameters,
            "totalParameters": train.total_parameters,
            "resumedFromStep": train.resumed_from_step,
            "lossHistory": [list(pair) for pair in thinned(train.loss_history)],
            "history": list(thinned(train.history)),
            "metrics": train.metrics,
        },
        "merge": _merge(train.merge) if train.merge else None,
        "metricCode": evaluate.metric_code,
        "evaluation": _as_data(evaluate.tuned),
        "baseline": _as_data(evaluate.baseline) if evaluate.baseline else None,
        "test": _as_data(evaluate.test) if evaluate.test else None,
    }


def side_by_side(evaluate: EvaluateRecord) -> list[tuple[Sample, str | None]]:
    """Return each sample of the tuned model with the base model's output for the same input."""
    outputs = {sample.input: sample.output for sample in evaluate.baseline.samples} if evaluate.baseline else {}
    return [(sample, outputs.get(sample.input)) for sample in evaluate.tuned.samples]


def thinned(history: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Return at most so many entries that a chart can show."""
    return history[:: -(-len(history) // SHOWN_LOSSES) or 1]


def _merge(merge: MergeRecord) -> dict[str, Any]:
    other = merge.other_base
    return {
        "base": merge.base,
        "tolerance": merge.tolerance,
        "difference": asdict(merge.difference),
        "otherBase": asdict(other) if other else None,
    }


def _as_data(evaluation: Evaluation) -> dict[str, Any]:
    data: dict[str, Any] = TypeAdapter(Evaluation).dump_python(evaluation, mode="json")
    return data
