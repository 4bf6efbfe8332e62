"""Rows to token ids, before the training begins: in batches, into a file that the training maps into memory."""

import hashlib
import json
import math
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from finetune_trainer import models, tasks
from finetune_trainer.data.rows import StoredRows
from finetune_trainer.errors import BadData
from finetune_trainer.log import say
from finetune_trainer.models.limits import Length, usable_length
from finetune_trainer.models.loading import Loaded
from finetune_trainer.records import TokenCounts
from finetune_trainer.runtime.workspace import write_atomically
from finetune_trainer.tasks.recipe import Recipe, Row
from finetune_trainer.tasks.text.truncation import TRUNCATED

BATCH_ROWS = 1000
KEPT_ENTRIES = 2
NO_TOKENS = ("token_type_ids", "position_ids")
LIBRARIES = ("transformers", "tokenizers", "trl", "datasets")
VOLATILE_SETTINGS = ("_name_or_path", "dtype", "quantization_config", "transformers_version")
PROMPT = "prompt"
"""What may be a text in one row and a chat in the next, with keys of its own; kept as JSON, since the column of a table
would refuse the one and fill the other with nulls."""
ROWS_FILE = "rows.arrow"
COUNTS_FILE = "counts.json"


@dataclass(frozen=True)
class Encoded:
    """Encoded rows, a datasets.Dataset that is mapped from a file, and what is known of their lengths."""

    rows: Any
    counts: TokenCounts


def encode_rows(recipe: Recipe, rows: StoredRows, loaded: Loaded, max_length: int, cache: Path) -> Encoded:
    """Return the rows that teach something, encoded.

    What was encoded before from the same rows, by the same tokenizer and settings, is taken from the folder `cache`.
    Raises BadData if no row teaches anything.
    """
    from datasets import Dataset

    folder = cache / _digest(recipe, rows, loaded, max_length)
    if (folder / COUNTS_FILE).is_file():
        counts = TokenCounts(**json.loads((folder / COUNTS_FILE).read_bytes()))
        (folder / COUNTS_FILE).touch()
        say("data", f"{counts.rows} rows were encoded before")
    else:
        shutil.rmtree(folder, ignore_errors=True)
        counts = _write(recipe, rows, loaded, max_length, folder)
        write_atomically(folder / COUNTS_FILE, json.dumps(asdict(counts)))
    _prune(cache)
    _say_counts(counts)
    encoded = Dataset.from_file(str(folder / ROWS_FILE))
    return Encoded(encoded.with_transform(_with_prompts) if PROMPT in encoded.column_names else encoded, counts)


def _write(recipe: Recipe, rows: StoredRows, loaded: Loaded, max_length: int, folder: Path) -> TokenCounts:
    limit = usable_length(loaded.model, loaded.tokenizer, max_length, recipe.reading_side)
    lengths = _Lengths()
    batches = (recipe.encode(batch, loaded, max_length) for batch in rows.batches(BATCH_ROWS))
    kept = write_arrow((_as_columns(lengths.counted(batch)) for batch in batches), folder / ROWS_FILE)
    if not kept:
        raise BadData(
            f"what the rows teach lies beyond {limit}, so nothing is learnt; {limit.remedy}",
            "spec.training.maxLength",
        )
    # A long text may become several rows.
    return lengths.summary(limit, left_out=max(0, len(rows) - kept))


def _as_columns(rows: list[Row]) -> list[Row]:
    return [{**row, PROMPT: json.dumps(row[PROMPT])} if PROMPT in row else row for row in rows]


