"""Rows from files of every format, packed or not, one by one or by a pattern; and what is said of wrong files."""

import bz2
import gzip
import io
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from finetune_trainer.data.formats import json_array
from finetune_trainer.data.rows import load_rows
from finetune_trainer.errors import BadData, BadSpec, MissingInput
from tests.unit.trainer.stage_data import prepare, rows_of, write

ROWS = [
    {"text": "fine, warm film", "label": "good"},
    {"text": 'a "poor" film', "label": "bad"},
    {"text": "two\nlines", "label": "good"},
    {"text": "awful café", "label": "bad"},
]


def _table(rows: list[dict[str, Any]] = ROWS) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), sink)
    return sink.getvalue()


def _delimited(delimiter: str) -> str:
    quoted = (f'"{row["text"]}"'.replace('"poor"', '""poor""') + delimiter + row["label"] for row in ROWS)
    return "\n".join([f"text{delimiter}label", *quoted])


JSON_LINES = "".join(json.dumps(row) + "\n" for row in ROWS)
FILES: dict[str, bytes] = {
    "csv": _delimited(",").encode(),
    "tsv": _delimited("\t").encode(),
    "json": json.dumps(ROWS, indent=1).encode(),
    "jsonl": JSON_LINES.encode(),
    "ndjson": JSON_LINES.encode(),
    "parquet": _table(),
}
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda content: pyarrow.compress(content, codec="zstd", asbytes=True),
}


def _train(**train: Any) -> dict[str, Any]:
    return {"dataset": {"train": {"source": None, **train}}}


