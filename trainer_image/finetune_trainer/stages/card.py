"""The model card: README.md of the published folder, valid on the Hugging Face Hub."""

from typing import Any

from finetune_api.handoff import RunRequest
from finetune_api.parts.sources import parse_source
from finetune_trainer.data.account import SHOWN_LABELS, data_lines
from finetune_trainer.records import (
    DataRecord,
    EvaluateRecord,
    LogitDifference,
    ModelRecord,
    Results,
    Sample,
    TrainRecord,
)
from finetune_trainer.stages.report import side_by_side
from finetune_trainer.tasks import Recipe

SHOWN_CHARACTERS = 400


def model_card(request: RunRequest, results: Results, recipe: Recipe) -> str:
    """Return the card: what it is, data, settings, figures beside the base model's, samples, how to use it."""
    data, train, evaluate = results.data, results.train, results.evaluate
    parts = [
        _front_matter(request, evaluate, recipe.pipeline_tag),
        f"# {request.name}",
        _summary(request, results.model, train),
        "## Data",
        "\n".join(data_lines(request.dataset, data, train.tokens)),
        "## Settings",
        _table(("setting", "value"), _settings(request, train)),
        *_merge(train),
        "## Results on the held-out rows",
        _figures(evaluate),
        *_confusion(data, evaluate),
        *_tested(evaluate),
        "## Samples",
        *(_sample(sample, base) for sample, base in side_by_side(evaluate)),
        "## How to use",
        _usage(request, evaluate, recipe.usage),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(request: RunRequest, evaluate: EvaluateRecord, pipeline_tag: str) -> str:
    """Return the YAML that the Hub reads. Only a model that is on the Hub can be named as the base."""
    from huggingface_hub import EvalResult, ModelCardData

    source = parse_source(request.model.source)
    data_name = request.dataset.train.uris[0].rsplit("/", 1)[-1]
    results = [
        EvalResult(
            task_type=pipeline_tag, dataset_type="text", dataset_name=data_name, metric_type=name, metric_value=value
        )
        for name, value in evaluate.tuned.metrics.items()
    ]
    front = ModelCardData(
        base_model=source.container if source.scheme == "hf" else None,
        library_name="transformers",
        pipeline_tag=pipeline_tag,
        tags=["finetune-operator", "fine-tuned", request.tuning.method.value.lower()],
        metrics=sorted(evaluate.tuned.metrics),
        model_name=request.name,
        eval_results=results,
    )
    return f"---\n{front.to_yaml()}\n---"


def _summary(request: RunRequest, model: ModelRecord, train: TrainRecord) -> str:
    resolved = request.sources.get("spec.model.source")
    revision = f" at revision `{model.revision}`" if model.revision else f", run `{resolved.run}`" if resolved else ""
    learnt = f"{train.trainable_parameters:,} of {train.total_parameters:,} parameters learnt"
    return (
        f"`{request.model.source}`{revision} ({model.architecture}), tuned for {request.task.value} by"
        f" {request.tuning.method.value} tuning ({learnt}) in {train.steps} steps. Run `{request.run_id}` of"
        f" FineTuneJob `{request.namespace}/{request.name}`."
    )


def _settings(request: RunRequest, train: TrainRecord) -> list[tuple[str, str]]:
    chosen = request.tuning.adapter or request.tuning.freeze
    options = chosen.to_wire() if chosen else {}
    settings = {"epochs done": f"{train.epochs:g}", **request.training.to_wire(), **options}
    return [(name, ", ".join(value) if isinstance(value, list) else str(value)) for name, value in settings.items()]


def _merge(train: TrainRecord) -> list[str]:
    if train.merge is None:
        return []
    rows = [("merged model against the adapters", *_apart(train.merge.difference))]
    if train.merge.other_base:
        rows.append(("merged into original against dequantized weights", *_apart(train.merge.other_base)))
    return [
        "## Merge",
        f"The adapters were merged into the {train.merge.base.lower()} weights in float32. Answers to the same rows:",
        _table(("", "largest difference of logits", "as a share of the largest logit", "same answers"), rows),
    ]


def _apart(apart: LogitDifference) -> tuple[str, str, str]:
    agreement = "" if apart.agreement is None else f"{apart.agreement:.1%} of {apart.answers}"
    return f"{apart.largest:.2g}", f"{apart.share:.3%}", agreement


def _figures(evaluate: EvaluateRecord) -> str:
    base = evaluate.baseline.metrics if evaluate.baseline else {}
    rows = [(name, _figure(value), _figure(base.get(name))) for name, value in evaluate.tuned.metrics.items()]
    table = _table(("metric", "tuned", "base"), rows)
    note = evaluate.baseline.note if evaluate.baseline else "The base model was not measured."
    return f"{table}\n\n{note}" if note else table


def _tested(evaluate: EvaluateRecord) -> list[str]:
    if evaluate.test is None:
        return []
    rows = [(name, _figure(value)) for name, value in evaluate.test.metrics.items()]
    return ["## Results on the test rows", _table(("metric", "tuned"), rows)]


def _confusion(data: DataRecord, evaluate: EvaluateRecord) -> list[str]:
    counts = evaluate.tuned.confusion
    if not counts or len(data.labels) > SHOWN_LABELS:
        return []
    rows = [(f"**{label}**", *(str(count) for count in row)) for label, row in zip(data.labels, counts, strict=True)]
    return [
        "### Confusion matrix",
        "A row for each true label, a column for each prediction.",
        _table(("", *data.labels), rows),
    ]


def _sample(sample: Sample, base: str | None) -> str:
    lines = [("input", sample.input), ("expected", sample.expected), ("tuned", sample.output), ("base", base)]
    return _table(("", ""), [(name, _cell(text)) for name, text in lines if text is not None])


def _usage(request: RunRequest, evaluate: EvaluateRecord, usage: str) -> str:
    example = evaluate.tuned.samples[0].input if evaluate.tuned.samples else "…"
    code = usage.format(input=repr(example[:SHOWN_CHARACTERS]), tokens=request.evaluation.max_new_tokens)
    return f'```python\nfrom transformers import pipeline\n\nfolder = "."  # this folder, downloaded\n{code}\n```'


def _table(head: tuple[str, ...], rows: list[Any]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _cell(text: str) -> str:
    cut = text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
    return cut.replace("|", "\\|").replace("\r", "").replace("\n", "<br>")


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
