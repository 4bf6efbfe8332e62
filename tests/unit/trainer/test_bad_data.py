"""What people are told about data files that cannot be used."""

from pathlib import Path
from typing import Any

import pytest

from finetune_trainer.errors import BadData, BadSpec
from tests.builders import merge
from tests.unit.trainer import stage_data
from tests.unit.trainer.stage_data import REQUEST, write

GOOD_CSV = "text,label\nfine film,good\npoor film,bad\ngreat,good\nawful,bad\n"


def prepare(folder: Path, content: str | bytes, **changes: Any):
    """Run stage Data over a file of that content; return the record and the workspace."""
    _write_train(folder, content, changes)
    return stage_data.prepare(folder, **changes)


def rows_of(folder: Path, content: str | bytes, **changes: Any) -> list[dict[str, Any]]:
    """Return all rows, those held out first."""
    _write_train(folder, content, changes)
    return stage_data.rows_of(folder, **changes)


def _write_train(folder: Path, content: str | bytes, changes: dict[str, Any]) -> None:
    dataset = merge(REQUEST, changes)["dataset"]
    write(folder, dataset["train"]["source"].removeprefix("pvc://data/"), content)


CLASSIFICATION_CASES = {
    "a missing column names those that there are": (
        "review,label\nfine,good\n",
        ["no column 'text'", "review, label", "spec.dataset.columns.text"],
    ),
    "an empty text": (GOOD_CSV + "  ,good\n", ["line 6, column 'text'", "'  '", "remove the row"]),
    "an empty label": (GOOD_CSV + "fine,\n", ["line 6, column 'label'", "nothing"]),
    "the line is right after quoted line breaks": (
        'text,label\n"two\nlines",good\n"three\r\n\nmore",bad\n,good\n',
        ["line 7, column 'text'"],
    ),
    "too few fields": (GOOD_CSV + "fine\n", ["line 6", "1 fields", "2 as in the header (text, label)"]),
    "too many fields": (GOOD_CSV + "a, film,good\n", ["line 6", "3 fields", "quote fields that hold commas"]),
    "a quote that is never closed": (GOOD_CSV + '"fine,good\n', ["line 6", "never closed"]),
    "text after a closing quote": (GOOD_CSV + '"fine" film,good\n', ["line 6", "RFC 4180"]),
    "bytes that are not UTF-8": (
        GOOD_CSV.encode() + "café,good\n".encode("latin-1"),
        ["line 6", "0xe9 is not UTF-8", "iconv"],
    ),
    "two columns of one name": ("text,text,label\na,b,good\n", ["column 'text' appears twice"]),
    "only one label": ("text,label\nfine,good\ngreat,good\n", ["all 2 rows have the label 'good'", "at least two"]),
    "an empty file": ("", ["holds no rows"]),
    "a header alone": ("text,label\n", ["holds no rows"]),
}


@pytest.mark.parametrize("case", CLASSIFICATION_CASES)
def test_a_csv_that_cannot_be_used_is_refused_with_place_and_remedy(case: str, tmp_path: Path):
    content, words = CLASSIFICATION_CASES[case]
    with pytest.raises(BadData) as refused:
        prepare(tmp_path, content)
    for word in ["pvc://data/train.csv", *words]:
        assert word in refused.value.message
    assert refused.value.field == "spec.dataset.train.source"


JSONL = {"dataset": {"train": {"source": "pvc://data/train.jsonl"}}}
JSONL_CASES = {
    "broken JSON": ('{"text": "fine", "label": "good"\n', ["line 1", "one JSON object on each line"]),
    "a list": ('["fine", "good"]\n', ["line 1", '["fine", "good"]', "one JSON object"]),
    "a number as text": ('{"text": 3, "label": "good"}\n', ["line 1, column 'text'", "found 3", "text in quotes"]),
    "no text": ('{"text": null, "label": "good"}\n', ["line 1, column 'text'", "found null"]),
    "a fraction as label": ('{"text": "fine", "label": 0.5}\n', ["column 'label'", "found 0.5"]),
    "a missing key": ('{"text": "fine"}\n', ["line 1, column 'label'", "there are text"]),
    "bytes that are not UTF-8": (b'{"text": "caf\xe9", "label": "good"}\n', ["line 1", "not UTF-8"]),
}


