"""CSV and TSV files of every dialect: no row is lost without a word, and the advice fits the file."""

import logging
from pathlib import Path
from typing import Any

import pytest

from finetune_trainer.errors import BadData, BadSpec
from tests.unit.trainer.stage_data import prepare, rows_of, write

FILMS = [("a warm film", "good"), ("a dull film", "bad"), ("a funny film", "good"), ("a noisy film", "bad")]


def _lines(delimiter: str = ",", end: str = "\n", last: str = "") -> str:
    rows = [("text", "label"), *FILMS]
    return "".join(f"{text}{delimiter}{label}{last}{end}" for text, label in rows)


def _train(name: str = "train.csv", **train: Any) -> dict[str, Any]:
    return {"dataset": {"train": {"source": f"pvc://data/{name}", **train}}}


def _read(folder: Path, content: str | bytes, name: str = "train.csv", **train: Any) -> list[tuple[str, str]]:
    write(folder, name, content)
    return sorted((row["text"], row["label"]) for row in rows_of(folder, **_train(name, **train)))


def _refusal(folder: Path, content: str | bytes, name: str = "train.csv", **train: Any) -> str:
    write(folder, name, content)
    with pytest.raises(BadData) as refused:
        prepare(folder, **_train(name, **train))
    return refused.value.message


READ: dict[str, tuple[str, dict[str, Any]]] = {
    "columns without a name and without values at the end": (_lines(last=",,"), {}),
    "empty fields at the end of the rows alone": (_lines(last=",").replace("label,", "label"), {}),
    "carriage returns alone": (_lines(end="\r"), {}),
    "Excel's line that names the delimiter": ("sep=,\r\n" + _lines(end="\r\n"), {}),
    "semicolons that the spec names": (_lines(";"), {"delimiter": ";"}),
    "semicolons that the spec and Excel's line name": ("sep=;\n" + _lines(";"), {"delimiter": ";"}),
    "an index": ("".join(f"{n - 1 if n else ''},{line}\n" for n, line in enumerate(_lines().splitlines())), {}),
}


@pytest.mark.parametrize("case", READ)
def test_these_tables_are_read(case: str, tmp_path: Path):
    content, train = READ[case]
    assert _read(tmp_path, content, **train) == sorted(FILMS)


WRONG_DIALECT: dict[str, tuple[str, str, dict[str, Any], list[str]]] = {
    "semicolons": ("a.csv", _lines(";"), {}, ["told apart by semicolons, not by commas", 'train.delimiter: ";"']),
    "semicolons and texts with commas": ("a.csv", _lines(";").replace("a ", "well, a "), {}, ["by semicolons"]),
    "semicolons and a comma in the header": (
        "a.csv",
        _lines(";").replace("text;", "text;a,b;").replace(" film;", " film;x;"),
        {},
        ["line 2: found 1 fields", 'set spec.dataset.train.delimiter: ";"'],
    ),
    "tabs": ("a.csv", _lines("\t"), {}, ["told apart by tabs", 'delimiter: "\\t"']),
    "commas in a TSV": ("a.tsv", _lines(), {}, ["told apart by commas, not by tabs"]),
    "Excel's line with another delimiter": ("a.csv", "sep=;\n" + _lines(";"), {}, ["line 1", 'delimiter: ";"']),
    "a delimiter that the file does not have": (
        "a.csv",
        _lines(),
        {"delimiter": ";"},
        ["no column 'text'", "there are text,label"],
    ),
    "a blank before a name": ("a.csv", _lines(", "), {}, ["no column 'label'", "there are text, ' label'"]),
    "a blank before a quotation mark": (
        "a.csv",
        'label,text\ngood, "warm, funny"\n',
        {},
        ["line 2: found 3 fields", "take out the blank before a quotation mark"],
    ),
    "single quotation marks": (
        "a.csv",
        _lines() + "'fine, warm',good\n",
        {},
        ["by double quotation marks, not by single"],
    ),
    "a value in a column without a name": (
        "a.csv",
        _lines(last=",").replace("a dull film,bad,", "a dull film,bad,x"),
        {},
        ["line 3: found 3 fields", "name the columns at the end of the header"],
    ),
    "two columns without a name": ("a.csv", ",,text\n1,2,x\n", {}, ["column '' appears twice"]),
    "a value under no name": ("a.csv", _lines(last=",x").replace("label,x", "label,"), {}, ["line 2: found 3 fields"]),
    "quotes by backslash": ("a.csv", _lines() + '"a \\"fine\\" film",good\n', {}, ["line 6", 'written \\"', "double"]),
    "a carriage return in a field": ("a.csv", _lines() + "a\rb,good\n", {}, ["line 6: a carriage return"]),
}