def _with_prompts(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Return the columns of some rows, their prompts as the recipe made them."""
    return {**columns, PROMPT: [json.loads(text) for text in columns[PROMPT]]} if PROMPT in columns else columns


def write_arrow(batches: Iterator[list[Row]], path: Path) -> int:
    """Write rows to an Arrow stream, as datasets maps it; return how many there are.

    The columns' types are found by the way: when a later batch has others, what is written is widened to both.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    schema, sink, count = None, None, 0
    for rows in (batch for batch in batches if batch):
        table = _as_table(rows, schema)
        if sink is None or table.schema != schema:
            if sink is not None:
                sink.close()
            schema = table.schema
            sink = _reopened(path, schema)
        sink.write_table(table)
        count += len(rows)
    if sink is not None:
        sink.close()
    return count


def _as_table(rows: list[Row], schema: Any) -> Any:
    """Return the rows with columns and types that hold the former rows as well."""
    import pyarrow

    names = dict.fromkeys(name for row in rows for name in row)
    table = pyarrow.Table.from_pydict({name: [row.get(name) for row in rows] for name in names})
    if schema is None or table.schema == schema:
        return table
    return pyarrow.Table.from_pylist(rows, pyarrow.unify_schemas([schema, table.schema], promote_options="permissive"))


def _reopened(path: Path, schema: Any) -> Any:
    """Return a writer for `path` that begins with what is there already, in the new types."""
    import pyarrow

    former = path.with_suffix(".former")
    if path.exists():
        path.rename(former)
    sink = pyarrow.ipc.new_stream(str(path), schema)
    if former.exists():
        for batch in pyarrow.ipc.open_stream(pyarrow.memory_map(str(former))):
            columns = {name: batch[name] for name in batch.schema.names}
            absent = {name: pyarrow.nulls(len(batch)) for name in schema.names if name not in columns}
            table = pyarrow.table({**columns, **absent}).select(schema.names)
            sink.write_table(table.cast(schema))
        former.unlink()
    return sink


class _Lengths:
    """Counts tokens, and what was cut off, batch by batch."""

    def __init__(self) -> None:
        self._rows_of_length: Counter[int] = Counter()
        self._truncated_rows = 0
        self._truncated_tokens = 0

    def counted(self, batch: list[Row]) -> list[Row]:
        """Note the lengths of the rows, and return these without the note on what was cut off."""
        kept = []
        for row in batch:
            cut = row.get(TRUNCATED, 0)
            self._truncated_rows += cut > 0
            self._truncated_tokens += cut
            self._rows_of_length[tokens_of(row)] += 1
            kept.append({name: value for name, value in row.items() if name != TRUNCATED})
        return kept

    def summary(self, limit: Length, left_out: int) -> TokenCounts:
        """Return the figures of all rows."""
        return TokenCounts(
            rows=self._rows_of_length.total(),
            rows_left_out=left_out,
            tokens=sum(length * rows for length, rows in self._rows_of_length.items()),
            tokens_p50=self._percentile(0.5),
            tokens_p95=self._percentile(0.95),
            tokens_max=max(self._rows_of_length),
            truncated_rows=self._truncated_rows,
            truncated_tokens=self._truncated_tokens,
            row_limit=limit.tokens,
            row_limit_source=limit.bound,
        )

    def _percentile(self, share: float) -> int:
        """Return the length that `share` of the rows do not exceed (nearest rank)."""
        missing = math.ceil(share * self._rows_of_length.total())
        for length in sorted(self._rows_of_length):
            missing -= self._rows_of_length[length]
            if missing <= 0:
                return length
        return 0


def tokens_of(row: Row) -> int:
    """Return how many tokens an encoded row has: in its input_ids, or in prompt_ids, chosen_ids and their like."""
    return sum(len(row[name]) for name in row if name.endswith("_ids") and name not in NO_TOKENS)


def _say_counts(counts: TokenCounts) -> None:
    limit = Length(counts.row_limit, counts.row_limit_source)
    say("data", f"a row has at most {limit}")
    if counts.rows_left_out:
        say("data", f"{counts.rows_left_out} rows left out: what they teach lies beyond {limit.tokens} tokens")
    if counts.tokens:
        half, most, longest = counts.tokens_p50, counts.tokens_p95, counts.tokens_max
        say("data", f"{counts.tokens} tokens; half of the rows have at most {half}, 95 % {most}, the longest {longest}")


def _prune(cache: Path) -> None:
    """Delete all but the entries that were used last, and those that an earlier attempt left half done."""
    whole = [path for path in cache.iterdir() if (path / COUNTS_FILE).is_file()]
    kept = sorted(whole, key=lambda path: (path / COUNTS_FILE).stat().st_mtime, reverse=True)[:KEPT_ENTRIES]
    for path in set(cache.iterdir()).difference(kept):
        shutil.rmtree(path, ignore_errors=True)


def _digest(recipe: Recipe, rows: StoredRows, loaded: Loaded, max_length: int) -> str:
    """Return a digest of all that decides the encoded rows: rows, tokenizer, settings, and the code."""
    settings = {
        "task": recipe.request.task,
        "options": recipe.request.options.to_wire(),
        "max_length": max_length,
        "model": {k: v for k, v in loaded.model.config.to_dict().items() if k not in VOLATILE_SETTINGS},
        "libraries": {name: version(name) for name in LIBRARIES},
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    with tempfile.TemporaryDirectory() as folder:
        loaded.tokenizer.save_pretrained(folder)
        for path in (*code_that_encodes(), *sorted(Path(folder).rglob("*")), rows.path):
            if path.is_file():
                with path.open("rb") as stream:
                    digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:32]


def code_that_encodes() -> list[Path]:
    """Return the files whose change makes encoded rows stale: this one, and all of the tasks and models."""
    trees = [Path(str(package.__file__)).parent for package in (models, tasks)]
    return [Path(__file__), *(path for tree in trees for path in sorted(tree.rglob("*.py")))]