@pytest.mark.parametrize("case", JSONL_CASES)
def test_a_jsonl_row_that_cannot_be_used_is_named(case: str, tmp_path: Path):
    content, words = JSONL_CASES[case]
    with pytest.raises(BadData) as refused:
        prepare(tmp_path, content, **JSONL)
    for word in words:
        assert word in refused.value.message


SFT = {"task": "SFT", **JSONL}
MESSAGE_CASES = {
    "no list": ('{"messages": "hello"}', ["column 'messages'", "as JSON"]),
    "an empty list": ('{"messages": []}', ["found []", '"role"']),
    "an unknown role": (
        '{"messages": [{"role": "human", "content": "hi"}, {"role": "assistant", "content": "ho"}]}',
        ["role 'human' in message 1", "system, user, assistant, tool"],
    ),
    "no content": ('{"messages": [{"role": "user"}, {"role": "assistant", "content": "ho"}]}', ["as message 1"]),
    "an empty reply": (
        '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": " "}]}',
        ["content ' ' in message 2"],
    ),
    "no reply": ('{"messages": [{"role": "user", "content": "hi"}]}', ["a last message by 'user'", "assistant's"]),
    "a late system message": (
        '{"messages": [{"role": "user", "content": "a"}, {"role": "system", "content": "b"},'
        ' {"role": "assistant", "content": "c"}]}',
        ["role 'system' in message 2", "only at the start"],
    ),
    "a tool call without a function": (
        '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "tool_calls": [{"name": "x"}]}]}',
        ["column 'messages'", "tool_calls", "in message 2", '"function"'],
    ),
    "arguments of a tool call that are no JSON": (
        '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "tool_calls": [{"function":'
        ' {"name": "x", "arguments": "city: Rome"}}]}]}',
        ["column 'messages'", "'city: Rome'", "as JSON"],
    ),
    "tools that are none": (
        '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}], "tools": ["x"]}',
        ["column 'tools'", '["x"]', '"function"'],
    ),
    "an empty completion": ('{"prompt": "hi", "completion": ""}', ["column 'completion'", "remove the row"]),
    "no completion": ('{"prompt": "hi"}', ["column 'completion'", "spec.dataset.columns.completion"]),
}


@pytest.mark.parametrize("case", MESSAGE_CASES)
def test_a_row_that_no_language_model_can_learn_is_named(case: str, tmp_path: Path):
    content, words = MESSAGE_CASES[case]
    with pytest.raises(BadData) as refused:
        prepare(tmp_path, content + "\n", **SFT)
    for word in ["line 1", *words]:
        assert word in refused.value.message


def test_prompts_have_no_turns_of_the_assistant(tmp_path: Path):
    with pytest.raises(BadSpec, match="is for chats, which stand in a column 'messages'") as refused:
        prepare(tmp_path, '{"prompt": "hi", "completion": "ho"}\n', **SFT, sft={"assistantOnlyLoss": True})
    assert refused.value.field == "spec.sft.assistantOnlyLoss"


def test_the_first_five_bad_rows_are_shown_and_all_are_counted(tmp_path: Path):
    with pytest.raises(BadData) as refused:
        prepare(tmp_path, GOOD_CSV + ",good\n" * 7)
    message = refused.value.message
    assert "7 of 11 rows" in message
    assert "line 10" in message
    assert "line 11" not in message
    assert "and 2 more" in message


def test_a_label_outside_of_the_spec_is_refused(tmp_path: Path):
    with pytest.raises(BadData) as refused:
        prepare(tmp_path, GOOD_CSV, sequenceClassification={"labels": ["good", "ugly"]})
    assert "line 3, column 'label': found 'bad'; expected one of good, ugly" in refused.value.message


