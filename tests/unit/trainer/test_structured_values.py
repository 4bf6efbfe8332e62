"""Lists, chats and tool calls come out the same from every format, however the file spells them."""

import csv
import io
import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from finetune_trainer.data.problems import RowError
from finetune_trainer.data.structured import parsed
from finetune_trainer.errors import BadData
from tests.unit.trainer.stage_data import prepare, rows_of, write

USER, REPLY, OTHER = (
    {"role": "user", "content": "What is 2 + 3?"},
    {"role": "assistant", "content": "It's 5."},
    {"role": "assistant", "content": "Oh well."},
)
CHAT = [USER, REPLY]
SHARE_GPT = [{"from": "human", "value": USER["content"]}, {"from": "gpt", "value": REPLY["content"]}]
NUMPY = str(SHARE_GPT).replace("}, {", "}\n {")


def _csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _jsonl(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def _parquet(table: "pyarrow.Table | list[dict[str, Any]]", features: dict[str, Any] | None = None) -> bytes:
    table = table if isinstance(table, pyarrow.Table) else pyarrow.Table.from_pylist(table)
    if features:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    sink = io.BytesIO()
    parquet.write_table(table, sink)
    return sink.getvalue()


def _read(folder: Path, ending: str, content: str | bytes, **changes: Any) -> list[dict[str, Any]]:
    write(folder, f"train.{ending}", content)
    source = {"train": {"source": f"pvc://data/train.{ending}"}}
    return rows_of(folder, **{**changes, "dataset": {**source, **changes.get("dataset", {})}})


PRINTED = {
    "JSON": ('["crime", "it\'s"]', ["crime", "it's"]),
    "Python": ("['crime', \"it's\"]", ["crime", "it's"]),
    "NumPy, which writes no commas": ("['crime' 'comedy'\n 'drama']", ["crime", "comedy", "drama"]),
    "NumPy numbers": ("[1. 0. -1.]", [1.0, 0.0, -1.0]),
    "arrays by name": ("array(['a', 'b'], dtype=object)", ["a", "b"]),
    "NumPy's own types": ("[np.str_('a'), np.int64(3)]", ["a", 3]),
    "a tuple": ("('a', 'b')", ["a", "b"]),
    "a set": ("{'b', 'a'}", ["a", "b"]),
    "JSON in a JSON text": (json.dumps(json.dumps(["a"])), ["a"]),
    "nothing known": ("[None nan]", [None, None]),
    "objects": ("[{'a': [1 2]}\n {'a': None}]", [{"a": [1, 2]}, {"a": None}]),
}


@pytest.mark.parametrize("case", PRINTED)
def test_lists_are_read_as_json_python_and_numpy_write_them(case: str):
    text, value = PRINTED[case]
    assert parsed(text, "labels", "a list") == value


@pytest.mark.parametrize(
    "text", ["[crime, comedy]", "[open('x')]", "[" * 100_000, "[1", "{crime,comedy}", "['a', ...]"]
)
def test_what_is_no_list_is_refused(text: str):
    with pytest.raises(RowError) as refused:
        parsed(text, "labels", "a list")
    assert refused.value.expected.startswith("a list, as JSON")


LABELS = [["crime", "comedy"], ["crime"], [], ["drama"]]
LABEL_FILES: dict[str, tuple[str, str | bytes]] = {
    "JSON Lines": ("jsonl", _jsonl([{"text": f"film {n}", "labels": names} for n, names in enumerate(LABELS)])),
    "CSV by pandas": ("csv", _csv([{"text": f"film {n}", "labels": str(names)} for n, names in enumerate(LABELS)])),
    "CSV with arrays": (
        "csv",
        _csv([{"text": f"film {n}", "labels": str(names).replace(",", "")} for n, names in enumerate(LABELS)]),
    ),
    "CSV with JSON": ("csv", _csv([{"text": f"film {n}", "labels": json.dumps(x)} for n, x in enumerate(LABELS)])),
    "CSV with separators": ("csv", _csv([{"text": f"film {n}", "labels": "|".join(x)} for n, x in enumerate(LABELS)])),
    "Parquet": ("parquet", _parquet([{"text": f"film {n}", "labels": names} for n, names in enumerate(LABELS)])),
    "Parquet with classes": (
        "parquet",
        _parquet(
            [
                {"text": f"film {n}", "labels": [["comedy", "crime", "drama"].index(x) for x in names]}
                for n, names in enumerate(LABELS)
            ],
            {"labels": [{"names": ["comedy", "crime", "drama"], "_type": "ClassLabel"}]},
        ),
    ),
}
MULTI = {"sequenceClassification": {"problemType": "MultiLabel"}}


@pytest.mark.parametrize("case", LABEL_FILES)
def test_label_sets_are_the_same_from_every_format(case: str, tmp_path: Path):
    rows = _read(tmp_path, *LABEL_FILES[case], **MULTI)
    assert sorted((row["text"], row["label"]) for row in rows) == [(f"film {n}", x) for n, x in enumerate(LABELS)]


@pytest.mark.parametrize("separator", [",", ", ", "; ", "/"])
def test_labels_that_seem_to_be_several_in_one_are_warned_of(separator: str, tmp_path: Path):
    rows = [{"text": f"film {n}", "labels": separator.join(names)} for n, names in enumerate(LABELS)]
    write(tmp_path, "train.csv", _csv(rows))
    record, _ = prepare(tmp_path, **MULTI)
    assert any(f"labelSeparator: '{separator.strip()}'" in words for words in record.warnings)
    names = [f"soft{separator}hard", "crime", "comedy", "drama"]
    write(tmp_path, "train.csv", _csv([{**row, "labels": name} for row, name in zip(rows, names, strict=True)]))
    assert not any("labelSeparator" in words for words in prepare(tmp_path, **MULTI)[0].warnings)


FLAGS = {
    "numbers": [[1, 0, 1], [0, 0, 0], [0, 1, 0]],
    "fractions": [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
    "booleans": [[True, False, True], [False, False, False], [False, True, False]],
}


@pytest.mark.parametrize("ending", ["jsonl", "parquet", "csv"])
@pytest.mark.parametrize("case", FLAGS)
def test_flags_are_read_where_the_spec_names_their_labels(case: str, ending: str, tmp_path: Path):
    rows = [{"text": f"film {n}", "labels": flags} for n, flags in enumerate(FLAGS[case])]
    content = {"jsonl": _jsonl, "parquet": _parquet, "csv": _csv}[ending](rows)
    options = {"sequenceClassification": {"problemType": "MultiLabel", "labels": ["crime", "comedy", "drama"]}}
    read = _read(tmp_path, ending, content, **options)
    assert sorted(row["label"] for row in read) == [[], ["comedy"], ["crime", "drama"]]


@pytest.mark.parametrize("flags", [[[1, 0], [0, 1]], [[1, 0, 1], [0, 0, 1]], [[1.0, 0.0], [0.0, 1.0]]])
def test_flags_without_names_are_not_taken_for_labels(flags: list[list[float]], tmp_path: Path):
    rows = [{"text": f"film {n}", "labels": values} for n, values in enumerate(flags)]
    with pytest.raises(BadData, match=r"flags, 0 or 1 for each label, name the labels .*sequenceClassification.labels"):
        _read(tmp_path, "jsonl", _jsonl(rows), **MULTI)


CHAT_TEXTS = {"JSON": json.dumps(CHAT), "Python": str(CHAT), "ShareGPT": json.dumps(SHARE_GPT), "NumPy": NUMPY}
CHAT_ROWS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "SFT": ("SFT", "messages", {}),
    "SFT by another name": ("SFT", "conversations", {}),
    "KTO": ("KTO", "messages", {"label": True}),
    "GRPO": ("GRPO", "messages", {}),
}


@pytest.mark.parametrize("text", CHAT_TEXTS)
@pytest.mark.parametrize("case", CHAT_ROWS)
def test_chats_stand_in_csv_for_every_task_that_has_messages(case: str, text: str, tmp_path: Path):
    task, column, more = CHAT_ROWS[case]
    options = {"grpo": {"rewardFunctions": [{"name": "json", "type": "JSON"}]}} if task == "GRPO" else {}
    row = _read(tmp_path, "csv", _csv([{column: CHAT_TEXTS[text], **more}] * 2), task=task, **options)[0]
    expected = {
        "SFT": {"messages": CHAT},
        "KTO": {"prompt": [USER], "completion": [REPLY], "label": True},
        "GRPO": {"prompt": [USER]},
    }
    assert row == expected[task]


@pytest.mark.parametrize("write_text", [json.dumps, str], ids=["JSON", "Python"])
@pytest.mark.parametrize("task", ["DPO", "ORPO", "Reward"])
@pytest.mark.parametrize("whole", [True, False], ids=["whole chats", "prompt and answers"])
def test_pairs_of_chats_stand_in_csv(whole: bool, task: str, write_text: Any, tmp_path: Path):
    before = [USER] if whole else []
    row = {"chosen": write_text([*before, REPLY]), "rejected": write_text([*before, OTHER])}
    content = _csv([{"prompt": "What is 2 + 3?" if whole else write_text([USER]), **row}] * 2)
    assert _read(tmp_path, "csv", content, task=task)[0] == {"prompt": [USER], "chosen": [REPLY], "rejected": [OTHER]}


def test_an_answer_by_share_gpts_names_is_one_message(tmp_path: Path):
    row = {"prompt": "What is 2 + 3?", "chosen": SHARE_GPT[1], "rejected": {"from": "gpt", "value": "Oh well."}}
    expected = {"prompt": [USER], "chosen": [REPLY], "rejected": [OTHER]}
    assert _read(tmp_path, "jsonl", _jsonl([row] * 2), task="DPO")[0] == expected


def test_the_prompt_of_a_pair_may_be_called_conversations(tmp_path: Path):
    row = {"conversations": SHARE_GPT[:1], "chosen": SHARE_GPT[1], "rejected": {"from": "gpt", "value": "Oh well."}}
    expected = {"prompt": [USER], "chosen": [REPLY], "rejected": [OTHER]}
    assert _read(tmp_path, "jsonl", _jsonl([row] * 2), task="DPO")[0] == expected


def test_a_pair_by_openais_names_is_one(tmp_path: Path):
    row = {"input": {"messages": [USER], "tools": []}, "preferred_output": [REPLY], "non_preferred_output": [OTHER]}
    expected = {"prompt": [USER], "chosen": [REPLY], "rejected": [OTHER]}
    assert _read(tmp_path, "jsonl", _jsonl([row] * 2), task="DPO")[0] == expected


def test_judged_chats_stand_in_csv(tmp_path: Path):
    row = {"prompt": json.dumps([USER]), "completion": json.dumps([REPLY]), "label": "False"}
    expected = {"prompt": [USER], "completion": [REPLY], "label": False}
    assert _read(tmp_path, "csv", _csv([row] * 2), task="KTO")[0] == expected


def test_a_chat_that_breaks_off_is_refused_and_brackets_in_a_text_are_not(tmp_path: Path):
    broken = '[{"role": "user", "content": "What" is 2?"}]'
    with pytest.raises(BadData, match=r"line 2, column 'chosen'.*as JSON"):
        _read(tmp_path, "csv", _csv([{"prompt": "a", "chosen": broken, "rejected": "b"}] * 2), task="DPO")
    code = "[{'from': 1}]"
    rows = _read(tmp_path, "csv", _csv([{"prompt": "{ from x }", "completion": code}] * 2), task="SFT")
    assert rows[0] == {"prompt": "{ from x }", "completion": code}


def test_the_parts_of_a_message_are_joined_and_pictures_refused(tmp_path: Path):
    parts = [{"type": "text", "text": "What is "}, {"type": "text", "text": "2 + 3?"}]
    answer = {"role": "assistant", "content": [{"type": "text", "text": REPLY["content"]}]}
    row: dict[str, Any] = {"messages": [{"role": "user", "content": parts}, answer]}
    for ending, content in (("jsonl", _jsonl([row] * 2)), ("parquet", _parquet([row] * 2))):
        assert _read(tmp_path, ending, content, task="SFT")[0] == {"messages": CHAT}
    row["messages"][0]["content"].append({"type": "image_url", "image_url": {"url": "x"}})
    with pytest.raises(BadData, match="line 1, column 'messages': found a part of type 'image_url'"):
        _read(tmp_path, "jsonl", _jsonl([row] * 2), task="SFT")


ADD = {"type": "function", "function": {"name": "add", "arguments": {"x": 3, "y": 2}}}
SKY = {"type": "function", "function": {"name": "sky", "arguments": {"city": "Rome"}}}
SPECS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": properties}}}
    for name, properties in (
        ("add", {"x": {"type": "integer"}, "y": {"type": "integer"}}),
        ("sky", {"city": {"type": "string"}}),
    )
]