@pytest.mark.parametrize("case", WRONG_DIALECT)
def test_a_table_of_another_dialect_is_told_what_it_is(case: str, tmp_path: Path):
    name, content, train, words = WRONG_DIALECT[case]
    message = _refusal(tmp_path, content, name, **train)
    for word in words:
        assert word in message


SWALLOWED = (
    'text\tlabel\na warm film\tgood\n"a warm plot\tgood\na dull film\tbad\na plot of 9"\tbad\na noisy film\tbad\n'
)
ROWS = 5


def test_a_quotation_mark_that_swallows_rows_of_a_tsv_is_refused(tmp_path: Path):
    message = _refusal(tmp_path, SWALLOWED, "train.tsv")
    assert "line 3: found a quotation mark that makes one row of lines 3 to 5" in message
    assert "set spec.dataset.train.quoting: Literal" in message


def test_quotation_marks_may_be_ordinary_characters(tmp_path: Path):
    rows = _read(tmp_path, SWALLOWED, "train.tsv", quoting="Literal")
    assert len(rows) == ROWS
    assert ('"a warm plot', "good") in rows
    assert ('a plot of 9"', "bad") in rows


def test_a_spec_that_states_the_quoting_is_taken_at_its_word(tmp_path: Path):
    rows = _read(tmp_path, SWALLOWED, "train.tsv", quoting="Standard")
    assert len(rows) == ROWS - 2


def test_a_quotation_mark_that_may_have_swallowed_rows_of_a_csv_is_warned_of(tmp_path: Path):
    write(tmp_path, "train.csv", SWALLOWED.replace("\t", ","))
    record, _ = prepare(tmp_path, **_train())
    assert "quotation marks make one row of several lines" in record.warnings[0]
    assert "first of lines 3 to 5" in record.warnings[0]
    assert "spec.dataset.train.quoting: Literal" in record.warnings[0]


def test_line_breaks_in_quoted_fields_are_no_reason_to_warn(tmp_path: Path):
    for name, delimiter in (("train.csv", ","), ("train.tsv", "\t")):
        write(tmp_path, name, _lines(delimiter) + f'"two\nlines"{delimiter}good\n')
        assert not any("quotation" in words for words in prepare(tmp_path, **_train(name))[0].warnings)


@pytest.mark.parametrize("field", ["delimiter", "quoting"])
def test_a_dialect_is_for_tables_only(field: str, tmp_path: Path):
    write(tmp_path, "train.jsonl", "")
    value = {"delimiter": ";", "quoting": "Literal"}[field]
    with pytest.raises(BadSpec, match="is for CSV and TSV") as refused:
        prepare(tmp_path, **_train("train.jsonl", **{field: value}))
    assert refused.value.field == f"spec.dataset.train.{field}"


def test_a_header_that_stands_again_is_no_row(tmp_path: Path):
    write(tmp_path, "train.csv", _lines() + "\ufeff" + _lines())
    record, _ = prepare(tmp_path, **_train())
    assert record.train_rows + record.evaluation_rows == 2 * len(FILMS)
    assert record.labels == ("bad", "good")
    assert "the header stands again in line 6, as in files that were joined" in record.warnings[0]


ENCODINGS: dict[str, tuple[str, bytes, list[str]]] = {
    "UTF-16 with a mark": ("a.csv", _lines().encode("utf-16"), ["is UTF-16 (as Excel's", "iconv -f UTF-16 -t UTF-8"]),
    "UTF-16 without one": ("a.csv", _lines().encode("utf-16-be"), ["is UTF-16 without", "iconv -f UTF-16BE"]),
    "JSON Lines in UTF-16": ("a.jsonl", '{"text": "a"}\n'.encode("utf-16"), ["is UTF-16"]),
    "JSON in UTF-16": ("a.json", '[{"text": "a"}]\n'.encode("utf-16-le"), ["is UTF-16 without", "iconv -f UTF-16LE"]),
    "Windows-1252": (
        "a.csv",
        (_lines() + "a “café” film,good\n").encode("cp1252"),
        ["line 6: byte 0x93 is not UTF-8", "Latin-1 or Windows-1252", "iconv -f WINDOWS-1252"],
    ),
    "Chinese": (
        "a.csv",
        (_lines() + "一部好电影,good\n").encode("gb18030"),
        ["line 6: byte 0x", "that it was written in"],
    ),
    "Mac Roman": ("a.csv", (_lines() + "café,good\n").encode("mac_roman"), ["that it was written in"]),
    "Cyrillic": ("a.csv", (_lines() + "хороший,good\n").encode("cp1251"), ["that it was written in"]),
    "a character that is cut": (
        "a.csv",
        (_lines() + "ein schöner, größer Film,").encode() + "süß".encode()[:-1] + b"\n",
        ["line 6", "this character is damaged or cut off"],
    ),
    "an Excel workbook": ("a.csv", b"PK\x03\x04\x14\x00\xff", ["is a ZIP archive or an Excel workbook", "export it"]),
    "Parquet by another name": ("a.csv", b"PAR1\x15\x04\xff", ["is a Parquet file", "format: Parquet"]),
    "packed by gzip": ("a.jsonl", b"\x1f\x8b\x08\x00", ["is packed by gzip; give it the ending .gz"]),
    "a pointer": ("a.jsonl", b"version https://git-lfs.github.com/spec/v1\noid x\n", ["pointer of Git LFS"]),
    "a page": ("a.csv", b"<!DOCTYPE html>\n<html><body>Sign in</body></html>\n", ["is an HTML page"]),
}