def test_a_label_of_the_held_out_rows_must_be_one_that_is_taught(tmp_path: Path):
    write(tmp_path, "test.csv", "text,label\nfine,good\nso so,mixed\n")
    with pytest.raises(BadData) as refused:
        prepare(tmp_path, GOOD_CSV, dataset={"evaluation": {"source": "pvc://data/test.csv", "fraction": None}})
    assert "line 3, column 'label': found 'mixed'; expected one of bad, good" in refused.value.message
    assert refused.value.field == "spec.dataset.evaluation.source"


@pytest.mark.parametrize(("fraction", "words"), [(0.1, "no row to be judged by"), (0.9, "no row to learn from")])
def test_a_fraction_that_leaves_a_part_empty_is_refused(fraction: float, words: str, tmp_path: Path):
    with pytest.raises(BadData, match=words) as refused:
        prepare(tmp_path, GOOD_CSV, dataset={"evaluation": {"fraction": fraction}})
    assert refused.value.field == "spec.dataset.evaluation.fraction"


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path):
    content = "\ufeff" + GOOD_CSV.replace("\n", "\r\n")
    assert {row["text"] for row in rows_of(tmp_path, content)} == {"fine film", "poor film", "great", "awful"}


def test_whole_numbers_are_labels(tmp_path: Path):
    content = "".join(f'{{"text": "film {n}", "label": {n % 2}}}\n' for n in range(4))
    assert {row["label"] for row in rows_of(tmp_path, content, **JSONL)} == {"0", "1"}


def test_columns_are_mapped_and_templates_filled(tmp_path: Path):
    content = 'title,body,stars\nUp,"warm, funny",good\nDown,dull,bad\nLeft,fine,good\nRight,poor,bad\n'
    dataset = {"columns": {"label": "stars"}, "template": "{title}: {body} {{x}}"}
    rows = rows_of(tmp_path, content, dataset=dataset)
    assert {"text": "Up: warm, funny {x}", "label": "good"} in rows


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{text", "write literal braces doubled"),
        ("plain", "names no column"),
        ("{}", "a column's name only"),
        ("{text:>10}", "a column's name only"),
        ("{text!r}", "a column's name only"),
    ],
)
def test_a_template_that_is_none_is_refused(template: str, words: str, tmp_path: Path):
    with pytest.raises(BadSpec, match=words):
        prepare(tmp_path, GOOD_CSV, dataset={"template": template})


def test_a_template_with_an_unknown_column_names_the_known_ones(tmp_path: Path):
    with pytest.raises(BadData, match=r"has no column 'titel'.*there are text, label"):
        prepare(tmp_path, GOOD_CSV, dataset={"template": "{titel}"})


def test_chats_and_prompts_with_template(tmp_path: Path):
    chat = '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]}\n'
    assert "messages" in rows_of(tmp_path, chat * 2, **SFT)[0]
    rows = rows_of(
        tmp_path, '{"q": "why", "a": "so"}\n' * 2, task="SFT",
        dataset={**JSONL["dataset"], "template": "Q: {q}", "columns": {"completion": "a"}},
    )  # fmt: skip
    assert rows[0] == {"prompt": "Q: why", "completion": "so"}


def test_the_split_is_decided_by_the_seed_alone(tmp_path: Path):
    content = "text,label\n" + "".join(f"film {n},{'good' if n % 2 else 'bad'}\n" for n in range(40))
    first, again = (rows_of(tmp_path, content, dataset={"seed": 7}) for _ in range(2))
    other = rows_of(tmp_path, content, dataset={"seed": 8})
    assert first == again
    assert sorted(row["text"] for row in first) == sorted(row["text"] for row in other)
    assert first != other


def test_the_limit_counts_after_shuffling(tmp_path: Path):
    content = "text,label\n" + "".join(f"film {n},{'good' if n % 2 else 'bad'}\n" for n in range(40))
    record, _ = prepare(tmp_path, content, dataset={"limit": 10, "evaluation": {"fraction": 0.2}})
    assert (record.train_rows, record.evaluation_rows) == (8, 2)
