"""What a person reads when the API server refuses the block spec.dataset."""

from typing import Any

import pytest

from tests.builders import finetune_job
from tests.integration.crds.jobs import NAMESPACE, Jobs

pytestmark = pytest.mark.cluster

ANY_DATA = "must be s3://bucket/path, pvc://claim/path or hf://datasets/organisation/name"
ENDINGS = (
    "must end in .csv, .tsv, .json, .jsonl, .ndjson, .parquet or .txt (and .gz or .bz2 or .xz or .zst where it is"
    " compressed), or state the format in the field format"
)
HUB_DATA = (
    "must be hf://datasets/organisation/name, with a path behind it to take some of the files only; put a branch, tag"
    " or commit into revision"
)
FILE_OR_PATTERN = (
    "must name a file or a pattern, not a folder: s3://bucket/path/file.csv or pvc://claim/path/part-*.jsonl"
)
FOR_TABLES = "is for CSV and TSV files only; remove it"
ONE_TRAIN = "set exactly one of source (a file, pattern or dataset) and sources (a list of them)"
ONE_EVALUATION = (
    "set exactly one of source (a file of held-out rows), sources (several) and fraction (a share of the training rows)"
)
NO_COLUMN = "names no column: put at least one in braces, such as '{title}'"


def _filter(**condition: Any) -> dict[str, Any]:
    return {"filter": [{"column": "stars", **condition}]}


REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"train": {"source": "http://host/train.csv"}},
        f"train.source: Invalid value: {ANY_DATA}; found http://host/train.csv",
    ),
    (
        {"train": {"source": "s3://bucket/train/", "format": "CSV"}},
        f"train.source: Invalid value: {FILE_OR_PATTERN}; found s3://bucket/train/",
    ),
    (
        {"train": {"source": "s3://bucket/train.xlsx"}},
        f"train.source: Invalid value: {ENDINGS}; found s3://bucket/train.xlsx",
    ),
    (
        {"train": {"source": "pvc://claim/parts/*"}},
        f"train.source: Invalid value: {ENDINGS}; found pvc://claim/parts/*",
    ),
    ({"train": {"source": "hf://org/name"}}, f"train.source: Invalid value: {HUB_DATA}; found hf://org/name"),
    (
        {"train": {"source": "hf://datasets/org/name/x.bin"}},
        f"train.source: Invalid value: {ENDINGS}; found hf://datasets/org/name/x.bin",
    ),
    (
        {"train": {"source": None, "sources": ["s3://bucket/a.csv", "s3://key:hf_abcdef@bucket/b.csv"]}},
        "train.sources: Invalid value: each must not carry credentials: remove everything before '@' and any '?' part,"
        " and name a Secret in secretRef",
    ),
    (
        {"train": {"source": None, "sources": ["s3://bucket/a.csv", "pvc://My_Claim/b.csv"]}},
        "train.sources: Invalid value: each must name a PersistentVolumeClaim after pvc:// (lower-case letters, digits,"
        " '-' and '.')",
    ),
    ({"train": {"source": None}}, f"train: Invalid value: {ONE_TRAIN}"),
    ({"train": {"sources": ["s3://bucket/b.csv"]}}, f"train: Invalid value: {ONE_TRAIN}"),
    (
        {"train": {"revision": "v1"}},
        "train.revision: Invalid value: applies to hf:// sources only; for s3:// and pvc:// put the version into the"
        " path",
    ),
    (
        {"train": {"split": "train"}},
        "train.split: Invalid value: applies to hf:// sources only; for s3:// and pvc:// name the files of the split",
    ),
    (
        {"train": {"format": "XML"}},
        'train.format: Unsupported value: "XML": supported values: "CSV", "TSV", "JSON", "JSONL", "Parquet", "Text",'
        ' "Document"',
    ),
    ({"train": {"source": "s3://b/x.jsonl.gz", "delimiter": ";"}}, f"train.delimiter: Invalid value: {FOR_TABLES}"),
    ({"train": {"format": "Parquet", "quoting": "Literal"}}, f"train.quoting: Invalid value: {FOR_TABLES}"),
    (
        {"train": {"delimiter": '"'}},
        "train.delimiter: Invalid value: must be one character that tells fields apart, such as ';'; not a quotation"
        " mark, nor an end of line",
    ),
    (
        {"train": {"delimiter": "||"}},
        "train.delimiter: Too long: may not be more than 1 byte",
    ),
    (
        {"train": {"quoting": "None"}},
        'train.quoting: Unsupported value: "None": supported values: "Standard", "Literal"',
    ),
    (
        {"evaluation": {"fraction": 0.1, "delimiter": ";"}},
        "evaluation.delimiter: Invalid value: is for files of held-out rows; remove it, since fraction takes rows of"
        " the training file",
    ),
    ({"evaluation": {"source": "s3://b/x.csv", "fraction": 0.1}}, f"evaluation: Invalid value: {ONE_EVALUATION}"),
    ({"evaluation": {}}, f"evaluation: Invalid value: {ONE_EVALUATION}"),
    (
        {"evaluation": {"fraction": 0.1, "format": "CSV"}},
        "evaluation.format: Invalid value: is the format of source; remove it, since fraction takes rows of the"
        " training file",
    ),
    ({"test": {}}, f"test: Invalid value: {ONE_TRAIN}"),
    ({"template": "Title and review"}, f"template: Invalid value: {NO_COLUMN}"),
    ({"template": "{{doubled}} braces are literal"}, f"template: Invalid value: {NO_COLUMN}"),
    (
        _filter(operator="In"),
        "filter[0].values: Invalid value: must list what operators In and NotIn compare with",
    ),
    (
        _filter(operator="Exists", values=["1"]),
        "filter[0].values: Invalid value: is not for operators Exists and DoesNotExist; remove it",
    ),
    (
        _filter(operator="MatchesRegex", values=["a", "b"]),
        "filter[0].values: Invalid value: must hold exactly one value for operators MatchesRegex, GreaterThan and"
        " LessThan",
    ),
    (
        _filter(operator="LessThan", values=["many"]),
        "filter[0].values: Invalid value: must be a number in quotes for operators GreaterThan and LessThan, such as"
        " '3' or '0.5'",
    ),
    (
        {"truncationWarningShare": 2},
        "truncationWarningShare: Invalid value: 2: spec.dataset.truncationWarningShare in body should be less than or"
        " equal to 1",
    ),
]


