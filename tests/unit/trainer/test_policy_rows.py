"""Rows of the tasks that learn from rewards, and settings that leave nothing to learn from."""

from typing import Any

import pytest

from finetune_api.handoff import RunRequest
from finetune_trainer.data.problems import MissingColumnError, RowError
from finetune_trainer.errors import BadData
from finetune_trainer.tasks import recipe_for
from finetune_trainer.tasks.recipe import Recipe
from finetune_trainer.tasks.rewarded.policy import refuse_too_few

ANSWER = {"name": "right", "type": "ExactAnswer", "exactAnswer": {"column": "sum"}}
JSON = {"name": "json", "type": "JSON"}
USER = {"role": "user", "content": "3 + 4?"}


def recipe(*functions: dict[str, Any], task: str = "GRPO", **dataset: Any) -> Recipe:
    request = {
        "namespace": "n",
        "name": "j",
        "uid": "u",
        "runId": "r",
        "model": {"source": "pvc://m/m"},
        "task": task,
        task.lower(): {"rewardFunctions": list(functions)},
        "dataset": {"train": {"source": "pvc://d/d.jsonl"}, **dataset},
        "output": {"destination": "pvc://o/o"},
    }
    return recipe_for(RunRequest.model_validate(request))


@pytest.mark.parametrize("task", ["PPO", "GRPO", "RLOO"])
def test_prompts_keep_what_reward_functions_compare_with(task: str):
    values = {"prompt": "3 + 4 =", "sum": 7, "more": "left out"}
    assert recipe(ANSWER, JSON, task=task).parse_row(values, ()) == {"prompt": "3 + 4 =", "answers": {"sum": "7"}}
    assert recipe(JSON, task=task).parse_row(values, ()) == {"prompt": "3 + 4 ="}


def test_a_template_makes_prompts():
    assert recipe(JSON, template="{a} + {b} =").parse_row({"a": 3, "b": 4}, ()) == {"prompt": "3 + 4 ="}


def test_chats_go_up_to_what_is_to_be_answered():
    replied = [USER, {"role": "assistant", "content": "7"}]
    assert recipe(JSON).parse_row({"messages": replied}, ()) == {"prompt": [USER]}
    assert recipe(JSON).parse_row({"messages": [USER]}, ()) == {"prompt": [USER]}


@pytest.mark.parametrize(
    ("values", "column", "expected"),
    [
        ({"question": "3 + 4 ="}, "prompt", "one that holds the prompt"),
        ({"prompt": " "}, "prompt", "a prompt; remove the row if there is none"),
        ({"prompt": "3 + 4 ="}, "sum", "one that a reward function names; there are prompt"),
        ({"prompt": "3 + 4 =", "sum": [7]}, "sum", "text or a number"),
        (
            {"messages": [{"role": "assistant", "content": "7"}], "sum": 7},
            "messages",
            "a chat with a message to reply to",
        ),
    ],
    ids=["no prompt", "blank prompt", "no answer", "a list as an answer", "nothing to reply to"],
)
def test_rows_that_cannot_be_rewarded_say_what_is_missing(values: dict[str, Any], column: str, expected: str):
    with pytest.raises((RowError, MissingColumnError)) as error:
        recipe(ANSWER).parse_row(values, ())
    assert error.value.column == column
    assert expected in error.value.expected


def test_fewer_prompts_than_are_completed_at_once_are_refused():
    refuse_too_few(4, 4)
    with pytest.raises(BadData, match="3 training prompts are too few: 4 are completed at once"):
        refuse_too_few(3, 4)