def _calling(call: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [USER, {"role": "assistant", "tool_calls": [call]}], "tools": SPECS}


def test_keys_that_a_table_fills_with_null_are_left_out_of_calls_and_tools(tmp_path: Path):
    rows = [_calling(ADD), _calling(SKY)]
    filled = pyarrow.Table.from_pylist(rows).to_pylist()
    assert filled[0]["messages"][1]["tool_calls"][0]["function"]["arguments"] == {"x": 3, "y": 2, "city": None}
    read = _read(tmp_path, "parquet", _parquet(rows), task="SFT")
    assert sorted(read, key=str) == sorted(rows, key=str)


def test_nulls_of_a_table_that_was_written_as_json_are_told_by_the_tools(tmp_path: Path):
    rows = pyarrow.Table.from_pylist([_calling(ADD), _calling(SKY)]).to_pylist()
    read = _read(tmp_path, "jsonl", _jsonl(rows), task="SFT")
    assert sorted(read, key=str) == sorted([_calling(ADD), _calling(SKY)], key=str)


CALLS: dict[str, tuple[Any, Any]] = {
    "arguments as text": ({**ADD, "function": {**ADD["function"], "arguments": '{"x": 3, "y": 2}'}}, ADD),
    "arguments as Python": ({**ADD, "function": {**ADD["function"], "arguments": "{'x': 3, 'y': 2}"}}, ADD),
    "a bare function": (ADD["function"], ADD),
    "a null that is meant": (
        {"type": "function", "function": {"name": "add", "arguments": '{"x": null}'}},
        {"type": "function", "function": {"name": "add", "arguments": {"x": None}}},
    ),
}


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
@pytest.mark.parametrize("case", CALLS)
def test_calls_have_one_form(case: str, ending: str, tmp_path: Path):
    given, expected = CALLS[case]
    row = {"messages": [USER, {"role": "assistant", "content": None, "tool_calls": [given]}]}
    content = {"jsonl": _jsonl, "parquet": _parquet}[ending]([row] * 2)
    assert _read(tmp_path, ending, content, task="SFT")[0]["messages"][1]["tool_calls"] == [expected]