@pytest.mark.parametrize(("change", "message"), REFUSED, ids=lambda value: str(value)[:60])
def test_the_one_complaint_names_field_and_remedy(jobs: Jobs, change: dict[str, Any], message: str):
    assert jobs.refusal(finetune_job(namespace=NAMESPACE, dataset=change)) == [f"spec.dataset.{message}"]


ACCEPTED: list[dict[str, Any]] = [
    {"train": {"source": "hf://datasets/org/name", "revision": "v1", "split": "train"}},
    {"train": {"source": "hf://datasets/org/name/data/*.parquet"}},
    {"train": {"source": "s3://bucket/parts/**/*.jsonl.gz"}},
    {"train": {"source": None, "sources": ["s3://bucket/a.csv", "pvc://claim/b.tsv.zst"]}},
    {"train": {"source": "pvc://claim/pages/*.md", "format": "Document"}},
    {"train": {"source": "s3://bucket/parts/*.csv.gz", "delimiter": "\t", "quoting": "Literal"}},
    {"train": {"source": "s3://bucket/part.dat", "format": "CSV", "delimiter": ";"}},
    {"evaluation": {"source": "hf://datasets/org/name"}, "test": {"source": "s3://bucket/test.csv"}},
    _filter(operator="GreaterThan", values=["-0.5"]),
]


@pytest.mark.parametrize("change", ACCEPTED, ids=str)
def test_what_is_well_formed_is_accepted(jobs: Jobs, change: dict[str, Any]):
    jobs.dry_run(finetune_job(namespace=NAMESPACE, dataset=change))