def _texts(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(row["text"] for row in rows)


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("ending", [ending for ending in FILES if ending != "parquet"])
def test_every_format_gives_the_same_rows_packed_or_not(ending: str, packing: str, tmp_path: Path):
    write(tmp_path, f"train.{ending}{packing}", PACKERS[packing](FILES[ending]))
    rows = rows_of(tmp_path, **_train(source=f"pvc://data/train.{ending}{packing}"))
    assert sorted(rows, key=str) == sorted(ROWS, key=str)


def test_parquet_gives_the_same_rows(tmp_path: Path):
    write(tmp_path, "train.parquet", FILES["parquet"])
    assert _texts(rows_of(tmp_path, **_train(source="pvc://data/train.parquet"))) == _texts(ROWS)


def test_class_numbers_of_parquet_become_the_names_that_the_file_holds(tmp_path: Path):
    features = {"label": {"names": ["bad", "good"], "_type": "ClassLabel"}}
    table = pyarrow.table({"text": ["a", "b", "c", "d"], "label": [1, 0, 1, 0]})
    sink = io.BytesIO()
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    parquet.write_table(table.replace_schema_metadata(metadata), sink)
    write(tmp_path, "train.parquet", sink.getvalue())
    record, _ = prepare(tmp_path, **_train(source="pvc://data/train.parquet"))
    assert record.labels == ("bad", "good")


def test_text_has_a_row_in_each_line_and_blank_ones_are_counted(tmp_path: Path):
    write(tmp_path, "train.txt", "first line\n\nsecond line\r\nthird line\n")
    record, _ = prepare(tmp_path, **_causal_lm(source="pvc://data/train.txt"))
    assert (record.train_rows + record.evaluation_rows, record.counts["train"].blank) == (3, 1)


def test_a_document_is_one_row(tmp_path: Path):
    for name in ("one", "two"):
        write(tmp_path, f"{name}.md", f"# {name}\n\nSome text.\n")
    rows = rows_of(tmp_path, **_causal_lm(source="pvc://data/*.md", format="Document"))
    assert _texts(rows) == ["# one\n\nSome text.\n", "# two\n\nSome text.\n"]


def _causal_lm(**train: Any) -> dict[str, Any]:
    return {"task": "CausalLM", **_train(**train)}


def test_a_pattern_takes_files_of_any_format_and_no_hidden_ones(tmp_path: Path):
    write(tmp_path, "parts/a.csv", "text,label\nfrom a,good\n")
    write(tmp_path, "parts/deep/er/b.jsonl", '{"text": "from b", "label": "bad"}\n')
    write(tmp_path, "parts/.hidden/c.csv", "text,label\nfrom c,good\n")
    write(tmp_path, "parts/.d.csv", "text,label\nfrom d,good\n")
    assert _texts(rows_of(tmp_path, **_train(source="pvc://data/parts/**/*"))) == ["from a", "from b"]


def test_several_sources_are_read_in_their_order(tmp_path: Path):
    write(tmp_path, "a.csv", "text,label\nfrom a,good\n")
    write(tmp_path, "b/1.csv", "text,label\nfrom 1,bad\n")
    write(tmp_path, "b/2.csv", "text,label\nfrom 2,bad\n")
    change = {"dataset": {"train": {"source": None, "sources": ["pvc://data/b/*.csv", "pvc://data/a.csv"]}}}
    record, _ = prepare(tmp_path, **change)
    assert (record.counts["train"].files, record.counts["train"].read) == (3, 3)


def test_a_bad_row_among_several_files_is_named_with_its_file(tmp_path: Path):
    write(tmp_path, "a.csv", "text,label\nfine,good\n")
    write(tmp_path, "b.csv", "text,label\npoor,bad\n,bad\n")
    with pytest.raises(BadData) as refused:
        prepare(tmp_path, **_train(source="pvc://data/*.csv"))
    assert "pvc://data/*.csv (2 files): 1 of 3 rows cannot be used: pvc://data/b.csv line 3" in refused.value.message


def test_held_out_rows_can_be_limited(tmp_path: Path):
    rows = "".join(f"film {number},{'good' if number % 2 else 'bad'}\n" for number in range(40))
    write(tmp_path, "train.csv", "text,label\n" + rows)
    write(tmp_path, "held-out.csv", "text,label\n" + rows)
    record, _ = prepare(tmp_path, dataset={"evaluation": {"fraction": 0.5, "limit": 5}})
    assert (record.train_rows, record.evaluation_rows) == (35, 5)
    evaluation = {"source": "pvc://data/held-out.csv", "fraction": None, "limit": 7}
    record, workspace = prepare(tmp_path, dataset={"evaluation": evaluation})
    assert (record.train_rows, record.evaluation_rows) == (40, 7)
    assert len(load_rows(workspace.path(record.evaluation_file))) == 7


def test_test_rows_are_kept_apart(tmp_path: Path):
    write(tmp_path, "train.csv", FILES["csv"])
    write(tmp_path, "test.csv", "text,label\nkept for the end,good\n")
    record, _ = prepare(tmp_path, dataset={"test": {"source": "pvc://data/test.csv"}})
    assert (record.train_rows, record.evaluation_rows, record.test_rows) == (2, 2, 1)
    with pytest.raises(BadData, match="found 'ugly'; expected one of bad, good") as refused:
        write(tmp_path, "test.csv", "text,label\nkept for the end,ugly\n")
        prepare(tmp_path, dataset={"test": {"source": "pvc://data/test.csv"}})
    assert refused.value.field == "spec.dataset.test.source"


WRONG_FILES = {
    "an object instead of an array": ("a.json", b'\n{"text": "fine"}', ["line 2: found '{'", "format: JSONL"]),
    "an array that breaks off": ("a.json", b'[\n{"text": "a", "label": "b"},\n{"te', ["line 3: not JSON"]),
    "no comma between objects": ("a.json", b'[{"text": "a", "label": "b"}\n{}]', ["line 2: found '{' after an object"]),
    "a text in the array": ("a.json", b'[{"text": "a", "label": "b"},\n"c"]', ["line 2: found 'c'", "an object"]),
    "JSON in another encoding": ("a.json", b'[{"text":\n"caf\xe9"}]', ["line 2: byte 0xe9 is not UTF-8"]),
    "text in another encoding": ("a.txt", b"caf\xe9\n", ["line 1: byte 0xe9"]),
    "no Parquet": ("a.parquet", b"text,label\n", ["cannot be read as Parquet"]),
    "half a Parquet file": ("a.parquet", _table()[:-20], ["cannot be read as Parquet"]),
    "Parquet without the column": ("a.parquet", _table([{"review": "a"}]), ["no column 'text'", "review"]),
    "a wrong value in Parquet": (
        "a.parquet",
        _table([{"text": "a", "label": "b"}, {"text": None, "label": "b"}]),
        ["row 2, column 'text'", "found null"],
    ),
    "packed Parquet": ("a.parquet.gz", gzip.compress(_table()), ["packed as .gz once more; unpack it"]),
    "no gzip": ("a.csv.gz", FILES["csv"], ["cannot be unpacked as .gz"]),
    "half a gzip": ("a.csv.gz", gzip.compress(FILES["csv"] * 99)[:-30], ["cannot be unpacked as .gz"]),
    "no bzip2": ("a.csv.bz2", FILES["csv"], ["cannot be unpacked as .bz2"]),
    "no xz": ("a.csv.xz", FILES["csv"], ["cannot be unpacked as .xz"]),
    "no zstd": ("a.csv.zst", FILES["csv"], ["cannot be unpacked as .zst"]),
    "commas in a TSV": (
        "a.tsv",
        b"text,label\na,b\n",
        ["line 1: the fields are told apart by commas, not by tabs", "spec.dataset.train.delimiter"],
    ),
    "nothing in the array": ("a.json", b"[]", ["holds no rows"]),
    "blank lines alone": ("a.csv", b"text,label\n , \n", ["holds no rows that are used (0 filtered out, 1 blank)"]),
}


@pytest.mark.parametrize("case", WRONG_FILES)
def test_a_file_that_cannot_be_used_is_named_with_place_and_remedy(case: str, tmp_path: Path):
    name, content, words = WRONG_FILES[case]
    write(tmp_path, name, content)
    with pytest.raises(BadData) as refused:
        prepare(tmp_path, **_train(source=f"pvc://data/{name}"))
    for word in [f"pvc://data/{name}", *words]:
        assert word in refused.value.message
    assert refused.value.field == "spec.dataset.train.source"


def test_a_pattern_that_matches_nothing_is_named(tmp_path: Path):
    write(tmp_path, "a.csv", "")
    with pytest.raises(MissingInput, match=r"pvc://data/\*.jsonl: no file has this name or matches"):
        prepare(tmp_path, **_train(source="pvc://data/*.jsonl"))


def test_a_link_out_of_the_volume_is_not_followed(tmp_path: Path):
    write(tmp_path, "a.csv", FILES["csv"])
    (tmp_path / "secret.csv").write_bytes(FILES["csv"])
    (tmp_path / "data/b.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(BadSpec, match=r"pvc://data/b.csv leaves the claim 'data' by a link"):
        prepare(tmp_path, **_train(source="pvc://data/*.csv"))


def test_an_ending_that_tells_nothing_needs_a_format(tmp_path: Path):
    write(tmp_path, "a.dat", FILES["csv"])
    with pytest.raises(BadSpec, match=r"set spec.dataset.train.format") as refused:
        prepare(tmp_path, **_train(source="pvc://data/*.dat"))
    assert refused.value.field == "spec.dataset.train.format"
    assert len(rows_of(tmp_path, **_train(source="pvc://data/*.dat", format="CSV"))) == 4


def test_an_array_is_read_in_pieces_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(json_array, "CHUNK_BYTES", 3)
    write(tmp_path, "train.json", json.dumps(ROWS, indent=1, ensure_ascii=False))
    assert _texts(rows_of(tmp_path, **_train(source="pvc://data/train.json"))) == _texts(ROWS)


def test_an_object_that_never_ends_is_not_read_on_and_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(json_array, "LONGEST_ELEMENT", 1 << 10)
    monkeypatch.setattr(json_array, "CHUNK_BYTES", 1 << 8)
    write(tmp_path, "train.json", '[{"text": "' + "a" * 100_000)
    with pytest.raises(BadData, match="line 1: not JSON"):
        prepare(tmp_path, **_train(source="pvc://data/train.json"))
