"""Stage Data: fetch the files, check every row, split, and store the rows in one plain form."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from finetune_api.parts.data_files import DataFiles, DataFormat
from finetune_api.spec.dataset import DatasetSpec
from finetune_trainer.data.blanks import is_blank
from finetune_trainer.data.columns import ColumnNames
from finetune_trainer.data.filters import RowFilter
from finetune_trainer.data.formats.raw import RawRow
from finetune_trainer.data.formats.reading import read_rows, unit_of
from finetune_trainer.data.label_balance import balance_warnings, label_counts
from finetune_trainer.data.origins.files import DataFile, GetAccess, fetch_files, field_of
from finetune_trainer.data.problems import MissingColumnError, Problems, RowError, show
from finetune_trainer.data.rows import Row, RowWriter, StoredRows
from finetune_trainer.data.split import hold_out, shuffled
from finetune_trainer.data.unread import Unread
from finetune_trainer.log import say
from finetune_trainer.records import DataRecord, Labels, RowCounts
from finetune_trainer.runtime.workspace import Workspace

SAME_COLUMNS = (DataFormat.CSV, DataFormat.TSV, DataFormat.PARQUET, DataFormat.TEXT, DataFormat.DOCUMENT)
"""Formats in which all rows have the same columns, so that a column that one row lacks is in none."""
SHOWN_LABELS = 10


class RowRules(Protocol):
    """What a task says about rows."""

    def parse_row(self, values: dict[str, Any], labels: Labels) -> Row:
        """Return the row in the task's plain form; with `labels`, its label must be one of them. Raises RowError."""

    def labels_of(self, rows: Sequence[Row], problems: Problems) -> Labels:
        """Return the label names that the training rows teach; empty where the task has none. Raises BadData."""


def prepare_data(spec: DatasetSpec, access: GetAccess, rules: RowRules, workspace: Workspace) -> DataRecord:
    """Fetch, check and split the data, and leave the rows in the workspace.

    Raises BadData for rows that cannot be used, BadSpec, and what storages raise.
    """
    return _Preparation(spec, access, rules, workspace).run()


