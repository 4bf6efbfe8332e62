"""Preference pairs and source-target rows: what is understood, and what people are told about the rest."""

import json
from typing import Any

import pytest

from finetune_api.handoff import RunRequest
from finetune_trainer.data.problems import Problems, RowError
from finetune_trainer.errors import BadData
from finetune_trainer.tasks import Recipe, recipe_for
from finetune_trainer.tasks.preference.preference_rows import preference_row

ASK, YES, NO = (
    {"role": "user", "content": "Is it open?"},
    {"role": "assistant", "content": "Yes."},
    {"role": "assistant", "content": "No."},
)
PAIR = {"prompt": "Is it open?", "chosen": " Yes.", "rejected": " No."}
CHATS = {"prompt": [ASK], "chosen": [YES], "rejected": [NO]}
WHOLE = {"chosen": [ASK, YES], "rejected": [ASK, NO]}


def _recipe(task: str, **dataset: Any) -> Recipe:
    request = {
        "namespace": "default",
        "name": "job",
        "uid": "uid",
        "runId": "run",
        "model": {"source": "pvc://models/base"},
        "task": task,
        "dataset": {"train": {"source": "pvc://data/train.jsonl"}, **dataset},
        "output": {"destination": "pvc://out/x"},
    }
    return recipe_for(RunRequest.model_validate(request))


UNDERSTOOD = {
    "texts": (PAIR, PAIR),
    "texts without a prompt": ({**PAIR, "prompt": None}, {**PAIR, "prompt": ""}),
    "chats": (CHATS, CHATS),
    "whole chats": (WHOLE, CHATS),
    "whole chats beside a text of the prompt": ({**WHOLE, "prompt": "Is it open?"}, CHATS),
    "answers of the assistant to a text": ({**CHATS, "prompt": "Is it open?"}, CHATS),
    "chats that part late": (
        {"chosen": [ASK, YES, ASK, NO], "rejected": [ASK, YES, ASK, YES]},
        {"prompt": [ASK, YES, ASK], "chosen": [NO], "rejected": [YES]},
    ),
    "an answer that is the beginning of the other": (
        {"chosen": [ASK, YES, ASK, NO], "rejected": [ASK, YES]},
        {"prompt": [ASK], "chosen": [YES, ASK, NO], "rejected": [YES]},
    ),
}


@pytest.mark.parametrize("case", UNDERSTOOD)
def test_pairs_are_brought_into_one_form(case: str):
    values, row = UNDERSTOOD[case]
    assert preference_row(values, _recipe("Reward").columns, None, prompt_required=False) == row


REFUSED = {
    "no rejected answer": ({"prompt": "a", "chosen": "b"}, "rejected", ["there are prompt, chosen"]),
    "an empty answer": ({**PAIR, "chosen": " "}, "chosen", ["remove the row"]),
    "the same answer twice": ({**PAIR, "rejected": " Yes."}, "rejected", ["the same as chosen", "two different"]),
    "text against messages": ({**PAIR, "rejected": [NO]}, "rejected", ["messages", "text, as in column 'chosen'"]),
    "messages as the prompt of texts": ({**PAIR, "prompt": [ASK]}, "prompt", ["messages", "a text"]),
    "a prompt that the assistant ends": ({**CHATS, "prompt": [ASK, YES]}, "chosen", ["ends with the user's message"]),
    "whole chats with nothing in common": (
        {"chosen": [ASK, YES], "rejected": [{"role": "user", "content": "Hi"}, NO]},
        "chosen",
        ["no message before the answers"],
    ),
    "an answer by the user": ({**CHATS, "rejected": [ASK]}, "rejected", ["begins and ends with the assistant's"]),
    "an unknown role": ({**CHATS, "chosen": [{"role": "bot", "content": "x"}]}, "chosen", ["role 'bot'"]),
    "no prompt where one is needed": ({**PAIR, "prompt": ""}, "prompt", ["a prompt; remove the row"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_pair_that_cannot_be_used_is_refused_with_column_and_remedy(case: str):
    values, column, words = REFUSED[case]
    with pytest.raises(RowError) as refused:
        preference_row(values, _recipe("DPO").columns, None)
    told = f"{refused.value.found}; {refused.value.expected}"
    assert refused.value.column == column
    assert all(word in told for word in words), told


def test_a_template_builds_the_prompt():
    recipe = _recipe("Reward", template="Q: {question}")
    row = recipe.parse_row({"question": "Is it open?", "chosen": " Yes.", "rejected": " No."}, ())
    assert row == {**PAIR, "prompt": "Q: Is it open?"}


@pytest.mark.parametrize("margin", [0.5, "0.5"])
def test_a_margin_is_a_number(margin: Any):
    assert _recipe("Reward").parse_row({**PAIR, "margin": margin}, ()) == {**PAIR, "margin": 0.5}


@pytest.mark.parametrize("margin", ["much", -1, float("nan"), True, [1]])
def test_what_is_no_margin_is_refused(margin: Any):
    with pytest.raises(RowError, match="a number of at least 0") as refused:
        _recipe("Reward").parse_row({**PAIR, "margin": margin}, ())
    assert refused.value.column == "margin"


def test_either_all_rows_have_a_margin_or_none():
    recipe, problems = _recipe("Reward"), Problems("train.jsonl", "spec.dataset.train.source")
    rows = [{**PAIR, "margin": 1.0}, PAIR]
    assert recipe.labels_of([rows[0]], problems) == recipe.labels_of([rows[1]], problems) == ()
    with pytest.raises(BadData, match="1 of 2 rows have a 'margin'; give one to every row"):
        recipe.labels_of(rows, problems)


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        ({"source": "a"}, "target", "there are source; name it in spec.dataset.columns.target"),
        ({"source": " ", "target": "b"}, "source", "a source; remove the row"),
        ({"source": "a", "target": 5}, "target", "text in quotes"),
    ],
    ids=json.dumps,
)
def test_a_row_without_source_or_target_is_refused(row: dict[str, Any], column: str, words: str):
    with pytest.raises(RowError) as refused:
        _recipe("Seq2Seq").parse_row(row, ())
    assert refused.value.column == column
    assert words in refused.value.expected


def test_sources_come_from_their_column_or_from_a_template():
    row = {"notice": "Rain.", "day": "Monday", "headline": "Wet"}
    columns = {"source": "notice", "target": "headline"}
    assert _recipe("Seq2Seq", columns=columns).parse_row(row, ()) == {"source": "Rain.", "target": "Wet"}
    templated = _recipe("Seq2Seq", columns=columns, template="{day}: {notice}").parse_row(row, ())
    assert templated == {"source": "Monday: Rain.", "target": "Wet"}
