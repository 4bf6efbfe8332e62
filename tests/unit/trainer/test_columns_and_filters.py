"""Which columns are taken for which, and which rows are used."""

import json
from pathlib import Path
from typing import Any

import pytest

from finetune_trainer.errors import BadData, BadSpec
from tests.unit.trainer.stage_data import prepare, rows_of, write

CHAT = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]
SHARE_GPT = [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "ho"}]

RECOGNISED: dict[str, tuple[str, dict[str, Any], dict[str, Any], list[str]]] = {
    "instruction and output": (
        "SFT",
        {"instruction": "Say it.", "output": "It."},
        {"prompt": {"instruction": "Say it."}, "completion": "It."},
        ["column prompt is taken from instruction", "column completion is taken from output"],
    ),
    "instruction with an input": (
        "SFT",
        {"instruction": "Translate.", "input": "Haus", "output": "house"},
        {"prompt": {"instruction": "Translate.", "context": "Haus"}, "completion": "house"},
        ["column prompt is taken from instruction, and input below it where there is one"],
    ),
    "question and answer": (
        "SFT",
        {"question": "Why?", "answer": "So."},
        {"prompt": {"instruction": "Why?"}, "completion": "So."},
        [],
    ),
    "conversations with from and value": (
        "SFT",
        {"conversations": SHARE_GPT},
        {"messages": CHAT},
        ["column messages is taken from conversations", "from and value, taken for role and content"],
    ),
    "messages with from and value": ("SFT", {"messages": SHARE_GPT}, {"messages": CHAT}, []),
    "a prompt beside a dialogue": (
        "SFT",
        {"prompt": "hi", "completion": "ho", "dialog": CHAT},
        {"prompt": "hi", "completion": "ho"},
        [],
    ),
    "a sentence with a class": (
        "SequenceClassification",
        {"sentence": "fine", "category": "good"},
        {"text": "fine", "label": "good"},
        ["column text is taken from sentence", "column label is taken from category"],
    ),
    "a preference": (
        "DPO",
        {"question": "Why?", "chosen": "So.", "rejected": "No."},
        {"prompt": {"instruction": "Why?"}, "chosen": "So.", "rejected": "No."},
        ["column prompt is taken from question"],
    ),
    "named entities": (
        "TokenClassification",
        {"words": ["Ada", "runs"], "ner_tags": ["B-PER", "O"]},
        {"tokens": ["Ada", "runs"], "tags": ["B-PER", "O"]},
        ["column tags is taken from ner_tags"],
    ),
}


def _changes(**dataset: Any) -> dict[str, Any]:
    return {"dataset": {"train": {"source": "pvc://data/train.jsonl"}, **dataset}}


def _write(folder: Path, rows: list[dict[str, Any]]) -> None:
    write(folder, "train.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("case", RECOGNISED)
def test_columns_of_common_names_are_recognised_and_told(case: str, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    task, row, expected, told = RECOGNISED[case]
    other = {**row, "category": "bad"} if "category" in row else row
    _write(tmp_path, [row, other])
    parsed = rows_of(tmp_path, task=task, **_changes())
    assert len(parsed) == 2
    assert any(expected.items() <= found.items() for found in parsed), parsed
    for words in told:
        assert caplog.text.count(words) == 1


def test_a_column_that_the_spec_names_is_taken_at_its_word(tmp_path: Path):
    _write(tmp_path, [{"instruction": "a", "output": "b"}] * 2)
    with pytest.raises(BadData, match="column 'ask': found no such column"):
        prepare(tmp_path, task="SFT", **_changes(columns={"prompt": "ask"}))


FILMS = [
    {"text": "one", "label": "good", "stars": 5, "year": "1999", "seen": True},
    {"text": "two", "label": "bad", "stars": 1, "year": "2005", "seen": False},
    {"text": "three", "label": "good", "stars": 4, "year": "", "seen": True},
    {"text": "four", "label": "bad", "stars": 2, "seen": None},
]
FILTERS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "in": ({"column": "stars", "operator": "In", "values": ["1", "5"]}, ["one", "two"]),
    "not in": ({"column": "label", "operator": "NotIn", "values": ["good"]}, ["four", "two"]),
    "a flag": ({"column": "seen", "operator": "In", "values": ["true"]}, ["one", "three"]),
    "a missing value is in no list": (
        {"column": "seen", "operator": "NotIn", "values": ["true"]},
        ["four", "two"],
    ),
    "there": ({"column": "year", "operator": "Exists"}, ["one", "two"]),
    "not there": ({"column": "year", "operator": "DoesNotExist"}, ["four", "three"]),
    "a pattern": ({"column": "text", "operator": "MatchesRegex", "values": ["^t.*[eo]$"]}, ["three", "two"]),
    "greater": ({"column": "stars", "operator": "GreaterThan", "values": ["3"]}, ["one", "three"]),
    "less, of texts with numbers": ({"column": "year", "operator": "LessThan", "values": ["2006"]}, ["one", "two"]),
}


@pytest.mark.parametrize("case", FILTERS)
def test_rows_that_do_not_meet_a_condition_are_left_out_and_counted(case: str, tmp_path: Path):
    condition, kept = FILTERS[case]
    _write(tmp_path, FILMS)
    rows = rows_of(tmp_path, task="CausalLM", **_changes(filter=[condition]))
    assert sorted(row["text"] for row in rows) == kept


def test_what_is_filtered_out_is_in_the_record_and_need_not_be_fit_for_use(tmp_path: Path):
    _write(tmp_path, [*FILMS, {"text": "", "label": "good", "stars": 3}])
    condition = {"column": "text", "operator": "Exists"}
    record, _ = prepare(tmp_path, **_changes(filter=[condition]))
    assert (record.counts["train"].read, record.counts["train"].filtered) == (5, 1)
    assert sum(record.label_counts.values()) == record.train_rows


REFUSED = {
    "a text where a number is compared": (
        {"column": "text", "operator": "GreaterThan", "values": ["3"]},
        BadData,
        "line 1, column 'text': found 'one'; expected a number",
    ),
    "no regular expression": (
        {"column": "text", "operator": "MatchesRegex", "values": ["(a"]},
        BadSpec,
        "'(a' is no regular expression",
    ),
    "nothing left": ({"column": "text", "operator": "In", "values": ["x"]}, BadData, "4 filtered out, 0 blank"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_filter_that_cannot_be_used_says_why(case: str, tmp_path: Path):
    condition, kind, words = REFUSED[case]
    _write(tmp_path, FILMS)
    with pytest.raises(kind) as refused:
        prepare(tmp_path, **_changes(filter=[condition]))
    assert words in str(refused.value)


def test_a_filter_on_a_column_that_a_table_lacks_is_refused(tmp_path: Path):
    write(tmp_path, "train.csv", "text,label\nfine,good\npoor,bad\n")
    condition = {"column": "stars", "operator": "LessThan", "values": ["3"]}
    with pytest.raises(BadData, match=r"has no column 'stars'.*spec.dataset.filter names; there are text, label"):
        prepare(tmp_path, dataset={"filter": [condition]})
