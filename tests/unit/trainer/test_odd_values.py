"""Whatever stands in a column, a row is read or refused with its place; nothing ends in a traceback."""

import io
import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from finetune_trainer.errors import BadData
from tests.unit.trainer.stage_data import prepare, write

CHAT = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]
RULES = [{"name": "json", "type": "JSON"}, {"name": "right", "type": "ExactAnswer", "exactAnswer": {"column": "sum"}}]
ROWS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "SequenceClassification": ({}, {"text": "a", "label": "x"}),
    "MultiLabel": (
        {"task": "SequenceClassification", "sequenceClassification": {"problemType": "MultiLabel"}},
        {"text": "a", "labels": ["x"]},
    ),
    "Regression": (
        {"task": "SequenceClassification", "sequenceClassification": {"problemType": "Regression"}},
        {"text": "a", "label": 1.5},
    ),
    "TokenClassification": ({}, {"tokens": ["a"], "tags": ["B-X"]}),
    "CausalLM": ({}, {"text": "a"}),
    "SFT": ({}, {"prompt": "a", "completion": " b"}),
    "SFT with chats": ({"task": "SFT"}, {"messages": CHAT, "tools": None, "system": "s"}),
    "SFT with instructions": (
        {"task": "SFT"},
        {"instruction": "a", "input": "b", "history": [["c", "d"]], "output": "e"},
    ),
    "Seq2Seq": ({}, {"source": "a", "target": "b"}),
    "Reward": ({}, {"prompt": "a", "chosen": "b", "rejected": "c", "margin": 1}),
    "DPO": ({}, {"question": "a", "chosen": "b", "rejected": "c"}),
    "DPO with chats": (
        {"task": "DPO"},
        {"prompt": CHAT[:1], "chosen": CHAT[1:], "rejected": [{**CHAT[1], "content": "x"}]},
    ),
    "KTO": ({}, {"prompt": "a", "completion": "b", "label": True}),
    "KTO with chats": ({"task": "KTO"}, {"messages": CHAT, "label": True}),
    "GRPO": ({"grpo": {"rewardFunctions": RULES}}, {"prompt": "a", "sum": 7}),
    "GRPO with chats": ({"task": "GRPO", "grpo": {"rewardFunctions": RULES}}, {"messages": CHAT, "sum": 7}),
}


def _deep(depth: int) -> list[Any]:
    return [_deep(depth - 1)] if depth else []


ODD: list[Any] = [
    *(None, True, 0, -1, 1.5, float("nan"), float("inf"), 10**400, 1e300, "", " ", "\ud83d", "\x00", "nan", "-1"),
    *([], {}, [None], [[]], [{}], [1, 2], ["", "a"], {"a": None}, [1, 0, 1], [True], ["\ud83d"], _deep(400)),
    *(
        "[",
        "{",
        "[]",
        "{}",
        "[{",
        "[1 2",
        "['a' 'b']",
        "[...]",
        "array([",
        "[{'role'",
        '[{"role": "user"',
        "null",
        '"a"',
    ),
    *(
        [{"role": None, "content": "a"}],
        [{"role": ["user"], "content": "a"}],
        [{"role": "user"}],
        [{"role": "user", "content": 4}],
    ),
    *(
        [{"from": 3, "value": None}],
        [{"from": "function_call", "value": "x"}],
        [{"from": "function_call", "value": None}],
    ),
    *([{"role": "user", "content": [None]}], [{"role": "user", "content": [{"type": "image"}]}], {"role": "assistant"}),
    [*CHAT[:1], {"role": "assistant", "tool_calls": "x"}],
    [*CHAT[:1], {"role": "assistant", "tool_calls": [None]}],
    [*CHAT[:1], {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": [1]}}]}],
    [*CHAT[:1], {"role": "assistant", "content": "a", "weight": {}}],
    '[{"role": "user", "content": null}, {"role": "assistant", "content": "a"}]',
    [{"type": "function", "function": {"name": "f", "parameters": _deep(300)}}],
    [["a", None]],
    [["a"]],
]


@pytest.mark.parametrize("case", ROWS)
def test_odd_values_are_read_or_refused(case: str, tmp_path: Path):
    changes, row = ROWS[case]
    for column in row:
        odd = [{**row, column: value} for value in ODD]
        lines = "".join(json.dumps(values) + "\n" for values in [row, *odd, row])
        write(tmp_path, "a.jsonl", lines)
        with pytest.raises(BadData, match=r"rows cannot be used: line \d+") as refused:
            prepare(tmp_path, **{"task": case, **changes}, dataset={"train": {"source": "pvc://data/a.jsonl"}})
        refused.value.message.encode()


COLUMNS: dict[str, pyarrow.Array] = {
    "times": pyarrow.array([timedelta(days=1), None]),
    "bytes": pyarrow.array([b"\xff", b"a"]),
    "decimals": pyarrow.array([Decimal("1.5"), Decimal("2")]),
    "big decimals": pyarrow.array([Decimal("1" * 60), None], pyarrow.decimal256(70, 0)),
    "moments": pyarrow.array([1, None], pyarrow.timestamp("ns", "UTC")),
    "far moments": pyarrow.array([600_000_000_000, None], pyarrow.timestamp("s")),
    "hours": pyarrow.array([1, None], pyarrow.time64("ns")),
    "small fractions": pyarrow.array([1.5, float("nan")], pyarrow.float32()),
    "structs": pyarrow.array([{"a": {"b": None}}, None]),
    "nulls": pyarrow.nulls(2),
    "maps": pyarrow.array([[("a", 1), ("a", 2)], None], pyarrow.map_(pyarrow.string(), pyarrow.int64())),
}


@pytest.mark.parametrize("column", ["text", "label"])
@pytest.mark.parametrize("kind", COLUMNS)
def test_columns_of_parquet_of_odd_types_are_read_or_refused(kind: str, column: str, tmp_path: Path):
    values = {"text": pyarrow.array(["a", "b"]), "label": pyarrow.array(["x", "y"]), column: COLUMNS[kind]}
    sink = io.BytesIO()
    parquet.write_table(pyarrow.table(values), sink)
    write(tmp_path, "a.parquet", sink.getvalue())
    with pytest.raises(BadData, match=r"row \d, column '(text|label)'"):
        prepare(tmp_path, dataset={"train": {"source": "pvc://data/a.parquet"}})