@dataclass
class _Preparation:
    spec: DatasetSpec
    access: GetAccess
    rules: RowRules
    workspace: Workspace
    labels: Labels = ()
    revisions: dict[str, str] = field(default_factory=dict)
    counts: dict[str, RowCounts] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._names = ColumnNames(self.spec.columns)
        self._filter = RowFilter(self.spec.filter or [])

    def run(self) -> DataRecord:
        """Take the data from files to a record."""
        rows, problems = self._checked("train", self.spec.train, "rows")
        told = len(problems.warnings)
        self.labels = self.rules.labels_of(rows, problems)
        self.warnings += problems.warnings[told:]
        train = shuffled(len(rows), self.spec.limit, self.spec.seed)
        wished = self.spec.evaluation
        if wished.uris:
            held_out = self._evaluation_rows()
        else:
            train, kept = hold_out(train, wished.fraction or 0.0, wished.limit)
            held_out = rows.copy_to(self._stored("evaluation"), kept)
        test = len(self._checked("test", self.spec.test, "test")[0]) if self.spec.test else 0
        rows.copy_to(self._stored("train"), train)
        rows.delete()
        tested = f", {test} to be tested by" if test else ""
        say("data", f"{len(train)} rows to learn from, {held_out} held out{tested}" + _named(self.labels))
        taught = label_counts(StoredRows(self._stored("train")))
        judged = {part: label_counts(StoredRows(self._stored(part))) for part in self._judged_parts()}
        return DataRecord(
            train_file=self.workspace.relative(self._stored("train")),
            evaluation_file=self.workspace.relative(self._stored("evaluation")),
            test_file=self.workspace.relative(self._stored("test")) if test else None,
            train_rows=len(train),
            evaluation_rows=held_out,
            test_rows=test,
            labels=self.labels,
            label_counts=taught,
            counts=self.counts,
            revisions=self.revisions,
            warnings=(*self.warnings, *balance_warnings(self.labels, taught, judged)),
        )

    def _evaluation_rows(self) -> int:
        """Store the held-out rows of files of their own; return how many."""
        wished = self.spec.evaluation
        if wished.limit is None:
            return len(self._checked("evaluation", wished, "evaluation")[0])
        rows, _ = self._checked("evaluation", wished, "evaluation-rows")
        count = rows.copy_to(self._stored("evaluation"), shuffled(len(rows), wished.limit, self.spec.seed))
        rows.delete()
        return count

    def _judged_parts(self) -> tuple[str, ...]:
        return ("evaluation", "test") if self.spec.test else ("evaluation",)

    def _stored(self, name: str) -> Path:
        return self.workspace.data / f"{name}.jsonl"

    def _checked(self, part: str, wanted: DataFiles, name: str) -> tuple[StoredRows, Problems]:
        """Store the rows of a part (train, evaluation or test) that can be used, in the order of the files."""
        block, copies = f"spec.dataset.{part}", self.workspace.data / part
        split = "validation" if part == "evaluation" else part
        fetched = fetch_files(wanted, block, split, copies, self.access)
        self.revisions.update(fetched.revisions)
        many = f"{', '.join(wanted.uris)} ({len(fetched.files)} files)"
        problems = Problems(fetched.files[0].uri if len(fetched.files) == 1 else many, field_of(wanted, block))
        seen: Counter[str] = Counter()
        self._names.unread = Unread()
        files = [(file.uri, unit_of(file.data_format)) for file in fetched.files]
        with RowWriter(self._stored(name), files) as writer:
            for index, file in enumerate(fetched.files):
                for raw, row in self._parsed(file, wanted, problems, seen):
                    _append(writer, row, index, raw, problems)
        problems.leave()
        self.warnings += [*problems.warnings, *self._names.unread.warnings(block)]
        problems.fail_if_any(writer.count + problems.count)
        dropped = f" that are used ({seen['filtered']} filtered out, {seen['blank']} blank)" if seen.total() else ""
        if not writer.count:
            raise problems.fail(f"holds no rows{dropped}; give at least two")
        shutil.rmtree(copies, ignore_errors=True)
        counts = RowCounts(len(fetched.files), writer.count + seen.total(), seen["filtered"], seen["blank"])
        if seen.total():
            say("data", f"{block}: {counts.read} rows read; {counts.filtered} filtered out, {counts.blank} blank")
        self.counts[part] = counts
        return StoredRows(self._stored(name)), problems

    def _parsed(
        self, file: DataFile, wanted: DataFiles, problems: Problems, seen: Counter[str]
    ) -> Iterator[tuple[RawRow, Row]]:
        for raw in read_rows(file.path, file.uri, file.data_format, problems, wanted):
            try:
                row = self._used(raw, file.data_format in SAME_COLUMNS, seen)
                if row is not None:
                    yield raw, self.rules.parse_row(row, self.labels)
            except MissingColumnError as error:
                if file.data_format in SAME_COLUMNS:
                    raise problems.fail(f"has no column {error.column!r}; expected {error.expected}") from None
                problems.add(raw.number, error)
            except RowError as error:
                problems.add(raw.number, error)
            except RecursionError:
                problems.add(raw.number, RowError(None, "objects within objects, too deep", "a row that can be read"))

    def _used(self, raw: RawRow, all_have: bool, seen: Counter[str]) -> Row | None:
        """Return the row under the task's names of columns, or None if it is filtered out or holds nothing at all."""
        held = [name for name, value in raw.values.items() if not is_blank(value)]
        if not held:
            seen["blank"] += 1
            return None
        self._names.unread.meet(held, raw.values)
        row = self._names.row(raw.values)
        if not self._filter.keeps(row, all_have):
            seen["filtered"] += 1
            return None
        return row


def _append(writer: RowWriter, row: Row, file: int, raw: RawRow, problems: Problems) -> None:
    """Write a row, unless it holds half of a character, which no tokenizer reads: that is noted."""
    try:
        writer.append(row, (file, raw.number))
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        column = next(
            (name for name, value in raw.values.items() if half in json.dumps(value, ensure_ascii=False, default=str)),
            None,
        )
        found = f"half of a character, {ascii(half)[1:-1]}, in {show(raw.values.get(column or ''))}"
        expected = "whole characters; the text was cut within one, an emoji say: mend it, or remove the row"
        problems.add(raw.number, RowError(column, found, expected))


def _named(labels: Labels) -> str:
    return f", labels {', '.join(labels[:SHOWN_LABELS])}" if labels else ""
