"""Answers that are each marked good or bad: which rows can be used, and what people are told of the others."""

from typing import Any

import pytest

from finetune_api.spec.dataset import Columns
from finetune_trainer.data.problems import RowError
from finetune_trainer.data.template import Template
from finetune_trainer.tasks.preference.judged_rows import judged_row

USER, GOOD = {"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}


@pytest.mark.parametrize("mark", [True, 1, "true", "True", "1"])
def test_a_text_with_its_mark(mark: Any):
    row = judged_row({"prompt": "hi", "completion": " ho", "label": mark}, Columns(), None)
    assert row == {"prompt": "hi", "completion": " ho", "label": True}


@pytest.mark.parametrize(
    "values",
    [
        {"prompt": [USER], "completion": [GOOD]},
        {"prompt": "hi", "completion": [GOOD]},
        {"messages": [USER, GOOD]},
    ],
    ids=["a chat in two parts", "a text that is the user's message", "a whole chat"],
)
def test_chats_end_with_the_answer(values: dict[str, Any]):
    row = judged_row({**values, "label": "false"}, Columns(), None)
    assert row == {"prompt": [USER], "completion": [GOOD], "label": False}


def test_the_prompt_may_come_from_a_template():
    row = judged_row({"q": "hi", "completion": " ho", "label": 0}, Columns(), Template("Q: {q}"))
    assert row == {"prompt": "Q: hi", "completion": " ho", "label": False}


CASES: dict[str, tuple[dict[str, Any], str | None, str, str]] = {
    "no mark": ({"prompt": "hi", "completion": "ho"}, "label", "no such column", "spec.dataset.columns.label"),
    "a score": ({"prompt": "hi", "completion": "ho", "label": 0.5}, "label", "0.5", "true for a good answer"),
    "no answer": ({"prompt": "hi", "label": True}, "completion", "no such column", "spec.dataset.columns.completion"),
    "an empty answer": ({"prompt": "hi", "completion": " ", "label": True}, "completion", "' '", "remove the row"),
    "an answer by the user": ({"prompt": [USER], "completion": [USER], "label": True}, "completion", "hi", "assistant"),
    "no prompt": ({"completion": "ho", "label": True}, "prompt", "no such column", "spec.dataset.columns.prompt"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_row_that_cannot_be_used_is_explained(case: str):
    values, column, found, expected = CASES[case]
    with pytest.raises(RowError) as refused:
        judged_row(values, Columns(), None)
    assert refused.value.column == column
    assert found in refused.value.found
    assert expected in refused.value.expected
