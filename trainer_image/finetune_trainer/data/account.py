"""What report and model card say about the data: origin, rows that were dropped, lengths, balance of the labels."""

from dataclasses import asdict
from typing import Any

from pydantic.alias_generators import to_camel

from finetune_api.parts.data_files import DataFiles
from finetune_api.spec.dataset import DatasetSpec
from finetune_trainer.models.limits import Length
from finetune_trainer.records import DataRecord, RowCounts, TokenCounts

SHOWN_LABELS = 30


def data_report(spec: DatasetSpec, data: DataRecord, tokens: TokenCounts | None) -> dict[str, Any]:
    """Return the block `data` of the report, JSON-ready."""
    return {
        "train": ", ".join(spec.train.uris),
        "evaluation": spec.evaluation.to_wire(),
        "test": spec.test.to_wire() if spec.test else None,
        "revisions": data.revisions,
        "rows": {part: asdict(counts) for part, counts in data.counts.items()},
        "trainRows": data.train_rows,
        "evaluationRows": data.evaluation_rows,
        "testRows": data.test_rows,
        "warnings": list(data.warnings),
        "labels": list(data.labels),
        "labelCounts": data.label_counts,
        "tokens": _lengths(tokens) if tokens else None,
    }


def data_lines(spec: DatasetSpec, data: DataRecord, tokens: TokenCounts | None) -> list[str]:
    """Return the same for people, shortly, as the items of a list in Markdown."""
    evaluation = _origin(spec.evaluation) or f"a share of {spec.evaluation.fraction:g} of the same rows"
    lines = [
        f"learnt from {data.train_rows} rows of {_origin(spec.train)}",
        f"judged by {data.evaluation_rows} rows: {evaluation}",
        f"tested once, at the end, by {data.test_rows} rows: {_origin(spec.test)}" if spec.test else "",
        *(_dropped(part, counts) for part, counts in data.counts.items()),
        *(f"`{uri}` was at commit `{commit}`" for uri, commit in data.revisions.items()),
        f"labels: {_labels(data)}" if data.labels else "",
        _in_words(tokens) if tokens and tokens.tokens else "",
    ]
    return [f"- {line}" for line in lines if line]


def truncation_warning(tokens: TokenCounts, allowed_share: float) -> str | None:
    """Return what to tell if more of the training rows was cut off than is allowed."""
    share, limit = tokens.truncated_share, Length(tokens.row_limit, tokens.row_limit_source)
    if share > allowed_share and tokens.truncated_tokens:
        return (
            f"{_percent(share)} of the training rows' tokens lie beyond {limit} and were cut off, in"
            f" {tokens.truncated_rows} of {tokens.rows} rows; {limit.remedy}"
        )
    left_out = tokens.rows_left_out / (tokens.rows + tokens.rows_left_out)
    if left_out > allowed_share:
        return (
            f"{tokens.rows_left_out} of {tokens.rows + tokens.rows_left_out} training rows were left out, since what"
            f" they teach lies beyond {limit}; {limit.remedy}"
        )
    return None


def _lengths(tokens: TokenCounts) -> dict[str, Any]:
    counts = {to_camel(name): value for name, value in asdict(tokens).items()}
    return {**counts, "truncatedShare": round(tokens.truncated_share, 6)}


def _in_words(tokens: TokenCounts) -> str:
    half, most, longest = tokens.tokens_p50, tokens.tokens_p95, tokens.tokens_max
    cut = f"; {tokens.truncated_rows} rows cut off ({_percent(tokens.truncated_share)} of the tokens)"
    left_out = f"; {tokens.rows_left_out} rows left out as too long" if tokens.rows_left_out else ""
    return (
        f"{tokens.tokens:,} tokens; half of the rows have at most {half}, 95 % at most {most}, the longest {longest}"
        f"{cut if tokens.truncated_rows else ''}{left_out}"
    )


def _dropped(part: str, counts: RowCounts) -> str:
    if not counts.filtered and not counts.blank:
        return ""
    return f"{part}: of {counts.read} rows read, {counts.filtered} were filtered out and {counts.blank} were blank"


def _labels(data: DataRecord) -> str:
    shown = [f"`{label}`{_count(data.label_counts.get(label))}" for label in data.labels[:SHOWN_LABELS]]
    return ", ".join(shown) + (", …" if len(data.labels) > SHOWN_LABELS else "")


def _count(rows: int | None) -> str:
    return f" ({rows})" if rows is not None else ""


def _origin(files: DataFiles) -> str:
    return ", ".join(f"`{uri}`" for uri in files.uris)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