def test_the_parameters_of_tools_may_be_text(tmp_path: Path):
    tools = [
        {**spec, "function": {**spec["function"], "parameters": json.dumps(spec["function"]["parameters"])}}
        for spec in SPECS
    ]
    rows = [{**_calling(ADD), "tools": tools}] * 2
    for ending, content in (("jsonl", _jsonl(rows)), ("parquet", _parquet(rows))):
        assert _read(tmp_path, ending, content, task="SFT")[0] == _calling(ADD)


def test_a_text_of_parquet_that_is_not_utf_8_is_refused_with_its_row(tmp_path: Path):
    wrong = pyarrow.array([b"a", b"caf\xe9"]).view(pyarrow.string())
    table = pyarrow.table({"text": wrong, "label": ["x", "y"]})
    with pytest.raises(BadData, match=r"row 2, column 'text': holds a string that cannot be read"):
        _read(tmp_path, "parquet", _parquet(table))


def test_share_gpts_and_openais_older_calls_are_calls(tmp_path: Path):
    call = json.dumps(ADD["function"])
    share_gpt = [SHARE_GPT[0], {"from": "function_call", "value": call}, {"from": "observation", "value": "5"}]
    older = [USER, {"role": "assistant", "content": None, "function_call": ADD["function"]}]
    older.append({"role": "function", "name": "add", "content": "5"})
    bare = json.dumps([spec["function"] for spec in SPECS])
    rows = [
        {"conversations": [*share_gpt, SHARE_GPT[1]], "tools": bare},
        {"conversations": [*older, REPLY], "tools": bare},
    ]
    for row in _read(tmp_path, "jsonl", _jsonl(rows), task="SFT"):
        assert [message["role"] for message in row["messages"]] == ["user", "assistant", "tool", "assistant"]
        assert row["messages"][1]["tool_calls"] == [ADD]
        assert row["tools"] == SPECS


