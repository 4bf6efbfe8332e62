"""Stage Data: fetch the files, check every row, split, and store the rows in one plain form."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from finetune_api.dataset import DataFormat, DatasetSpec
from finetune_trainer.data.problems import MissingColumnError, Problems, RowError
from finetune_trainer.data.reading import format_of, read_rows
from finetune_trainer.data.rows import Row, RowWriter, StoredRows
from finetune_trainer.data.split import hold_out, shuffled
from finetune_trainer.log import say
from finetune_trainer.records import DataRecord, Labels
from finetune_trainer.workspace import Workspace

Fetch = Callable[[str, str, Path], Path]
"""Makes the data file at a URI, which a field of the spec names, available locally; copies go into the folder."""


class RowRules(Protocol):
    """What a task says about rows."""

    def parse_row(self, values: dict[str, Any], labels: Labels) -> Row:
        """Return the row in the task's plain form; with `labels`, its label must be one of them. Raises RowError."""

    def labels_of(self, rows: Sequence[Row], problems: Problems) -> Labels:
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
    folder = workspace.data
    file = DataFile(path, format_of(uri, spec.train.format), uri, field)
    rows = _checked_rows(file, folder / "rows.jsonl", rules, problems)
    labels = rules.labels_of(rows, problems)
    train = shuffled(len(rows), spec.limit, spec.seed)
    if spec.evaluation.source is None:
        train, held_out = hold_out(train, spec.evaluation.fraction or 0.0)
        evaluation_rows = rows.copy_to(folder / "evaluation.jsonl", held_out)
    else:
        evaluation_rows = len(_evaluation_rows(spec, fetch, rules, labels, workspace))
    rows.copy_to(folder / "train.jsonl", train)
    rows.delete()
    say("data", f"{len(train)} rows to learn from, {evaluation_rows} held out" + _named(labels))
    return DataRecord(
        train_file=workspace.relative(folder / "train.jsonl"),
        evaluation_file=workspace.relative(folder / "evaluation.jsonl"),
        train_rows=len(train),
        evaluation_rows=evaluation_rows,
        labels=labels,
    )


def _evaluation_rows(
    spec: DatasetSpec, fetch: Fetch, rules: RowRules, labels: Labels, workspace: Workspace
) -> StoredRows:
    uri, field = spec.evaluation.source or "", "spec.dataset.evaluation.source"
    path = fetch(uri, field, workspace.data / "evaluation")
    file = DataFile(path, format_of(uri, spec.evaluation.format), uri, field)
    return _checked_rows(file, workspace.data / "evaluation.jsonl", rules, Problems(uri, field), labels)


def _checked_rows(file: DataFile, stored: Path, rules: RowRules, problems: Problems, labels: Labels = ()) -> StoredRows:
    with RowWriter(stored) as writer:
        for row in _parsed_rows(file, rules, problems, labels):
            writer.append(row)
    problems.fail_if_any(writer.count + problems.count)
    if not writer.count:
        raise problems.fail("holds no rows; give at least two")
    return StoredRows(stored)


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


def _named(labels: Labels) -> str:
    return f", labels {', '.join(labels[:10])}" if labels else ""