@pytest.mark.parametrize("case", ENCODINGS)
def test_a_file_in_another_encoding_is_told_which(case: str, tmp_path: Path):
    name, content, words = ENCODINGS[case]
    message = _refusal(tmp_path, content, name)
    for word in [f"pvc://data/{name}", *words]:
        assert word in message


def test_text_with_carriage_returns_alone_has_rows(tmp_path: Path):
    write(tmp_path, "train.txt", "one\rtwo\rthree")
    rows = rows_of(tmp_path, task="CausalLM", **_train("train.txt"))
    assert sorted(row["text"] for row in rows) == ["one", "three", "two"]


ONE, TWO = '{"text": "a", "label": "x"}', '{"text": "b", "label": "y"}'
JSON_FILES: dict[str, tuple[str, str, list[str]]] = {
    "another array": ("a.json", f"[{ONE}]\n[{TWO}]\n[", ["line 3: not JSON"]),
    "garbage after the array": ("a.json", f"[{ONE},\n{TWO}]\nDone.\n", ["line 3: found 'Done.' after the end"]),
    "a comma after the array": ("a.json", f"[{ONE}],\n[{TWO}]", ["line 1: found ',' after the end of the array"]),
    "an object after the array": ("a.json", f"[{ONE}]\n{TWO}", ["line 2: found", "after the end of the array"]),
    "no end": ("a.json", f"[{ONE},\n{TWO}\n", ["line 3: found the file's end after an object"]),
    "objects in lines": ("a.json", f"{ONE}\n{TWO}\n", ["line 1", "needs format: JSONL"]),
    "objects over several lines": ("a.json", '{\n"text": "a"\n}\n{\n"text": "b"\n}\n', ["`jq -s .` makes of them"]),
    "rows under a key": ("a.json", f'{{"version": 1, "data": [{ONE}]}}', ["under its key 'data'", "`jq .data`"]),
    "columns as pandas writes them": ("a.json", '{"text": {"0": "a"}, "label": {"0": "x"}}', ["orient='records'"]),
    "columns as lists": ("a.json", '{"text": ["a"], "label": ["x"]}', ["one object of columns"]),
    "brackets without end": ("a.json", '[{"a":' + "[" * 200_000, ["too deep"]),
    "an array as lines": ("a.jsonl", f"[\n{ONE},\n{TWO}\n]\n", ["line 1", "set spec.dataset.train.format: JSON"]),
    "an array in one line": ("a.jsonl", f"[{ONE}, {TWO}]\n", ["set spec.dataset.train.format: JSON"]),
    "an object over lines": ("a.jsonl", '{\n"text": "a"\n}\n', ["goes on in the next line", "`jq -c .`"]),
    "two objects in a line": ("a.jsonl", f"{ONE}\n{ONE}{TWO}\n", ["line 2", f"Extra data at character {len(ONE) + 1}"]),
    "garbage at the end": ("a.jsonl", f"{ONE}\n{TWO}\nDone.\n", ["1 of 3 rows", "line 3: found 'Done.'"]),
    "brackets without end in a line": ("a.jsonl", f"{ONE}\n" + "[" * 200_000 + "\n", ["line 2", "recursion"]),
}


@pytest.mark.parametrize("case", JSON_FILES)
def test_json_of_another_kind_is_told_what_it_is(case: str, tmp_path: Path):
    name, content, words = JSON_FILES[case]
    message = _refusal(tmp_path, content, name)
    for word in words:
        assert word in message


def test_arrays_one_after_the_other_are_all_read(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    assert _read(tmp_path, f"[{ONE}]\n[{TWO}]", "a.json") == [("a", "x"), ("b", "y")]
    assert "holds 2 arrays" in caplog.text