WORDS = [{"tokens": ["Ada", "slept"], "tags": ["B-PER", "O"]}, {"tokens": ["[CLS]", "Rome"], "tags": ["O", "B-LOC"]}]


@pytest.mark.parametrize("spell", [json.dumps, str, lambda words: str(words).replace(",", ""), " ".join])
def test_words_and_tags_are_lists_in_csv_however_they_are_written(spell: Any, tmp_path: Path):
    rows = [{name: spell(value) for name, value in row.items()} for row in WORDS]
    read = _read(tmp_path, "csv", _csv(rows), task="TokenClassification")
    assert sorted(read, key=str) == sorted(WORDS, key=str)


CLASSES = {"label": {"names": ["bad", "good"], "_type": "ClassLabel"}}


def test_a_row_without_a_class_is_refused_and_can_be_left_out(tmp_path: Path):
    table = _parquet([{"text": f"film {n}", "label": label} for n, label in enumerate([0, 1, -1, 1, 0])], CLASSES)
    with pytest.raises(BadData, match=r"row 3, column 'label': found -1, which stands for no class.*spec.dataset.filt"):
        _read(tmp_path, "parquet", table)
    for condition in ({"operator": "NotIn", "values": ["-1"]}, {"operator": "Exists"}):
        rows = _read(tmp_path, "parquet", table, dataset={"filter": [{"column": "label", **condition}]})
        assert {row["label"] for row in rows} == {"bad", "good"}


