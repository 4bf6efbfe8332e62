"""Stage Data: fetch the files, check every row, split, and store the rows in one plain form."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from finetune_api.dataset import DataFormat, DatasetSpec
from finetune_trainer.data.problems import MissingColumnError, Problems, RowError
from finetune_trainer.data.reading import format_of, read_rows
from finetune_trainer.data.split import hold_out, shuffle_and_limit
from finetune_trainer.log import say
from finetune_trainer.records import DataRecord, Labels
from finetune_trainer.workspace import Workspace, write_atomically

Row = dict[str, Any]
Fetch = Callable[[str, str, Path], Path]
"""Makes the data file at a URI, which a field of the spec names, available locally; copies go into the folder."""


class RowRules(Protocol):
    """What a task says about rows."""

    def parse_row(self, values: dict[str, Any], labels: Labels) -> Row:
        """Return the row in the task's plain form; with `labels`, its label must be one of them. Raises RowError."""

    def labels_of(self, rows: list[Row], problems: Problems) -> Labels:
        """Return the label names that the training rows teach; empty where the task has none. Raises BadData."""


@dataclass(frozen=True)
class DataFile:
    """A local data file; `uri` and `field` are its name and its place in the spec, for messages."""

    path: Path
    data_format: DataFormat
    uri: str
    field: str


def prepare_data(spec: DatasetSpec, fetch: Fetch, rules: RowRules, workspace: Workspace) -> DataRecord:
    """Fetch, check and split the data, and leave the rows in the workspace.

    Raises BadData for rows that cannot be used, and what storages raise.
    """
    uri, field = spec.train.source, "spec.dataset.train.source"
    path = fetch(uri, field, workspace.data / "train")
    problems = Problems(uri, field)
    rows = _checked_rows(DataFile(path, format_of(uri, spec.train.format), uri, field), rules, problems)
    labels = rules.labels_of(rows, problems)
    rows = shuffle_and_limit(rows, spec.limit, spec.seed)
    if spec.evaluation.source is None:
        train, held_out = hold_out(rows, spec.evaluation.fraction or 0.0)
    else:
        train, held_out = rows, _evaluation_rows(spec, fetch, rules, labels, workspace)
    say("data", f"{len(train)} rows to learn from, {len(held_out)} held out" + _named(labels))
    return DataRecord(
        train_file=workspace.relative(_store(workspace.data / "train.jsonl", train)),
        evaluation_file=workspace.relative(_store(workspace.data / "evaluation.jsonl", held_out)),
        train_rows=len(train),
        evaluation_rows=len(held_out),
        labels=labels,
    )


def _evaluation_rows(
    spec: DatasetSpec, fetch: Fetch, rules: RowRules, labels: Labels, workspace: Workspace
) -> list[Row]:
    uri, field = spec.evaluation.source or "", "spec.dataset.evaluation.source"
    path = fetch(uri, field, workspace.data / "evaluation")
    file = DataFile(path, format_of(uri, spec.evaluation.format), uri, field)
    return _checked_rows(file, rules, Problems(uri, field), labels)


def _checked_rows(file: DataFile, rules: RowRules, problems: Problems, labels: Labels = ()) -> list[Row]:
    rows = list(_parsed_rows(file, rules, problems, labels))
    problems.fail_if_any(len(rows) + problems.count)
    if not rows:
        raise problems.fail("holds no rows; give at least two")
    return rows


def _parsed_rows(file: DataFile, rules: RowRules, problems: Problems, labels: Labels) -> Iterator[Row]:
    for raw in read_rows(file.path, file.data_format, problems):
        try:
            yield rules.parse_row(raw.values, labels)
        except MissingColumnError as error:
            if file.data_format is DataFormat.CSV:
                raise problems.fail(f"has no column {error.column!r}; expected {error.expected}") from None
            problems.add(raw.line, error)
        except RowError as error:
            problems.add(raw.line, error)


def _store(path: Path, rows: list[Row]) -> Path:
    write_atomically(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def _named(labels: Labels) -> str:
    return f", labels {', '.join(labels[:10])}" if labels else ""
