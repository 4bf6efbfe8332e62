"""Where rows come from: files in S3, on volumes, or of a dataset on the Hub, one by one or by a pattern."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from finetune_api.parts.sources import DATASET_ID, DOT_PART, NO_CREDENTIALS, PVC_CLAIM
from finetune_api.schema import ApiModel, Rule


class DataFormat(StrEnum):
    """File format of a data source."""

    CSV = "CSV"
    TSV = "TSV"
    JSON = "JSON"
    JSONL = "JSONL"
    PARQUET = "Parquet"
    TEXT = "Text"
    DOCUMENT = "Document"


class Quoting(StrEnum):
    """What quotation marks mean in CSV and TSV files."""

    STANDARD = "Standard"
    LITERAL = "Literal"


FORMAT_OF_ENDING = {
    ".csv": DataFormat.CSV,
    ".tsv": DataFormat.TSV,
    ".json": DataFormat.JSON,
    ".jsonl": DataFormat.JSONL,
    ".ndjson": DataFormat.JSONL,
    ".parquet": DataFormat.PARQUET,
    ".txt": DataFormat.TEXT,
}
COMPRESSED_ENDINGS = (".gz", ".bz2", ".xz", ".zst")

_FORMAT = "|".join(ending[1:] for ending in FORMAT_OF_ENDING)
_COMPRESSED = "|".join(ending[1:] for ending in COMPRESSED_ENDINGS)
_ENDING = f"[.]({_FORMAT})([.]({_COMPRESSED}))?$"
_NO_TABLE = f"[.](json|jsonl|ndjson|parquet|txt)([.]({_COMPRESSED}))?$"
_NAMES_FILES = "^(s3|pvc)://|^hf://datasets/[^/]+/[^/]+/."

DataUri = Annotated[str, Field(min_length=1, max_length=1024)]


def _data_rules() -> tuple[Rule, ...]:
    """Return the rules for the URIs in `source` and in `sources`."""
    checks = (
        (
            "URI.matches('^(s3|pvc|hf)://[^/]')",
            "must be s3://bucket/path, pvc://claim/path or hf://datasets/organisation/name",
        ),
        ("!URI.contains('@') && !URI.contains('?')", NO_CREDENTIALS),
        (f"!URI.matches('{DOT_PART}')", "must not have '.' or '..' between slashes; write the path out"),
        (
            f"!URI.startsWith('pvc://') || URI.matches('{PVC_CLAIM}')",
            "must name a PersistentVolumeClaim after pvc:// (lower-case letters, digits, '-' and '.')",
        ),
        (
            f"!URI.startsWith('hf://') || URI.matches('{DATASET_ID}')",
            "must be hf://datasets/organisation/name, with a path behind it to take some of the files only; put a"
            " branch, tag or commit into revision",
        ),
        (
            "!URI.matches('^(s3|pvc)://') || URI.matches('^[^:]+://[^/]+/(.*[^/])$')",
            "must name a file or a pattern, not a folder: s3://bucket/path/file.csv or pvc://claim/path/part-*.jsonl",
        ),
        (
            f"has(self.format) || URI.matches('{_ENDING}') || !URI.matches('{_NAMES_FILES}')",
            f"must end in {', '.join(list(FORMAT_OF_ENDING)[:-1])} or {list(FORMAT_OF_ENDING)[-1]} (and"
            f" {' or '.join(COMPRESSED_ENDINGS)} where it is compressed), or state the format in the field format",
        ),
    )
    found = "(self.source.contains('@') || self.source.contains('?') ? 'one with @ or ?' : self.source)"
    rules = []
    for condition, message in checks:
        of_one = condition.replace("URI", "self.source")
        of_each = f"self.sources.all(uri, {condition.replace('URI', 'uri')})"
        shown = None if message == NO_CREDENTIALS else found
        rules.append(Rule(f"!has(self.source) || {of_one}", message, field_path=".source", found=shown))
        rules.append(Rule(f"!has(self.sources) || {of_each}", f"each {message}", field_path=".sources"))
    return tuple(rules)


def _only_for_the_hub(field: str, words: str) -> Rule:
    return Rule(
        f"!has(self.{field}) || (has(self.source) && self.source.startsWith('hf://'))"
        " || (has(self.sources) && self.sources.all(uri, uri.startsWith('hf://')))",
        words,
        field_path=f".{field}",
    )


def _only_for_tables(field: str) -> tuple[Rule, ...]:
    words = "is for CSV and TSV files only; remove it"
    return (
        Rule(
            f"!has(self.{field}) || !has(self.format) || self.format in ['CSV', 'TSV']", words, field_path=f".{field}"
        ),
        Rule(
            f"!has(self.{field}) || has(self.format) || !has(self.source) || !self.source.matches('{_NO_TABLE}')",
            words,
            field_path=f".{field}",
        ),
    )


FILE_RULES = (
    *_data_rules(),
    _only_for_the_hub("revision", "applies to hf:// sources only; for s3:// and pvc:// put the version into the path"),
    _only_for_the_hub("split", "applies to hf:// sources only; for s3:// and pvc:// name the files of the split"),
    *_only_for_tables("delimiter"),
    *_only_for_tables("quoting"),
    Rule(
        "!has(self.delimiter) || !(self.delimiter in ['\"', '\\n', '\\r'])",
        "must be one character that tells fields apart, such as ';'; not a quotation mark, nor an end of line",
        field_path=".delimiter",
    ),
)


class DataFiles(ApiModel):
    """Files that rows are read from."""

    source: DataUri | None = Field(
        None,
        description="Data file: s3://bucket/path/file.csv, pvc://claim/path/file.jsonl, or a dataset on the Hub,"
        " hf://datasets/organisation/name with or without a path in it. In the path, * stands for any characters but"
        " a slash, and ** for folders in any depth: s3://bucket/path/part-*.parquet.",
    )
    sources: list[DataUri] | None = Field(
        None, min_length=1, max_length=64, description="Several such, instead of source; read in this order."
    )
    format: DataFormat | None = Field(
        None,
        description="File format. Text has a row in each line, Document is one row as a whole, both in column text."
        " Default: by the file's ending. Files that end in .gz, .bz2, .xz or .zst are unpacked.",
    )
    delimiter: str | None = Field(
        None,
        min_length=1,
        max_length=1,
        description="What tells the fields of CSV and TSV files apart, such as ';'. Default: a comma, or a tab.",
    )
    quoting: Quoting | None = Field(
        None,
        description="What quotation marks mean in CSV and TSV files. Standard: fields in quotes may hold delimiters,"
        " doubled quotes and line breaks. Literal: they are ordinary characters, and each line is a row. Default:"
        " Standard.",
    )
    revision: str | None = Field(
        None, min_length=1, max_length=128, description="Commit, tag or branch of an hf:// dataset. Default: main."
    )
    split: str | None = Field(
        None,
        min_length=1,
        max_length=128,
        description="Split of an hf:// dataset without a path. Default: train, validation and test, by the block.",
    )

    @property
    def uris(self) -> tuple[str, ...]:
        """What is read, in order."""
        return (self.source,) if self.source else tuple(self.sources or ())


class DataSource(DataFiles):
    """Files of rows."""

    rules = (
        Rule(
            "has(self.source) != has(self.sources)",
            "set exactly one of source (a file, pattern or dataset) and sources (a list of them)",
        ),
        *FILE_RULES,
    )


class EvaluationData(DataFiles):
    """The held-out rows: files of their own, or a share of the training rows."""

    rules = (
        Rule(
            "(has(self.source) ? 1 : 0) + (has(self.sources) ? 1 : 0) + (has(self.fraction) ? 1 : 0) == 1",
            "set exactly one of source (a file of held-out rows), sources (several) and fraction (a share of the"
            " training rows)",
        ),
        Rule(
            "!has(self.format) || has(self.source) || has(self.sources)",
            "is the format of source; remove it, since fraction takes rows of the training file",
            field_path=".format",
        ),
        *(
            Rule(
                f"!has(self.{field}) || has(self.source) || has(self.sources)",
                "is for files of held-out rows; remove it, since fraction takes rows of the training file",
                field_path=f".{field}",
            )
            for field in ("delimiter", "quoting")
        ),
        *FILE_RULES,
    )

    fraction: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Share of the training rows that is held out, chosen by spec.dataset.seed.",
    )
    limit: int | None = Field(
        None,
        ge=1,
        le=2_147_483_647,
        description="Hold out at most this many rows, chosen by spec.dataset.seed; of a fraction, the others are learnt"
        " from.",
    )