def test_a_word_without_a_class_is_refused(tmp_path: Path):
    features = {"ner_tags": {"feature": {"names": ["O", "B-PER"], "_type": "ClassLabel"}, "_type": "Sequence"}}
    table = _parquet([{"tokens": ["Ada", "slept"], "ner_tags": [1, -1]}] * 2, features)
    with pytest.raises(BadData, match="row 1, column 'tags': found -1 as item 2, which stands for no class"):
        _read(tmp_path, "parquet", table, task="TokenClassification")


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([1.0, 0.0], {"1", "0"}),
        ([True, False], {"true", "false"}),
        ([Decimal("1"), Decimal("2")], {"1", "2"}),
        ([datetime(2024, 5, 1), datetime(2024, 5, 2)], {"2024-05-01T00:00:00", "2024-05-02T00:00:00"}),
    ],
    ids=["fractions without a rest", "booleans", "decimals", "points in time"],
)
def test_labels_of_parquet_have_names(values: list[Any], names: set[str], tmp_path: Path):
    table = _parquet([{"text": f"film {n}", "label": value} for n, value in enumerate(values)])
    assert {row["label"] for row in _read(tmp_path, "parquet", table)} == names


@pytest.mark.parametrize("label", [None, float("nan"), 0.5])
def test_labels_that_are_none_are_refused(label: float | None, tmp_path: Path):
    table = _parquet([{"text": "a", "label": 1.0}, {"text": "b", "label": label}])
    with pytest.raises(BadData, match=r"row 2, column 'label': found (nothing|NaN|0\.5)"):
        _read(tmp_path, "parquet", table)


def test_dictionaries_and_maps_of_parquet_are_plain_values(tmp_path: Path):
    maps = pyarrow.array([[("role", "user"), ("content", "hi")]] * 2, pyarrow.map_(pyarrow.string(), pyarrow.string()))
    chats = pyarrow.ListArray.from_arrays([0, 2], maps)
    table = pyarrow.table({"messages": chats})
    with pytest.raises(BadData, match="a last message by 'user'"):
        _read(tmp_path, "parquet", _parquet(table), task="SFT")
    encoded = pyarrow.array(["good", "bad"]).dictionary_encode()
    rows = _read(tmp_path, "parquet", _parquet(pyarrow.table({"text": ["a", "b"], "label": encoded})))
    assert {row["label"] for row in rows} == {"good", "bad"}


def test_a_value_that_cannot_be_read_is_named_with_its_row_and_column(tmp_path: Path):
    days = pyarrow.array([19000, 2_000_000_000], pyarrow.date32())
    table = pyarrow.table({"text": ["a", "b"], "label": ["x", "y"], "day": days})
    with pytest.raises(BadData, match=r"row 2, column 'day': holds a date32\[day\] that cannot be read"):
        _read(tmp_path, "parquet", _parquet(table))


def test_columns_of_parquet_that_have_one_name_are_refused(tmp_path: Path):
    table = pyarrow.Table.from_arrays([pyarrow.array(["a"]), pyarrow.array(["b"])], names=["text", "text"])
    with pytest.raises(BadData, match="column 'text' appears twice"):
        _read(tmp_path, "parquet", _parquet(table), task="CausalLM")


def test_all_rows_with_the_same_labels_teach_nothing(tmp_path: Path):
    rows = [{"text": f"film {n}", "labels": ["warm", "long"]} for n in range(3)]
    write(tmp_path, "train.jsonl", _jsonl(rows))
    with pytest.raises(BadData, match="all 3 rows have the same labels, long, warm, so nothing can be learnt"):
        prepare(tmp_path, **MULTI, dataset={"train": {"source": "pvc://data/train.jsonl"}})
